"""Rules for values: labels, JSON shapes, time to live; an event's content as JSON or plain text."""

from __future__ import annotations

import json
import re
from collections.abc import Mapping
from typing import Any, Final
from unicodedata import category

from sessions_vtab.contract import times
from sessions_vtab.contract.agent_events import text_of
from sessions_vtab.contract.values import is_object, load_json
from sessions_vtab.errors import InvalidValueError

__all__ = ["check_session", "expiry", "read_content", "require_object"]

_encode: Final = json.JSONEncoder(ensure_ascii=False).encode


def read_content(value: str, author: str) -> tuple[str, str | None]:
    """Returns the content as it is stored, and its text.

    Args:
        value: minified JSON of an object, or plain text, which is stored as one text part.
        author: author of the event, which determines the role of plain text.
    """
    if is_object(value):
        return value, text_of(json.loads(value))
    role = "user" if author == "user" else "model"
    return f'{{"role":"{role}","parts":[{{"text":{_encode(value)}}}]}}', value


def require_object(value: str, where: str) -> str:
    """Returns minified JSON text unchanged; raises InvalidValueError unless it is an object."""
    if not value.startswith("{"):
        raise InvalidValueError(
            f"{where} must be a JSON object, not {value!r:.60}. Nothing was written."
        )
    return value


_OBJECTS: Final = ("state", "settings", "search_meta", "payload_filter", "sort_by")
_LABEL: Final = re.compile(r"[a-z0-9_-]{0,64}", re.ASCII)
_LONGEST_LABEL: Final = 64
# Letters other than upper case, combining marks and digits, of any script.
_LABEL_KINDS: Final = frozenset(("Ll", "Lo", "Lm", "Mn", "Mc", "Nd"))
# Eleven digits are at most 3 170 years, so that no sum leaves the calendar.
_TTL: Final = re.compile(r"(\d{1,11})(?:\.(\d{1,9}))?s?", re.ASCII)
_SECOND: Final = 1_000_000_000


def check_session(values: Mapping[str, Any], where: str) -> None:
    """Checks labels and the shapes of JSON columns.

    Args:
        values: canonical values of the columns to be written.
        where: ``source.table``, for errors.

    Raises:
        InvalidValueError: a value is not valid; the error names its column and the rule.
    """
    for column in _OBJECTS:
        if values.get(column) is not None:
            require_object(values[column], f"{where}.{column}")
    if values.get("labels") is not None:
        _check_labels(require_object(values["labels"], f"{where}.labels"), f"{where}.labels")
    results = values.get("search_results")
    if results is not None and not results.startswith("["):
        raise InvalidValueError(
            f"{where}.search_results must be a JSON array, not {results!r:.60}. Nothing was"
            " written."
        )


def expiry(values: Mapping[str, Any], now: int, where: str) -> str | None:
    """Returns when a session that is written now expires, from ``ttl`` or ``expire_time``.

    Args:
        values: canonical values of the columns to be written.
        now: the current time in nanoseconds since 1970.
        where: ``source.table``, for errors.

    Raises:
        InvalidValueError: both are given, or the ttl is not a positive duration.
    """
    expire_time: str | None = values.get("expire_time")
    ttl = values.get("ttl")
    if ttl is None:
        return expire_time
    if expire_time is not None:
        raise InvalidValueError(f"{where}: give ttl or expire_time, not both. Nothing was written.")
    match = _TTL.fullmatch(ttl)
    seconds, fraction = match.groups() if match else ("0", None)
    lifetime = int(seconds) * _SECOND + int((fraction or "").ljust(9, "0"))
    if lifetime:
        return times.to_text(now + lifetime)
    raise InvalidValueError(
        f"{where}.ttl must be a duration such as '172800s' or a number of seconds, not"
        f" {ttl!r:.60}. Nothing was written."
    )


def _check_labels(labels: str, where: str) -> None:
    for key, value in load_json(labels, where).items():
        if not (key and _is_label(key)):
            raise InvalidValueError(f"{where}: {key!r:.80} is not a valid key. {_RULE}")
        if not isinstance(value, str):
            raise InvalidValueError(f"{where}: the value of {key!r} must be text. {_RULE}")
        if not _is_label(value):
            raise InvalidValueError(
                f"{where}: {value!r:.80} is not a valid value for {key!r}. {_RULE}"
            )


_RULE: Final = (
    "Keys and values may contain lowercase letters of any script, digits, '_' and '-', and"
    f" have at most {_LONGEST_LABEL} characters. Nothing was written."
)


def _is_label(text: str) -> bool:
    if _LABEL.fullmatch(text):
        return True
    return len(text) <= _LONGEST_LABEL and all(
        one in "_-" or category(one) in _LABEL_KINDS for one in text
    )
