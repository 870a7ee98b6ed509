"""What the WHERE and the ONs of one SELECT say, condition by condition, and where they stand.

Of our tables and views some are *costly*: unless it is known which sessions are wanted, reading
them takes a request for each session.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from collections.abc import Set as AbstractSet
from dataclasses import dataclass, field

from sqlglot import exp

from sessions_vtab.contract.agent_views import INTERNAL
from sessions_vtab.sql.derived import Derived
from sessions_vtab.sql.lexer import Edit
from sessions_vtab.sql.names import Catalog, Item, OurTable, OurView, Scope
from sessions_vtab.sql.references import References, is_correlated, references
from sessions_vtab.sql.repeatable import Repeats
from sessions_vtab.sql.semi_joins import (
    Equality,
    FromClause,
    Joined,
    Term,
    from_clause,
)
from sessions_vtab.sql.shapes import Block, find
from sessions_vtab.sql.source import ParsedStatement, joins_of, terms
from sessions_vtab.sql.walk import On, Walk


@dataclass(slots=True)
class SelectTerms:
    """The conditions of one SELECT.

    Attributes:
        node: the SELECT.
        source: the statement.
        catalog: what its names mean.
        scope: the items of its FROM.
        clause: their tokens.
        correlated: it stands where the columns of another SELECT can be named.
        terms: the conditions that AND joins.
        equalities: what the items are joined by.
    """

    node: exp.Select
    source: ParsedStatement
    catalog: Catalog
    scope: Scope
    clause: FromClause
    correlated: bool
    terms: list[Term] = field(default_factory=list)
    equalities: list[Equality] = field(default_factory=list)

    @property
    def repeats(self) -> Repeats:
        """What can be asked twice in it."""
        return Repeats(self.catalog, self.scope.queries)

    def read(self, ons: Sequence[On]) -> None:
        """Takes in the conditions of WHERE and ON."""
        where = self.node.args.get("where")
        found = [] if where is None else terms(where.this)
        span = self.clause.block.clauses.get("WHERE")
        self._note(found, self.source.conjuncts(span, len(found)), None)
        for (owner, condition), on in zip(ons, self.clause.ons, strict=True):
            found = terms(condition)
            self._note(found, self.source.conjuncts(on, len(found)), owner)
        for join, item in zip(joins_of(self.node), self.scope.items[1:], strict=True):
            self.equalities += self._using(join, item)

    def joined(self) -> Joined:
        """What its items say about each other."""
        return Joined(
            self.source,
            self.catalog,
            self.scope,
            self.clause,
            self.terms,
            self.equalities,
            correlated=self.correlated,
        )

    def is_understood(self, refers: References) -> bool:
        """Whether each name means the same in a view, or is refused by SQLite there.

        In a correlated subquery a name that is not understood may be another one in the view. One
        in quotation marks is not refused, but taken for a text where no column has that name.
        """
        if any(name.startswith(INTERNAL) for name in refers.doubtful):
            return False
        items = self.scope.items
        quoted = refers.quoted and any(
            not one.known or one.spelled(name) is not None
            for one in items
            for name in refers.quoted
        )
        return refers.certain or not (self.correlated or quoted)

    def is_costly(self, item: Item) -> bool:
        """Whether reading all rows of an item takes a request for each session."""
        if item.body is not None:
            return self.names_costly(item.body)
        return item.view is not None or (item.ours is not None and item.ours.fans_out)

    def names_costly(self, node: exp.Expression) -> bool:
        """Whether a costly table or view is named in an expression."""
        for schema, name in self.repeats.tables(node):
            ours = self.catalog.resolve(schema, name)
            if self.catalog.view(schema, name) is not None or (ours is not None and ours.fans_out):
                return True
        return False

    def keys_of(self, item: Item) -> frozenset[str]:
        """The columns of a costly table or view that say which sessions are wanted."""
        if item.derived is not None:
            return frozenset(item.derived.columns)
        tables = [item.ours] if item.view is None else self._tables_of(item.view)
        keys = frozenset(key for one in tables if one is not None for key in one.keys)
        return keys if item.view is None else keys.intersection(item.view.view.keys)

    def never_null(self, item: Item) -> frozenset[str]:
        """The columns of an item that are known to be NULL in no row."""
        if item.view is None:
            table = None if item.ours is None else item.ours.table
            return frozenset() if table is None else table.never_null | table.identifying
        # Its keys are passed on from these.
        tables = [one.table for one in self._tables_of(item.view) if one is not None]
        return frozenset(
            name
            for name in item.view.view.keys
            if any(name in one.positions for one in tables)
            and all(name in one.identifying for one in tables if name in one.positions)
        )

    def _tables_of(self, view: OurView) -> Sequence[OurTable | None]:
        return [self.catalog.resolve(view.schema, table) for table in view.view.needs]

    def is_narrowed(self, item: Item) -> bool:
        """Whether it is said which sessions of a costly item are wanted, without reading others."""
        named = self.is_named(item, self.keys_of(item))
        return named or bool(self.joined().condition_on(item))

    def is_named(self, item: Item, keys: AbstractSet[str]) -> bool:
        """Whether a condition gives an item's keys their values, without reading other sessions."""
        alone = [one for one in self.terms if one.owner in {None, item}]
        return any(
            one.refers.items == {item}
            and not keys.isdisjoint(name.lower() for _, name in one.refers.columns)
            and _names_values(one.node)
            and not self.names_costly(one.node)
            for one in alone
        )

    def of_row(self, term: Term, item: Item) -> Iterator[str]:
        """What ``(key, other) IN (SELECT ..)`` says about a key of an item alone."""
        row = term.node.unnest()
        query = row.args.get("query")
        if not (isinstance(row, exp.In) and isinstance(row.this, exp.Tuple) and query):
            return
        about = references(self.scope, query, self.catalog)
        sound = not about.items and self.is_understood(about) and self.repeats.condition(query)
        text = self._subquery(term)
        if not (sound and text and term.owner in {None, item}):
            return
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


_IN = frozenset(("IN",))


def _one_of_row(item: Item, key: str, place: tuple[int, int], query: str) -> str:
    """A key compared with its own column of a subquery, the one at a place of so many."""
    at, count = place
    names = ", ".join(f'"_{number}"' for number in range(count))
    rows = f'WITH "_row"({names}) AS {query} SELECT "_{at}" FROM "_row"'
    return f"{item.inside(key)} IN ({rows})"


def _names_values(node: exp.Expression) -> bool:
    """Whether a condition is ``column = ..`` or ``column IN ..``."""
    bare = node.unnest()
    sides = (bare.this, bare.args.get("expression")) if isinstance(bare, exp.EQ) else (bare.this,)
    return isinstance(bare, exp.EQ | exp.In) and any(isinstance(one, exp.Column) for one in sides)


def _is_own(cte: exp.CTE, node: exp.Select) -> bool:
    """Whether only one SELECT names a common table expression, and can name no other ones."""
    root, name = node.root(), cte.alias.lower()
    named = [one for one in root.find_all(exp.Table) if not one.db and one.name.lower() == name]
    members = [one.args.get("field") for one in root.find_all(exp.In)]
    also = [one for one in members if one is not None and one.name.lower() == name]
    around: exp.Expr | None = node
    while around is not None and around.args.get("with_") is None:
        around = around.find_ancestor(exp.Query)
    before = cte.parent is not None and cte.parent.parent is around
    return before and len(named) == 1 and not also and not cte.args["alias"].columns


Moves = Callable[[exp.Select, Scope, Catalog], Derived | None]


@dataclass(slots=True)
class TermsWalk(Walk):
    """Visits SELECTs with their conditions, and collects edits.

    Attributes:
        edits: what is to be changed.
        selects: the names of each SELECT that was visited.
    """

    edits: list[Edit] = field(default_factory=list)
    selects: dict[int, Scope] = field(default_factory=dict)

    def named(self, item: Item, node: exp.Table) -> None:
        """Notes a view of ours."""
        if item.ours is None and item.body is None:
            item.view = self.catalog.view(node.db or None, node.name)

    def derived(self, item: Item, node: exp.Select, moves: Moves) -> Derived | None:
        """What may move into the body of an item, if that is a query that nothing else names.

        Args:
            item: of the FROM of a SELECT.
            node: the SELECT.
            moves: what may move into a query.
        """
        query = item.body.unnest() if item.body is not None else None
        scope = self.selects.get(id(query))
        if scope is None or not isinstance(query, exp.Select):
            return None
        if isinstance(query.parent, exp.CTE) and not _is_own(query.parent, node):
            return None
        return moves(query, scope, self.catalog)

    def terms_of(
        self, node: exp.Select, scope: Scope, ons: Sequence[On], block: Block | None
    ) -> SelectTerms | None:
        """The conditions of a SELECT; None if its tokens are not understood."""
        clause = None if block is None else from_clause(self.source, scope, block)
        if clause is None or len(clause.ons) != len(ons):
            return None
        correlated = is_correlated(node)
        found = SelectTerms(node, self.source, self.catalog, scope, clause, correlated)
        found.read(ons)
        return found

    def block_of(self, scope: Scope) -> Block | None:
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
