"""``split`` and ``read`` over the emulator in a process of its own, 50 ms added to each answer.

    python -m tests.benchmarks.bench_scan [--sessions 320] [--rounds 3]

Prints, for 1 to 8 tasks with one request under way each, and for one process with 16 under way, the
time of reading the events of all sessions as a ratio to its ideal: the round trips of 50 ms that
have to follow one another. The tasks are processes that have read once before.
"""

from __future__ import annotations

import argparse
import multiprocessing
import statistics
import time
from collections.abc import Callable
from functools import partial
from math import ceil
from multiprocessing.pool import Pool
from typing import Final

import sessions_vtab
from sessions_vtab import scanning
from sessions_vtab.emulator.control import Control
from tests.benchmarks.served import emulator

_DELAY: Final = 0.05
_PAGE: Final = 100
_TASKS: Final = (1, 2, 4, 8)


def main() -> None:
    """Fills the emulator and prints the table."""
    arguments = argparse.ArgumentParser(description=__doc__)
    arguments.add_argument("--sessions", type=int, default=320)
    arguments.add_argument("--rounds", type=int, default=3)
    options = arguments.parse_args()
    with emulator() as (url, control):
        source = f"vertex://demo/us-central1/42?base_url={url}"
        _fill(source, options.sessions)
        report = partial(_report, options.sessions, options.rounds, control)
        for tasks in _TASKS:
            with multiprocessing.get_context("spawn").Pool(tasks) as pool:
                one_each = partial(
                    _in_tasks, pool, f"{source}&concurrency=1", options.sessions, tasks
                )
                report(f"{tasks} tasks, 1 under way each", tasks, one_each)
        report("1 process, 16 under way", 16, lambda: _here(source, options.sessions))


def _fill(source: str, sessions: int) -> None:
    with sessions_vtab.connect(source) as db:
        db.budget.max_writes = db.budget.max_requests = 1_000_000
        names = [(f"s{number}",) for number in range(sessions)]
        db.executemany("INSERT INTO sessions(session_id, user_id) VALUES (?, 'ann')", names)
        rows = [(name, f"message {number}") for (name,) in names for number in range(3)]
        db.executemany("INSERT INTO events(session_id, author, content) VALUES (?,'user',?)", rows)


def _in_tasks(pool: Pool, source: str, sessions: int, tasks: int) -> int:
    return sum(pool.map(_read, scanning.split(source, "events", size=ceil(sessions / tasks)), 1))


def _here(source: str, sessions: int) -> int:
    return sum(map(_read, scanning.split(source, "events", size=sessions)))


def _read(part: scanning.Part) -> int:
    return int(scanning.read(part, ["session_id", "text"]).read_all().num_rows)


def _report(
    sessions: int,
    rounds: int,
    control: Control,
    title: str,
    under_way: int,
    read: Callable[[], int],
) -> None:
    assert read() == 3 * sessions
    control.delay(_DELAY)
    control.reset_log()
    took = statistics.median(_seconds(read) for _ in range(rounds))
    requests = control.log()["total"] // rounds
    control.delay(0)
    ideal = (ceil(sessions / _PAGE) + ceil(sessions / under_way)) * _DELAY
    print(f"{title:28} {took:6.2f} s, {took / ideal:5.2f} x ideal, {requests} requests", flush=True)


def _seconds(read: Callable[[], int]) -> float:
    started = time.perf_counter()
    read()
    return time.perf_counter() - started


if __name__ == "__main__":
    main()
