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
from sessions_vtab.sql.references import References, references
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
        text: how it is written, where that is not what its tokens say.
    """

    node: exp.Expression
    span: Span
    owner: Item | None
    refers: References
    text: str = ""


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
_SIDES = frozenset(("NATURAL", "LEFT", "RIGHT", "FULL", "INNER", "CROSS", "OUTER"))
_ENDS = _SIDES | {"ON", "USING"} | _JOINS


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
        correlated: it stands where the columns of another SELECT can be named.
    """

    source: ParsedStatement
    catalog: Catalog
    scope: Scope
    clause: FromClause
    terms: Sequence[Term]
    equalities: Sequence[Equality]
    correlated: bool

    def condition_on(self, item: Item) -> str:
        """``x IN (SELECT ..)`` for a view or table of ours; '' if nothing narrows it."""
        sides = sorted(self.sides(item), key=lambda side: _weight(side[1][0]))
        for key, other in sides:
            copied = _Copy(self, item, other[0])
            if copied.narrows():
                plain = other[0].known or "." in other[2]
                column = other[2] if other[2] and plain else written(*_name(other))
                return f"{item.inside(key)} IN {copied.select(column)}"
        return ""

    def sides(self, item: Item) -> Iterator[tuple[str, Side]]:
        """The keys of a view, each with a column that it equals in every row it is part of."""
        pairs = [(one.left, one.right) for one in self.equalities if one.owner in {None, item}]
        pairs += [(right, left) for left, right in pairs]
        for key in dict.fromkeys(left[1] for left, _ in pairs if left[0] is item):
            if item.inside(key) is not None:
                yield from ((key, other) for other in self._equal(item, key, pairs))

    def _equal(self, item: Item, key: str, pairs: Sequence[tuple[Side, Side]]) -> Iterator[Side]:
        """What a column equals, also by way of others: texts that equal one equal each other."""
        known = [(item, key)]
        for mine in known:
            for left, right in pairs:
                if left[:2] != mine or right[0] is item or not _is_plain(right):
                    continue
                yield right
                texts = right[:2] not in known and is_text(right) and is_text((item, key, ""))
                known += [right[:2]] if texts else []

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

    def qualified(self, term: Term) -> str:
        """A condition as it reads anywhere: what is not known to have its columns is named."""
        columns = zip(term.refers.columns, term.refers.nodes, strict=True)
        names = [
            (node, None if item.known or node.table else written(item.label, name))
            for (item, name), node in columns
        ]
        return self.source.renamed(term.span, names)

    def can_be_read_twice(self, item: Item) -> bool:
        """Whether an item has the same rows each time, and elsewhere in the statement."""
        if item.view is not None:
            return True
        if item.body is not None and item.at < 0 and not self._is_closed(item.body):
            return False
        tokens, at = self.source.tokens, item.at
        schema = name_of(tokens[at - 2]) if at > 1 and tokens[at - 1].text == "." else None
        return self._repeats.item(item, schema, "" if at < 0 else name_of(tokens[at]))

    def _is_closed(self, body: exp.Expression) -> bool:
        """Whether each name in a subquery means the same where columns of others can be named."""
        about = references(Scope(queries=self.scope.queries), body, self.catalog)
        return about.certain or not (self.correlated or about.quoted)

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


def is_text(side: Side) -> bool:
    """Whether a column is known to hold texts."""
    column = side[0].column(side[1]) if side[0].known else None
    return column is not None and column.type is ColumnType.TEXT


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
        conditions = [one.text or joined.qualified(one) for one in self._terms]
        conditions += [
            f"{written(*_name(one.left))} = {written(*_name(one.right))}"
            for one in joined.equalities
            if one.owner is None and not one.left[2] and {one.left[0], one.right[0]} <= {*items}
        ]
        where = f" WHERE {' AND '.join(f'({one})' for one in conditions)}" if conditions else ""
        return f"(SELECT {column} FROM {tables}{where})"


def _name(side: Side) -> tuple[str | None, str]:
    return side[0].label, side[1]


def written(*names: str | None) -> str:
    """A name with its qualifiers, as far as it has any."""
    return ".".join(quoted(one) for one in names if one)


def _keys(item: Item) -> frozenset[str]:
    """The columns by which some rows of an item are found without reading all of them."""
    if item.view is not None:
        return frozenset(item.view.view.keys)
    return frozenset() if item.ours is None else item.ours.keys
