"""What a join says about one of its items: ``x IN (SELECT ..)`` made of the others.

Rows of an item that no row of the others meets are in no result, so any set of values that has at
least those of the others will do. The tables and conditions of the others are copied as they are
written; of these, whatever makes no difference to the number of requests is left out.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from typing import NamedTuple

from sqlglot import exp

from sessions_vtab.contract.model import ColumnType, quoted
from sessions_vtab.sql.lexer import name_of
from sessions_vtab.sql.names import Catalog, Item, Scope
from sessions_vtab.sql.references import References
from sessions_vtab.sql.repeatable import Repeats
from sessions_vtab.sql.shapes import Block, Span, find
from sessions_vtab.sql.source import ParsedStatement

Side = tuple[Item, str, str]
"""An item, its column, and how that is written; '' where it is not."""


class Equality(NamedTuple):
    """``a.x = b.y``, in WHERE, ON or USING.

    Attributes:
        left, right: its sides.
        owner: the right side of the LEFT JOIN in whose ON it is; None for an inner join or WHERE.
    """

    left: Side
    right: Side
    owner: Item | None


class Term(NamedTuple):
    """A condition of WHERE or ON that others are joined with by AND.

    Attributes:
        node: its tree.
        span: its tokens.
        owner: the right side of the LEFT JOIN in whose ON it is; None for an inner join or WHERE.
        refers: what it is about.
    """

    node: exp.Expression
    span: Span
    owner: Item | None
    refers: References


@dataclass(frozen=True, slots=True)
class FromClause:
    """The tokens of a FROM.

    Attributes:
        block: the SELECT.
        spans: of each item.
        ons: of each ON, without the keyword.
    """

    block: Block
    spans: tuple[Span, ...]
    ons: tuple[Span, ...]


_JOINS = frozenset((",", "JOIN"))
_ENDS = frozenset(("NATURAL", "LEFT", "INNER", "CROSS", "OUTER", "ON", "USING")) | _JOINS


def from_clause(source: ParsedStatement, scope: Scope, block: Block) -> FromClause | None:
    """The FROM of a SELECT; None if its tokens are not understood.

    Args:
        source: the statement.
        scope: the items of the FROM.
        block: the tokens of the SELECT.
    """
    first, end = block.clauses["FROM"]
    marks = list(find(source.tokens, (first, end), source.pairs, _ENDS))
    words = [source.tokens[mark].upper for mark in marks]
    ends = [*marks, end]
    starts = [
        (first, 0),
        *((mark + 1, n + 1) for n, mark in enumerate(marks) if words[n] in _JOINS),
    ]
    ons = [
        (mark + 1, next((ends[m] for m in range(n + 1, len(marks))), end))
        for n, mark in enumerate(marks)
        if words[n] == "ON"
    ]
    spans = [(start, ends[n]) for start, n in starts]
    known = len(spans) == len(scope.items) and all(start < stop for start, stop in spans)
    return FromClause(block, tuple(spans), tuple(ons)) if known else None


@dataclass(frozen=True, slots=True)
class Joined:
    """One SELECT with several items.

    Attributes:
        source: the statement.
        catalog: what its names mean.
        scope: its items.
        clause: their tokens.
        terms: its conditions.
        equalities: what its items are joined by.
    """

    source: ParsedStatement
    catalog: Catalog
    scope: Scope
    clause: FromClause
    terms: Sequence[Term]
    equalities: Sequence[Equality]

    def condition_on(self, item: Item) -> str:
        """``x IN (SELECT ..)`` for a view of ours; '' if nothing narrows it."""
        sides = sorted(self._sides(item), key=lambda side: _weight(side[1][0]))
        for key, other in sides:
            copied = _Copy(self, item, other[0])
            if copied.narrows():
                column = other[2] or _written(other)
                return f"{item.inside(key)} IN {copied.select(column)}"
        return ""

    def _sides(self, item: Item) -> Iterator[tuple[str, Side]]:
        """The keys of a view, each with a column that it equals in every row it is part of."""
        for equality in self.equalities:
            if equality.owner not in {None, item}:
                continue
            for mine, other in (equality[:2], (equality.right, equality.left)):
                known = mine[0] is item and item.inside(mine[1]) is not None
                if known and other[0] is not item and _is_plain(other):
                    yield mine[1], other

    def usable(self, item: Item) -> list[Term]:
        """The conditions that rows of the others meet wherever a row of an item is beside them."""
        return [
            term
            for term in self.terms
            if term.owner in {None, item}
            and term.refers.certain
            and term.refers.items
            and item not in term.refers.items
            # In another query the name of an outer column could be one of its own.
            and not (term.refers.outer and item.derived is not None)
            and self._repeats.condition(term.node)
        ]

    def text(self, item: Item) -> str:
        """An item as it is written."""
        return self.source.slice(self.clause.spans[self.scope.items.index(item)])

    def can_be_read_twice(self, item: Item) -> bool:
        """Whether an item has the same rows each time."""
        if item.view is not None:
            return True
        tokens, at = self.source.tokens, item.at
        schema = name_of(tokens[at - 2]) if at > 1 and tokens[at - 1].text == "." else None
        return self._repeats.item(item, schema, "" if at < 0 else name_of(tokens[at]))

    @property
    def _repeats(self) -> Repeats:
        return Repeats(self.catalog, self.scope.queries)


def _weight(item: Item) -> int:
    """How much is read to know the values of a column."""
    if item.view is not None:
        return 3
    if item.ours is None:
        return 1
    return 2 if _fans_out(item) else 0


def _fans_out(item: Item) -> bool:
    return item.ours is not None and item.ours.fans_out


def _is_plain(side: Side) -> bool:
    """Whether a column compares as a text does."""
    column = side[0].column(side[1]) if side[0].known else None
    return column is None or column.type is not ColumnType.TIME


class _Copy:
    """The items and conditions that narrow one item by way of another.

    Args:
        joined: the SELECT.
        item: what is narrowed.
        other: what it is joined with.
    """

    def __init__(self, joined: Joined, item: Item, other: Item) -> None:
        self._joined = joined
        self._other = other
        usable = joined.usable(item)
        links = [one.refers.items for one in usable]
        links += [
            frozenset((one.left[0], one.right[0])) for one in joined.equalities if one.owner is None
        ]
        self._items = [other]
        for _ in joined.scope.items:
            self._items += [
                one
                for one in joined.scope.items
                if one not in self._items
                and one is not item
                and self._is_cheap(one)
                and any(
                    one in link and link <= {*self._items, one} and len(link) > 1 for link in links
                )
            ]
        self._terms = [one for one in usable if one.refers.items <= {*self._items}]

    def _is_cheap(self, item: Item) -> bool:
        """Whether an item is read without a request for each session, and may be read twice."""
        heavy = item.nullable or item.view is not None or _fans_out(item)
        return not heavy and self._joined.can_be_read_twice(item)

    def narrows(self) -> bool:
        """Whether it leaves out values, so that it is worth being asked."""
        other = self._other
        if not self._joined.can_be_read_twice(other):
            return False
        alone = [one for one in self._terms if len(one.refers.items) == 1]
        if other.view is None and not _fans_out(other):
            return bool(alone) or any(not one.known for one in self._items)
        if len(self._items) > 1 and any(other not in one.refers.items for one in alone):
            return True
        keys = _keys(other)
        return any(
            name in keys for one in alone for item, name in one.refers.columns if item is other
        )

    def select(self, column: str) -> str:
        """The subquery.

        Args:
            column: what it returns.
        """
        joined, items = self._joined, self._items
        tables = ", ".join(joined.text(one) for one in joined.scope.items if one in items)
        conditions = [joined.source.slice(one.span) for one in self._terms]
        conditions += [
            f"{_written(one.left)} = {_written(one.right)}"
            for one in joined.equalities
            if one.owner is None and not one.left[2] and {one.left[0], one.right[0]} <= {*items}
        ]
        where = f" WHERE {' AND '.join(f'({one})' for one in conditions)}" if conditions else ""
        return f"(SELECT {column} FROM {tables}{where})"


def _written(side: Side) -> str:
    return f"{quoted(side[0].label or '')}.{quoted(side[1])}"


def _keys(item: Item) -> frozenset[str]:
    """The columns by which some rows of an item are found without reading all of them."""
    if item.view is not None:
        return frozenset(item.view.view.keys)
    paths = () if item.ours is None else item.ours.capability.paths
    return frozenset(key for path in paths if not path.fans_out for key in path.keys)
