"""A process that ends, a host that forks or is killed, and a user who stops what runs."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
import threading
from collections.abc import Iterator
from contextlib import suppress
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest

from tests.clocks import delays_last
from tests.extension.conftest import Host, end_process, pid_of, processes, runs
from tests.waiting import once, wait_for

INSERT = "INSERT INTO prod.sessions(session_id, user_id) VALUES ('{}', 'zed')"
LOOKUP = "SELECT count(*) FROM prod.sessions WHERE user_id = 'nobody'"
EACH = (
    "SELECT (SELECT count(*) FROM prod.events e WHERE e.session_name = s.name) FROM prod.sessions s"
)
_NEEDED = 31
"""Requests of that, if nobody stops it; 16 at most are under way at a time."""
SCAN = "SELECT count(*), count(text) FROM prod.events"


@pytest.fixture
def slow(both: SimpleNamespace, monkeypatch: pytest.MonkeyPatch) -> Iterator[SimpleNamespace]:
    """The emulator; from ``begin`` on it answers two requests, and the others after ``go``."""
    control = both.emulator.control

    def begin() -> None:
        one.go = delays_last(monkeypatch, after=2)
        control.delay(1)
        control.reset_log()

    one = SimpleNamespace(control=control, begin=begin)
    yield one
    one.go()
    control.delay(0)


@pytest.fixture
def db(both: SimpleNamespace, some_host: Host) -> Iterator[Any]:
    both.emulator.control.reset()
    connection = some_host.connect()
    yield connection
    connection.close()


@pytest.fixture
def each(both: SimpleNamespace, inner_host: Host) -> Iterator[Any]:
    """A connection of each host in this process."""
    both.emulator.control.reset()
    connection = inner_host.connect()
    yield connection
    connection.close()


# A process that ends


def test_a_scan_whose_process_ends_fails_and_the_next_has_another(
    db: Any, some_host: Host, slow: Any
) -> None:
    db.execute(LOOKUP).fetchall()
    first = pid_of(db)
    slow.begin()

    with (
        once(lambda: len(slow.control.requests()) > 2, lambda: os.kill(first, signal.SIGKILL)),
        pytest.raises(some_host.error, match=f"process {first} was killed by signal 9"),
    ):
        db.execute(SCAN).fetchall()
    slow.go()

    # Also a statement that was prepared for the one that ended.
    assert db.execute(LOOKUP).fetchall() == [(0,)]
    assert pid_of(db) != first
    assert len(processes()) == 1


def test_rows_that_wait_are_lost_with_an_error_and_the_hosts_own_with_them(
    db: Any, some_host: Host, both: SimpleNamespace
) -> None:
    db.execute("CREATE TABLE own(a)")
    both.emulator.control.reset_log()
    db.execute("BEGIN")
    db.execute("INSERT INTO own VALUES (1)")
    db.execute(INSERT.format("a"))
    end_process(db)

    with pytest.raises(some_host.error):
        db.execute("COMMIT")

    assert not db.in_transaction
    assert db.execute("SELECT count(*) FROM own").fetchall() == [(0,)]
    assert both.emulator.control.requests() == []
    db.execute(INSERT.format("a"))
    assert len(both.emulator.control.requests("POST")) == 1


@pytest.mark.parametrize("then", [INSERT.format("b"), "SAVEPOINT s", "COMMIT"])
def test_a_new_process_does_not_go_on_with_a_transaction_of_the_old(
    db: Any, some_host: Host, both: SimpleNamespace, then: str
) -> None:
    both.emulator.control.reset_log()
    db.execute("BEGIN")
    db.execute(INSERT.format("a"))
    end_process(db)
    with pytest.raises(some_host.error, match="was killed by signal 9"):
        db.execute(LOOKUP).fetchall()
    db.execute(LOOKUP).fetchall()

    # SQLite does not pass on what is said of a savepoint.
    message = "I/O error" if then == "SAVEPOINT s" else "ended inside this transaction"
    with pytest.raises(some_host.error, match=message):
        db.execute(then)
    if db.in_transaction:
        db.execute("ROLLBACK")

    assert both.emulator.control.requests("POST") == []
    db.execute("BEGIN")
    db.execute(INSERT.format("c"))
    db.execute("COMMIT")
    assert len(both.emulator.control.requests("POST")) == 1


def test_a_rollback_needs_no_process(db: Any, some_host: Host, both: SimpleNamespace) -> None:
    db.execute("BEGIN")
    db.execute(INSERT.format("a"))
    end_process(db)

    db.execute("ROLLBACK")

    assert not db.in_transaction
    with suppress(some_host.error):  # The first finds that it has ended.
        db.execute(LOOKUP).fetchall()
    assert db.execute(LOOKUP).fetchall() == [(0,)]
    assert both.emulator.control.requests("POST") == []


# A user who stops


def test_a_scan_stops_when_it_is_interrupted(each: Any, inner_host: Host, slow: Any) -> None:
    each.execute(LOOKUP).fetchall()
    before = pid_of(each)
    slow.begin()

    with (
        once(lambda: len(slow.control.requests()) > 2, each.interrupt),
        pytest.raises(inner_host.error, match=r"(?i)interrupt"),
    ):
        each.execute(EACH).fetchall()

    slow.go()
    assert each.execute(LOOKUP).fetchall() == [(0,)]
    assert len(slow.control.requests()) < _NEEDED
    assert pid_of(each) == before


def test_a_progress_handler_is_asked_while_a_service_is_waited_for(
    each: Any, inner_host: Host, slow: Any
) -> None:
    """Datasette's time limit."""
    each.execute(LOOKUP).fetchall()
    slow.begin()
    each.set_progress_handler(lambda: len(slow.control.requests()) > 2, 100)

    with pytest.raises(inner_host.error, match=r"(?i)interrupt"):
        each.execute(EACH).fetchall()

    each.set_progress_handler(None, 0)
    slow.go()
    assert each.execute(LOOKUP).fetchall() == [(0,)]
    assert len(slow.control.requests()) < _NEEDED


def test_a_commit_that_is_interrupted_sends_no_more(
    each: Any, inner_host: Host, both: SimpleNamespace
) -> None:
    control = both.emulator.control
    each.execute(INSERT.format("s"))
    each.execute("CREATE TABLE own(a)")
    control.reset_log()
    each.execute("BEGIN")
    each.execute("INSERT INTO own VALUES (1)")
    for place in range(200):
        each.execute(
            "INSERT INTO prod.events(session_id, author, content) VALUES ('s', 'user', ?)",
            (str(place),),
        )

    # Appends to one session are sent one after another; nothing outside says when the process has
    # heard of the interrupt: half of them would take ten seconds.
    control.delay(0.1)
    with (
        once(lambda: len(control.requests("POST")) > 1, each.interrupt),
        pytest.raises(inner_host.error, match=r"(?i)interrupt"),
    ):
        each.execute("COMMIT")

    control.delay(0)

    sent = len(control.requests("POST"))
    assert sent < 100
    assert not each.in_transaction
    assert each.execute("SELECT count(*) FROM own").fetchall() == [(0,)]
    outcomes = dict(each.execute(
        "SELECT outcome, count(*) FROM writes WHERE \"table\" = 'events' GROUP BY 1"
    ).fetchall())  # fmt: skip
    assert outcomes.get("not sent", 0) >= 100


# What is left behind


def _descriptors(pid: int | str) -> int:
    return len(list(Path(f"/proc/{pid}/fd").iterdir()))


def _threads(pid: int) -> int:
    return len(list(Path(f"/proc/{pid}/task").iterdir()))


def _resources() -> tuple[int, int, int]:
    """Open files of this process, the extension's processes, threads."""
    return _descriptors("self"), len(processes()), threading.active_count()


@pytest.mark.skipif(not Path("/proc/self/fd").exists(), reason="there is no /proc")
def test_many_connections_leave_nothing(both: SimpleNamespace, some_host: Host) -> None:
    one = some_host.connect()
    pid = pid_of(one)
    before = _resources()
    inside = _descriptors(pid), _threads(pid)

    for _ in range(3):
        several = [some_host.connect() for _ in range(8)]
        for db in several:
            db.execute("SELECT count(*) FROM sessions").fetchall()
            db.close()

    # Fewer are no fault: the emulator, in this process, ends connections that are idle.
    wait_for(lambda: all(now <= then for now, then in zip(_resources(), before, strict=True)))
    wait_for(lambda: _descriptors(pid) <= inside[0] and _threads(pid) <= inside[1])
    one.close()


def test_connections_of_several_threads_do_not_mix(both: SimpleNamespace, inner_host: Host) -> None:
    start = inner_host.connect()
    ids = [one for (one,) in start.execute("SELECT session_id FROM prod.sessions").fetchall()]
    bad: list[object] = []

    def look_up(offset: int) -> None:
        db = inner_host.connect()
        for one in ids[offset:] + ids[:offset]:
            rows = db.execute(
                "SELECT session_id FROM prod.sessions WHERE session_id = ?", (one,)
            ).fetchall()
            if rows != [(one,)]:
                bad.append((one, rows))
        db.close()

    threads = [threading.Thread(target=look_up, args=(7 * k,)) for k in range(4)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()

    assert bad == []
    start.close()


# Hosts that fork, and hosts that are killed

_OPENED = """
import os, sys, apsw
def connect():
    db = apsw.Connection(":memory:")
    db.enable_load_extension(True)
    db.load_extension(sys.argv[1])
    return db
def pid(db):
    return db.execute("SELECT pid FROM sessions_vtab_info()").get
db = connect()
def ask(db):
    return db.execute("SELECT count(*) FROM prod.sessions").get
"""

_FORKS = (
    _OPENED
    + """
parent = ask(db), pid(db)
db.execute("BEGIN")
db.execute("INSERT INTO prod.sessions(session_id, user_id) VALUES ('forked', 'zed')")
other = os.fork()
if other == 0:
    # The transaction is the parent's; a connection of its own has a process of its own.
    try:
        db.execute("COMMIT")
    except apsw.Error as error:
        assert "ended inside" in str(error) or "lost" in str(error), error
    else:
        os._exit(3)
    mine = connect()
    os._exit(0 if (ask(mine), pid(mine) != parent[1]) == (30, True) else 4)
_, status = os.waitpid(other, 0)
db.execute("COMMIT")
print(os.waitstatus_to_exitcode(status), ask(db) - parent[0], pid(db) == parent[1])
"""
)


def test_a_forked_host_has_a_process_of_its_own(both: SimpleNamespace, library: Path) -> None:
    both.emulator.control.reset()

    shown = subprocess.check_output([sys.executable, "-c", _FORKS, str(library)], text=True)

    assert shown.split() == ["0", "1", "True"]


_WAITS = _OPENED + "print(ask(db), pid(db), flush=True)\nsys.stdin.read()\n"


@pytest.mark.parametrize("end", [signal.SIGKILL, signal.SIGTERM, None])
def test_the_process_ends_with_its_host(
    both: SimpleNamespace, library: Path, end: signal.Signals | None
) -> None:
    command = [sys.executable, "-c", _WAITS, str(library)]
    with subprocess.Popen(
        command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True
    ) as host:
        assert host.stdout is not None
        _, pid = map(int, host.stdout.readline().split())
        if end is not None:
            host.send_signal(end)

    wait_for(lambda: not runs(pid))


def test_a_signal_of_the_terminal_is_the_hosts_business(
    both: SimpleNamespace, some_host: Host
) -> None:
    db = some_host.connect()

    assert os.getpgid(pid_of(db)) != os.getpgid(0)

    db.close()
