"""Checks a REST declaration before anything is made of it: names, placeholders, kinds of values.

The columns of filters and orders are checked by ``contract.verify``, as for every backend.
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Iterator, Mapping, Sequence
from itertools import chain
from typing import Any, ClassVar, Final, Protocol, TypeAlias

from sessions_vtab.contract.model import PLACEHOLDER, Column, ColumnType, places_of
from sessions_vtab.errors import ConfigurationError, did_you_mean
from sessions_vtab.fetch import Paginator
from sessions_vtab.rest.access import parent_column
from sessions_vtab.rest.declaration import (
    VERBS,
    Delete,
    Get,
    Insert,
    List,
    Operation,
    RestFunction,
    RestTable,
    Sent,
    Update,
)

_METHODS = ("GET", "POST", "PUT", "PATCH", "DELETE")


def check(
    backend: str,
    tables: Sequence[RestTable],
    functions: Sequence[RestFunction],
    location: Sequence[str],
) -> None:
    """Raises ConfigurationError with the first mistake in a declaration.

    Args:
        backend: its name, for the error.
        tables: as ``RestBackend.declare`` gives them.
        functions: as ``RestBackend.declare_functions`` gives them.
        location: placeholders that the source's location gives.
    """
    for problem in _problems(tables, functions, location):
        raise ConfigurationError(f"The backend {backend}: {problem}")


class _Overrides(Protocol):
    """What a backend says beside its tables: what is done differently, hosts, keys."""

    name: ClassVar[str]
    hosts: ClassVar[tuple[str, ...]]
    key_variables: ClassVar[tuple[str, ...]]
    meanings: ClassVar[tuple[Any, ...]]
    readers: ClassVar[Mapping[str, type]]
    writers: ClassVar[Mapping[str, type]]
    statuses: ClassVar[Mapping[Any, str]]


def check_overrides(backend: _Overrides, tables: Iterable[str], reader: type, writer: type) -> None:
    """Raises ConfigurationError where what a backend does differently would not be used.

    Args:
        backend: whose.
        tables: its tables; those that its settings leave out may be named, too.
        reader: what its readers are.
        writer: what its writers are.
    """
    for what, given, kind in (
        ("readers", backend.readers, reader),
        ("writers", backend.writers, writer),
    ):
        for name, made in given.items():
            near = "" if name in tables else did_you_mean(name, tables)
            problem = near and f"there is no table {name}.{near}"
            if not (isinstance(made, type) and issubclass(made, kind)):
                problem = f"{name} must be a subclass of {kind.__name__}, not {made!r:.40}."
            if problem:
                raise ConfigurationError(f"The backend {backend.name}: {what}: {problem}")
    for what in ("hosts", "key_variables", "meanings"):
        for problem in _no_tuple(what, getattr(backend, what)):
            raise ConfigurationError(f"The backend {backend.name}: {problem}")
    for status in backend.statuses:
        if not isinstance(status, int):
            message = f"statuses: {status!r:.40} must be the number of an HTTP status."
            raise ConfigurationError(f"The backend {backend.name}: {message}")


def _problems(
    tables: Sequence[RestTable], functions: Sequence[RestFunction], location: Sequence[str]
) -> Iterator[str]:
    declared = {"tables": tables, "functions_declared": functions, "location": location}
    for what, given in declared.items():
        yield from _no_tuple(what, given)
    if not tables:
        yield "it declares no tables."
        return
    by_name = {one.table.name: one for one in tables}
    if len(by_name) < len(tables):
        yield "two of its tables have the same name."
    for table in tables:
        problems = chain(_of_kinds(table), _of_table(table, by_name))
        yield from (f"{table.table.name}: {one}" for one in problems)
    names = [name for one in tables for name in places_of(one.name)]
    yield from (f"location: {one}" for one in _unknown(location, names, "placeholder"))
    own = places_of(tables[0].name)
    for function in functions:
        name = function.function.name
        yield from (f"{name}(): {one}" for one in _of_function(function, own))


def _of_table(table: RestTable, by_name: Mapping[str, RestTable]) -> Iterator[str]:
    if "name" not in table.table.positions:
        yield "a REST table needs the column name, which holds the resource name."
    owner = by_name.get(table.parent) if table.parent else table
    if owner is None:
        near = did_you_mean(table.parent, by_name)
        yield f"parent: there is no table {table.parent}.{near}"
        return
    yield from _of_types(table.table.columns)
    yield from _of_fields(table, owner)
    yield from _of_reading(table, owner)
    yield from _of_writes(table)


def _of_types(columns: Iterable[Column]) -> Iterator[str]:
    for column in columns:
        given: object = column.type
        if not isinstance(given, ColumnType):
            kinds = ", ".join(f"ColumnType.{one.name}" for one in ColumnType)
            yield f"column {column.name}: {given!r:.40} is not a type; write one of {kinds}."


def _of_fields(table: RestTable, owner: RestTable) -> Iterator[str]:
    own = places_of(table.name)
    if not own:
        yield f"name: {table.name!r} has no placeholder, so every row would have the same name."
    known = (*table.table.names, *own)
    yield from (f"fields: {one}" for one in _unknown(table.fields, known, "column"))
    column = parent_column(table, owner)
    if column and column not in table.table.positions:
        yield (
            f"parent: it needs the column {column}, which holds the name of the row of"
            f" {table.parent}; 'under' can give it another name."
        )
    given = places_of(owner.name) if table.parent else ()
    for place in own:
        if not (place in given or place in table.fields or place in table.table.positions):
            near = did_you_mean(place, table.table.names)
            yield f"name: the placeholder {place} is neither a column nor in fields.{near}"
    for place in places_of(owner.name):
        if place not in own:
            yield f"name: it must contain the placeholder {place} of its parent's name."


def _of_reading(table: RestTable, owner: RestTable) -> Iterator[str]:
    if owner.get is None and owner.list is None:
        yield "it has neither get nor list, so it cannot be read."
    if table.parent and not (table.inside or table.list):
        yield f"inside: name the field of {table.parent} that holds its rows, or declare list."
    if table.parent and (table.get is not None or (table.list is not None and table.inside)):
        yield f"its rows come with {table.parent}, so it cannot have get or list."
    listed = table.list or owner.list
    if "page_size" in table.table.positions and (listed is None or listed.pages.cap is None):
        yield (
            "page_size: its list has to say how many rows a page may have: TokenPages(cap=100), for"
            " example."
        )
    known = places_of(owner.name)
    if table.get is not None:
        yield from _of_operation("get", table.get, known)
        if not table.get.places:
            yield "get: it names no row: neither its path nor its query has a placeholder."
    if table.list is not None:
        known = known if table.parent else (*known, *table.table.names)
        yield from _of_list(table.list, known)
        if table.parent and not table.list.places:
            where = "neither its path nor its query has a placeholder"
            yield f"list: it names no row of {table.parent}: {where}."


def _of_list(listed: List, known: Sequence[str]) -> Iterator[str]:
    yield from _of_operation("list", listed, known)
    yield from (f"list: each: {one}" for one in _unknown(listed.each, known, "placeholder"))
    if listed.pages.cap is not None and not listed.pages.size:
        yield "list: pages: size and cap go together: the parameter, and its largest value."


def _of_writes(table: RestTable) -> Iterator[str]:
    known = (*table.table.names, *places_of(table.name))
    for what, operation in (
        ("insert", table.insert),
        ("update", table.update),
        ("delete", table.delete),
    ):
        if operation is None:
            continue
        yield from _of_operation(what, operation, known)
        for part in ("columns", "required"):
            problems = list(_no_tuple(f"{what}: {part}", getattr(operation, part, ())))
            yield from problems
            if problems:
                return
        if what == "delete" and not operation.places and operation.body is None:
            yield "delete: it names no row: neither its path nor its query has a placeholder."
        body = operation.body if isinstance(operation.body, Mapping) else ()
        columns = (*body, *getattr(operation, "columns", ()), *getattr(operation, "required", ()))
        yield from (f"{what}: {one}" for one in _unknown(columns, known, "column"))


def _of_operation(what: str, operation: Operation, known: Iterable[str]) -> Iterator[str]:
    if operation.method not in _METHODS or " /" not in operation.route:
        route = operation.route
        yield f"{what}: {route!r:.60} is not a method and a path, such as 'GET /v1/things'."
    if "?" in operation.route:
        yield f"{what}: a path has no query; write query={{'name': 'value'}}."
    for text in (operation.route, *operation.query.values()):
        if text.count("{") != len(PLACEHOLDER.findall(text)) or text.count("{") != text.count("}"):
            yield f"{what}: {text!r:.60} has a bracket that belongs to no placeholder."
    yield from (f"{what}: {one}" for one in _unknown(operation.places, known, "placeholder"))
    yield from _no_tuple(f"{what}: missing", operation.missing)
    yield from _no_tuple(f"{what}: done", operation.done)
    for one in (*operation.missing, *operation.done):
        yield from (f"{what}: {problem}" for problem in _of_matcher(one))


def _of_function(declared: RestFunction, own: Sequence[str]) -> Iterator[str]:
    function = declared.function
    for what in ("parameters", "results", "required"):
        yield from _no_tuple(what, getattr(function, what))
    yield from _of_types((*function.parameters, *function.results))
    parameters = [column.name for column in function.parameters]
    about = "session" in parameters
    if not about and declared.rows is None:
        yield "it needs the parameter session, which names the row that it is about, or rows."
    known = (*parameters, *(own if about else ()))
    yield from _of_operation("operation", declared.operation, known)
    yield from _of_sent(declared, known)
    if function.effect != declared.operation.changes:
        does = "changes something" if function.effect else "changes nothing"
        yield f"operation: the function {does} (effect), so asks must be {not function.effect}."
    if isinstance(declared.rows, Mapping):
        results = [column.name for column in function.results]
        yield from (f"rows: {one}" for one in _unknown(declared.rows, results, "result"))
        known = (*known, *declared.rows, "response", *(("session_name",) if about else ()))
        yield from (f"rows: nothing says what {one} is." for one in results if one not in known)
    if declared.rows is None and function.results[-1].name != "response":
        yield "without rows, its results must be a session's core columns and response."


def _of_sent(declared: RestFunction, known: Sequence[str]) -> Iterator[str]:
    """Of the parameters of a function, unless code of the backend's own sees them."""
    body, rows = declared.operation.body, declared.rows
    if not isinstance(body, Mapping | None):
        return
    yield from (f"operation: body: {one}" for one in _unknown(body or (), known, "parameter"))
    seen = rows.values() if isinstance(rows, Mapping) else (rows,)
    sent = {"session", *declared.operation.places, *(body or ())}
    for name in () if any(map(callable, seen)) else declared.function.parameters:
        if name.name not in sent:
            yield f"operation: neither its path, its query nor its body has {name.name}."


def _no_tuple(what: str, given: object) -> Iterator[str]:
    """A value in parentheses is a tuple only with a comma."""
    if not isinstance(given, tuple | list):
        shown = f"{given!r:.60}" if isinstance(given, str) else f"{type(given).__name__}(..)"
        yield f"{what} must be a tuple: ({shown},), with the comma."


def _unknown(names: Iterable[str], known: Iterable[str], what: str) -> Iterator[str]:
    every = tuple(known)
    for name in names:
        if name not in every:
            yield f"there is no {what} {name}.{did_you_mean(name, every)}"


# Whether each part is of the right kind: Python itself takes anything.

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
    "ordered_by": _COLUMNS,
}


def _of_kinds(table: RestTable) -> Iterator[str]:
    """The parts of a table that are of a wrong kind, as sentences."""
    yield from _wrong(table, _OF_TABLE)
    for what in VERBS:
        operation = getattr(table, what)
        if isinstance(operation, Operation):
            yield from (f"{what}: {one}" for one in _of_parts(operation))
    if isinstance(table.fields, Mapping):
        for column, field in table.fields.items():
            if not (callable(field) or (isinstance(field, str) and field)):
                yield f"fields: {column} must name a field, or be a function, not {field!r:.40}."


def _of_parts(operation: Operation) -> Iterator[str]:
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


def _of_matcher(matcher: object) -> Iterator[str]:
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
