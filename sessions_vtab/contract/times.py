"""Instants as SQL text: reading every accepted form, writing the one canonical form, comparing.

An instant is an ``int``: nanoseconds since 1970-01-01T00:00:00Z. Its canonical text is UTC with
microseconds, ``2026-01-01 09:00:00.123456``, or nine digits where the nanoseconds are not whole
microseconds. Canonical texts sort as text in the order of their instants.

Accepted: ``YYYY-MM-DD``, then ``T`` or a blank and ``HH:MM[:SS[.f]]`` with one to nine digits, then
``Z``, ``+HH:MM`` or ``+HHMM``; numbers or digit text of 9 to 11 digits (a fraction allowed) are
seconds since 1970, 12 or 13 digits milliseconds. Nothing else is a time.
"""

from __future__ import annotations

import re
import time
from datetime import date, datetime

from sessions_vtab.errors import InvalidValueError

ACCEPTED = "'2026-01-01', '2026-01-01 09:00:00.123', '2026-01-01T10:00:00+01:00' or epoch seconds"
"""Examples of accepted forms, for error messages."""

_SECOND = 1_000_000_000
_EPOCH_DAY = date(1970, 1, 1).toordinal()

_TEXT = re.compile(
    r"(\d{4})-(\d\d)-(\d\d)"
    r"(?:[ T](\d\d):(\d\d)(?::(\d\d)(?:\.(\d{1,9}))?)?"
    r"(?:Z|([+-])(\d\d):?(\d\d))?)?",
    re.ASCII,
)
# What services and we ourselves write, which ``datetime`` reads several times as fast.
_USUAL = re.compile(r"\d{4}-\d\d-\d\d[ T](?:[01]\d|2[0-3]):\d\d:\d\d\.\d{6}Z?", re.ASCII).fullmatch
_START = datetime(1970, 1, 1)  # noqa: DTZ001  # The texts are UTC, without saying so.
_EPOCH = re.compile(r"(\d{9,11})(?:\.(\d{1,9})\d*)?|(\d{12,13})", re.ASCII)

# Canonical texts that are certainly valid dates (29 February is left to the slow path): two of
# these may be compared as text.
_PLAIN = re.compile(
    r"(?!0000)\d{4}-(?:(?:0[1-9]|1[0-2])-(?:0[1-9]|1\d|2[0-8])"
    r"|(?:0[13-9]|1[0-2])-(?:29|30)|(?:0[13578]|1[02])-31)"
    r" (?:[01]\d|2[0-3]):[0-5]\d:[0-5]\d\.\d{6}(?:(?!000)\d{3})?",
    re.ASCII,
).fullmatch


def parse(value: object) -> int | None:
    """The instant an SQL value names, in nanoseconds since 1970; None if it is not a time.

    Args:
        value: text or a number, in one of the forms the module describes.
    """
    if isinstance(value, str):
        if _USUAL(value):
            return _from_usual(value)
        match = _TEXT.fullmatch(value)
        return _from_calendar(match) if match else _from_epoch(value)
    if isinstance(value, int | float) and not isinstance(value, bool):
        return _from_epoch(repr(value))
    return None


def require(value: object, what: str) -> int:
    """As ``parse``, but raises InvalidValueError that names ``what`` when it is not a time."""
    instant = parse(value)
    if instant is None:
        msg = f"{what} must be a time such as {ACCEPTED}; {value!r:.60} is not a valid time."
        raise InvalidValueError(msg)
    return instant


def canonical(value: object, what: str) -> str:
    """The canonical text of an accepted time; raises InvalidValueError naming ``what``."""
    return to_text(require(value, what))


def to_text(instant: int) -> str:
    """Canonical text of an instant: ``2026-01-01 09:00:00.123456``, nine digits if it has them."""
    seconds, nanos = divmod(instant, _SECOND)
    days, rest = divmod(seconds, 86_400)
    day = date.fromordinal(days + _EPOCH_DAY).isoformat()
    fraction = f"{nanos // 1000:06d}" if nanos % 1000 == 0 else f"{nanos:09d}"
    return f"{day} {rest // 3600:02d}:{rest // 60 % 60:02d}:{rest % 60:02d}.{fraction}"


def to_rfc3339(instant: int) -> str:
    """RFC 3339 text in UTC with as many digits as the instant needs (0, 3, 6 or 9)."""
    text = to_text(instant).replace(" ", "T")
    whole, _, fraction = text.partition(".")
    digits = fraction.ljust(9, "0")
    for width in (0, 3, 6):
        if not digits[width:].strip("0"):
            return f"{whole}.{digits[:width]}Z" if width else f"{whole}Z"
    return f"{whole}.{digits}Z"


def now() -> int:
    """The current instant, in whole microseconds."""
    return time.time_ns() // 1000 * 1000


def compare(left: str, right: str) -> int:
    """The TIMESTAMP collation: negative, zero or positive as ``left`` sorts before ``right``.

    A total order, as SQLite demands of a collation: texts that are not times sort before all times
    and among themselves by their code points.
    """
    if left == right:
        return 0
    if not (_PLAIN(left) and _PLAIN(right)):
        first, second = parse(left), parse(right)
        if first is not None and second is not None:
            return (first > second) - (first < second)
        if first is not None or second is not None:
            return 1 if second is None else -1
    return -1 if left < right else 1


def _from_usual(text: str) -> int | None:
    try:
        since = datetime.fromisoformat(text[:26]) - _START
    except ValueError:
        return None
    return ((since.days * 86_400 + since.seconds) * 1_000_000 + since.microseconds) * 1000


def _from_calendar(match: re.Match[str]) -> int | None:
    year, month, day, hour, minute, second, fraction, sign, off_hour, off_minute = match.groups()
    clock = (int(hour or 0), int(minute or 0), int(second or 0))
    offset = (int(off_hour or 0), int(off_minute or 0))
    if clock > (23, 59, 59) or max(clock[1:]) > 59 or offset > (23, 59) or offset[1] > 59:  # noqa: PLR2004
        return None
    try:
        days = date(int(year), int(month), int(day)).toordinal() - _EPOCH_DAY
    except ValueError:
        return None
    shift = (offset[0] * 3600 + offset[1] * 60) * (-1 if sign == "-" else 1)
    seconds = days * 86_400 + clock[0] * 3600 + clock[1] * 60 + clock[2] - shift
    return _in_range(seconds * _SECOND + int((fraction or "").ljust(9, "0")))


def _from_epoch(text: str) -> int | None:
    match = _EPOCH.fullmatch(text)
    if match is None:
        return None
    seconds, fraction, millis = match.groups()
    if millis:
        return _in_range(int(millis) * 1_000_000)
    return _in_range(int(seconds) * _SECOND + int((fraction or "").ljust(9, "0")))


_FIRST = (date.min.toordinal() - _EPOCH_DAY) * 86_400 * _SECOND
_LAST = (date.max.toordinal() + 1 - _EPOCH_DAY) * 86_400 * _SECOND


def _in_range(instant: int) -> int | None:
    """An offset can lead out of the years 1 to 9999, which have no canonical text."""
    return instant if _FIRST <= instant < _LAST else None
