"""How many requests a read takes, and how long: what ``split`` cuts by, as numbers for people.

Reading is bound by the requests per minute that a service allows, so time is a matter of requests.
Skew, that one session has most of the events, matters where many tasks read: the pages of one
session come one after the other.
"""

from __future__ import annotations

import heapq
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass
from math import ceil
from typing import Final, TypeVar

__all__ = [
    "APPENDS",
    "PAGE",
    "QUOTA",
    "QUOTA_ROWS",
    "TaskEstimate",
    "cut",
    "duration",
    "makespan",
    "pages_of",
    "requests_of",
]

T = TypeVar("T")

PAGE: Final = 100
"""Rows of a page of most services."""
QUOTA: Final = 600
"""Read requests per minute, the example in texts: the general quota of Vertex AI."""
APPENDS: Final = 300
"""Appends per minute that Agent Engine documents."""
_MINUTE, _HOUR, _DAY = 1.0, 60.0, 1_440.0
_TENTHS_BELOW: Final = 10


def cut(items: Sequence[T], size: int) -> Iterator[Sequence[T]]:
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


def duration(minutes: float) -> str:
    """Minutes in words: ``90 s``, ``17 min``, ``2.8 h``, ``2.3 days``."""
    if minutes < 2 * _MINUTE:
        return f"{ceil(minutes * 60)} s"
    if minutes < 2 * _HOUR:
        return f"{minutes:.0f} min"
    size, name = (_HOUR, "h") if minutes < 2 * _DAY else (_DAY, "days")
    amount = minutes / size
    return f"{amount:.1f} {name}" if amount < _TENTHS_BELOW else f"{amount:.0f} {name}"


def _quota_row(sessions: int) -> tuple[str, str, str, str, str]:
    changed = sessions // 100
    every, stream = requests_of(sessions, PAGE), requests_of(changed, PAGE)
    snapshot = pages_of(sessions) + changed
    times = (duration(count / QUOTA) for count in (every, snapshot, stream))
    return (f"{sessions:,}", f"{every:,}", *times)  # type: ignore[return-value]


QUOTA_ROWS: Final = tuple(_quota_row(10**power) for power in (4, 5, 6))
"""Sessions of 100 events, requests to read them, and times at ``QUOTA``: for all, and where 1 % of
the sessions changed, for a snapshot (which lists all of them) and a stream (which does not)."""
