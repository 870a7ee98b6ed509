"""Checks what kind of value each part of a REST declaration is: Python itself takes anything."""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping
from typing import Final, TypeAlias

from sessions_vtab.fetch import Paginator
from sessions_vtab.rest.bodies import Sent
from sessions_vtab.rest.declaration import (
    Delete,
    Get,
    Insert,
    List,
    Operation,
    RestTable,
    Update,
)

_Kind: TypeAlias = tuple[type | tuple[type, ...], str]
"""What a value must be, for Python and for people."""

_NAMES: Final[_Kind] = (Mapping, "a mapping, such as {'column': 'field'}")
_TEXT: Final[_Kind] = (str, "a text")
_NUMBER: Final[_Kind] = (int, "a number")
_COLUMNS: Final[_Kind] = (
    (tuple, list, set, frozenset),
    "a tuple of names, such as ('column',), with the comma",
)

_OF_TABLE: Final[Mapping[str, _Kind]] = {
    "name": _TEXT,
    "fields": _NAMES,
    "get": (Get, "Get('GET /things/{id}')"),
    "list": (List, "List('GET /things')"),
    "insert": (Insert, "Insert('POST /things')"),
    "update": (Update, "Update('PATCH /things/{id}')"),
    "delete": (Operation, f"{Delete.__name__}('DELETE /things/{{id}}')"),
    "parent": _TEXT,
    "under": _NAMES,
    "hints": _NAMES,
    "hint": _TEXT,
    "rows": _NUMBER,
    "per_parent": _NUMBER,
    "per_minute": _NAMES,
}
_OF_OPERATION: Final[Mapping[str, _Kind]] = {
    "route": _TEXT,
    "query": _NAMES,
    "headers": _NAMES,
    "item": _TEXT,
}
_OF_LIST: Final[Mapping[str, _Kind]] = {
    "items": _TEXT,
    "pages": (Paginator, "SinglePage(), TokenPages(..) or another of these, with brackets"),
    "filters": _NAMES,
    "each": _NAMES,
    "orders": _COLUMNS,
    "ascending": _COLUMNS,
}


def of_kinds(table: RestTable) -> Iterator[str]:
    """The parts of a table that are of a wrong kind, as sentences."""
    yield from _wrong(table, _OF_TABLE)
    for what in ("get", "list", "insert", "update", "delete"):
        operation = getattr(table, what)
        if isinstance(operation, Operation):
            yield from (f"{what}: {one}" for one in _of_operation(operation))
    if isinstance(table.fields, Mapping):
        for column, field in table.fields.items():
            if not (callable(field) or (isinstance(field, str) and field)):
                yield f"fields: {column} must name a field, or be a function, not {field!r:.40}."


def _of_operation(operation: Operation) -> Iterator[str]:
    yield from _wrong(operation, _OF_OPERATION)
    body: object = operation.body
    if not (body is None or isinstance(body, Mapping) or callable(body)):
        yield "body must be a mapping, such as {'column': 'field'}, or a function."
    for column, field in body.items() if isinstance(body, Mapping) else ():
        if not isinstance(field, str | Sent):
            yield f"body: {column} must be the name of a field, or Sent(..), not {field!r:.40}."
    if isinstance(operation, List):
        yield from _wrong(operation, _OF_LIST)
        filters: object = operation.filters
        for column, name in filters.items() if isinstance(filters, Mapping) else ():
            if not (isinstance(name, str) and name):
                yield f"filters: {column} must be the name of a query parameter, not {name!r:.40}."


def of_matcher(matcher: object) -> Iterator[str]:
    """What is wrong with what a response looks like."""
    status, pattern = getattr(matcher, "status", None), getattr(matcher, "pattern", None)
    if not isinstance(status, int) or not isinstance(pattern, str):
        yield f"{matcher!r:.60} must be a ResponseMatcher(404, 'text of the response')."
        return
    try:
        re.compile(pattern)
    except re.error as error:
        yield f"{pattern!r:.60} is not a regular expression ({error})."


def _wrong(declared: object, kinds: Mapping[str, _Kind]) -> Iterator[str]:
    for name, (kind, words) in kinds.items():
        given = getattr(declared, name)
        if not (given is None or isinstance(given, kind)):
            yield f"{name} must be {words}, not {given!r:.40}."
