"""Times as ADK's services write them.

Epoch seconds (SqliteSessionService, and ``event_data`` everywhere), epoch milliseconds (adk-js),
and texts of SQLAlchemy and of Go's drivers. A text without an offset is UTC for sessions. For
events of schema 0 it is local time of the program that wrote it, which the file does not record.
"""

from __future__ import annotations

import re
from datetime import UTC, datetime, timedelta, tzinfo
from typing import Any, Final

from sessions_vtab.contract import times
from sessions_vtab.errors import ConfigurationError

__all__ = ["epoch", "moment", "shift_of", "zone_of"]

# Above it a number is milliseconds: as seconds it would be a time after the year 5138.
_MOST_SECONDS: Final = 1e11
_SECOND: Final = 1_000_000_000
# Go: "2026-01-05 09:00:01.25 -0500 EST m=+0.01" (time.Time.String), or RFC 3339 with a blank.
_TEXT: Final = re.compile(
    r"(\d{4}-\d\d-\d\d)[ T](\d\d:\d\d(?::\d\d(?:\.\d{1,9})?)?) ?(Z|UTC|[+-]\d\d:?\d\d)?(?: .*)?",
    re.ASCII,
)
_QUARTER: Final = 15 * 60
_FARTHEST: Final = 14 * 3600


def zone_of(name: str, where: str) -> tzinfo:
    """The time zone of a name such as ``America/New_York``.

    Raises:
        ConfigurationError: there is no such zone.
    """
    if name == "UTC":
        return UTC
    from zoneinfo import ZoneInfo, ZoneInfoNotFoundError  # noqa: PLC0415  # Rarely needed.

    try:
        return ZoneInfo(name)
    except (ZoneInfoNotFoundError, ValueError, OSError):
        raise ConfigurationError(
            f"{where}: timezone must be a name of the IANA time zone database such as"
            f" America/New_York, not {name!r:.60}."
        ) from None


def moment(value: Any, zone: tzinfo = UTC) -> int | None:
    """The instant of a stored time, in nanoseconds since 1970; None if it is not a time.

    Args:
        value: what the file has.
        zone: of a text without an offset.
    """
    try:
        if isinstance(value, int | float):
            return _from_number(value)
        match = _TEXT.fullmatch(value.strip()) if isinstance(value, str) else None
        return None if match is None else _from_text(match, zone)
    except (ValueError, OverflowError):
        return None


def epoch(instant: int) -> float:
    """Seconds since 1970, as ADK's events have them."""
    return instant / _SECOND


def shift_of(sessions: list[tuple[int, int, int, int]]) -> int:
    """By how many seconds the times of events are later than those of their sessions.

    A session is evidence only if its beginning and its end agree, to a quarter of an hour: ADK of
    schema 0 moves ``update_time`` only with the state, and a session may wait for its first event.

    Args:
        sessions: time of creation, of the last update, of the first and of the last event, each in
            nanoseconds since 1970.

    Returns:
        The most common difference; 0 if no session is evidence.
    """
    found: dict[int, int] = {}
    for created, updated, first, last in sessions:
        begins, ends = _quarters(first - created), _quarters(last - updated)
        if begins == ends and abs(begins) <= _FARTHEST:
            found[begins] = found.get(begins, 0) + 1
    return max(found, key=lambda shift: (found[shift], -abs(shift)), default=0)


def _quarters(nanoseconds: int) -> int:
    return round(nanoseconds / _SECOND / _QUARTER) * _QUARTER


def _from_number(value: float) -> int | None:
    seconds = value / 1000 if abs(value) > _MOST_SECONDS else value
    instant = round(seconds * 1_000_000) * 1000
    times.to_text(instant)  # Raises for a year that the calendar does not have.
    return instant


def _from_text(match: re.Match[str], zone: tzinfo) -> int | None:
    day, clock, offset = match.groups()
    instant = times.parse(f"{day} {clock}{'' if offset in {None, 'UTC'} else offset}")
    if instant is None or offset is not None or zone is UTC:
        return instant
    return instant - _offset_at(instant, zone)


def _offset_at(instant: int, zone: tzinfo) -> int:
    """The zone's offset at a local time, in nanoseconds."""
    local = datetime(1970, 1, 1, tzinfo=zone) + timedelta(seconds=instant // _SECOND)
    offset = local.utcoffset() or timedelta(0)
    return round(offset.total_seconds()) * _SECOND
