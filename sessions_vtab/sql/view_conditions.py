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
from dataclasses import dataclass, field

from sqlglot import exp

from sessions_vtab.contract.model import quoted
from sessions_vtab.sql.derived import Derived, derived_of
from sessions_vtab.sql.lexer import Edit, StatementKind, Token, apply, classify, tokenize
from sessions_vtab.sql.names import Catalog, Item, OurView, Scope
from sessions_vtab.sql.parameters import Numbering, number
from sessions_vtab.sql.references import References, is_correlated, references
from sessions_vtab.sql.repeatable import Repeats, is_steady
from sessions_vtab.sql.returning import keep_column_names
from sessions_vtab.sql.semi_joins import Equality, FromClause, Joined, Term, from_clause
from sessions_vtab.sql.shapes import Block, find, partners
from sessions_vtab.sql.source import ParsedStatement, joins_of, read, terms
from sessions_vtab.sql.walk import On, Walk

_ROUNDS = 4
"""A condition that was made of a view names that view again."""


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
    for _ in range(_ROUNDS):
        edited = _edited(text, tokens, kind, numbering, catalog)
        if edited is text:
            break
        text, tokens = edited, tokenize(edited)
        kind, numbering = classify(tokens), number(tokens)
    return text


def _edited(
    text: str, tokens: Sequence[Token], kind: StatementKind, numbering: Numbering, catalog: Catalog
) -> str:
    pairs = partners(tokens)
    parsed = read(tokens, kind, numbering.numbers, pairs)
    if parsed is None:
        return text
    walk = _ViewWalk(ParsedStatement(text, tokens, numbering, pairs, parsed), catalog)
    walk.statement(parsed.tree)
    if not walk.edits:
        return text
    edits = [*numbering.edits(tokens), *walk.edits]
    return apply(text, [*edits, *keep_column_names(text, tokens, pairs, edits)])


@dataclass(slots=True)
class _ViewWalk(Walk):
    edits: list[Edit] = field(default_factory=list)
    selects: dict[int, Scope] = field(default_factory=dict)

    def named(self, item: Item, node: exp.Table) -> None:
        """Notes a view of ours."""
        if item.ours is None and item.body is None:
            item.view = self.catalog.view(node.db or None, node.name)

    def conditions(self, node: exp.Expression, scope: Scope, ons: Sequence[On]) -> None:
        """Puts its conditions into the views and subqueries of a SELECT."""
        self.selects[id(node)] = scope
        if not isinstance(node, exp.Select) or scope.opaque or scope.fixed:
            return
        for item in scope.items:
            item.derived = self._derived(item, node)
        asked_for = [one for one in scope.items if one.view is not None or one.derived is not None]
        block = self._block(scope) if asked_for else None
        clause = None if block is None else from_clause(self.source, scope, block)
        if clause is None or len(clause.ons) != len(ons):
            return
        asked = _Asked(self.source, self.catalog, scope, clause, is_correlated(node))
        asked.read(node, ons)
        for item in asked_for:
            self.edits += asked.edits(item)

    def _derived(self, item: Item, node: exp.Select) -> Derived | None:
        """What may move into the body of an item, if that is a query that nothing else names."""
        query = item.body.unnest() if item.body is not None else None
        scope = self.selects.get(id(query))
        if scope is None or not isinstance(query, exp.Select):
            return None
        if isinstance(query.parent, exp.CTE) and not self._is_own(query.parent, node):
            return None
        return derived_of(query, scope, self.catalog)

    def _is_own(self, cte: exp.CTE, node: exp.Select) -> bool:
        """Whether only this SELECT, which it stands before, names a common table expression."""
        root, name = node.root(), cte.alias.lower()
        named = [one for one in root.find_all(exp.Table) if not one.db and one.name.lower() == name]
        members = [one.args.get("field") for one in root.find_all(exp.In)]
        also = [one for one in members if one is not None and one.name.lower() == name]
        before = cte.parent is not None and cte.parent.parent is node
        return before and len(named) == 1 and not also and not cte.args["alias"].columns

    def _block(self, scope: Scope) -> Block | None:
        """The tokens of a SELECT, by a name in its FROM or of its first subquery."""
        places = [item.at for item in scope.items if item.at >= 0]
        if places:
            return self.source.block_of(places[0])
        inner = [self.selects.get(id(one.body.unnest())) for one in scope.items if one.body]
        within = [one.at for found in inner if found for one in found.items if one.at >= 0]
        around = [one for one in self.source.blocks if within and one.at < within[0] < one.end]
        return self._around(around)

    @staticmethod
    def _around(blocks: Sequence[Block]) -> Block | None:
        """The second innermost of the SELECTs around a token."""
        ordered = sorted(blocks, key=lambda one: one.at)
        return ordered[-2] if len(ordered) > 1 else None


@dataclass(slots=True)
class _Asked:
    """The conditions of one SELECT, for the views in its FROM."""

    source: ParsedStatement
    catalog: Catalog
    scope: Scope
    clause: FromClause
    correlated: bool
    terms: list[Term] = field(default_factory=list)
    equalities: list[Equality] = field(default_factory=list)

    def read(self, node: exp.Select, ons: Sequence[On]) -> None:
        """Takes in the conditions of WHERE and ON."""
        where = node.args.get("where")
        found = [] if where is None else terms(where.this)
        span = self.clause.block.clauses.get("WHERE")
        self._note(found, self.source.conjuncts(span, len(found)), None)
        for (owner, condition), on in zip(ons, self.clause.ons, strict=True):
            found = terms(condition)
            self._note(found, self.source.conjuncts(on, len(found)), owner)
        for join, item in zip(joins_of(node), self.scope.items[1:], strict=True):
            self.equalities += self._using(join, item)

    def _using(self, join: exp.Join, right: Item) -> Iterator[Equality]:
        """The equalities that USING stands for."""
        for column in join.args.get("using") or ():
            left = self.scope.shared.get(column.name.lower())
            if left is not None:
                owner = right if right.nullable else None
                yield Equality((left, column.name, ""), (right, column.name, ""), owner)

    def _note(
        self,
        nodes: Sequence[exp.Expression],
        spans: Sequence[tuple[int, int] | None],
        owner: Item | None,
    ) -> None:
        for node, span in zip(nodes, spans, strict=True):
            if span is None:
                continue
            term = Term(node, span, owner, references(self.scope, node, self.catalog))
            self.terms.append(term)
            equality = self._equality(term)
            if equality is not None:
                self.equalities.append(equality)

    def _equality(self, term: Term) -> Equality | None:
        """``a.x = b.y`` of two items."""
        node, refers = term.node.unnest(), term.refers
        sides = [node.this, node.args["expression"]] if isinstance(node, exp.EQ) else []
        columns = [one for one in sides if isinstance(one, exp.Column)]
        if len(columns) <= 1 or len(refers.items) <= 1:
            return None
        texts = [self.source.column_text(one) for one in columns]
        left, right = [(*one, text) for one, text in zip(refers.columns, texts, strict=True)]
        return Equality(left, right, term.owner)

    def edits(self, item: Item) -> Iterator[Edit]:
        """Writes a view's SELECT in place of its name; nothing if nothing is said about it."""
        moved = [one for one in self.terms if self._moves(one, item)]
        texts = [self._inside(one, item) for one in moved]
        texts += [self._inside(one, item) for one in self.terms if self._copies(one, item)]
        joined = Joined(
            self.source, self.catalog, self.scope, self.clause, self.terms, self.equalities
        )
        texts += filter(None, [joined.condition_on(item), *self._of_rows(item)])
        if not texts:
            return
        tokens = self.source.tokens
        for one in moved:
            left = self._left(one)
            yield Edit(tokens[one.span[0]].start, tokens[one.span[1] - 1].end, left)
        if item.derived is not None:
            yield from item.derived.edits(self.source, texts)
        elif item.view is not None:
            yield self._replaced(item, item.view, texts)

    def _left(self, term: Term) -> str:
        """What stays where a condition was: always true.

        It names what could be ambiguous, so that SQLite still refuses that.
        """
        if all(one.known for one in self.scope.items):
            return "1"
        names = dict.fromkeys(self.source.column_text(one) for one in term.refers.bare)
        return f"({' OR '.join(('1', *names))})" if names else "1"

    def _replaced(self, item: Item, view: OurView, texts: Sequence[str]) -> Edit:
        first, last = self.clause.spans[self.scope.items.index(item)]
        label = quoted(item.label or "")
        where = f" AS {label} WHERE {' AND '.join(f'({one})' for one in texts)}"
        tokens = self.source.tokens
        select = view.query(where)
        return Edit(tokens[first].start, tokens[last - 1].end, f"({select}) AS {label}")

    def _inside(self, term: Term, item: Item) -> str:
        """A condition as it reads inside an item."""
        if item.derived is None:
            return self.source.slice(term.span)
        edits = []
        tokens, start = self.source.tokens, self.source.tokens[term.span[0]].start
        for (_, column), node in zip(term.refers.columns, term.refers.nodes, strict=True):
            text = self.source.column_text(node)
            end = tokens[self.source.parsed.token_of(node.this)].end - start
            edits.append(Edit(end - len(text), end, item.inside(column) or text))
        numbers = self.source.numbering
        edits += [
            Edit(tokens[at].start - start, tokens[at].end - start, f"?{numbers.numbers[at]}")
            for at in range(*term.span)
            if at in numbers.numbers
        ]
        return apply(self.source.text[start : tokens[term.span[1] - 1].end], edits)

    def _of_rows(self, item: Item) -> Iterator[str]:
        """What ``(key, other) IN (SELECT ..)`` says about a key of the view alone."""
        for term in self.terms:
            row = term.node.unnest()
            query = row.args.get("query")
            if not (isinstance(row, exp.In) and isinstance(row.this, exp.Tuple) and query):
                continue
            about = references(self.scope, query, self.catalog)
            sound = not about.items and self._is_understood(about)
            repeats = Repeats(self.catalog, self.scope.queries)
            text = self._subquery(term)
            if not (sound and text and term.owner in {None, item} and repeats.condition(query)):
                continue
            for place, column in enumerate(row.this.expressions):
                for owner, key in references(self.scope, column, self.catalog).columns:
                    if owner is item and isinstance(column, exp.Column) and item.inside(key):
                        names = len(row.this.expressions)
                        yield _one_of_row(item, key, (place, names), text)

    def _subquery(self, term: Term) -> str:
        """The subquery of a condition with IN, in its brackets; '' for a condition in brackets."""
        source, (first, end) = self.source, term.span
        mark = next(find(source.tokens, (first, end), source.pairs, _IN), None)
        return "" if mark is None else source.slice((mark + 1, end))

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
            and Repeats(self.catalog, self.scope.queries).condition(term.node)
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
        understood = self._is_understood(refers)
        return understood and (refers.queries or refers.outer) and is_steady(term.node)

    def _is_understood(self, refers: References) -> bool:
        """Whether each name means the same in the view, or is refused by SQLite there.

        In a correlated subquery a name that is not understood may be another one in the view. One
        in quotation marks is not refused, but taken for a text where no column has that name.
        """
        items = self.scope.items
        quoted = refers.quoted and any(
            not one.known or one.spelled(name) is not None
            for one in items
            for name in refers.quoted
        )
        return refers.certain or not (self.correlated or quoted)

    @staticmethod
    def _is_closed(term: Term, derived: Derived) -> bool:
        """Whether every name in a condition means the same inside a query."""
        nested = any(
            one.find_ancestor(exp.Query) is not term.node.find_ancestor(exp.Query)
            for one in term.refers.nodes
        )
        doubtful = frozenset(term.refers.doubtful)
        return not (term.refers.outer or nested or (doubtful and derived.hides(doubtful)))


_IN = frozenset(("IN",))


def _one_of_row(item: Item, key: str, place: tuple[int, int], query: str) -> str:
    """A key compared with its own column of a subquery, the one at a place of so many."""
    at, count = place
    names = ", ".join(f'"_{number}"' for number in range(count))
    rows = f'WITH "_row"({names}) AS {query} SELECT "_{at}" FROM "_row"'
    return f"{item.inside(key)} IN ({rows})"


def _rejects_nulls(node: exp.Expression) -> bool:
    """Whether a condition on columns of one item is not true where these are NULL."""
    bare = node.unnest()
    if isinstance(bare, exp.In):
        return isinstance(bare.this, exp.Column)
    sides = (bare.this, bare.args.get("expression"))
    compared = isinstance(bare, exp.EQ | exp.NEQ | exp.LT | exp.LTE | exp.GT | exp.GTE)
    return compared and any(isinstance(side, exp.Column) for side in sides)
