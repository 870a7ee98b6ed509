"""The store's tables as the engine reads them.

Scans become SQL of the file: predicates, orders and column lists, with bound values.
"""

from __future__ import annotations

from array import array
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from dataclasses import replace
from functools import partial
from itertools import product
from typing import Any, Final, NamedTuple, assert_never

import apsw

from sessions_vtab.backends.local.store import Store
from sessions_vtab.backends.local.tables import NOW, StoreTable, real_columns
from sessions_vtab.contract import times
from sessions_vtab.contract.backend import Context, Resource
from sessions_vtab.contract.capability import (
    AccessPath,
    Capability,
    Connective,
    Filter,
    HiddenRows,
)
from sessions_vtab.contract.model import ColumnType, Table
from sessions_vtab.contract.predicate import (
    TIMESTAMP,
    AllOf,
    AnyOf,
    Compare,
    Field,
    Member,
    Not,
    Nothing,
    Null,
    Op,
    Predicate,
    Value,
    fields,
    known,
)
from sessions_vtab.contract.scan import Order, Page, Row, Scan
from sessions_vtab.contract.values import dump_json

COLLATIONS: Final = frozenset(("BINARY", "NOCASE", "RTRIM", TIMESTAMP))
"""Collating sequences that work here as on the user's connection."""

_FEW: Final = 16


class Select:
    """The SELECT statements of one relation."""

    def __init__(self, relation: StoreTable) -> None:
        self._relation = relation
        self._lists: dict[tuple[frozenset[str], bool], str] = {}
        self._kept: dict[object, _Kept] = {}

    def statement(self, scan: Scan, now: Callable[[], str]) -> tuple[str, list[Any]]:
        """Returns the SQL of a scan and its bindings.

        Args:
            scan: the scan.
            now: the current time as canonical text.
        """
        kept = self._kept.get(scan.shape)
        if kept is not None:
            return kept.text, kept.bindings(scan.where.terms, now)
        text, values = self._written(scan)
        if scan.shape is not None and not self._composes(scan):
            kept = self._reading(text, scan)
            # An invalid parent name adds no value, so this SQL must not be reused for other scans.
            if kept.values(scan.where.terms) == values:
                self._kept[scan.shape] = kept
        return text, [now(), *values] if values or NOW in text else []

    def _written(self, scan: Scan) -> tuple[str, list[Any]]:
        """Returns the SQL of a scan, and its parameter values after ``?1`` (the current time)."""
        condition = _Condition(self._relation)
        terms = [condition.render(term) for term in scan.where.terms]
        if self._composes(scan):
            terms.append(condition.composed(scan))
        alive = self._alive(scan)
        if alive:
            terms.append(alive)
        columns = self._columns(scan.columns, whole=bool(scan.parameters))
        text = f"{columns} FROM {self._relation.source}"
        if terms:
            text += " WHERE " + " AND ".join(terms)
        text += self._order(scan.order)
        if scan.offset:
            text += f" LIMIT -1 OFFSET {condition.bound(scan.offset)}"
        return text, condition.values

    def _composes(self, scan: Scan) -> bool:
        return self._relation.composed is not None and len(scan.path.keys) > 1

    def _reading(self, text: str, scan: Scan) -> _Kept:
        """Records how to bind later scans of the same shape, so that their SQL can be reused."""
        terms = enumerate(scan.where.terms)
        reads = tuple(
            (place, _value_of(self._relation, term))
            for place, term in terms
            if isinstance(term, Compare)
        )
        return _Kept(text, reads, timed=bool(reads) or NOW in text)

    def one(self, column: str) -> str:
        """A SELECT of complete rows by one column, even deleted; ``?1``: now, ``?2``: the value."""
        names = frozenset(self._relation.table.names)
        expression = self._relation.expression(column)
        columns = self._columns(names, whole=True)
        return f"{columns} FROM {self._relation.source} WHERE {expression} = ?2"

    def _alive(self, scan: Scan) -> str:
        """Returns the condition that hides expired and deleted rows unless they are asked for."""
        relation = self._relation
        if not relation.unless:
            return relation.alive
        if scan.parameters.get("include_deleted") == 1:
            return ""
        asked = frozenset(one.column for one in fields(scan.where))
        shown = asked & frozenset().union(*relation.unless)
        return relation.unless.get(shown, relation.alive)

    def _columns(self, wanted: frozenset[str], *, whole: bool) -> str:
        """Returns the select list. Unless ``whole``, rows end after the last wanted column."""
        text = self._lists.get((wanted, whole))
        if text is None:
            names = self._relation.table.positions
            last = max((names[name] for name in wanted), default=0)
            columns = self._relation.table.columns[: None if whole else last + 1]
            text = self._lists[wanted, whole] = "SELECT " + ", ".join(
                self._relation.expression(column.name)
                if column.name in wanted and not column.parameter
                else "NULL"
                for column in columns
            )
        return text

    def _order(self, order: Sequence[Order]) -> str:
        if not order:
            return ""
        terms = [
            self._relation.expression(one.column) + (" DESC" if one.descending else "")
            for one in order
        ]
        if self._relation.tie:
            terms.append(self._relation.tie + (" DESC" if order[-1].descending else ""))
        return " ORDER BY " + ", ".join(terms)


class _Kept(NamedTuple):
    """The SQL of all scans of one shape.

    Attributes:
        text: the SQL.
        reads: the position of each comparison among the conditions, and how its operand is bound.
        timed: whether the first binding is the current time.
    """

    text: str
    reads: tuple[tuple[int, Callable[[Any], Any]], ...]
    timed: bool

    def values(self, terms: Sequence[Any]) -> list[Any]:
        """Returns the parameter values after ``?1`` for a scan with these conditions."""
        return [read(terms[place].operand) for place, read in self.reads]

    def bindings(self, terms: Sequence[Any], now: Callable[[], str]) -> list[Any]:
        """Returns the bindings of a scan with these conditions."""
        values = self.values(terms)
        return [now(), *values] if self.timed else values


def _value_of(relation: StoreTable, compare: Compare) -> Callable[[Any], Any]:
    """Returns the value that the operand of a comparison is bound as; see ``_Condition``."""
    moved = relation.same_as.get(compare.field.column)
    if moved is not None and compare.op is Op.EQ and compare.collation == "BINARY":
        return moved[1]
    return _instant if compare.collation == TIMESTAMP else lambda value: value


class _Condition:
    """A WHERE clause that is being built, with its parameter values."""

    def __init__(self, relation: StoreTable) -> None:
        self._relation = relation
        self.values: list[Any] = []

    def bound(self, value: Any) -> str:
        """Adds a value and returns its parameter; ``?1`` is reserved for the current time."""
        self.values.append(value)
        return f"?{len(self.values) + 1}"

    def render(self, predicate: Predicate) -> str:
        """Returns SQL with the predicate's truth value (true, false or unknown) for every row."""
        match predicate:
            case Compare():
                return self._compare(predicate)
            case Member():
                return self._member(predicate)
            case Null(field, negated):
                return f"{self._field(field)} IS {'NOT ' if negated else ''}NULL"
            case AllOf(terms):
                return _joined([self.render(term) for term in terms], "AND", "1")
            case AnyOf(terms):
                return _joined([self.render(term) for term in terms], "OR", "0")
            case Not(term):
                return f"NOT ({self.render(term)})"
            case Nothing():
                return "0"
            case _:
                assert_never(predicate)

    def composed(self, scan: Scan) -> str:
        """Returns the names composed from the key columns of a lookup."""
        keys = [scan.given(column) or () for column in scan.path.keys]
        assert self._relation.composed is not None  # noqa: S101  # Asked by the caller.
        names = [
            self._relation.composed(*ids)
            for ids in product(*keys)
            if all(isinstance(one, str) for one in ids)
        ]
        return self._in(self._relation.expression("name"), names, negated=False)

    def _compare(self, compare: Compare) -> str:
        (value,) = known(compare.operand)
        if compare.op is Op.EQ:
            moved = self._by_id(compare.field, (value,), compare.collation)
            if moved is not None:
                return moved
        left = self._collated(compare.field, compare.collation)
        if compare.collation == TIMESTAMP:
            value = _instant(value)
        return f"{left} {compare.op} {self.bound(value)}"

    def _member(self, member: Member) -> str:
        values = known(*member.operands)
        if not member.negated:
            moved = self._by_id(member.field, values, member.collation)
            if moved is not None:
                return moved
        left = self._collated(member.field, member.collation)
        if member.collation == TIMESTAMP:
            values = tuple(_instant(value) for value in values)
        return self._in(left, values, negated=member.negated)

    def _by_id(self, field: Field, values: Iterable[Value], collation: str) -> str | None:
        """Turns a search by the name of a parent into a search by its id."""
        same = self._relation.same_as.get(field.column)
        if same is None or collation != "BINARY":
            return None
        columns, read = same
        found = (read(value) for value in values if isinstance(value, str))
        ids = dict.fromkeys(one for one in found if one is not None)
        if isinstance(columns, tuple):
            return self._among(columns, tuple(ids))
        return self._in(self._relation.expression(columns), tuple(ids), negated=False)

    def _among(self, columns: Sequence[str], keys: Sequence[str]) -> str:
        """Columns that together have one of some keys, each a JSON array; one binding holds all."""
        places = range(len(columns))
        if len(keys) == 1:
            key = self.bound(keys[0])
            return "(" + " AND ".join(f"{columns[n]} = {key} ->> {n}" for n in places) + ")"
        if not keys:
            return "0"
        listed = ", ".join(f"j.value ->> {n}" for n in places)
        source = f"json_each({self.bound('[' + ','.join(keys) + ']')}) j"
        return f"({', '.join(columns)}) IN (SELECT {listed} FROM {source})"

    def _in(self, left: str, values: Sequence[Value], *, negated: bool) -> str:
        word = "NOT IN" if negated else "IN"
        arrays, few = ([], values) if len(values) <= _FEW else _arrays(values)
        parts = [f"{left} {word} carray({self.bound(one)})" for one in arrays]
        if few or not parts:
            listed = ", ".join(self.bound(value) for value in few)
            parts.append(f"{left} {word} ({listed})")
        return _joined(parts, "AND" if negated else "OR", "")

    def _collated(self, field: Field, collation: str) -> str:
        text = self._field(field)
        # The column's own collation is left out: with COLLATE, SQLite uses no partial index.
        return text if collation in {"BINARY", TIMESTAMP} else f"{text} COLLATE {collation}"

    def _field(self, field: Field) -> str:
        text = self._relation.expression(field.column)
        return text if field.key is None else f"({text} ->> {self.bound(field.key)})"


def _joined(terms: Sequence[str], word: str, empty: str) -> str:
    """Joins terms as a balanced tree, because SQLite limits the depth of an expression to 1 000."""
    if not terms:
        return empty
    if len(terms) == 1:
        return terms[0]
    middle = len(terms) // 2
    left, right = (_joined(half, word, empty) for half in (terms[:middle], terms[middle:]))
    return f"({left} {word} {right})"


def _instant(value: Value) -> str:
    """A value compared as an instant; other values sort before all times, as in ``times``."""
    instant = times.parse(value)
    return "" if instant is None else times.to_text(instant)


def _arrays(values: Sequence[Value]) -> tuple[list[Any], list[Value]]:
    """The values as arrays for ``carray``, and those it cannot hold (a text would end at a NUL)."""
    texts: list[str] = []
    integers, reals = array("q"), array("d")
    others: list[Value] = []
    for value in values:
        if isinstance(value, str) and "\0" not in value:
            texts.append(value)
        elif isinstance(value, int):
            integers.append(value)
        elif isinstance(value, float):
            reals.append(value)
        else:
            others.append(value)
    return [apsw.carray(one) for one in (tuple(texts), integers, reals) if len(one)], others


# Estimated rows of a full read and of one session, which make the planner start with the smaller
# table, and follow a session to its events rather than each event to its session.
_ROWS: Final = {"sessions": 10_000, "events": 100_000, "event_parts": 200_000}
_PER_SESSION: Final = {"events": 10, "event_parts": 20}


class LocalResource(Resource):
    """One table of one store.

    Args:
        relation: the columns of the table, and how they are read.
        store: the store of the table.
    """

    def __init__(self, relation: StoreTable, store: Store) -> None:
        self.table = relation.table
        self.capability = _capability(relation)
        self._select = Select(relation)
        self._store = store

    def scan(self, scan: Scan, context: Context) -> Iterator[Page]:
        """Yields matching rows: one by a lookup, or many in growing pages (``Store.pages``)."""
        text, bindings = self._select.statement(scan, partial(self._store.now_of, context))
        # Each condition requires exactly one value.
        if scan.path.unique and all(isinstance(term, Compare) for term in scan.where.terms):
            return iter((self._store.looked_up(text, bindings, context),))
        return self._store.pages(text, bindings, context)

    def row(self, name: str) -> Row | None:
        """Returns the complete row with a name, even if it is expired or deleted."""
        found: Row | None = self._store.row(self._select.one("name"), (self._store.now(), name))
        return found


def _capability(relation: StoreTable) -> Capability:
    table = relation.table
    filters = _filters(table)
    orders = tuple(column.name for column in real_columns(table))
    connectives = frozenset(Connective)
    listing = AccessPath(
        "list", (), filters, orders, connectives, offset=True, cost=20.0, call=table.name
    )
    lookups = tuple(
        AccessPath(name, keys, filters, orders, connectives, unique=True, cost=5.0, call=table.name)
        for name, keys in relation.lookups
    )
    return Capability(
        (*lookups, *_of_session(relation, listing), listing),
        relation.writes,
        rows=_ROWS.get(table.name, 1_000),
        remote=False,
        hides=HiddenRows("deleted", "include_deleted") if relation.unless else None,
    )


def _of_session(relation: StoreTable, listing: AccessPath) -> Iterator[AccessPath]:
    """The same list for one session: what it is expected to have is much less than a share."""
    rows = _PER_SESSION.get(relation.table.name)
    unique = [keys for _, keys in relation.lookups]
    keys = (key for key in ("session_id", *relation.same_as) if (key,) not in unique)
    for key in keys if rows else ():
        yield replace(listing, name=f"list by {key}", keys=(key,), rows_per_key=rows)


def _filters(table: Table) -> tuple[Filter, ...]:
    """Every operator on every column; the store is SQLite, so all of them are exact."""
    every = frozenset(Op)
    columns = real_columns(table)
    plain = tuple(
        Filter(column.name, every, exact=True, collations=COLLATIONS) for column in columns
    )
    keyed = tuple(
        Filter(column.name, every, keyed=True, exact=True, collations=COLLATIONS)
        for column in columns
        if column.type is ColumnType.JSON
    )
    return plain + keyed


def response(table: Table, row: Row, extra: Mapping[str, Any] | None = None) -> str:
    """Returns a row as a JSON object, in which JSON columns are JSON values.

    Args:
        table: the table of the row.
        row: the values of all columns.
        extra: further members of the object.
    """
    members = {
        column.name: value
        if column.type is ColumnType.JSON and isinstance(value, str)
        else dump_json(value)
        for column, value in zip(table.columns, row, strict=True)
        if value is not None
    }
    members |= {name: dump_json(value) for name, value in (extra or {}).items()}
    return "{" + ",".join(f"{dump_json(name)}:{text}" for name, text in members.items()) + "}"
