"""Conditions that SQLite does not pass into what groups or keeps rows: they are said inside.

SQLite reads all rows of a view that groups them before it looks at ``session_id IN (SELECT ..)`` or
at a join. So the view's own SELECT is written in place of its name, with the condition in its
WHERE, where the tables are offered it (``contract.agent_views``). A condition on the columns by
which the rows are grouped says the same of the groups as of their rows.

``turns t`` becomes ``(SELECT .. FROM events .. WHERE t.session_id IN (..) GROUP BY ..) AS t``:

* a condition of WHERE or ON that names keys of the view, and no other item of its FROM, moves;
* of ``t.session_id = s.session_id`` a wider one is made, ``t.session_id IN (SELECT s.session_id
  FROM .. WHERE ..)`` (``sql.semi_joins``), and the equality stays.

So it is for queries in FROM and common table expressions that group rows, or are named twice; and
beside a RIGHT or FULL JOIN, where SQLite offers nothing to its tables. Where a condition is true,
and of which rows, ``Scope.holds`` and ``Scope.meets_nulls`` say.

If SQLite does not accept the result, the statement runs as it was written.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from typing import Final

from sqlglot import exp

from sessions_vtab.contract.model import quoted
from sessions_vtab.sql.derived import Derived, TermsWalk, is_own, selects_of
from sessions_vtab.sql.extremes import ExtremesWalk
from sessions_vtab.sql.implied import ImpliedWalk
from sessions_vtab.sql.lexer import Edit, apply, classify, tokenize
from sessions_vtab.sql.limited import FirstRowsWalk, kept_beside
from sessions_vtab.sql.names import Catalog, Item, OurView, Scope
from sessions_vtab.sql.parameters import number
from sessions_vtab.sql.plainer import PlainerWalk
from sessions_vtab.sql.repeatable import is_steady, tables_named
from sessions_vtab.sql.returning import keep_column_names
from sessions_vtab.sql.select_terms import SelectTerms, Term, items_that_are_there, written
from sessions_vtab.sql.semi_joins import wanted_of
from sessions_vtab.sql.source import ParsedStatement, parsed
from sessions_vtab.sql.walk import On


def with_view_conditions(source: ParsedStatement, catalog: Catalog) -> ParsedStatement:
    """The statement with conditions in its views; the same object if there is nothing to do.

    Args:
        source: one statement; its parameters are ``?N`` in what is returned.
        catalog: what its names mean.
    """
    words = {token.upper for token in source.tokens}
    longest = _LONGEST + 4 * len(source.text)
    for walk, times in _ROUNDS:
        for _ in range(0 if walk.words and walk.words.isdisjoint(words) else times):
            if len(source.text) > longest:
                return source
            edited = _edited(source, catalog, walk)
            if edited is source:
                break
            source = edited
    return source


def _edited(
    source: ParsedStatement, catalog: Catalog, kind_of_walk: type[TermsWalk]
) -> ParsedStatement:
    """The statement after one walk; the same object if nothing is changed, or cannot be read."""
    walk = kind_of_walk(source, catalog)
    walk.statement(source.parsed.tree)
    if not walk.edits:
        return source
    edits = [*source.numbering.edits(source.tokens), *dict.fromkeys(walk.edits)]
    names = keep_column_names(source.text, source.tokens, source.pairs, edits)
    text = apply(source.text, [*edits, *names])
    tokens = tokenize(text)
    return parsed(text, tokens, classify(tokens), number(tokens)) or source


class _ViewWalk(TermsWalk):
    __slots__ = ()

    def conditions(self, node: exp.Expression, scope: Scope, ons: Sequence[On]) -> None:
        """Puts its conditions into the views, queries and tables of a SELECT."""
        self.selects[id(node)] = scope
        if not isinstance(node, exp.Select) or scope.opaque:
            return
        bodies = {item: self.branches(item) for item in scope.items}
        asked_for = [
            one
            for one in scope.items
            if one.view is not None or bodies[one] or (one.reserved and one.ours is not None)
        ]
        where = node.args.get("where")
        either = where is not None and where.find(exp.Coalesce) is not None
        found = self.terms_of(node, scope, ons) if asked_for or either else None
        if found is None:
            return
        only = (term.only for term in found.terms)
        asked_for += [one for one in only if one is not None and one.ours is not None]
        for item in dict.fromkeys(asked_for):
            self.edits += self._said_in(found, item, bodies[item])

    def _said_in(
        self, select: SelectTerms, item: Item, branches: Sequence[Derived]
    ) -> Iterator[Edit]:
        """Puts conditions into an item, which is written where it is named unless it is its own."""
        if not branches:
            yield from _Moved(select, item).edits()
            return
        copied = not is_own(item.body, select.node)
        cte = item.body.parent if item.body is not None else None
        kept = cte is not None and bool(cte.args.get("materialized"))
        plain = len(branches) == 1 and not (copied or kept or item.reserved)
        if plain and item.body is not None and not select.repeats.groups_costly(item.body):
            return  # SQLite moves it by itself.
        if not select.is_costly(item):
            return
        # SQLite passes no values to what it keeps because it is named twice.
        item.reserved = item.reserved or copied or kept
        edits: list[Edit] = []
        for item.derived in branches:
            common = not copied and isinstance(cte, exp.CTE)
            edits += _Moved(select, item, alone=len(branches) == 1, common=common).edits()
        if not copied:
            yield from edits
        elif not kept and self._means_the_same(select, item):
            yield from self._copied(select, item, edits)

    def _means_the_same(self, select: SelectTerms, item: Item) -> bool:
        """Whether a common table expression can be written where it is named."""
        body = item.body
        inside = self.selects.get(id(selects_of(body)[0])) if body is not None else None
        if inside is None or body is None or not select.can_be_read_twice(item):
            return False
        named = {name.lower() for schema, name in tables_named(body) if schema is None}
        outer, inner = select.scope.queries, inside.queries
        own = body.parent.alias.lower() if body.parent is not None else ""
        return (
            own not in named
            and all(outer.get(name) is inner.get(name) for name in named)
            and select.is_closed(body)
        )

    def _copied(self, select: SelectTerms, item: Item, edits: Sequence[Edit]) -> Iterator[Edit]:
        """Writes a common table expression where it is named, with conditions in it."""
        common = self.source.common_table(item.body)
        if common is None:
            return
        (cte, span), tokens = common, self.source.tokens
        first, end = tokens[span[0]].start, tokens[span[1] - 1].end
        inside = [one for one in edits if first <= one.start and one.end <= end]
        if not inside:
            return
        query = self.source.edited(span, inside)
        if cte.args["alias"].columns:
            name = self.source.slice((self.source.parsed.token_of(cte.args["alias"].this), span[0]))
            query = f"(WITH {name} {query} SELECT * FROM {written(cte.alias)})"
        yield select.in_place_of(item, f"{query} AS {written(item.label)}")
        yield from (one for one in edits if one not in inside)


class _Moved:
    """The conditions of one SELECT that are said in an item of its FROM.

    Args:
        select: the conditions.
        item: a view, a query or a table.
        alone: a condition that is said there need not be said where it was: it is not one of
            several SELECTs.
        common: it is a common table expression, and stays where it is.
    """

    def __init__(
        self, select: SelectTerms, item: Item, *, alone: bool = True, common: bool = False
    ) -> None:
        self._select = select
        self._item = item
        self._alone = alone
        self._common = common

    def edits(self) -> Iterator[Edit]:
        """Says them inside; nothing if nothing is said about the item."""
        select, item = self._select, self._item
        if select.is_indexed(item):
            return
        moved = [one for one in select.terms if self._moves(one)]
        texts = [self._inside(one) for one in moved]
        texts += [self._inside(one) for one in select.terms if self._copies(one)]
        wanted = wanted_of(select, item)
        kept = None if wanted is not None else kept_beside(select, item)
        if wanted is not None:
            texts.append(wanted.condition(item.inside))
        elif kept is not None:
            texts.append(f"{item.inside(kept.key)} IN ({kept.query})")
            yield from kept.edits
        if not texts:
            return
        written_inside = list(self._said(texts))
        yield from written_inside
        tokens = select.source.tokens
        for one in moved if written_inside else ():
            left = self._left(one)
            yield Edit(tokens[one.span[0]].start, tokens[one.span[1] - 1].end, left)

    def _said(self, texts: Sequence[str]) -> Iterator[Edit]:
        """Writes conditions into the item."""
        select, item = self._select, self._item
        where = " AND ".join(f"({one})" for one in texts)
        if item.derived is not None:
            yield from item.derived.edits(select.source, texts)
        elif item.view is not None:
            yield self._replaced(item, item.view, where)
        else:
            yield from select.as_query(item, f"WHERE {where}")

    def _left(self, term: Term) -> str:
        """What stays where a condition was: always true.

        It names what could be ambiguous, so that SQLite still refuses that.
        """
        select = self._select
        if all(one.known for one in select.scope.items):
            return "1"
        names = dict.fromkeys(select.source.column_text(one) for one in term.refers.bare)
        return f"({' OR '.join(('1', *names))})" if names else "1"

    def _replaced(self, item: Item, view: OurView, where: str) -> Edit:
        label = quoted(item.label or "")
        select = view.query(f" AS {label} WHERE {where}")
        return self._select.in_place_of(item, f"({select}) AS {label}")

    def _inside(self, term: Term) -> str:
        """A condition as it reads inside the item."""
        item, source = self._item, self._select.source
        if item.view is not None and term.only is None:
            return source.slice(term.span)
        nodes = zip(term.refers.columns, term.refers.nodes, strict=True)
        names = [
            (node, item.outside(column) if item.derived is None else item.inside(column))
            for (_, column), node in nodes
        ]
        return source.renamed(term.span, names)

    def _moves(self, term: Term) -> bool:
        """Whether a condition can stand in the item instead of where it is."""
        scope = self._select.scope
        sure = self._alone and not scope.leans and not scope.meets_nulls(term.place, self._item)
        return sure and term.only is None and self._is_about(term)

    def _copies(self, term: Term) -> bool:
        """Whether a condition can stand in the item, too.

        It must not be true of the row of NULLs that takes the place of what the item leaves out.
        """
        nulls = self._select.scope.meets_nulls(term.place, self._item)
        return (
            not self._moves(term)
            and self._is_about(term)
            and (not nulls or self._item in items_that_are_there(term))
            and self._select.repeats.condition(term.node)
        )

    def _is_about(self, term: Term) -> bool:
        """Whether a condition is one on columns of the item that SQLite does not pass on."""
        refers, item = term.refers, self._item
        if refers.items != {item} or not self._select.holds(term, item):
            return False
        if item.ours is None and any(item.inside(column) is None for _, column in refers.columns):
            return False
        if item.derived is not None and not self._is_closed(term, item.derived):
            return False
        if item.derived is not None and refers.outer and not self._is_seen(term, item.derived):
            return False
        passed = not (refers.queries or refers.outer or item.reserved or term.only)
        return not passed and self._select.is_understood(refers) and is_steady(term.node)

    def _is_seen(self, term: Term, derived: Derived) -> bool:
        """Whether the columns of a SELECT around this one can be named in a query of its FROM."""
        labels = {one.label for one in derived.scope.items}
        columns = [node for _, _, node in term.refers.around]
        own = all(node.table and node.table.lower() not in labels for node in columns)
        return own and not self._common

    @staticmethod
    def _is_closed(term: Term, derived: Derived) -> bool:
        """Whether every name in a condition means the same inside a query."""
        nested = any(
            one.find_ancestor(exp.Query) is not term.node.find_ancestor(exp.Query)
            for one in term.refers.nodes
        )
        doubtful = frozenset(term.refers.doubtful)
        return not (nested or (doubtful and derived.hides(doubtful)))


_ROUNDS: Final = (
    (PlainerWalk, 2),
    (ExtremesWalk, 1),
    (ImpliedWalk, 3),
    (FirstRowsWalk, 1),
    (_ViewWalk, 4),
)
"""What is done how often: what is implied for a subquery says something about those in it, and a
condition that was made of a view names that view again."""

_LONGEST: Final = 12_000
"""Characters, besides those of the statement, from which on it is not read once more: what each
round says of many joins may name all that the one before has said."""
