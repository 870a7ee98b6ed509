"""What must not be asked twice, as a query with LIMIT: it is given a name, and both read that.

SQLite keeps the rows of a common table expression that is MATERIALIZED, so everything that names it
sees the same ones (https://sqlite.org/lang_with.html#mathint).
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from typing import NamedTuple

from sqlglot import exp

from sessions_vtab.sql.lexer import Edit, insert, name_of
from sessions_vtab.sql.names import Item
from sessions_vtab.sql.select_terms import SelectTerms
from sessions_vtab.sql.semi_joins import written


class Shared(NamedTuple):
    """What is said about an item by another one whose rows are kept.

    Attributes:
        condition: ``key IN (SELECT .. FROM name)``.
        edits: what gives it the name.
    """

    condition: str
    edits: Sequence[Edit]


def shared_with(select: SelectTerms, item: Item) -> Iterator[Shared]:
    """What a query with LIMIT says about a view or query that it is joined with.

    Args:
        select: the SELECT they are in.
        item: the view or query.
    """
    if select.correlated:
        return
    for key, other in select.joined().sides(item):
        query = other[0].body
        bare = None if query is None else query.unnest()
        limited = isinstance(bare, exp.Select) and bare.args.get("limit") is not None
        if limited and select.repeats.item(other[0], None, "", once=True):
            named = _common(select, other[0]) if other[0].at >= 0 else _inline(select, other[0])
            if named is not None:
                name, edits = named
                label = "" if other[0].label is None else f" AS {written(other[0].label)}"
                column = other[2] or written(other[0].label, other[1])
                yield Shared(f"{item.inside(key)} IN (SELECT {column} FROM {name}{label})", edits)
                return


def _common(select: SelectTerms, item: Item) -> tuple[str, list[Edit]] | None:
    """The name of a common table expression, which is to be kept."""
    cte = item.body.parent if item.body is not None else None
    alias = cte.args["alias"] if isinstance(cte, exp.CTE) else None
    if alias is None or alias.columns:
        return None
    source = select.source
    tokens, at = source.tokens, source.parsed.token_of(alias.this)
    words = [token.upper for token in tokens[at + 1 : at + 3]]
    if at < 0 or words not in (["AS", "("], ["AS", "MATERIALIZED"]):
        return None
    edits = [insert(tokens[at + 1].end, " MATERIALIZED")] if words[1] == "(" else []
    return written(name_of(tokens[item.at])), edits


def _inline(select: SelectTerms, item: Item) -> tuple[str, list[Edit]] | None:
    """The name that a subquery in FROM is given."""
    source, block = select.source, select.clause.block
    first = select.clause.spans[select.scope.items.index(item)][0]
    end = source.pairs.get(first)
    if end is None:
        return None
    tokens, name = source.tokens, written(f"_once_{first}")
    before = "," if select.node.args.get("with_") is not None else "WITH"
    body = source.slice((first, end + 1))
    return name, [
        insert(tokens[block.at].start, f"{before} {name} AS MATERIALIZED {body} "),
        Edit(tokens[first].start, tokens[end].end, name),
    ]
