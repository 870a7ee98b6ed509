"""Parts of a table, their conditions, and what they name: sources, tables and columns."""

from __future__ import annotations

import os
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, replace
from typing import Final

from sessions_vtab import registry
from sessions_vtab.config import load, parse_source
from sessions_vtab.contract import times
from sessions_vtab.contract.backend import Backend, Resource, Source
from sessions_vtab.contract.model import Column, ColumnType, Table
from sessions_vtab.contract.predicate import Op, Value
from sessions_vtab.contract.scan import Row
from sessions_vtab.errors import (
    UnknownNameError,
    UnsupportedError,
    did_you_mean,
    no_source,
    no_table,
)

_IN_ORDER: Final[Mapping[Op, Callable[[int], bool]]] = {
    Op.LT: lambda order: order < 0,
    Op.LE: lambda order: order <= 0,
    Op.GT: lambda order: order > 0,
    Op.GE: lambda order: order >= 0,
}


@dataclass(frozen=True, slots=True)
class PartCondition:
    """A condition on one column that is judged here, whatever the backend makes of it.

    Attributes:
        column: the column's name.
        op: IN, or a comparison (``<``, ``<=``, ``>``, ``>=``) of a time column.
        values: the values of an IN; the one canonical time of a comparison.
    """

    column: str
    op: Op
    values: tuple[Value, ...]


@dataclass(frozen=True, slots=True)
class Part:
    """A part of one table that can be read by itself, also on another machine.

    It can be pickled and holds no secret: a credential is found where the part is read, in the
    provider's usual place or where the source names it.

    Attributes:
        source: the settings of the source.
        table: name of the table.
        link: the column by which ``ids`` select rows; '' if the part is not made of sessions.
        parent: what the names of its sessions begin with, up to the last ``/``.
        ids: last segments of the names of its sessions.
        where: condition in SQL; '' for none.
        conditions: further conditions.
    """

    source: Source
    table: str
    link: str = ""
    parent: str = ""
    ids: tuple[str, ...] = ()
    where: str = ""
    conditions: tuple[PartCondition, ...] = ()

    def __repr__(self) -> str:
        """Without ids: those of some services are secrets."""
        held = f", {len(self.ids)} of {self.link}" if self.link else ""
        return f"Part({self.source.name}.{self.table}{held})"

    @property
    def selected(self) -> tuple[PartCondition, ...]:
        """All conditions but ``where``."""
        if not self.link:
            return self.conditions
        names = tuple(f"{self.parent}{one}" for one in self.ids)
        return (PartCondition(self.link, Op.IN, names), *self.conditions)


def equal_to(keys: Mapping[str, Value | Sequence[Value]]) -> tuple[PartCondition, ...]:
    """Conditions for values by column: one value, or several of which any will do."""
    return tuple(
        PartCondition(column, Op.IN, tuple(dict.fromkeys(_several(given))))
        for column, given in keys.items()
    )


def judge(table: Table, conditions: Sequence[PartCondition]) -> Callable[[Row], bool]:
    """Whether a row satisfies every condition. NULL satisfies none, as in SQL."""
    tests = [(table.positions[one.column], _test(table, one)) for one in conditions]
    return lambda row: all(test(row[place]) for place, test in tests)


def _several(given: Value | Sequence[Value]) -> Sequence[Value]:
    single = given is None or isinstance(given, str | bytes | int | float)
    return (given,) if single else given  # type: ignore[return-value]


def _test(table: Table, condition: PartCondition) -> Callable[[Value], bool]:
    if condition.op is not Op.IN:
        (limit,) = condition.values
        fits = _IN_ORDER[condition.op]
        return lambda value: value is not None and fits(times.compare(str(value), str(limit)))
    wanted = frozenset(condition.values) - {None}
    if table.column(condition.column).type is ColumnType.TIME:
        instants = {times.parse(value) for value in wanted}
        return lambda value: value is not None and times.parse(value) in instants
    return lambda value: value in wanted


_paced: dict[tuple[int, str, int], Backend] = {}
"""Backends with a rate limit, by process and settings. See ``opened``."""


def resolved(source: str | Source) -> Source:
    """A source from its URL, or from its name in the user's configuration file; read-only.

    Raises:
        ConfigurationError: naming the setting.
        UnknownNameError: there is no source of that name.
    """
    return replace(_resolved(source), read_only=True)


def _resolved(source: str | Source) -> Source:
    if isinstance(source, Source):
        return source
    if "://" in source:
        return parse_source(source)
    known = {name.lower(): one for name, one in load().sources.items()}
    if source.lower() not in known:
        raise no_source(source, [one.name for one in known.values()])
    return known[source.lower()]


def paced(source: Source, requests_per_minute: int | None) -> Source:
    """The source with a limit of its read requests, or its own if that is lower.

    Raises:
        UnsupportedError: the limit is below one request per minute.
    """
    if requests_per_minute is None:
        return source
    if requests_per_minute < 1:
        raise UnsupportedError(
            f"{source.name}: requests_per_minute must be at least 1, not {requests_per_minute}."
        )
    least = min(requests_per_minute, source.rate_limit.get("read", requests_per_minute))
    return replace(source, rate_limit={**source.rate_limit, "read": least})


@contextmanager
def opened(source: Source) -> Iterator[Backend]:
    """The backend of a source inside the block.

    A source with a rate limit stays open until the process ends: the limit counts the requests of
    all parts that the process reads, one after the other.
    """
    if source.rate_limit:
        key = (os.getpid(), repr(source), id(source.transport))
        backend = _paced.get(key)
        if backend is None:
            backend = _paced[key] = registry.opened(source)
        yield backend
        return
    backend = registry.opened(source)
    try:
        yield backend
    finally:
        backend.close()


def resource_of(source: Source, backend: Backend, table: str) -> Resource:
    """The table of a name; raises UnknownNameError if there is none."""
    if table not in backend.resources:
        raise no_table(source.name, table, backend.resources)
    return backend.resources[table]


def columns_of(where: str, table: Table, names: Sequence[str] | None) -> tuple[Column, ...]:
    """The columns of some names; those of ``SELECT *`` for None.

    Args:
        where: ``source.table``, for errors.
        table: the table.
        names: hidden columns may be among them, but not parameters, which have no value to read.

    Raises:
        UnknownNameError: there is no such column.
        UnsupportedError: a column is a parameter, or none are wanted.
    """
    if names is None:
        return table.visible
    if not names:
        raise UnsupportedError(f"{where}: no column was given. Leave columns out to read them all.")
    for name in names:
        if name not in table.positions:
            known = [column.name for column in table.columns if not column.parameter]
            raise UnknownNameError(
                f"{where} has no column {name!r:.60}.{did_you_mean(name, known)}"
            )
        if table.column(name).parameter:
            raise UnsupportedError(f"{where}.{name} is a parameter, so it cannot be read.")
    return tuple(table.column(name) for name in dict.fromkeys(names))
