"""What is found out about each place where a statement names one of our tables.

In joins whose first side is not one of our tables: whether a window may hand over its next keys.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field
from enum import StrEnum
from typing import NamedTuple

from sqlglot import exp

from sessions_vtab.contract.predicate import Predicate, Rule, fields
from sessions_vtab.sql.conditions import Atom, resolve
from sessions_vtab.sql.names import Item, OurTable, Scope
from sessions_vtab.sql.shapes import Block, Span, find
from sessions_vtab.sql.source import ParsedStatement


class Role(StrEnum):
    """Who checks a condition."""

    OFFERED = "offered"
    """SQLite offers it to the virtual table by itself."""
    PUSHED = "pushed"
    """The plan carries all of it."""
    NARROWED = "narrowed"
    """The plan carries something wider; SQLite decides."""
    HERE = "here"
    """SQLite checks it, the plan does not know it."""


class Condition(NamedTuple):
    """One conjunct of WHERE or ON that is about a single occurrence.

    Attributes:
        text: as written, parameters as ``?N`` of the statement.
        role: who takes care of it.
        local: it mentions nothing but columns of the occurrence and parameters, and a row that does
            not meet it is in no result.
        numbers: the parameters in it.
        predicate: what could be read of it.
        rule: why nothing of it can be pushed, or offered; None if an access path decides.
    """

    text: str
    role: Role
    local: bool
    numbers: tuple[int, ...]
    predicate: Predicate | None = None
    rule: Rule | None = None


class Join(NamedTuple):
    """``column = source.source_column``, where the source hands its rows to this occurrence."""

    column: str
    source: Item
    source_column: str


class KeySource(NamedTuple):
    """Rows of no table of ours that hand their keys to an occurrence: the FROM item before it.

    Attributes:
        column: the key column of the occurrence.
        key: the item's column, as written.
        label: how the item is called, as written.
        span: tokens of the item.
        conditions: what WHERE says about the item alone.
    """

    column: str
    key: str
    label: str
    span: Span
    conditions: tuple[str, ...]


@dataclass(slots=True)
class Occurrence:
    """One place where a statement names one of our tables.

    Attributes:
        item: name, table and place.
        alias: how the statement qualifies its columns.
        block: the SELECT it is in; None in UPDATE and DELETE.
        predicate: what may be pushed; its slots are indexes into ``atoms``.
        atoms: the values.
        conditions: the conjuncts about it alone.
        joins: equalities with rows of other occurrences.
        order: terms of ORDER BY as written.
        limit: LIMIT and OFFSET as written.
        limited: not all rows of its SELECT may be wanted.
        spliceable: table-valued arguments can be put after its name.
        key_source: the item whose rows come first, if it is not a table of this package.
        hidden: a condition that SQLite does not offer the table is about rows that it hides.
    """

    item: Item
    ours: OurTable
    alias: str
    block: Block | None = None
    predicate: Predicate | None = None
    atoms: tuple[Atom, ...] = ()
    conditions: list[Condition] = field(default_factory=list)
    joins: list[Join] = field(default_factory=list)
    order: str = ""
    limit: str = ""
    limited: bool = False
    spliceable: bool = True
    key_source: KeySource | None = None
    hidden: bool = False


def is_limited(query: exp.Expression) -> bool:
    """Whether not all rows of a SELECT may be wanted.

    It has a LIMIT, or hands its rows to a SELECT or a compound that has one; or EXISTS asks for
    it, or it is a value, of which the first row is taken.
    """
    if _is_one_row(query):
        return False
    around, is_value = query.parent, False
    while type(around) is exp.Subquery and around.args.get("limit") is None:
        around, is_value = around.parent, True
    if query.args.get("limit") is not None or isinstance(around, exp.Exists):
        return True
    if isinstance(around, exp.From | exp.Join):
        around = around.parent
    elif not isinstance(around, exp.SetOperation | exp.Subquery):
        return is_value and not isinstance(around, exp.In | exp.CTE | exp.Insert | None)
    return isinstance(around, exp.Expression) and is_limited(around)


def _is_one_row(query: exp.Expression) -> bool:
    """Whether a SELECT makes one row of all that it reads: ``count(*)`` without GROUP BY."""
    if not isinstance(query, exp.Select) or query.args.get("group") is not None:
        return False
    found = (one for part in query.expressions for one in part.find_all(exp.AggFunc))
    return any(one.parent_select is query and not one.expressions for one in found)


def key_source_of(
    source: ParsedStatement,
    node: exp.Select,
    scope: Scope,
    mine: Occurrence,
    where: Sequence[tuple[exp.Expression, Span | None]],
    ons: Sequence[exp.Expression],
) -> KeySource | None:
    """The source of an inner table's join keys, for look-ahead; None if it cannot be used.

    Args:
        source: the statement.
        node: the SELECT.
        scope: its names.
        mine: the second item.
        where: the conjuncts of WHERE with their tokens.
        ons: the conjuncts of ON.
    """
    first = scope.items[0]
    if len(scope.items) != 2 or scope.fixed or scope.merged or scope.opaque:  # noqa: PLR2004
        return None
    if mine.block is None or first.ours is not None or first.label is None:
        return None
    if not mine.ours.capability.remote:  # Reading ahead saves nothing.
        return None
    found = _key(mine, scope, [*(term for term, _ in where), *ons])
    if found is None or not mine.spliceable or not _windowable(source, node, mine):
        return None
    span = _item_span(source, mine.block)
    about = [one for term, one in where if one is not None and _is_about(first, term)]
    label = source.tokens[span[1] - 1].text
    conditions = tuple(source.slice(one) for one in about)
    return KeySource(found[0], source.column_text(found[1]), label, span, conditions)


def _key(
    mine: Occurrence, scope: Scope, terms: Sequence[exp.Expression]
) -> tuple[str, exp.Column] | None:
    """``key of ours = column of the first item``, if ours has no other way to be found.

    SQLite may turn an inner join round where ours can be looked up by itself; a window would
    forbid that. A LEFT JOIN has its order anyway.
    """
    for term in terms if mine.item.nullable or not _is_keyed(mine) else ():
        sides = (term.this, term.args.get("expression")) if isinstance(term, exp.EQ) else ()
        for one, other in (sides, sides[::-1]) if sides else ():
            if not isinstance(one, exp.Column) or not isinstance(other, exp.Column):
                continue
            found = resolve(scope, one)
            theirs = other.table.lower() == scope.items[0].label and not other.db
            if found is None or found.item is not mine.item or not theirs:
                continue
            if _is_key(mine, found.column.name):
                return found.column.name, other
    return None


def _windowable(source: ParsedStatement, node: exp.Select, mine: Occurrence) -> bool:
    """Whether adding a column to the first FROM item leaves the statement's result unchanged."""
    if mine.order and mine.limit:  # Everything would be sorted before the limit.
        return False
    hidden = any(token.upper in _HIDDEN for token in source.tokens)
    return not hidden and not any(_shows_all(part, but=mine.alias) for part in node.expressions)


def _item_span(source: ParsedStatement, block: Block) -> Span:
    """The tokens of the first item of a FROM."""
    first, end = block.clauses["FROM"]
    return first, next(find(source.tokens, (first, end), source.pairs, _JOINS), end)


_JOINS = frozenset((",", "JOIN", "LEFT", "INNER", "CROSS", "OUTER", "NATURAL"))
_HIDDEN = frozenset(("ROWID", "_ROWID_", "OID", "INDEXED"))


def _shows_all(part: exp.Expression, *, but: str) -> bool:
    """Whether a result column is ``*``, or ``x.*`` of a table other than ``but``."""
    if isinstance(part, exp.Column) and isinstance(part.this, exp.Star):
        return part.table.lower() != but.lower()
    return isinstance(part, exp.Star)


def _is_about(item: Item, term: exp.Expression) -> bool:
    """Whether a condition names only columns of an item, all of them qualified."""
    nodes = list(term.walk())
    columns = [node for node in nodes if isinstance(node, exp.Column)]
    ours = all(column.table.lower() == item.label and not column.db for column in columns)
    return bool(columns) and ours and not any(isinstance(node, exp.Query) for node in nodes)


def _is_keyed(mine: Occurrence) -> bool:
    """Whether conditions may give a key: the names of keys are looked for in their text."""
    keys = {key for path in mine.ours.capability.paths for key in path.keys}
    named = {one.column for one in fields(mine.predicate)} if mine.predicate is not None else set()
    texts = [condition.text.lower() for condition in mine.conditions]
    return bool(keys & named) or any(key.lower() in text for key in keys for text in texts)


def _is_key(mine: Occurrence, column: str) -> bool:
    """Whether a column finds rows: where it must be given, or in an order that is fixed."""
    paths = [path for path in mine.ours.capability.paths if path.keys == (column,)]
    return any(mine.item.nullable or not path.unique for path in paths)
