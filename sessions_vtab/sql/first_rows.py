"""``FROM sessions s LEFT JOIN turns t ON .. LIMIT 1``: LIMIT ends the reading of ``s``, too.

Each row of the left side is in the result at least once, so only its first rows can be. SQLite
reads the whole view nevertheless. So the left side is written as a query with that LIMIT, of whose
rows alone the view then has to know (``sql.shared``).
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence

from sqlglot import exp

from sessions_vtab.sql.derived import aggregates, derived_of
from sessions_vtab.sql.lexer import Edit
from sessions_vtab.sql.names import Item, Scope
from sessions_vtab.sql.references import references
from sessions_vtab.sql.select_terms import SelectTerms, TermsWalk
from sessions_vtab.sql.semi_joins import written
from sessions_vtab.sql.walk import On

_MOST = 1_000_000
"""A higher limit counts as no limit, so that the sum cannot overflow."""


class FirstRowsWalk(TermsWalk):
    """Limits the left side of LEFT JOIN."""

    __slots__ = ()

    def conditions(self, node: exp.Expression, scope: Scope, ons: Sequence[On]) -> None:
        """Looks at a SELECT with LIMIT."""
        self.selects[id(node)] = scope
        if not isinstance(node, exp.Select) or scope.opaque or scope.fixed or not scope.items:
            return
        first, *others = scope.items
        limit = _limit(node)
        if not limit or first.ours is None:
            return
        if not any(one.view or self.derived(one, node, derived_of) for one in others):
            return
        found = self.terms_of(node, scope, ons, self.block_of(scope))
        if found is not None and all(one.nullable for one in others):
            self.edits += _limited(found, first, limit)


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
    source, block, node = select.source, select.clause.block, select.node
    span = select.clause.spans[0]
    where = node.args.get("where")
    terms = [one for one in select.terms if one.owner is None]
    about = all(
        one.refers.certain and one.refers.items == {first} and select.repeats.condition(one.node)
        for one in terms
    )
    order = node.args.get("order")
    sorts = [] if order is None else [one.this for one in order.expressions]
    ordered = all(isinstance(one, exp.Column) and _is_of(select, first, one) for one in sorts)
    names = {one.name.lower() for one in node.find_all(exp.Column)}
    hidden = first.ours is None or any(one.name in names for one in first.ours.table.hidden)
    words = {token.upper for token in source.tokens[slice(*span)]}
    if (
        select.correlated
        or block.compound
        or not (about and ordered)
        or hidden
        or "INDEXED" in words
    ):
        return
    if where is not None and not terms:
        return
    columns = ", ".join(written(name) for name in first.visible or ())
    clauses = [f"SELECT {columns} FROM {source.slice(span)}"]
    clauses += [f"WHERE {source.slice(block.clauses['WHERE'])}"] if where is not None else []
    clauses += [f"ORDER BY {source.slice(block.clauses['ORDER'])}"] if sorts else []
    start, end = source.tokens[span[0]].start, source.tokens[span[1] - 1].end
    yield Edit(start, end, f"({' '.join(clauses)} LIMIT {limit}) AS {written(first.label)}")


def _is_of(select: SelectTerms, item: Item, column: exp.Column) -> bool:
    """Whether a column of ORDER BY is one of an item's, and no result of that name."""
    refers = references(select.scope, column, select.catalog)
    named = not column.table and column.name.lower() in select.scope.aliases
    return refers.certain and refers.items == {item} and not named
