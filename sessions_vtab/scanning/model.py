"""Parts of a table, and the conditions that a part holds."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import Final

from sessions_vtab.contract import times
from sessions_vtab.contract.backend import Source
from sessions_vtab.contract.model import ColumnType, Table
from sessions_vtab.contract.predicate import Op, Value
from sessions_vtab.contract.scan import Row

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
