"""The tables of ``docs/scale.md``: what reading takes, by quota, executors, skew and increments.

    python -m tests.benchmarks.simulate_scale            # from a model; the same each time
    python -m tests.benchmarks.simulate_scale --measure  # with the emulator at 50 ms; a minute

The model is that of ``split`` and ``snapshot``: sessions are cut into parts of so many, a list
takes a request for each page, and each session one or more. Skew, that one session has most of the events, matters where
many tasks read: the pages of one session come one after the other.
"""

from __future__ import annotations

import argparse
import heapq
import multiprocessing
import time
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass, replace
from math import ceil

from sessions_vtab import scanning
from sessions_vtab.cli.display import duration
from sessions_vtab.contract.backend import Source
from sessions_vtab.emulator.control import Control
from sessions_vtab.scanning.splitting import DEFAULT_SIZE
from tests.benchmarks.served import emulator

PAGE = 100
"""Rows of a page of most services."""
QUOTA = 600
"""Read requests per minute, the example in texts: the general quota of Vertex AI."""
APPENDS = 300
"""Appends per minute that Agent Engine documents."""

_SESSIONS = 100_000
_EXECUTORS = (1, 2, 4, 8, 100)
_QUOTAS = (QUOTA, 6_000, None)
_DELAY = 0.05
"""Seconds that each response takes, where it is measured."""
_SLOTS = 4
"""Tasks that an executor runs at the same time."""

Rows = Sequence[Sequence[str]]


def cut(items: Sequence[int], size: int) -> Iterator[Sequence[int]]:
    """The items in pieces of at most ``size``, in order."""
    for first in range(0, len(items), size):
        yield items[first : first + size]


def pages_of(rows: int, page: int = PAGE) -> int:
    """Requests to read a list of some rows: an empty list takes one as well."""
    return max(1, ceil(rows / page))


def requests_of(sessions: int, events: int, page: int = PAGE) -> int:
    """Requests to read sessions and the events of each: the list, and one or more for each.

    Args:
        sessions: how many.
        events: of each session.
        page: rows of a page.
    """
    return pages_of(sessions, page) + sessions * pages_of(events, page)


def _quota_row(sessions: int) -> tuple[str, ...]:
    changed = sessions // 100
    every, stream = requests_of(sessions, PAGE), requests_of(changed, PAGE)
    snapshot = pages_of(sessions) + changed
    times = [duration(count / QUOTA) for count in (every, snapshot, stream)]
    return (f"{sessions:,}", f"{every:,}", *times)


QUOTA_ROWS = tuple(_quota_row(10**power) for power in (4, 5, 6))
"""Sessions of 100 events, requests to read them, and times at ``QUOTA``: for all, and where 1 % of
the sessions changed, for a snapshot (which lists all of them) and a stream (which does not)."""


@dataclass(frozen=True, slots=True)
class TaskEstimate:
    """How long a task takes that reads some sessions.

    Attributes:
        latency: seconds of a request.
        in_flight: requests at the same time.
        start: seconds that starting the task costs.
    """

    latency: float = 0.05
    in_flight: int = 16
    start: float = 0.2

    def seconds(self, events: Sequence[int]) -> float:
        """For sessions with so many events: the pages of one session follow one another."""
        lists = [pages_of(count) for count in events]
        rounds = max(ceil(sum(lists) / self.in_flight), max(lists, default=0))
        return self.start + rounds * self.latency


def makespan(costs: Iterable[float], slots: int) -> float:
    """When the last of some parts is done, if each slot takes the next one as it is free."""
    free = [0.0] * slots
    for cost in costs:
        heapq.heapreplace(free, free[0] + cost)
    return max(free)


def minutes(events: Sequence[int], executors: int, quota: int | None, size: int) -> float:
    """How long reading sessions with so many events takes: by the quota, or by the tasks."""
    requests = pages_of(len(events)) + sum(map(pages_of, events))
    # The list of sessions is one chain of pages, read before any task starts.
    listed = pages_of(len(events)) * TaskEstimate().latency
    tasks = makespan(
        (TaskEstimate().seconds(part) for part in cut(events, size)), executors * _SLOTS
    )
    return max((listed + tasks) / 60, 0 if quota is None else requests / quota)


def skewed(sessions: int, share: float) -> list[int]:
    """Events by session, 100 on average, where one session has a share of all of them."""
    every = sessions * PAGE
    rest = int(every * (1 - share)) // (sessions - 1)
    return [int(every * share) or PAGE, *[rest] * (sessions - 1)]


def by_executors() -> Rows:
    events = [PAGE] * _SESSIONS
    return [
        [
            str(executors),
            *(duration(minutes(events, executors, quota, DEFAULT_SIZE)) for quota in _QUOTAS),
        ]
        for executors in _EXECUTORS
    ]


def by_skew() -> Rows:
    return [
        [
            f"{share:.0%}",
            *(duration(minutes(skewed(10_000, share), n, None, DEFAULT_SIZE)) for n in (1, 8)),
        ]
        for share in (0.0, 0.01, 0.1, 0.5)
    ]


def by_size() -> Rows:
    events = [PAGE] * _SESSIONS
    return [
        [str(size), f"{ceil(_SESSIONS / size):,}", duration(minutes(events, 8, None, size))]
        for size in (1, 10, 50, 100, 500, 5_000, 50_000)
    ]


def by_increment() -> Rows:
    return [
        [
            f"{share:.1%}",
            f"{requests_of(changed, PAGE):,}",
            duration(requests_of(changed, PAGE) / QUOTA),
        ]
        for share in (0.001, 0.01, 0.1)
        if (changed := int(10**6 * share))
    ]


def by_writes() -> Rows:
    return [[f"{10**power:,}", duration(10**power / APPENDS)] for power in (4, 5, 6)]


def tables() -> str:
    """All of them, in Markdown."""
    limits = [f"{quota:,} per minute" if quota else "no quota" for quota in _QUOTAS]
    parts = [
        (
            f"Sessions of {PAGE} events at {QUOTA} requests per minute, with any number of machines",
            ["sessions", "requests", "all", "snapshot, 1 % changed", "stream, 1 % changed"],
            QUOTA_ROWS,
        ),
        (
            f"Executors of {_SLOTS} tasks: {_SESSIONS:,} sessions of {PAGE} events",
            ["executors", *limits],
            by_executors(),
        ),
        (
            "Skew: 10,000 sessions, one of which has a share of all events; no quota",
            ["share", "1 executor", "8 executors"],
            by_skew(),
        ),
        (
            f"Sessions of a part: {_SESSIONS:,} sessions, 8 executors, no quota",
            ["sessions of a part", "parts", "time"],
            by_size(),
        ),
        (
            f"Increments of 1,000,000 sessions at {QUOTA} requests per minute, as a stream",
            ["changed", "requests", "time"],
            by_increment(),
        ),
        (f"Appends at {APPENDS} per minute", ["appends", "time"], by_writes()),
    ]
    return "\n\n".join(_table(*part) for part in parts)


def _table(title: str, head: Sequence[str], rows: Rows) -> str:
    lines = [head, ["---"] * len(head), *rows]
    return f"**{title}**\n\n" + "\n".join(f"| {' | '.join(line)} |" for line in lines)


# Measured


def read_part(part: scanning.Part) -> int:
    """One task; how many rows it had."""
    return sum(batch.num_rows for batch in scanning.read(part))


def with_concurrency(part: scanning.Part, concurrency: int) -> scanning.Part:
    source: Source = replace(part.source, concurrency=concurrency)
    return replace(part, source=source)


def measure(sessions: int = 320, events: int = 3_200) -> None:
    """Tasks with one request in flight each, and one process with 16, against the ideal."""
    with emulator(seed=7, sessions=sessions, events=events, delay=_DELAY) as (url, control):
        source = f"vertex://demo/us-central1/42?base_url={url}"
        parts = scanning.split(source, "events", size=10)
        lists = _lists(parts, control)
        for tasks in (1, 2, 4, 8):
            narrow = [with_concurrency(part, 1) for part in parts]
            with multiprocessing.get_context("spawn").Pool(tasks) as pool:
                pool.map(len, [()] * tasks)  # Started and imported.
                began = time.perf_counter()
                rows = sum(pool.imap_unordered(read_part, narrow))
                _report(f"{tasks} tasks x 1", time.perf_counter() - began, lists * _DELAY / tasks)
            assert rows == events
        (whole,) = scanning.split(source, "events", size=sessions)
        began = time.perf_counter()
        assert read_part(whole) == events
        _report("1 process x 16", time.perf_counter() - began, ceil(lists / 16) * _DELAY)


def _lists(parts: Sequence[scanning.Part], control: Control) -> int:
    control.delay(0)
    control.reset_log()
    for part in parts:
        read_part(part)
    total: int = control.log()["total"]
    control.delay(_DELAY)
    return total


def _report(what: str, elapsed: float, ideal: float) -> None:
    print(f"{what:16} {elapsed:5.2f} s, ideal {ideal:5.2f} s, {elapsed / ideal:4.2f} x")


def main() -> None:
    parser = argparse.ArgumentParser()
    parser.add_argument("--measure", action="store_true")
    if parser.parse_args().measure:
        measure()
    else:
        print(tables())


if __name__ == "__main__":
    main()
