"""vertex over the emulator in a process of its own, 50 ms added to each answer.

    python tests/benchmarks/bench_vertex.py [--sessions 10000] [--memory]

Prints each shape's time as a ratio to its ideal (round trips of 50 ms, 16 under way) and to the same
work done one request after another with httpx. Ratios of one run can be compared; seconds cannot.
"""

from __future__ import annotations

import argparse
import re
import resource
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from math import ceil

import httpx

import sessions_vtab
from sessions_vtab.emulator.client import Control

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


@contextmanager
def emulator() -> Iterator[Emulator]:
    """An emulator in a process of its own, on a free port."""
    command = [sys.executable, "-u", "-m", "sessions_vtab", "emulator", "--port", "0"]
    with subprocess.Popen(command, stdout=subprocess.PIPE, encoding="utf-8") as process:
        assert process.stdout is not None
        text = ""
        while "token" not in text.lower():
            text += process.stdout.readline()
        url = re.search(r"http://[\d.]+:\d+", text)
        token = re.search(r"[Tt]oken:?\s+(\S+)", text)
        assert url, text
        assert token, text
        try:
            yield Emulator(url[0], Control(url[0], token[1]))
        finally:
            process.terminate()


def main() -> None:
    """Runs every shape."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--sessions", type=int, default=10_000)
    parser.add_argument("--memory", action="store_true", help="also stream 200 000 events")
    options = parser.parse_args()
    with emulator() as one:
        _join(one)
        _rescans(one)
        _appends(one)
        _scan(one, options.sessions)
        if options.memory:
            _memory(one)


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
        db = one.connect()
        elapsed, requests = one.time(lambda db=db, sql=sql: db.execute(sql).fetchall())
        db.close()
        _report(title, elapsed, ideal, naive, requests)


def _sequential_join(url: str) -> None:
    with httpx.Client(base_url=f"{url}/v1beta1/{_ENGINE}", trust_env=False) as client:
        for item in _pages(client, {"filter": 'user_id="joiner"'}):
            name = item["name"].rsplit("/", 1)[1]
            client.get(f"/sessions/{name}/events").raise_for_status()


def _pages(client: httpx.Client, query: dict[str, str]) -> Iterator[dict[str, str]]:
    token = ""
    while True:
        answer = client.get("/sessions", params={**query, "pageToken": token}).json()
        yield from answer.get("sessions", [])
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
        plain = _Cpu(lambda: sum(1 for _ in _pages(client, {})))
        chain, pages = one.time(plain.run)
        plain.run()
    db = one.connect()
    scan = _Cpu(lambda: sum(1 for _ in db.execute("SELECT * FROM sessions")))
    elapsed, requests = one.time(scan.run)
    _report(f"full scan of {sessions} sessions", elapsed, pages * _DELAY / 2, chain, requests)
    scan.run()
    db.close()
    places = ("with 50 ms to wait", "without")
    for place, ours, theirs in zip(places, scan.seconds, plain.seconds, strict=True):
        print(
            f"{'':32} CPU of a page of 100 {place}: {ours / pages * 1000:.2f} ms,"
            f" {ours / theirs:.2f} x httpx and json alone"
        )


@dataclass
class _Cpu:
    """CPU seconds of this process for each run of some work."""

    work: Callable[[], object]
    seconds: list[float] = field(default_factory=list)

    def run(self) -> None:
        before = time.process_time()
        self.work()
        self.seconds.append(time.process_time() - before)


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


def _report(title: str, elapsed: float, ideal: float, naive: float | None, requests: int) -> None:
    against = "" if naive is None else f", {elapsed / naive:5.2f} x one after another"
    print(f"{title:32} {elapsed / ideal:5.2f} x ideal{against}, {requests} requests")


if __name__ == "__main__":
    main()
