"""Several processes on one file, and one that dies."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
import time

import pytest

_WRITER = """
import sys
from sessions_vtab.backends.local import LocalBackend
from sessions_vtab.contract.backend import Action, Write

path, who, transactions, size = sys.argv[1], sys.argv[2], int(sys.argv[3]), int(sys.argv[4])

class Context:
    statement = 1
    def interrupted(self): return False

backend = LocalBackend(path)
number = 0

def insert(table, **values):
    global number
    number += 1
    backend.apply(Write(number, 1, table, Action.INSERT, None, values, returning=False), Context())

for transaction in range(transactions):
    backend.transaction.begin()
    if transaction == 0:
        insert("sessions", session_id=who)
    for _ in range(size):
        insert("events", session_id="shared", author=who, content=f"{transaction}")
        insert("events", session_id=who, author=who, content=f"{transaction}")
    backend.transaction.commit()
    print(transaction, flush=True)
backend.close()
"""


def writer(path, who, transactions, size):
    return subprocess.Popen(
        [sys.executable, "-c", _WRITER, str(path), who, str(transactions), str(size)],
        stdout=subprocess.PIPE,
        text=True,
    )


def test_writers_at_once_lose_nothing(open_store, path):
    open_store().create("shared")
    processes = [writer(path, f"p{number}", 15, 10) for number in range(3)]
    for process in processes:
        process.communicate(timeout=280)
        assert process.returncode == 0
    store = open_store()
    assert len(store.rows("sessions")) == 4
    ids = store.values("events", "name")
    assert len(ids) == len(set(ids)) == 3 * 15 * 10 * 2
    of_shared = sorted(
        int(event_id)
        for session_id, event_id in store.rows("events", columns=("session_id", "event_id"))
        if session_id == "shared"
    )
    assert of_shared == list(range(1, 3 * 15 * 10 + 1))


def test_processes_may_create_the_file_at_once(path, open_store):
    code = (
        "import sys; from sessions_vtab.backends.local import LocalBackend;"
        " backend = LocalBackend(sys.argv[1]); backend.transaction.begin();"
        " backend.transaction.commit(); backend.close()"
    )
    processes = [subprocess.Popen([sys.executable, "-c", code, str(path)]) for _ in range(4)]
    assert [process.wait(60) for process in processes] == [0, 0, 0, 0]
    assert open_store().rows("sessions") == []


@pytest.mark.skipif(not hasattr(signal, "SIGKILL"), reason="no kill -9 here")
@pytest.mark.parametrize("moment", [0.0, 0.05, 0.15])
def test_a_killed_writer_leaves_whole_transactions(open_store, path, moment):
    first = open_store()
    first.create("shared")
    first.close()
    process = writer(path, "victim", 100_000, 200)
    reported = [process.stdout.readline()]
    time.sleep(moment)
    os.kill(process.pid, signal.SIGKILL)
    rest, _ = process.communicate(timeout=60)
    reported += rest.splitlines()
    store = open_store()
    assert store.sql("PRAGMA integrity_check") == [("ok",)]
    assert store.sql("PRAGMA foreign_key_check") == []
    counts: dict[str, int] = {}
    for text in store.values("events", "text"):
        counts[text] = counts.get(text, 0) + 1
    assert set(counts.values()) == {400}
    # The last commit may have happened before it was reported.
    assert len(counts) - len(reported) in {0, 1}
    store.append("victim")
