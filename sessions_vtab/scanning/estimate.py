"""How many requests a read takes, and how long: what ``split`` cuts by, as numbers for people.

Reading is bound by the requests per minute that a service allows, so time is a matter of requests.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from math import ceil
from typing import Final, TypeVar

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
