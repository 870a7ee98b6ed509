"""``SELECT max(x), min(x)``: each is found at its own end of a list, by a request or two.

SQLite reads in the order of a column for one ``max`` or ``min`` alone; with two it reads every row.
So each becomes a query of its own: ``SELECT (SELECT max(x) FROM ..), (SELECT min(x) FROM ..)``.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence

from sqlglot import exp

from sessions_vtab.sql.derived import TermsWalk
from sessions_vtab.sql.lexer import Edit
from sessions_vtab.sql.names import Item, Scope
from sessions_vtab.sql.references import references
from sessions_vtab.sql.select_terms import SelectTerms
from sessions_vtab.sql.shapes import Block, Span
from sessions_vtab.sql.walk import On

_BARRED = ("group", "having", "distinct", "windows", "order", "limit", "offset", "with_")


class ExtremesWalk(TermsWalk):
    """Writes several extremes of one table as queries of their own."""

    __slots__ = ()
    words = frozenset(("MAX", "MIN"))

    def conditions(self, node: exp.Expression, scope: Scope, ons: Sequence[On]) -> None:
        """Looks at a SELECT of one table."""
        self.selects[id(node)] = scope
        if not isinstance(node, exp.Select) or scope.opaque or len(scope.items) != 1:
            return
        (item,) = scope.items
        remote = item.ours is not None and item.ours.capability.remote
        if not remote or any(node.args.get(one) for one in _BARRED) or not _is_of_extremes(node):
            return
        found = self.terms_of(node, scope, ons)
        if found is not None and found.clause.block is not None:
            self.edits += _apart(found, item, found.clause.block)


def _is_of_extremes(node: exp.Select) -> bool:
    """Whether each result is made of extremes of columns, and there are several."""
    extremes = [one for part in node.expressions for one in part.find_all(exp.Max, exp.Min)]
    inside = {id(one.this) for one in extremes}
    others = (exp.Query, exp.AggFunc, exp.Anonymous, exp.Star, exp.Column)
    return len({one.sql() for one in extremes}) > 1 and all(
        id(one) in inside or (isinstance(one, exp.Max | exp.Min) and _is_plain(one))
        for part in node.expressions
        for one in part.find_all(*others)
    )


def _is_plain(extreme: exp.Max | exp.Min) -> bool:
    """Whether it is ``max(column)``, of all rows."""
    bare = isinstance(extreme.this, exp.Column) and not extreme.expressions
    return bare and not isinstance(extreme.parent, exp.Filter | exp.Window)


def _apart(select: SelectTerms, item: Item, block: Block) -> Iterator[Edit]:
    """The extremes of a SELECT as queries of their own, if each is at an end of a list."""
    source, tokens = select.source, select.source.tokens
    spans = list(_spans(select, block.items))
    nodes = [one for part in select.node.expressions for one in part.find_all(exp.Max, exp.Min)]
    if len(spans) != len(nodes) or select.correlated or not _is_understood(select):
        return
    for node in nodes:
        names = references(select.scope, node.this, select.catalog).columns
        if not all(_is_at_an_end(select, item, name) for _, name in names) or not names:
            return
    where = block.clauses.get("WHERE")
    condition = f" WHERE {source.slice(where)}" if where is not None else ""
    for span in spans:
        first, end = tokens[span[0]].start, tokens[span[1] - 1].end
        query = f"SELECT {source.slice(span)} FROM {select.text(item)}{condition}"
        yield Edit(first, end, f"({query})")
    clauses = (block.clauses["FROM"][0] - 1, (where or block.clauses["FROM"])[1])
    yield Edit(tokens[clauses[0]].start, tokens[clauses[1] - 1].end, "")


def _spans(select: SelectTerms, items: Span) -> Iterator[Span]:
    """The tokens of each call of ``max`` and ``min``."""
    tokens, pairs = select.source.tokens, select.source.pairs
    for at in range(*items):
        if tokens[at].upper in {"MAX", "MIN"} and at + 1 in pairs:
            yield at, pairs[at + 1] + 1


def _is_understood(select: SelectTerms) -> bool:
    """Whether the conditions say the same in a query one level deeper, each time they are asked."""
    known = all(
        one.refers.certain
        and select.repeats.condition(one.node)
        and one.node.find(exp.Query) is None
        for one in select.terms
    )
    return known and (select.clause.where is None or bool(select.terms))


def _is_at_an_end(select: SelectTerms, item: Item, column: str) -> bool:
    """Whether a list can be read in the order of a column, from either end."""
    paths = () if item.ours is None else item.ours.capability.paths
    return any(
        column in path.orders and all(select.is_named(item, {key}) for key in path.keys)
        for path in paths
        if not path.fans_out
    )
