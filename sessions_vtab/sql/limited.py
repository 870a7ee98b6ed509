"""Queries with LIMIT: what else would be read of what they are joined with.

What must not be asked twice, as a query with LIMIT, is given a name, and both read that: SQLite
keeps the rows of a common table expression that is MATERIALIZED, so everything that names it sees
the same ones (https://sqlite.org/lang_with.html#mathint).

``FROM sessions s LEFT JOIN turns t ON .. LIMIT 1``: each row of the left side is in the result at
least once, so only its first rows can be. SQLite reads the whole view nevertheless. So the left
side is written as a query with that LIMIT, of whose rows alone the view then has to know.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from typing import NamedTuple

from sqlglot import exp

from sessions_vtab.sql.derived import TermsWalk, aggregates
from sessions_vtab.sql.lexer import Edit, insert, name_of
from sessions_vtab.sql.names import Item, Scope
from sessions_vtab.sql.references import references
from sessions_vtab.sql.repeatable import Repeats
from sessions_vtab.sql.select_terms import SelectTerms, written
from sessions_vtab.sql.semi_joins import sides_of
from sessions_vtab.sql.walk import On


class Kept(NamedTuple):
    """What is said about an item by another one whose rows are kept.

    Attributes:
        key: the column of the item.
        query: a SELECT of the values of which it has one.
        edits: what gives the other one its name.
    """

    key: str
    query: str
    edits: Sequence[Edit]


def kept_beside(select: SelectTerms, item: Item) -> Kept | None:
    """What a query with LIMIT says about a view or query that it is joined with.

    Args:
        select: the SELECT they are in.
        item: the view or query.
    """
    if select.correlated or select.clause.block is None:
        return None
    for key, other in sides_of(select, item):
        query = other[0].body
        bare = None if query is None else query.unnest()
        limited = isinstance(bare, exp.Select) and bare.args.get("limit") is not None
        if limited and select.repeats.item(other[0], None, "", once=True):
            named = _common(select, other[0]) if other[0].at >= 0 else _inline(select, other[0])
            if named is not None:
                name, edits = named
                label = "" if other[0].label is None else f" AS {written(other[0].label)}"
                column = other[2] or other[0].outside(other[1])
                return Kept(key, f"SELECT {column} FROM {name}{label}", edits)
    return None


def _common(select: SelectTerms, item: Item) -> tuple[str, list[Edit]] | None:
    """The name of a common table expression, which is to be kept."""
    common = select.source.common_table(item.body)
    if common is None or common[0].args["alias"].columns:
        return None
    span = common[1]
    tokens, before = select.source.tokens, select.source.tokens[span[0] - 1]
    if before.upper != "AS" and select.source.tokens[span[0] - 2].upper != "AS":
        return None  # NOT MATERIALIZED: it is not kept.
    edits = [insert(before.end, " MATERIALIZED")] if before.upper == "AS" else []
    return written(name_of(tokens[item.at])), edits


def _inline(select: SelectTerms, item: Item) -> tuple[str, list[Edit]] | None:
    """The name that a subquery in FROM is given."""
    source, clause = select.source, select.clause
    first = clause.spans[select.scope.items.index(item)][0]
    end = source.pairs.get(first)
    if end is None:
        return None
    tokens, name = source.tokens, written(f"_once_{first}")
    before = "," if select.node.args.get("with_") is not None else "WITH"
    body = source.slice((first, end + 1))
    return name, [
        insert(tokens[clause.at].start, f"{before} {name} AS MATERIALIZED {body} "),
        Edit(tokens[first].start, tokens[end].end, name),
    ]


_MOST = 1_000_000
"""A higher limit counts as no limit, so that the sum cannot overflow."""


class FirstRowsWalk(TermsWalk):
    """Limits the left side of LEFT JOIN."""

    __slots__ = ()
    words = frozenset(("LIMIT",))

    def conditions(self, node: exp.Expression, scope: Scope, ons: Sequence[On]) -> None:
        """Looks at a SELECT with LIMIT."""
        self.selects[id(node)] = scope
        if not isinstance(node, exp.Select) or scope.opaque or not scope.items:
            return
        first, *others = scope.items
        limit = _limit(node)
        if not limit or first.ours is None or not all(one.nullable for one in others):
            return
        if not any(one.view or self._groups(one, scope) for one in others):
            return
        found = self.terms_of(node, scope, ons)
        if found is not None:
            self.edits += _limited(found, first, limit)

    def _groups(self, item: Item, scope: Scope) -> bool:
        """Whether an item is a query that groups, into which a condition may move."""
        body = item.body
        if body is None or not self.branches(item):
            return False
        return Repeats(self.catalog, scope.queries).groups_costly(body)


def _limit(node: exp.Select) -> str:
    """How many rows may be wanted, as an expression; '' where that is not certain."""
    barred = ("group", "having", "distinct", "windows")
    limit, offset = node.args.get("limit"), node.args.get("offset")
    if limit is None or any(node.args.get(one) for one in barred):
        return ""
    if aggregates(node) or node.find(exp.Window) is not None:
        return ""
    count, skipped = (
        _number(limit.expression),
        "0" if offset is None else _number(offset.expression),
    )
    if not (count and skipped):
        return ""
    known = f"{count} BETWEEN 0 AND {_MOST} AND {skipped} <= {_MOST}"
    return f"CASE WHEN {known} THEN {count} + max({skipped}, 0) ELSE -1 END"


def _number(node: exp.Expression | None) -> str:
    """A whole number or a parameter as text; '' for anything else."""
    if isinstance(node, exp.Literal) and node.is_int:
        return node.name
    return f"?{node.name}" if isinstance(node, exp.Parameter) else ""


def _limited(select: SelectTerms, first: Item, limit: str) -> Iterator[Edit]:
    """The left side as a query, if nothing else decides which of its rows are wanted."""
    source, node, block = select.source, select.node, select.clause.block
    where, order = node.args.get("where"), node.args.get("order")
    terms = [one for one in select.terms if one.place is None]
    about = all(
        one.refers.certain and one.refers.items == {first} and select.repeats.condition(one.node)
        for one in terms
    )
    sorts = [] if order is None else [one.this for one in order.expressions]
    ordered = all(isinstance(one, exp.Column) and _is_of(select, first, one) for one in sorts)
    read = where is None or bool(terms)
    if select.correlated or block is None or block.compound or not (about and ordered and read):
        return
    clauses = [f"WHERE {source.slice(block.clauses['WHERE'])}"] if where is not None else []
    clauses += [f"ORDER BY {source.slice(block.clauses['ORDER'])}"] if sorts else []
    yield from select.as_query(first, " ".join((*clauses, f"LIMIT {limit}")))


def _is_of(select: SelectTerms, item: Item, column: exp.Column) -> bool:
    """Whether a column of ORDER BY is one of an item's, and no result of that name."""
    refers = references(select.scope, column, select.catalog)
    named = not column.table and column.name.lower() in select.scope.aliases
    return refers.certain and refers.items == {item} and not named
