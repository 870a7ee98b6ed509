"""How many requests a read takes, and how long: what ``split`` cuts by, as numbers for people.

Reading is bound by the requests per minute that a service allows, so time is a matter of requests.
Skew, that one session has most of the events, matters where many tasks read: the pages of one
session come one after the other.
"""

from __future__ import annotations

import heapq
from collections.abc import Iterable, Iterator, Sequence
from math import ceil
from typing import Final, TypeVar

__all__ = ["PAGE", "cut", "duration", "lists_of", "makespan", "minutes", "pages_of", "requests"]

T = TypeVar("T")

PAGE: Final = 100
"""Rows of a page of most services."""
_MINUTE, _HOUR, _DAY = 1.0, 60.0, 1_440.0


def cut(items: Sequence[T], size: int) -> Iterator[Sequence[T]]:
    """The items in pieces of at most ``size``, in order."""
    for first in range(0, len(items), size):
        yield items[first : first + size]


def pages_of(rows: int, page: int = PAGE) -> int:
    """Requests to read a list of some rows: an empty list takes one as well."""
    return max(1, ceil(rows / page))


def lists_of(events: Iterable[int], page: int = PAGE) -> int:
    """Requests to read the events of sessions, given how many each has."""
    return sum(pages_of(count, page) for count in events)


def requests(events: Sequence[int], page: int = PAGE) -> int:
    """Requests to read sessions and all their events: the list, and one or more for each."""
    return pages_of(len(events), page) + lists_of(events, page)


def minutes(count: int, per_minute: int) -> float:
    """How long requests take at a quota, whatever the number of machines."""
    return count / per_minute


def makespan(costs: Iterable[float], slots: int) -> float:
    """When the last of some parts is done, if each slot takes the next one as it is free."""
    free = [0.0] * slots
    for cost in costs:
        heapq.heapreplace(free, free[0] + cost)
    return max(free)


def duration(spent: float) -> str:
    """Minutes in words: ``17 min``, ``2.8 h``, ``2.3 days``."""
    if spent < _MINUTE:
        return f"{spent * 60:.0f} s"
    if spent < 2 * _HOUR:
        return f"{spent:.0f} min"
    if spent < 2 * _DAY:
        return f"{spent / _HOUR:.1f} h".replace(".0 h", " h")
    return f"{spent / _DAY:.1f} days"
