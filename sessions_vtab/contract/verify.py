"""Checks what a backend declares, so that a mistake is an error when a source is opened.

Every name in a declaration must be a column, every declared write must have its method, and names
must be unique; otherwise a typing error in a filter would show as a condition that is never sent,
or as a ``KeyError`` in the middle of a statement.

Rows are checked against the columns of their table by the test kit, and where it is asked for.
"""

from __future__ import annotations

import json
import re
from collections import Counter
from collections.abc import Callable, Iterable, Iterator, Mapping
from contextlib import contextmanager
from functools import partial
from typing import Any, Final

from sessions_vtab.contract import times
from sessions_vtab.contract.backend import Backend, Context, Resource
from sessions_vtab.contract.capability import AccessPath, Capability
from sessions_vtab.contract.model import ColumnType, Function, Table
from sessions_vtab.contract.scan import Page, Scan
from sessions_vtab.errors import ConfigurationError, did_you_mean

_IDENTIFIER: Final = re.compile(r"[a-z_][a-z0-9_]*", re.ASCII)
_ACTIONS: Final = ("insert", "update", "delete")


def verify(backend: Backend) -> None:
    """Raises ConfigurationError with the first mistake in a backend's declaration."""
    for problem in problems(backend):
        raise ConfigurationError(f"The backend {backend.name}: {problem}")


def problems(backend: Backend) -> Iterator[str]:
    """Every mistake in what a backend declares, each naming table and name."""
    if not backend.resources:
        yield "it declares no tables."
    for name, resource in backend.resources.items():
        yield from (f"{name}: {problem}" for problem in _of_resource(name, resource, backend))
    for name in backend.routines:
        if name not in backend.functions:
            near = did_you_mean(name, backend.functions)
            yield f"the function {name} has no declaration in functions.{near}"
        else:
            yield from (f"{name}(): {one}" for one in _of_function(backend.functions[name]))
        if name in backend.resources or name in _LOGS:
            yield f"{name}(): there is a table of this name; give it another one."


def _of_resource(name: str, resource: Resource, backend: Backend) -> Iterator[str]:
    table = getattr(resource, "table", None)
    capability = getattr(resource, "capability", None)
    if not isinstance(table, Table) or not isinstance(capability, Capability):
        yield "a resource needs the attributes table (a Table) and capability (a Capability)."
        return
    if table.name != name:
        yield f"it is registered as {name}, but its table is named {table.name}."
    yield from _of_table(table)
    yield from _of_paths(table, capability.paths)
    yield from _of_writes(table, capability, backend)
    if capability.hides is not None:
        hides = (capability.hides.column, capability.hides.parameter)
        yield from _unknown("hides", hides, table)
    yield from _unknown("absent", sorted(capability.absent), table)
    for one in sorted(capability.absent & (capability.writes.insert | capability.writes.update)):
        yield f"absent: {one} is written, so it is not always NULL."
    sessions = backend.resources.get("sessions")
    if capability.follows and sessions is not None:
        yield from _unknown("follows", [capability.follows], sessions.table)


_LOGS: Final = ("http_requests", "writes")
"""Tables that every connection has."""


def _of_table(table: Table) -> Iterator[str]:
    if table.name in _LOGS:
        yield "every connection has a table of this name; give it another one."
    counted = Counter(column.name for column in table.columns)
    for name, count in counted.items():
        if count > 1:
            yield f"the column {name} is declared {count} times."
        if not _IDENTIFIER.fullmatch(name):
            yield f"the column {name!r} is not a valid name: use a-z, 0-9 and _."
    yield from _unknown("key", [table.key], table)


def _of_paths(table: Table, paths: Iterable[AccessPath]) -> Iterator[str]:
    counted = Counter(path.name for path in paths)
    if not counted:
        yield "it has no access path, so it cannot be read."
    for name, count in counted.items():
        if count > 1:
            yield f"{count} access paths are named {name!r}; names must be unique."
    for path in paths:
        where = f"path {path.name!r}"
        yield from _unknown(f"{where}: keys", path.keys, table)
        yield from _unknown(f"{where}: filters", [one.column for one in path.filters], table)
        yield from _unknown(f"{where}: orders", (*path.orders, *path.ascending), table)
        yield from _unknown(f"{where}: ordered_by", path.ordered_by, table)
        for one in path.filters:
            keyed = one.keyed and one.column in table.positions
            if keyed and table.column(one.column).type is not ColumnType.JSON:
                yield f"{where}: a keyed filter needs a JSON column, and {one.column} is not one."
        if path.page_cap is not None and path.page_cap < 1:
            yield f"{where}: page_cap must be at least 1, not {path.page_cap}."


def _of_writes(table: Table, capability: Capability, backend: Backend) -> Iterator[str]:
    writes = capability.writes
    yield from _unknown("writes.insert", sorted(writes.insert), table)
    yield from _unknown("writes.update", sorted(writes.update), table)
    for name in writes.required:
        if name not in writes.insert:
            near = did_you_mean(name, writes.insert)
            yield f"writes.required names {name}, which writes.insert does not have.{near}"
    for name in writes.hints:
        if name not in table.positions and name not in _ACTIONS:
            near = did_you_mean(name, (*table.names, *_ACTIONS))
            yield f"writes.hints: {name} is neither a column nor an action.{near}"
        elif name in writes.insert & writes.update:
            yield f"writes.hints: {name} can be inserted and updated, so its hint is never shown."
    written = writes.insert or writes.update or writes.delete
    method = "send" if backend.transaction is None else "apply"
    if written and getattr(type(backend), method) is getattr(Backend, method):
        yield f"it declares writes, but {type(backend).__name__} has no method {method}()."


def _of_function(function: Function) -> Iterator[str]:
    parameters = [column.name for column in function.parameters]
    results = [column.name for column in function.results]
    for name, count in Counter((*parameters, *results)).items():
        if count > 1:
            yield f"the name {name} is used for {count} parameters or results."
    for name in function.required:
        if name not in parameters:
            near = did_you_mean(name, parameters)
            yield f"required names {name}, which is not a parameter.{near}"


def _unknown(where: str, names: Iterable[str], table: Table) -> Iterator[str]:
    for name in names:
        if name not in table.positions:
            yield f"{where}: there is no column {name}.{did_you_mean(name, table.names)}"


CHECKED: Final = "SESSIONS_VTAB_CHECK_ROWS"
"""Environment variable: ``1`` checks every row that a backend returns, which takes time."""


def with_checked_rows(backend: Backend) -> Backend:
    """The same backend; a row that is not as declared raises TypeError, naming table and column."""
    for resource in backend.resources.values():
        _check(resource)
    return backend


@contextmanager
def rows_checked(resource: Resource) -> Iterator[None]:
    """Inside the block, a row of the table that is not as declared raises TypeError."""
    before = vars(resource).get("scan")
    _check(resource)
    try:
        yield
    finally:
        del vars(resource)["scan"]
        if before is not None:
            vars(resource)["scan"] = before


def _check(resource: Resource) -> None:
    vars(resource)["scan"] = partial(_checked, resource.table, resource.scan)


def _checked(
    table: Table, read: Callable[[Scan, Context], Iterator[Page]], scan: Scan, context: Context
) -> Iterator[Page]:
    wanted = max((table.positions[name] + 1 for name in scan.columns), default=0)
    pages = read(scan, context)
    if not isinstance(pages, Iterator):
        raise TypeError(
            f"{table.name}: scan() must return an iterator of pages, each a list of rows, not"
            f" {pages!r:.80}"
        )
    for page in pages:
        rows = list(page)
        for row in rows:
            wrong = wrong_row(table, row, wanted)
            if wrong is not None:
                raise TypeError(wrong)
        yield rows


def wrong_row(table: Table, row: object, wanted: int | None = None) -> str | None:
    """What is wrong with a row by the table's columns and their types; None if it is right.

    Args:
        table: its columns.
        row: what a backend returned. It may end after the last column that was asked for.
        wanted: how many columns it must have; None for all.
    """
    most = len(table.columns)
    if not isinstance(row, tuple) or not (most if wanted is None else wanted) <= len(row) <= most:
        return f"{table.name}: a row must be a tuple of {most} values, not {row!r:.80}"
    for column, value in zip(table.columns, row, strict=False):
        if value is not None and not _FITS[column.type](value):
            kind = column.type.value
            return f"{table.name}.{column.name} must be {_KINDS.get(kind, kind)}, not {value!r:.80}"
    return None


def _is_json(value: object) -> bool:
    try:
        json.loads(value if isinstance(value, str) else "")
    except ValueError:
        return False
    return True


def _is_time(value: object) -> bool:
    return isinstance(value, str) and times.parse(value) is not None


_FITS: Final[Mapping[ColumnType, Callable[[Any], bool]]] = {
    ColumnType.TEXT: lambda value: isinstance(value, str),
    ColumnType.INTEGER: lambda value: isinstance(value, int) and not isinstance(value, bool),
    ColumnType.REAL: lambda value: isinstance(value, int | float),
    ColumnType.BOOLEAN: lambda value: isinstance(value, int) and value in (0, 1),
    ColumnType.TIME: _is_time,
    ColumnType.JSON: _is_json,
    ColumnType.BLOB: lambda value: isinstance(value, bytes | str),
}
_KINDS: Final = {
    "integer": "an int",
    "real": "a number",
    "boolean": "0 or 1",
    "time": "a time as text in UTC",
    "json": "JSON text",
    "blob": "bytes or text",
}
