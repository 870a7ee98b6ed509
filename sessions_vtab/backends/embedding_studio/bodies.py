"""Rows as JSON bodies, and comparing a body with what the service stored.

The service silently ignores unknown fields, so whatever it would discard is refused here.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, Final

from sessions_vtab.contract import times
from sessions_vtab.contract.predicate import Value
from sessions_vtab.contract.values import load_json
from sessions_vtab.errors import InvalidValueError

__all__ = ["differing", "event_body", "session_body"]

_NOTHING: Final = "Nothing was sent."
_SECOND: Final = 1_000_000_000

_TEXTS: Final = ("search_query", "user_id")
_RESULT: Final = frozenset(("object_id", "rank", "meta"))
_SORT: Final = frozenset(("field", "order", "force_not_payload"))

# Forms of payload_filter.query that the service stores (contract, section 6): one
# of these alone, an object that only names a field, or the four parts of a boolean query.
_TEXT, _LIST = ("match", "match_phrase", "wildcard"), ("terms", "all", "any")
_FORMS: Final = frozenset((*_TEXT, *_LIST, "term"))
_SCALAR: Final = (str, int, float)
_PARTS: Final = frozenset(("must", "should", "filter", "must_not"))
_FIELD: Final = frozenset(("field", "force_not_payload"))
_BOUNDS: Final = frozenset(("gte", "lte", "gt", "lt", "eq"))
_EXACT: Final = 2**53
"""Bounds are returned as floats, which represent every integer up to this one exactly."""


def session_body(session_id: str, values: Mapping[str, Value], where: str) -> dict[str, Any]:
    """Returns the body that registers a session.

    Args:
        session_id: the id of the session.
        values: canonical values by column of ``sessions``.
        where: ``source.sessions``, for errors.

    Raises:
        InvalidValueError: the service would discard or reject a value; the error names the column.
    """
    body: dict[str, Any] = {"session_id": session_id}
    body.update((name, values[name]) for name in _TEXTS if name in values)
    body["search_results"] = _results(values.get("search_results"), f"{where}.search_results")
    for name in ("search_meta", "payload_filter", "sort_by"):
        if name in values:
            body[name] = _object(values[name], f"{where}.{name}")
    if "payload_filter" in body:
        _check_filter(body["payload_filter"], f"{where}.payload_filter")
    if "sort_by" in body:
        _check_keys(body["sort_by"], _SORT, f"{where}.sort_by")
        body["sort_by"] = {"order": "asc", **body["sort_by"]}
    if "create_time" in values:
        body["created_at"] = _seconds(values["create_time"], f"{where}.create_time")
    return body


def event_body(event_id: str, values: Mapping[str, Value], where: str) -> dict[str, Any]:
    """Returns one event of a body.

    Args:
        event_id: the id of the event.
        values: canonical values by column of ``events``.
        where: the table or function, for errors.

    Raises:
        InvalidValueError: a value is not valid; the error names the column.
    """
    body: dict[str, Any] = {"event_id": event_id, "object_id": values["object_id"]}
    if "event_type" in values:
        body["event_type"] = values["event_type"]
    if "timestamp" in values:
        body["created_at"] = _seconds(values["timestamp"], f"{where}.timestamp")
    if "meta" in values:
        body["meta"] = _object(values["meta"], f"{where}.meta")
    return body


def differing(
    sent: Mapping[str, Any], kept: Mapping[str, Any], optional: frozenset[str] = frozenset()
) -> list[str]:
    """Returns the names of the fields whose stored value differs from the value that was sent.

    Args:
        sent: the body that was sent.
        kept: the object that was read back.
        optional: fields that are null unless sent; for the others, the service has defaults.
    """
    names = [*sent, *sorted(optional - sent.keys())]
    return [name for name in names if not _covers(sent.get(name), kept.get(name))]


def _covers(sent: Any, kept: Any) -> bool:
    """Whether ``kept`` contains all of ``sent``; additional keys may only be null or false."""
    if isinstance(sent, dict) and isinstance(kept, dict):
        added = (kept[key] for key in kept.keys() - sent.keys())
        inside = (key in kept and _covers(value, kept[key]) for key, value in sent.items())
        return all(inside) and all(value is None or value is False for value in added)
    if isinstance(sent, list) and isinstance(kept, list):
        pairs = zip(sent, kept, strict=False)
        return len(sent) == len(kept) and all(_covers(one, other) for one, other in pairs)
    # True equals 1 in Python, but not in JSON.
    return bool(sent == kept) and isinstance(sent, bool) == isinstance(kept, bool)


def _seconds(value: Value, what: str) -> int:
    seconds, rest = divmod(times.require(value, what), _SECOND)
    if rest:
        raise InvalidValueError(
            f"{what} must be in whole seconds, because the service stores nothing finer;"
            f" {value!r:.60} has a fraction. datetime(..) truncates it. {_NOTHING}"
        )
    return seconds


def _object(value: Value, what: str) -> dict[str, Any]:
    loaded = load_json(value, what)
    if not isinstance(loaded, dict):
        raise InvalidValueError(f"{what} must be a JSON object. {_NOTHING}")
    return loaded


def _results(value: Value, what: str) -> list[dict[str, Any]]:
    loaded = load_json(value, what)
    if not isinstance(loaded, list):
        raise InvalidValueError(f"{what} must be a JSON array ('[]' for none). {_NOTHING}")
    for number, result in enumerate(loaded):
        here = f"{what}[{number}]"
        if not isinstance(result, dict) or not isinstance(result.get("object_id"), str):
            raise InvalidValueError(f"{here} must be an object with a text object_id. {_NOTHING}")
        _check_keys(result, _RESULT, here)
        rank, meta = result.get("rank"), result.get("meta")
        if not isinstance(rank, int | float | None) or isinstance(rank, bool):
            raise InvalidValueError(f"{here}.rank must be a number. {_NOTHING}")
        if not isinstance(meta, dict | None):
            raise InvalidValueError(f"{here}.meta must be an object. {_NOTHING}")
    return loaded


def _check_keys(value: Mapping[str, Any], known: frozenset[str], what: str) -> None:
    unknown = sorted(value.keys() - known)
    if unknown:
        raise InvalidValueError(
            f"{what}: the service would discard {', '.join(unknown):.100}; it stores only"
            f" {', '.join(sorted(known))}. {_NOTHING}"
        )


def _check_filter(value: Mapping[str, Any], what: str) -> None:
    if value.keys() != {"query"} or not _is_kept(value["query"], top=True):
        raise InvalidValueError(
            f'{what}: the service would not store this filter. It accepts {{"query": X}},'
            f" where X is one of {', '.join(sorted(_FORMS))}, or has"
            f" {', '.join(sorted(_PARTS))} as lists of those; a range is allowed only"
            " inside such a list, and only with numbers. Put the rest into search_meta."
            f" {_NOTHING}"
        )


def _is_kept(query: Any, *, top: bool) -> bool:
    """Whether the service stores a query; it replaces others with an empty boolean query."""
    if not isinstance(query, dict) or not query:
        return False
    keys = query.keys()
    if keys <= _PARTS:
        return all(
            parts is None
            or (isinstance(parts, list) and all(_is_kept(part, top=False) for part in parts))
            for parts in query.values()
        )
    if len(keys) == 1 and keys <= _FORMS:
        ((form, inner),) = query.items()
        return isinstance(inner, dict) and _is_form(form, inner)
    if not _names_field(query):
        return False
    if top:
        return keys <= _FIELD
    return keys <= _FIELD | {"range"} and _is_range(query.get("range"))


def _names_field(query: Mapping[str, Any]) -> bool:
    forced = query.get("force_not_payload", False)
    return isinstance(query.get("field"), str) and isinstance(forced, bool)


def _is_range(bounds: Any) -> bool:
    if not isinstance(bounds, dict) or not bounds.keys() <= _BOUNDS:
        return False
    return all(
        bound is None or isinstance(bound, float) or (type(bound) is int and abs(bound) <= _EXACT)
        for bound in bounds.values()
    )


def _is_form(form: str, inner: Mapping[str, Any]) -> bool:
    """Whether the content of a form has the types that the form requires."""
    name = "values" if form in _LIST else "value"
    if name not in inner or not inner.keys() <= _FIELD | {name} or not _names_field(inner):
        return False
    if form in _TEXT:
        return isinstance(inner[name], str)
    listed = inner[name] if form in _LIST else [inner[name]]
    return isinstance(listed, list) and all(isinstance(one, _SCALAR) for one in listed)
