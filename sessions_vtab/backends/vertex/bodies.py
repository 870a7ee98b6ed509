"""From SQL values to request bodies, checked before anything is sent."""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping
from typing import Any

from sessions_vtab.contract import times
from sessions_vtab.contract.predicate import Value
from sessions_vtab.contract.values import dump_json, is_object, load_json
from sessions_vtab.errors import InvalidValueError

__all__ = [
    "content_of",
    "event_body",
    "patch_body",
    "refuse_inexact",
    "session_body",
    "shared_keys",
]

_EXACT = 2**53
_TTL = re.compile(r"(\d+(?:\.\d{1,9})?)s?", re.ASCII)

_SESSION_FIELDS = {
    "user_id": "userId",
    "display_name": "displayName",
    "labels": "labels",
    "state": "sessionState",
    "expire_time": "expireTime",
    "ttl": "ttl",
}
_EVENT_FIELDS = {
    "name": "name",
    "author": "author",
    "invocation_id": "invocationId",
    "timestamp": "timestamp",
    "content": "content",
    "actions": "actions",
    "error_code": "errorCode",
    "error_message": "errorMessage",
    "event_metadata": "eventMetadata",
    "raw_event": "rawEvent",
}
_JSON = frozenset(("labels", "state", "actions", "event_metadata", "raw_event"))
_TIMES = frozenset(("expire_time", "timestamp"))

# Keys that the service stores per engine or per user, and shows in every session.
_SHARED = ("app:", "user:")


def session_body(values: Mapping[str, Value], where: str) -> dict[str, Any]:
    """Returns the Session of a create call.

    Args:
        values: values by column name.
        where: ``source.table``, for errors.

    Raises:
        InvalidValueError: a value is not valid; the error names the column, and the place within
            JSON.
    """
    _one_lifetime(values, where)
    return _body(values, _SESSION_FIELDS, where)


def patch_body(values: Mapping[str, Value], where: str) -> tuple[str, dict[str, Any]]:
    """Returns the updateMask and the Session of a patch call.

    The mask lists the changed columns, or repeats ``update_mask`` verbatim. A column set to NULL
    is in the mask but not in the body, which clears the field. ``app:`` and ``user:`` keys of the
    state are shared with other sessions and are not sent.
    """
    _one_lifetime(values, where)
    body = _body(values, _SESSION_FIELDS, where)
    if "sessionState" in body:
        own = body["sessionState"]
        body["sessionState"] = {key: own[key] for key in own if not key.startswith(_SHARED)}
    given = values.get("update_mask")
    if isinstance(given, str) and given:
        return given, body
    return ",".join(_SESSION_FIELDS[name] for name in _SESSION_FIELDS if name in values), body


def shared_keys(state: Value) -> dict[str, Any]:
    """The ``app:`` and ``user:`` keys of a state's JSON text."""
    loaded = load_json(state, "state") if isinstance(state, str) else {}
    return {key: loaded[key] for key in loaded if key.startswith(_SHARED)}


def event_body(values: Mapping[str, Value], where: str) -> dict[str, Any]:
    """Returns the SessionEvent of an append call; author, invocation id and timestamp must be set.

    A rawEvent is never added, because ADK would read the whole event from it.
    """
    body = _body(values, _EVENT_FIELDS, where)
    if "content" in body:
        body["content"] = content_of(
            values["content"], str(values.get("author")), f"{where}.content"
        )
        refuse_inexact(body["content"], f"{where}.content")
    return body


def content_of(value: Value, author: str, where: str) -> dict[str, Any]:
    """Returns the Content for a value: a JSON object if it begins with ``{``, else plain text.

    Raises:
        InvalidValueError: it begins with ``{`` but is not a JSON object.
    """
    text = value if isinstance(value, str) else str(value)
    if is_object(text):
        loaded: dict[str, Any] = load_json(text, where)
        return loaded
    return {"role": "user" if author == "user" else "model", "parts": [{"text": text}]}


def refuse_inexact(value: Any, where: str) -> None:
    """Raises InvalidValueError for an integer beyond 2^53, with its JSON path.

    The service stores every number as a double, so a larger integer would come back changed.
    """
    for place in _inexact(value, "$"):
        raise InvalidValueError(
            f"{where}: the integer at {place} is beyond 2^53, and the service would change"
            " it, because it stores numbers as doubles. Write it as text. Nothing was"
            " sent."
        )


def _inexact(value: Any, place: str) -> Iterator[str]:
    if isinstance(value, dict):
        for key, held in value.items():
            yield from _inexact(
                held, f"{place}.{key}" if key.isidentifier() else f'{place}."{key}"'
            )
    elif isinstance(value, list):
        for index, held in enumerate(value):
            yield from _inexact(held, f"{place}[{index}]")
    elif isinstance(value, int) and not isinstance(value, bool) and abs(value) > _EXACT:
        yield place


def _body(values: Mapping[str, Value], names: Mapping[str, str], where: str) -> dict[str, Any]:
    """Returns the API fields for the columns that are given and not NULL."""
    return {
        field: _convert(column, values[column], f"{where}.{column}")
        for column, field in names.items()
        if values.get(column) is not None
    }


def _convert(column: str, value: Value, where: str) -> Any:
    if column in _JSON:
        return _object(value, where, labels=column == "labels")
    if column in _TIMES:
        return times.to_rfc3339(times.require(value, where))
    if column == "ttl":
        return _ttl(value, where)
    return value if isinstance(value, str) else str(value)


def _object(value: Value, where: str, *, labels: bool) -> dict[str, Any]:
    loaded = load_json(value, where)
    if not isinstance(loaded, dict):
        raise InvalidValueError(f"{where} must be a JSON object, not {dump_json(loaded):.60}.")
    wrong = next((key for key, held in loaded.items() if not isinstance(held, str)), None)
    if labels and wrong is not None:
        raise InvalidValueError(f"{where}: label values must be text, not {wrong!r:.60}.")
    refuse_inexact(loaded, where)
    return loaded


def _ttl(value: Value, where: str) -> str:
    match = _TTL.fullmatch(str(value))
    if match is None:
        raise InvalidValueError(
            f"{where} must be a number of seconds or a duration such as"
            f" '172800s', not {value!r:.60}."
        )
    return f"{match.group(1)}s"


def _one_lifetime(values: Mapping[str, Value], where: str) -> None:
    if values.get("ttl") is not None and values.get("expire_time") is not None:
        raise InvalidValueError(f"{where}: give ttl or expire_time, not both. Nothing was sent.")
