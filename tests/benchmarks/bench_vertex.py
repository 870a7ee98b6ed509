"""vertex over the emulator in a process of its own, 50 ms added to each answer.

    python -m tests.benchmarks.bench_vertex [--sessions 10000] [--memory] [--cpu] [--rounds 9]

Prints each shape's time as a ratio to its ideal (round trips of 50 ms, 16 under way) and to the same
work done one request after another with httpx. Then, without a delay, the CPU time of this process
as a ratio to a bare loop of httpx and json that sends the same requests; the two take turns, so that
a busy machine slows both. Ratios of one run can be compared; seconds cannot. ``--cpu``: only that.
"""

from __future__ import annotations

import argparse
import os
import resource
import statistics
import subprocess
import sys
import tempfile
import time
import tracemalloc
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from math import ceil

import httpx

import sessions_vtab
from sessions_vtab.emulator.control import Control
from tests.benchmarks.served import emulator

_DELAY = 0.05
_WINDOW = 16
_ENGINE = "projects/demo/locations/us-central1/reasoningEngines/42"


@dataclass
class Emulator:
    """A running emulator."""

    url: str
    control: Control

    def connect(self) -> sessions_vtab.Connection:
        """A new connection to it."""
        return sessions_vtab.connect(f"vertex://demo/us-central1/42?base_url={self.url}")

    def time(self, run: Callable[[], object]) -> tuple[float, int]:
        """Seconds and requests of a run, with the delay in force."""
        self.control.delay(_DELAY)
        self.control.reset_log()
        started = time.perf_counter()
        run()
        elapsed = time.perf_counter() - started
        total = self.control.log()["total"]
        self.control.delay(0)
        return elapsed, total


def main() -> None:
    """Runs every shape."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--sessions", type=int, default=10_000)
    parser.add_argument("--memory", action="store_true", help="also stream 200 000 events")
    parser.add_argument("--cpu", action="store_true", help="only the CPU time")
    parser.add_argument("--rounds", type=int, default=9, help="of the CPU time")
    options = parser.parse_args()
    with emulator() as served:
        one = Emulator(*served)
        if not options.cpu:
            _join(one)
            _rescans(one)
            _appends(one)
            _scan(one, options.sessions)
        _cpu(one, options.rounds)
        _start_up(options.rounds)
        if options.memory:
            _memory(one)
            _memory_of_a_join(one)


def _fill(one: Emulator, sessions: int, events: int, user: str) -> None:
    db = one.connect()
    db.budget.max_writes = db.budget.max_requests = 10_000_000
    names = [(f"{user}-{number}", user, f"n{number % 5}") for number in range(sessions)]
    db.executemany("INSERT INTO sessions(session_id, user_id, display_name) VALUES (?,?,?)", names)
    rows = [(name, "user", f"message {number}") for name, *_ in names for number in range(events)]
    db.executemany("INSERT INTO events(session_id, author, content) VALUES (?,?,?)", rows)
    db.close()


def _join(one: Emulator) -> None:
    one.control.reset(empty=True)
    _fill(one, 200, 2, "joiner")
    _fill(one, 50, 1, "other")
    join = "SELECT count(*) FROM sessions s JOIN events e ON e.session_id = s.session_id"
    ideal = (2 + ceil(200 / _WINDOW)) * _DELAY
    naive = one.time(lambda: _sequential_join(one.url))[0]
    shapes = {
        "join of 200 sessions": f"{join} WHERE s.user_id = 'joiner'",
        "the same, 40 of 200 pass": f"{join} WHERE s.user_id = 'joiner' AND +s.display_name = 'n0'",
        "the same, LIMIT 5": "SELECT e.text FROM sessions s JOIN events e"
        " ON e.session_id = s.session_id WHERE s.user_id = 'joiner' LIMIT 5",
    }
    for title, sql in shapes.items():
        runs = []
        for _ in range(5):  # The first of a process also imports what a join needs.
            db = one.connect()
            runs.append(one.time(lambda db=db, sql=sql: db.execute(sql).fetchall()))
            db.close()
        elapsed, requests = statistics.median_low(runs)
        _report(title, elapsed, ideal, naive, requests)


def _sequential_join(url: str) -> None:
    with httpx.Client(base_url=f"{url}/v1beta1/{_ENGINE}", trust_env=False) as client:
        for item in _pages(client, {"filter": 'user_id="joiner"'}):
            name = item["name"].rsplit("/", 1)[1]
            client.get(f"/sessions/{name}/events").raise_for_status()


def _pages(
    client: httpx.Client, query: dict[str, str], path: str = "/sessions"
) -> Iterator[dict[str, str]]:
    token = ""
    while True:
        answer = client.get(path, params={**query, "pageToken": token}).json()
        yield from answer.get("sessions", answer.get("sessionEvents", []))
        token = answer.get("nextPageToken", "")
        if not token:
            return


def _rescans(one: Emulator) -> None:
    one.control.reset(empty=True)
    _fill(one, 300, 0, "twin")
    db = one.connect()
    sql = "SELECT count(*) FROM sessions a LEFT JOIN sessions b ON b.create_time = a.create_time"
    elapsed, requests = one.time(lambda: db.execute(sql).fetchall())
    db.close()
    _report("rescan of 300 x 300 rows", elapsed, 3 * _DELAY, None, requests)


def _appends(one: Emulator) -> None:
    one.control.reset(empty=True)
    _fill(one, 50, 0, "writer")
    db = one.connect()
    rows = [(f"writer-{number % 50}", f"message {number}") for number in range(1_000)]
    sql = "INSERT INTO events(session_id, author, content) VALUES (?, 'user', ?)"
    elapsed, requests = one.time(lambda: db.executemany(sql, rows))
    db.close()
    ideal = max(1_000 / 50, 1_000 / _WINDOW) * _DELAY
    _report("1 000 appends to 50 sessions", elapsed, ideal, 1_000 * _DELAY, requests)


def _scan(one: Emulator, sessions: int) -> None:
    one.control.reset(empty=True)
    _fill(one, sessions, 0, "many")
    with httpx.Client(base_url=f"{one.url}/v1beta1/{_ENGINE}", trust_env=False) as client:
        chain, pages = one.time(lambda: sum(1 for _ in _pages(client, {})))
    db = one.connect()
    scan = "SELECT * FROM sessions"
    elapsed, requests = one.time(lambda: sum(1 for _ in db.execute(scan)))
    db.close()
    _report(f"full scan of {sessions} sessions", elapsed, pages * _DELAY / 2, chain, requests)


@dataclass(frozen=True)
class _Rival:
    """Work in two forms, of which the CPU time is compared.

    Attributes:
        title: what it is.
        aim: the ratio it should not exceed.
        times: how often it is done in a round.
        ours: as a statement of this package.
        bare: the same requests with httpx and json alone.
    """

    title: str
    aim: float
    times: int
    ours: Callable[[], object]
    bare: Callable[[], object]


def _cpu(one: Emulator, rounds: int) -> None:
    """CPU time against the same requests with httpx and json alone, on the seeded data."""
    one.control.reset(seed=7)
    db = one.connect()
    with httpx.Client(base_url=f"{one.url}/v1beta1/{_ENGINE}", trust_env=False) as client:
        for rival in _rivals(db, client):
            _compare(rival, rounds)
    db.close()


def _rivals(db: sessions_vtab.Connection, client: httpx.Client) -> Iterator[_Rival]:
    def run(sql: str, *bindings: str) -> Callable[[], object]:
        return lambda: db.execute(sql, bindings).fetchall()

    def pages() -> None:
        for _ in _pages(client, {"pageSize": "100"}):
            pass

    def events() -> None:
        for item in _pages(client, {"pageSize": "100"}):
            session = item["name"].rsplit("/", 1)[1]
            for _ in _pages(client, {"pageSize": "100"}, f"/sessions/{session}/events"):
                pass

    found = str(db.execute("SELECT session_id FROM sessions LIMIT 1").fetchall()[0][0])
    three = "SELECT session_id, user_id, create_time FROM sessions"
    join = "SELECT count(*) FROM sessions s JOIN events e ON e.session_id = s.session_id"
    point = run("SELECT * FROM sessions WHERE session_id = ?", found)
    yield _Rival("scan, all columns", 1.9, 20, run("SELECT * FROM sessions"), pages)
    yield _Rival("scan, 3 columns", 1.4, 20, run(three), pages)
    yield _Rival("join, each session's events", 1.4, 1, run(join), events)
    yield _Rival("point lookup", 1.3, 200, point, lambda: client.get(f"/sessions/{found}").json())


def _compare(rival: _Rival, rounds: int) -> None:
    """Prints the ratio of the medians, and of the rounds that were disturbed least."""
    both = _cpu_seconds(rival.ours, rival.times), _cpu_seconds(rival.bare, rival.times)
    next(both[0]), next(both[1])  # The first time is for imports and connections.
    seconds = [(next(both[0]), next(both[1])) for _ in range(rounds)]
    ours, bare = zip(*seconds, strict=True)
    median, least = (of(ours) / of(bare) for of in (statistics.median, min))
    print(f"CPU: {rival.title:27} {median:5.2f} x bare (least: {least:.2f}); aim {rival.aim:.2f}")


def _start_up(rounds: int) -> None:
    """CPU time of a process that does as good as nothing, both from compiled files."""
    ours = ("-m", "sessions_vtab", "query", "--source", "local://:memory:", "select 1")
    bare = ("-m", "apsw", ":memory:", "select 1")
    with tempfile.TemporaryDirectory() as folder:
        environment = {**os.environ, "PYTHONPYCACHEPREFIX": folder}
        environment.pop("PYTHONDONTWRITEBYTECODE", None)

        def start(arguments: Sequence[str]) -> Callable[[], object]:
            command = [sys.executable, *arguments]
            return lambda: subprocess.run(
                command, check=True, stdout=subprocess.DEVNULL, env=environment
            )

        _compare(_Rival('query "select 1"', 1.5, 1, start(ours), start(bare)), rounds)


def _cpu_seconds(work: Callable[[], object], times: int) -> Iterator[float]:
    """CPU seconds of this process and of those it has waited for, for each round of some work."""
    while True:
        before = _cpu_now()
        for _ in range(times):
            work()
        yield _cpu_now() - before


def _cpu_now() -> float:
    # Not os.times(), which counts in hundredths of a second.
    used = [resource.getrusage(whose) for whose in (resource.RUSAGE_SELF, resource.RUSAGE_CHILDREN)]
    return sum(one.ru_utime + one.ru_stime for one in used)


def _memory(one: Emulator) -> None:
    one.control.reset(empty=True)
    _fill(one, 200, 1_000, "big")
    db = one.connect()
    db.budget.max_requests = 1_000_000
    next(iter(db.execute("SELECT * FROM events LIMIT 100")))
    before = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
    read = sum(1 for _ in db.execute("SELECT * FROM events"))
    grown = (resource.getrusage(resource.RUSAGE_SELF).ru_maxrss - before) / 1024
    db.close()
    print(f"{f'stream of {read} events':32} {grown:.1f} MiB more at the peak")


def _memory_of_a_join(one: Emulator) -> None:
    one.control.reset(empty=True)
    _fill(one, 2_000, 20, "joiner")
    db = one.connect()
    join = "SELECT e.text FROM sessions s JOIN events e ON e.session_id = s.session_id"
    tracemalloc.start()
    read = sum(1 for _ in db.execute(join))
    peak = tracemalloc.get_traced_memory()[1] / 1024**2
    tracemalloc.stop()
    db.close()
    print(f"{f'join with {read} events':32} {peak:.1f} MiB of Python objects at the peak")


def _report(title: str, elapsed: float, ideal: float, naive: float | None, requests: int) -> None:
    against = "" if naive is None else f", {elapsed / naive:5.2f} x one after another"
    print(f"{title:32} {elapsed / ideal:5.2f} x ideal{against}, {requests} requests")


if __name__ == "__main__":
    main()
