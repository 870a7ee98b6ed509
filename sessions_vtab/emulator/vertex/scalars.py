"""Values of proto JSON: times, durations, numbers, bytes and free-form objects (section 2)."""

from __future__ import annotations

import base64
import math
import re
from datetime import UTC, datetime, timedelta
from typing import Any

SECOND = 1_000_000_000
"""Nanoseconds; every time and duration of the emulator is a whole number of them."""

_EPOCH = datetime(1970, 1, 1, tzinfo=UTC)
_TIME = re.compile(
    r"(\d{4})-(\d\d)-(\d\d)[Tt](\d\d):(\d\d):(\d\d)(?:\.(\d{1,9}))?(?:([Zz])|([+-])(\d\d):(\d\d))",
    re.ASCII,
)
_DURATION = re.compile(r"(-?)(\d{1,12})(?:\.(\d{1,9}))?s", re.ASCII)
_MAX_DEPTH = 100
_MAX_SAFE = 2**53
_FIRST_SECOND, _LAST_SECOND = -62_135_596_800, 253_402_300_799
_MAX_OFFSET = timedelta(hours=24)


def parse_time(text: str) -> int:
    """Return an RFC 3339 text as nanoseconds since 1970.

    Raises:
        ValueError: It is not an RFC 3339 time, has no zone, or lies outside the years 1 to 9999.
    """
    match = _TIME.fullmatch(text)
    if not match:
        raise ValueError("Illegal timestamp format")
    fraction, _, sign, hours, minutes = match.groups()[6:]
    year, month, day, hour, minute, second = map(int, match.groups()[:6])
    whole = datetime(year, month, day, hour, minute, second, tzinfo=UTC)
    offset = timedelta(hours=int(hours or 0), minutes=int(minutes or 0))
    if offset >= _MAX_OFFSET:
        raise ValueError("Illegal timestamp offset")
    seconds = (whole - _EPOCH) // timedelta(seconds=1)
    shift = offset // timedelta(seconds=1)
    seconds += shift if sign == "-" else -shift
    return in_range(seconds) * SECOND + int((fraction or "0").ljust(9, "0"))


def in_range(seconds: int) -> int:
    """Return seconds since 1970 unchanged; raise `ValueError` outside the years 1 to 9999."""
    if not _FIRST_SECOND <= seconds <= _LAST_SECOND:
        raise ValueError("Timestamp out of range")
    return seconds


def format_time(nanoseconds: int) -> str:
    """Return a time as RFC 3339 in UTC with 0, 3, 6 or 9 digits, as few as keep it exact."""
    seconds, fraction = divmod(nanoseconds, SECOND)
    moment = _EPOCH + timedelta(seconds=seconds)
    # Not strftime: its %Y does not pad years below 1000.
    text = moment.replace(tzinfo=None).isoformat(timespec="seconds")
    return f"{text}{_fraction(fraction)}Z"


def _fraction(nanoseconds: int) -> str:
    if not nanoseconds:
        return ""
    digits = f"{nanoseconds:09d}"
    while digits.endswith("000"):
        digits = digits[:-3]
    return "." + digits


def from_datetime(moment: datetime) -> int:
    """Return an aware datetime as nanoseconds since 1970."""
    return (moment - _EPOCH) // timedelta(microseconds=1) * 1000


def parse_duration(text: str) -> int:
    """Return a text such as `172800s` or `1.5s` as nanoseconds.

    Raises:
        ValueError: It is not of that form.
    """
    match = _DURATION.fullmatch(text)
    if not match:
        raise ValueError("Illegal duration format; duration must end with 's'")
    sign, whole, fraction = match.groups()
    value = int(whole) * SECOND + int((fraction or "0").ljust(9, "0"))
    return -value if sign else value


def format_duration(nanoseconds: int) -> str:
    """Return a duration in seconds with 0, 3, 6 or 9 digits and an `s`."""
    seconds, fraction = divmod(abs(nanoseconds), SECOND)
    return f"{'-' if nanoseconds < 0 else ''}{seconds}{_fraction(fraction)}s"


def parse_bytes(text: str) -> str:
    """Return standard base64 of a text in standard or URL-safe base64, padded or not.

    Raises:
        ValueError: It is not base64.
    """
    standard = text.translate(str.maketrans("-_", "+/")).rstrip("=")
    data = base64.b64decode(standard + "=" * (-len(standard) % 4), validate=True)
    return base64.b64encode(data).decode()


def double(value: float) -> int | float:
    """Return a number as a double is written: `3.0` as `3`, 2**53+1 as 2**53.

    Raises:
        ValueError: It lies outside the range of a double.
    """
    try:
        number = float(value)
    except OverflowError:
        number = math.inf
    if not math.isfinite(number):
        raise ValueError("Number out of range of a double")
    if number.is_integer() and abs(number) <= _MAX_SAFE:
        return int(number)
    return number


def struct(value: Any, depth: int = 0) -> Any:
    """Return a free-form value as a Struct keeps it: numbers are doubles, keys are sorted.

    The service keeps no key order (section 2); sorting makes the answers stable.

    Raises:
        ValueError: A number is out of range, or it is nested more than 100 deep.
    """
    if depth > _MAX_DEPTH:
        raise ValueError("Message too deep. Max recursion depth reached for google.protobuf.Value")
    if isinstance(value, dict):
        return {key: struct(value[key], depth + 1) for key in sorted(value)}
    if isinstance(value, list):
        return [struct(item, depth + 1) for item in value]
    if isinstance(value, bool) or value is None or isinstance(value, str):
        return value
    return double(value)
