"""Conditions that SQLite does not pass into a view that groups rows: subqueries and joins.

SQLite reads all rows of such a view before it looks at ``session_id IN (SELECT ..)`` or at a join.
So the view's own SELECT is written in place of its name, with the condition in its WHERE, where the
tables are offered it (``contract.agent_views``). A condition on the columns by which the rows are
grouped says the same of the groups as of their rows.

``turns t`` becomes ``(SELECT .. FROM events .. WHERE t.session_id IN (..) GROUP BY ..) AS t``:

* a condition of WHERE or ON that names keys of the view, and no other item of its FROM, moves;
* of ``t.session_id = s.session_id`` a wider one is made, ``t.session_id IN (SELECT s.session_id
  FROM .. WHERE ..)`` (``sql.semi_joins``), and the equality stays.

If SQLite does not accept the result, the statement runs as it was written.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from itertools import pairwise
from typing import Final

from sqlglot import exp

from sessions_vtab.contract.model import quoted
from sessions_vtab.sql.derived import Derived, derived_of
from sessions_vtab.sql.first_rows import FirstRowsWalk
from sessions_vtab.sql.implied import ImpliedWalk
from sessions_vtab.sql.lexer import Edit, StatementKind, Token, apply, classify, tokenize
from sessions_vtab.sql.names import Catalog, Item, OurView, Scope
from sessions_vtab.sql.parameters import Numbering, number
from sessions_vtab.sql.repeatable import is_steady
from sessions_vtab.sql.returning import keep_column_names
from sessions_vtab.sql.select_terms import SelectTerms, TermsWalk
from sessions_vtab.sql.semi_joins import Term
from sessions_vtab.sql.shapes import partners
from sessions_vtab.sql.shared import shared_with
from sessions_vtab.sql.source import ParsedStatement, read
from sessions_vtab.sql.walk import On


def with_view_conditions(
    text: str, tokens: Sequence[Token], kind: StatementKind, numbering: Numbering, catalog: Catalog
) -> str:
    """The statement with conditions in its views; the same object if there is nothing to do.

    Args:
        text: one statement.
        tokens: of the text.
        kind: of the statement.
        numbering: of its parameters, which are ``?N`` in what is returned.
        catalog: what its names mean.
    """
    source = _source(text, tokens, kind, numbering)
    for walk, times in _ROUNDS:
        for _ in range(times):
            edited = text if source is None else _edited(source, catalog, walk)
            if edited is text:
                break
            text, tokens = edited, tokenize(edited)
            source = _source(text, tokens, classify(tokens), number(tokens))
    return text


def _source(
    text: str, tokens: Sequence[Token], kind: StatementKind, numbering: Numbering
) -> ParsedStatement | None:
    pairs = partners(tokens)
    parsed = read(tokens, kind, numbering.numbers, pairs)
    return None if parsed is None else ParsedStatement(text, tokens, numbering, pairs, parsed)


def _edited(source: ParsedStatement, catalog: Catalog, kind_of_walk: type[TermsWalk]) -> str:
    walk = kind_of_walk(source, catalog)
    walk.statement(source.parsed.tree)
    if not walk.edits:
        return source.text
    edits = [*source.numbering.edits(source.tokens), *dict.fromkeys(walk.edits)]
    names = keep_column_names(source.text, source.tokens, source.pairs, edits)
    return apply(source.text, [*edits, *names])


class _ViewWalk(TermsWalk):
    __slots__ = ()

    def conditions(self, node: exp.Expression, scope: Scope, ons: Sequence[On]) -> None:
        """Puts its conditions into the views and subqueries of a SELECT."""
        self.selects[id(node)] = scope
        if not isinstance(node, exp.Select) or scope.opaque or scope.fixed:
            return
        for item in scope.items:
            item.derived = self.derived(item, node, derived_of)
        asked_for = [one for one in scope.items if one.view is not None or one.derived is not None]
        block = self.block_of(scope) if asked_for else None
        found = self.terms_of(node, scope, ons, block)
        if found is not None:
            for item in asked_for:
                self.edits += _Moved(found).edits(item)


class _Moved:
    """The conditions of one SELECT that move into views and queries of its FROM.

    Args:
        terms: the conditions.
    """

    def __init__(self, terms: SelectTerms) -> None:
        self._select = terms
        self._source = terms.source
        self._scope = terms.scope

    def edits(self, item: Item) -> Iterator[Edit]:
        """Writes a view's SELECT in place of its name; nothing if nothing is said about it."""
        if self._is_indexed(item):
            return
        select = self._select
        rows = [text for term in select.terms for text in select.of_row(term, item)]
        moved = [one for one in select.terms if self._moves(one, item)]
        texts = [self._inside(one, item) for one in moved]
        texts += [self._inside(one, item) for one in select.terms if self._copies(one, item)]
        joined = select.joined().condition_on(item)
        for shared in () if joined else shared_with(select, item):
            joined = shared.condition
            yield from shared.edits
        texts += filter(None, [joined, *rows])
        if not texts:
            return
        tokens = self._source.tokens
        for one in moved:
            left = self._left(one)
            yield Edit(tokens[one.span[0]].start, tokens[one.span[1] - 1].end, left)
        if item.derived is not None:
            yield from item.derived.edits(self._source, texts)
        elif item.view is not None:
            yield self._replaced(item, item.view, texts)

    def _is_indexed(self, item: Item) -> bool:
        """Whether INDEXED BY follows a view, which SQLite refuses."""
        first, end = self._select.clause.spans[self._scope.items.index(item)]
        words = [token.upper for token in self._source.tokens[first:end]]
        return item.view is not None and ("INDEXED", "BY") in pairwise(words)

    def _left(self, term: Term) -> str:
        """What stays where a condition was: always true.

        It names what could be ambiguous, so that SQLite still refuses that.
        """
        if all(one.known for one in self._scope.items):
            return "1"
        names = dict.fromkeys(self._source.column_text(one) for one in term.refers.bare)
        return f"({' OR '.join(('1', *names))})" if names else "1"

    def _replaced(self, item: Item, view: OurView, texts: Sequence[str]) -> Edit:
        first, last = self._select.clause.spans[self._scope.items.index(item)]
        label = quoted(item.label or "")
        where = f" AS {label} WHERE {' AND '.join(f'({one})' for one in texts)}"
        tokens = self._source.tokens
        select = view.query(where)
        return Edit(tokens[first].start, tokens[last - 1].end, f"({select}) AS {label}")

    def _inside(self, term: Term, item: Item) -> str:
        """A condition as it reads inside an item."""
        if item.derived is None:
            return self._source.slice(term.span)
        nodes = zip(term.refers.columns, term.refers.nodes, strict=True)
        names = [(node, item.inside(column)) for (_, column), node in nodes]
        return self._source.renamed(term.span, names)

    def _moves(self, term: Term, item: Item) -> bool:
        """Whether a condition can stand in the view instead of where it is."""
        return self._is_about(term, item) and (
            term.owner is item or (term.owner is None and not item.nullable)
        )

    def _copies(self, term: Term, item: Item) -> bool:
        """Whether a condition over the right side of a LEFT JOIN can stand in the view, too.

        It must not be true of the row of NULLs that takes the place of what the view leaves out.
        """
        return (
            self._is_about(term, item)
            and term.owner is None
            and item.nullable
            and _rejects_nulls(term.node)
            and self._select.repeats.condition(term.node)
        )

    def _is_about(self, term: Term, item: Item) -> bool:
        """Whether a condition is one on keys of the view that SQLite does not pass on."""
        refers = term.refers
        if refers.items != {item} or any(
            item.inside(column) is None for _, column in refers.columns
        ):
            return False
        if item.derived is not None and not self._is_closed(term, item.derived):
            return False
        understood = self._select.is_understood(refers)
        return understood and (refers.queries or refers.outer) and is_steady(term.node)

    @staticmethod
    def _is_closed(term: Term, derived: Derived) -> bool:
        """Whether every name in a condition means the same inside a query."""
        nested = any(
            one.find_ancestor(exp.Query) is not term.node.find_ancestor(exp.Query)
            for one in term.refers.nodes
        )
        doubtful = frozenset(term.refers.doubtful)
        return not (term.refers.outer or nested or (doubtful and derived.hides(doubtful)))


def _rejects_nulls(node: exp.Expression) -> bool:
    """Whether a condition on columns of one item is not true where these are NULL."""
    bare = node.unnest()
    if isinstance(bare, exp.In):
        return isinstance(bare.this, exp.Column)
    sides = (bare.this, bare.args.get("expression"))
    compared = isinstance(bare, exp.EQ | exp.NEQ | exp.LT | exp.LTE | exp.GT | exp.GTE)
    return compared and any(isinstance(side, exp.Column) for side in sides)


_ROUNDS: Final = ((ImpliedWalk, 3), (FirstRowsWalk, 1), (_ViewWalk, 4))
"""What is done how often: what is implied for a subquery says something about those in it, and a
condition that was made of a view names that view again."""
