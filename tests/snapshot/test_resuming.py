"""A reader sees a whole snapshot or the last one; what was read before a kill is not lost."""

from __future__ import annotations

import os
import signal
import socket
import stat
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import apsw
import pytest

import sessions_vtab
from sessions_vtab.emulator.serve import Running, running
from sessions_vtab.emulator.service import EmulatorSettings
from sessions_vtab.errors import BudgetError, BusyError, ConfigurationError, StoreError
from sessions_vtab.snapshot import snapshot
from tests.children import mortal
from tests.clocks import delays_last
from tests.snapshot.conftest import copied, paths_of, rows, stock
from tests.waiting import wait_for

SESSIONS, EVENTS, PAGES = 110, 300, 2

posix = pytest.mark.skipif(sys.platform == "win32", reason="there is no kill -9")


@pytest.fixture(scope="package")
def served() -> Iterator[Running]:
    """More sessions than one page, and than the first batch."""
    with running(EmulatorSettings(seed=7, sessions=SESSIONS, events=EVENTS)) as emulator:
        yield emulator


@pytest.fixture
def emulator(served: Running) -> Iterator[Running]:
    served.control.reset()
    yield served
    served.control.clear_faults()
    served.control.delay(0)


def started(url: str, path: Path) -> subprocess.Popen[bytes]:
    command = [sys.executable, "-m", "sessions_vtab", "snapshot", "--source", url, str(path)]
    return subprocess.Popen(mortal(command), stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)


def killed_after(requests: int, url: str, path: Path, emulator: Running) -> None:
    """Kills a snapshot in a process once so many requests were made; no more are answered."""
    emulator.control.reset_log()
    emulator.control.delay(1)
    with pytest.MonkeyPatch.context() as patch:
        go = delays_last(patch, after=requests)
        with started(url, path) as process:
            wait_for(lambda: emulator.log.total >= requests)
            os.kill(process.pid, signal.SIGKILL)
            assert process.wait() == -signal.SIGKILL
        go()
    emulator.control.delay(0)


def test_it_costs_one_request_a_page_and_a_list_a_session(take, db, emulator):
    db.budget.max_requests = 1  # Of a statement: a snapshot has its own.

    report = take(source=db)

    assert db.budget.max_requests == 1
    paths = paths_of(emulator)
    assert paths.count("sessions") == PAGES
    further_pages = len(paths) - PAGES - SESSIONS
    assert 0 <= further_pages <= EVENTS // 100
    assert report.requests == len(paths)


@posix
def test_a_killed_snapshot_resumes_and_equals_a_fresh_one(take, url, path, db, emulator):
    killed_after(60, url, path, emulator)
    assert not path.exists()

    report = take()

    assert report.resumed
    assert report.requests <= PAGES + SESSIONS - 32 + EVENTS // 100
    for table in ("sessions", "events"):
        assert copied(path, table) == rows(db, table)
    assert sorted(one.name for one in path.parent.iterdir()) == ["out.db"]


@posix
def test_an_incremental_one_that_is_killed_leaves_the_last_whole(take, url, path, db, emulator):
    take(overlap=0)
    before = path.read_bytes()
    for session in ("chat-0000", "chat-0004"):
        db.execute(
            "INSERT INTO events(session_id, author, content) VALUES (?, 'u', 'new')", (session,)
        )
    killed_after(3, url, path, emulator)

    assert path.read_bytes() == before

    report = take()

    assert (report.resumed, report.incremental) == (True, True)
    assert copied(path, "events") == rows(db, "events")


def test_a_reader_sees_the_last_snapshot_until_the_next_is_whole(take, path, db):
    some = {"where": "session_id < 'chat-0020'"}
    take(**some)
    ((count,),) = stock(path, "SELECT count(*) FROM sessions")
    db.execute("DELETE FROM sessions WHERE session_id = 'chat-0000'")
    seen = []

    take(**some, progress=lambda _: seen.append(stock(path, "SELECT count(*) FROM sessions")))

    assert seen
    assert all(one == [[count]] for one in seen)
    assert stock(path, "SELECT count(*) FROM sessions") == [[count - 1]]


def test_a_failing_service_leaves_what_was_read(take, url, path, emulator):
    emulator.control.fault("status", path="/chat-0108/events", status=403)

    with pytest.raises(sessions_vtab.errors.ForbiddenError):
        take()

    assert not path.exists()
    report = take()
    assert report.resumed
    assert report.requests < SESSIONS


def test_a_budget_that_cannot_be_enough_is_not_spent(take, path, emulator):
    with pytest.raises(
        BudgetError, match=rf"needs at least {SESSIONS} more requests, but may make only 48"
    ):
        take(max_requests=50)

    assert emulator.control.log()["total"] == PAGES


def test_a_budget_that_ends_midway_keeps_what_it_paid_for(take, emulator):
    state = emulator.control.dump()
    busy = max(state["vertex"]["engines"][0]["sessions"], key=lambda one: one["id"])
    busy["events"] = [{**busy["events"][0], "id": str(n)} for n in range(250)]
    emulator.control.load(state)
    with pytest.raises(BudgetError, match="kept"):
        take(max_requests=PAGES + SESSIONS)

    report = take()
    assert report.requests < SESSIONS
    assert report.rows["sessions"] == SESSIONS


def test_a_declined_snapshot_costs_only_the_list(take, path, emulator):
    asked = []

    def ask(estimate):
        asked.append((estimate.listing, estimate.sessions, estimate.requests))
        return estimate.listing

    with pytest.raises(BudgetError, match="is unchanged"):
        take(confirm=ask)

    assert asked == [(True, 0, None), (False, SESSIONS, SESSIONS)]
    assert paths_of(emulator) == ["sessions"] * PAGES
    assert not path.exists()


def test_the_second_estimate_knows_the_first(take):
    take(tables=["sessions"])
    asked = []

    take(tables=["sessions"], confirm=lambda estimate: asked.append(estimate) or True)

    assert [(one.sessions, one.requests) for one in asked] == [(SESSIONS, PAGES)]


def test_two_snapshots_do_not_write_one_file(take, path):
    def again(_) -> None:
        with pytest.raises(BusyError, match="Another snapshot"):
            snapshot("local://:memory:", path)
        refused.append(True)

    refused: list[bool] = []
    take(tables=["sessions"], progress=again)

    assert refused


def test_a_snapshot_of_another_source_is_replaced_only_with_full(take, path):
    take(tables=["sessions"])
    other = "local://:memory:"

    with pytest.raises(ConfigurationError, match="snapshot of vertex://demo"):
        snapshot(other, path)

    assert snapshot(other, path, full=True).rows["sessions"] == 0


@pytest.mark.parametrize("content", [b"some text of the user's", None])
def test_a_file_that_is_not_a_snapshot_is_left_unchanged(take, path, content):
    if content is None:
        store = sessions_vtab.connect(f"local://{path}")
        store.execute("INSERT INTO sessions(user_id) VALUES ('ann')")
        store.close()
    else:
        path.write_bytes(content)
    before = path.read_bytes()

    with pytest.raises(StoreError, match="left unchanged"):
        take(tables=["sessions"])

    assert path.read_bytes() == before
    assert [one.name for one in path.parent.iterdir()] == ["out.db"]


def test_an_empty_file_is_taken(take, path):
    path.touch()

    assert take(tables=["sessions"]).rows == {"sessions": SESSIONS}


def test_a_store_is_not_replaced_by_its_own_copy(path):
    sessions_vtab.connect(f"local://{path}").execute("INSERT INTO sessions(user_id) VALUES ('a')")

    with pytest.raises(ConfigurationError, match="the source itself"):
        snapshot(f"local://{path}", path)


@pytest.mark.parametrize("name", ["nowhere/out.db", "file/out.db"])
def test_a_missing_folder_is_reported(take, tmp_path, name):
    (tmp_path / "file").touch()

    with pytest.raises(StoreError, match="needs an existing, writable folder"):
        take(path=tmp_path / name)


def test_a_damaged_work_file_is_made_again(take, path):
    path.with_name("out.db.partial").write_bytes(b"x" * 5_000)

    report = take(tables=["sessions"])

    assert not report.resumed
    assert report.rows == {"sessions": SESSIONS}


def test_a_full_disk_is_reported_and_the_rows_read_are_kept(take, path, monkeypatch):
    take(tables=["sessions"])
    before = path.read_bytes()
    real = apsw.Connection

    class Small(real):
        def __init__(self, *arguments, **options) -> None:
            super().__init__(*arguments, **options)
            if str(arguments[0]).endswith(".partial"):
                self.pragma("max_page_count", 40)

    monkeypatch.setattr(apsw, "Connection", Small)

    with pytest.raises(StoreError, match="disk is full"):
        take(full=True)

    assert path.read_bytes() == before


def test_an_unfinished_file_cannot_be_a_source(take, path):
    take(tables=["sessions"])
    connection = apsw.Connection(str(path))
    connection.execute("UPDATE _snapshot SET complete = 0")
    connection.close()

    with pytest.raises(StoreError, match="is an unfinished snapshot"):
        sessions_vtab.connect(f"local://{path}")


# Ends without closing: the -wal file stays.
_OPENED_IN_WAL_MODE = """
import os, sqlite3, sys
connection = sqlite3.connect(sys.argv[1])
connection.execute("PRAGMA journal_mode = wal")
connection.execute("CREATE VIEW mine AS SELECT 1")
print("ready", flush=True)
input()
os._exit(0)
"""


def test_what_another_program_left_beside_the_file_does_not_reach_the_next(take, path, db):
    """A ``-wal`` file of the old snapshot would be applied to the new one."""
    take(tables=["sessions"])
    with subprocess.Popen(
        [sys.executable, "-c", _OPENED_IN_WAL_MODE, str(path)],
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        encoding="utf-8",
    ) as process:
        assert process.stdout is not None
        assert process.stdout.readline() == "ready\n"
        with pytest.raises(BusyError, match="another program is using this file"):
            take(tables=["sessions"])
        process.communicate("\n")
    assert path.with_name("out.db-wal").exists()
    report = take(tables=["sessions"])

    assert report.resumed
    assert copied(path, "sessions") == rows(db, "sessions")
    assert stock(path, "PRAGMA integrity_check") == [["ok"]]


def _pipe(path):
    os.mkfifo(path)


def _socket(path):
    with socket.socket(socket.AF_UNIX) as server:
        server.bind(str(path))


@pytest.mark.parametrize("ending", ["", ".partial", ".lock"])
@pytest.mark.parametrize(
    ("make", "kind"), [(_pipe, "named pipe"), (_socket, "socket"), (Path.mkdir, "folder")]
)
def test_what_is_no_regular_file_is_left_alone(
    take, tmp_path, monkeypatch, emulator, make, kind, ending
):
    monkeypatch.chdir(tmp_path)  # The path of a socket has to be short.
    place = Path(f"out.db{ending}")
    make(place)
    before = place.stat()

    with pytest.raises(StoreError, match=f"out.db{ending} is a {kind}, not a regular file"):
        take(path="out.db")

    assert (place.stat().st_ino, place.stat().st_mode) == (before.st_ino, before.st_mode)
    assert paths_of(emulator) == []
    assert not Path("out.db.partial").is_file()


@pytest.mark.skipif(not Path("/dev/stdout").exists(), reason="has no such name")
@pytest.mark.parametrize("name", ["/dev/stdout", "/dev/null"])
def test_a_device_is_left_alone(url, name):
    done = subprocess.run(
        [sys.executable, "-m", "sessions_vtab", "snapshot", name, "--source", url],
        capture_output=True,
        text=True,
        check=False,
    )

    assert done.returncode == 1
    assert "not a regular file. It was left unchanged." in done.stderr
    assert stat.S_ISCHR(Path("/dev/null").stat().st_mode)


def test_a_link_to_a_pipe_is_one(take, tmp_path):
    _pipe(tmp_path / "pipe")
    (tmp_path / "out.db").symlink_to(tmp_path / "pipe")

    with pytest.raises(StoreError, match="named pipe"):
        take()
