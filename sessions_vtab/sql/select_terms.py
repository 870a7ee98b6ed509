"""What the WHERE and the ONs of one SELECT say, condition by condition, and where they stand.

Of our tables and views some are *costly*: unless it is known which sessions are wanted, reading
them takes a request for each session.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from collections.abc import Set as AbstractSet
from dataclasses import dataclass, field, replace
from itertools import pairwise
from typing import NamedTuple

from sqlglot import exp

from sessions_vtab.contract.agent_views import INTERNAL
from sessions_vtab.contract.model import ColumnType, quoted
from sessions_vtab.contract.predicate import literal
from sessions_vtab.sql.lexer import Edit, name_of
from sessions_vtab.sql.names import Catalog, Item, OurTable, OurView, Scope
from sessions_vtab.sql.references import References, references
from sessions_vtab.sql.repeatable import Repeats
from sessions_vtab.sql.shapes import Span, find
from sessions_vtab.sql.source import FromClause, ParsedStatement, terms
from sessions_vtab.sql.walk import On

Side = tuple[Item, str, str]
"""An item, its column, and how that is written; '' where it is not."""


class Equality(NamedTuple):
    """``a.x = b.y``, in WHERE, ON or USING.

    Attributes:
        left, right: its sides.
        place: where it is: index of the item to the right of its join; None for WHERE.
    """

    left: Side
    right: Side
    place: int | None


class Choice(NamedTuple):
    """``a.x IN (b.y, 'z')``, or the same with OR: one of several equalities is true.

    Attributes:
        item: whose keys they are about.
        equalities: a column of the item, and what it may be equal to: a side, or a value as text.
        place: as for ``Equality``.
    """

    item: Item
    equalities: Sequence[tuple[str, Side | str]]
    place: int | None


class Term(NamedTuple):
    """A condition of WHERE or ON that others are joined with by AND.

    Attributes:
        node: its tree.
        span: its tokens.
        place: where it is: index of the item to the right of its join; None for WHERE.
        refers: what it is about.
        text: how it is written, where that is not what its tokens say.
        only: the one item in whose rows it is true, if it says of that item's column what is
            written about the first column of several that has a value.
    """

    node: exp.Expression
    span: Span
    place: int | None
    refers: References
    text: str = ""
    only: Item | None = None


@dataclass(slots=True)
class SelectTerms:
    """The conditions of one SELECT, or of an UPDATE or DELETE.

    Attributes:
        node: the SELECT.
        source: the statement.
        catalog: what its names mean.
        scope: the items of its FROM.
        clause: their tokens.
        correlated: it stands where the columns of another SELECT can be named.
        terms: the conditions that AND joins.
        equalities: what the items are joined by.
        choices: what they are joined by otherwise.
    """

    node: exp.Expression
    source: ParsedStatement
    catalog: Catalog
    scope: Scope
    clause: FromClause
    correlated: bool
    terms: list[Term] = field(default_factory=list)
    equalities: list[Equality] = field(default_factory=list)
    choices: list[Choice] = field(default_factory=list)

    @property
    def repeats(self) -> Repeats:
        """What can be asked twice in it."""
        return Repeats(self.catalog, self.scope.queries)

    def read(self, ons: Sequence[On]) -> None:
        """Takes in the conditions of WHERE and ON."""
        where = self.node.args.get("where")
        found = [] if where is None else terms(where.this)
        self._note(found, self.source.conjuncts(self.clause.where, len(found)), None)
        for place, condition in ons:
            found = terms(condition)
            span = self.clause.ons.get(place)
            self._note(found, self.source.conjuncts(span, len(found)), place)
        for left, right, name in self.scope.using:
            place = self.scope.items.index(right)
            self.equalities.append(Equality((left, name, ""), (right, name, ""), place))
        for term in self.terms:
            for item in items_that_are_there(term) if term.place is None else ():
                self.scope.require(item)
        self.terms += [one for term in self.terms for one in self._of_each(term)]

    # Items.

    def text(self, item: Item) -> str:
        """An item as it is written."""
        return self.source.slice(self.clause.spans[self.scope.items.index(item)])

    def is_indexed(self, item: Item) -> bool:
        """Whether it is said how an item is to be read, with INDEXED BY or NOT INDEXED."""
        first, end = self.clause.spans[self.scope.items.index(item)]
        words = [token.upper for token in self.source.tokens[first:end]]
        return not {("INDEXED", "BY"), ("NOT", "INDEXED")}.isdisjoint(pairwise(words))

    def as_query(self, item: Item, clauses: str) -> Iterator[Edit]:
        """Writes a table of ours as a query of its rows; nothing where that is not the same.

        Args:
            item: the table.
            clauses: what follows FROM in the query.
        """
        found = self.node.find_all(exp.Column)
        named = {one.name.lower() for one in found if one.table.lower() in {"", item.label}}
        hidden = item.ours is None or any(one.name in named for one in item.ours.table.hidden)
        if not hidden and not self.is_indexed(item):
            columns = ", ".join(written(name) for name in item.visible or ())
            query = f"SELECT {columns} FROM {self.text(item)} {clauses}"
            yield self.in_place_of(item, f"({query}) AS {written(item.label)}")

    def in_place_of(self, item: Item, text: str) -> Edit:
        """Writes another item in place of one."""
        first, end = self.clause.spans[self.scope.items.index(item)]
        tokens = self.source.tokens
        return Edit(tokens[first].start, tokens[end - 1].end, text)

    def can_be_read_twice(self, item: Item) -> bool:
        """Whether an item has the same rows each time, and elsewhere in the statement."""
        if item.view is not None:
            return True
        if item.body is not None and item.at < 0 and not self.is_closed(item.body):
            return False
        tokens, at = self.source.tokens, item.at
        schema = name_of(tokens[at - 2]) if at > 1 and tokens[at - 1].text == "." else None
        return self.repeats.item(item, schema, "" if at < 0 else name_of(tokens[at]))

    def is_closed(self, body: exp.Expression) -> bool:
        """Whether each name in a subquery means the same where columns of others can be named."""
        about = references(Scope(queries=self.scope.queries), body, self.catalog)
        return about.certain or not (self.correlated or about.quoted)

    def is_costly(self, item: Item) -> bool:
        """Whether reading all rows of an item takes a request for each session."""
        if item.body is not None:
            return self.names_costly(item.body)
        return item.view is not None or (item.ours is not None and item.ours.fans_out)

    def names_costly(self, node: exp.Expression) -> bool:
        """Whether a costly table or view is named in an expression."""
        return self.repeats.names_costly(node)

    def keys_of(self, item: Item) -> frozenset[str]:
        """The columns of a costly table or view that say which sessions are wanted."""
        if item.derived is not None:
            return frozenset(item.derived.columns)
        tables = [item.ours] if item.view is None else _tables_of(item.view, self.catalog)
        keys = frozenset(key for one in tables if one is not None for key in one.keys)
        return keys if item.view is None else keys.intersection(item.view.view.keys)

    # Conditions.

    def holds(self, term: Term | Equality | Choice, item: Item) -> bool:
        """Whether a condition is true wherever there is a row of an item (``Scope.holds``)."""
        if isinstance(term, Term) and term.only is not None:
            return term.only is item
        return self.scope.holds(term.place, item)

    def beside(self, item: Item) -> frozenset[Item]:
        """An item, and the others that have a row wherever it has one, as their conditions say."""
        found = frozenset((item,))
        said: list[tuple[Term | Equality, frozenset[Item]]]
        said = [(one, items_that_are_there(one)) for one in self.terms]
        said += [(one, frozenset((one.left[0], one.right[0]))) for one in self.equalities]
        for _ in self.scope.items:
            there = [items for one, items in said if any(self.holds(one, known) for known in found)]
            found = found.union(*there)
        return found

    def stays_false(self, term: Term, item: Item) -> bool:
        """Whether a condition that is not true of a row of an item is not without the row, either.

        A RIGHT or FULL JOIN that no longer finds the row has NULLs in place of all on its left.
        """
        return all(
            term.refers.items.isdisjoint(nulls) or not nulls.isdisjoint(items_that_are_there(term))
            for nulls in self.scope.nulled_without(term.place, item)
        )

    def is_understood(self, refers: References) -> bool:
        """Whether each name means the same in a view, or is refused by SQLite there.

        In a correlated subquery a name that is not understood may be another one in the view. One
        in quotation marks is not refused, but taken for a text where no column has that name.
        """
        if any(name.startswith(INTERNAL) for name in refers.doubtful):
            return False
        items = self.scope.items
        quotes = refers.quoted and any(
            not one.known or one.spelled(name) is not None
            for one in items
            for name in refers.quoted
        )
        return refers.certain or not (self.correlated or quotes)

    def is_named(self, item: Item, keys: AbstractSet[str]) -> bool:
        """Whether a condition gives an item's keys their values, without reading other sessions."""
        return any(
            one.refers.items == {item}
            and names_values(one.node, one.refers.named(item, keys.__contains__))
            and not self.names_costly(one.node)
            for one in self.terms
            if self.holds(one, item)
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
        if not (sound and text and self.holds(term, item)):
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

    def _note(
        self,
        nodes: Sequence[exp.Expression],
        spans: Sequence[Span | None],
        place: int | None,
    ) -> None:
        for node, span in zip(nodes, spans, strict=True):
            if span is None:
                continue
            term = Term(node, span, place, references(self.scope, node, self.catalog))
            self.terms.append(term)
            equality = self._equality(term)
            if equality is not None:
                self.equalities.append(equality)
            elif len(term.refers.items) > 1:
                self.choices += self._choices(term)

    def _of_each(self, term: Term) -> Iterator[Term]:
        """What ``coalesce(a.x, b.x) = ..``, with ``a.x = b.x`` in ON, says about each of its items.

        Both say the same of rows that are joined, so a row of either that does not meet the
        condition is in no result, and the row of NULLs that could take its place does not, either.
        """
        node = term.node.unnest()
        if term.place is not None or not isinstance(node, exp.EQ | exp.In):
            return
        for subject in [node.this, *([node.expression] if isinstance(node, exp.EQ) else [])]:
            sides = self._merged(subject)
            rest = references(self.scope, term.node, self.catalog, subject) if sides else None
            if rest is None or rest.columns or rest.outer:
                continue
            if self.repeats.compares_as_text(node):
                for item, name in sides:
                    about = replace(rest, columns=[(item, name)], nodes=[subject])
                    yield term._replace(refers=about, only=item)

    def _merged(self, subject: exp.Expression) -> Sequence[tuple[Item, str]]:
        """Columns of which the first that is there is taken, if they are equal where both are."""
        sides = list[tuple[Item, str]]()
        if isinstance(subject, exp.Coalesce):
            parts = [subject.this, *subject.expressions]
            known = [references(self.scope, one, self.catalog).columns for one in parts]
            bare = all(isinstance(one, exp.Column) for one in parts) and all(known)
            sides = [one for columns in known for one in columns] if bare else []
            sides = sides if len(sides) == 2 and self._are_joined(*sides) else []  # noqa: PLR2004
        elif isinstance(subject, exp.Column) and not subject.table:
            name = subject.name.lower()
            merged = self.scope.merges.get(name, ()) if self.scope.shared.get(name) is None else ()
            sides = [(one, one.spelled(name) or name) for one in merged]
        return sides if all(is_text((*one, "")) for one in sides) else ()

    def _are_joined(self, left: tuple[Item, str], right: tuple[Item, str]) -> bool:
        """Whether rows of two items are joined only where their columns are equal."""
        place = max(self.scope.items.index(one) for one, _ in (left, right))
        return any(
            {one.left[:2], one.right[:2]} == {left, right} and one.place == place
            for one in self.equalities
        )

    def _choices(self, term: Term) -> Iterator[Choice]:
        """What a condition of several equalities says about each of its items."""
        pairs = _alternatives(term.node)
        columns = zip(term.refers.nodes, term.refers.columns, strict=True)
        known = {
            id(node): (item, name, self.source.column_text(node)) for node, (item, name) in columns
        }
        for item in term.refers.items if pairs else ():
            found = [self._option(item, pair, known) for pair in pairs]
            options = [one for one in found if one is not None]
            if len(options) == len(pairs):
                yield Choice(item, options, term.place)

    def _option(
        self, item: Item, pair: Sequence[exp.Expression], known: Mapping[int, Side]
    ) -> tuple[str, Side | str] | None:
        """A column of an item, and what it is compared with, which is not of the item."""
        for mine, other in (pair, pair[::-1]):
            key, side = known.get(id(mine)), known.get(id(other))
            if key is None or key[0] is not item or (side is not None and side[0] is item):
                continue
            if side is not None:
                return key[1], side
            if isinstance(other, exp.Parameter) or other.is_string:
                return key[1], value_of(other)
        return None

    def _equality(self, term: Term) -> Equality | None:
        """``a.x = b.y`` of two items."""
        node, refers = term.node.unnest(), term.refers
        sides = [node.this, node.args["expression"]] if isinstance(node, exp.EQ) else []
        columns = [one for one in sides if isinstance(one, exp.Column)]
        if len(columns) <= 1 or len(refers.items) <= 1:
            return None
        texts = [self.source.column_text(one) for one in columns]
        left, right = [(*one, text) for one, text in zip(refers.columns, texts, strict=True)]
        return Equality(left, right, term.place)


_IN = frozenset(("IN",))


def _alternatives(node: exp.Expression) -> list[tuple[exp.Expression, exp.Expression]]:
    """The equalities of which one is true; none for any other condition."""
    bare = node.unnest()
    if isinstance(bare, exp.EQ):
        return [(bare.this.unnest(), bare.expression.unnest())]
    if isinstance(bare, exp.In) and not (bare.args.get("query") or bare.args.get("field")):
        return [(bare.this, one.unnest()) for one in bare.expressions]
    sides = [bare.this, bare.expression] if isinstance(bare, exp.Or) else []
    found = [_alternatives(side) for side in sides]
    return [one for side in found for one in side] if all(found) else []


def _one_of_row(item: Item, key: str, place: tuple[int, int], query: str) -> str:
    """A key compared with its own column of a subquery, the one at a place of so many."""
    at, count = place
    names = ", ".join(f'"_{number}"' for number in range(count))
    rows = f'WITH "_row"({names}) AS {query} SELECT "_{at}" FROM "_row"'
    return f"{item.inside(key)} IN ({rows})"


def value_of(node: exp.Expression) -> str:
    """A literal or a parameter as it is written; '' for anything else."""
    if isinstance(node, exp.Parameter):
        return f"?{node.name}"
    text = node.name if isinstance(node, exp.Literal) else ""
    return literal(text) if node.is_string else text


def names_values(node: exp.Expression, columns: AbstractSet[int]) -> bool:
    """Whether a condition is ``column = ..`` or ``column IN ..``, or OR joins several of these.

    Args:
        node: the condition.
        columns: the ids of the nodes of such columns.
    """
    bare = node.unnest()
    if isinstance(bare, exp.Or):
        return all(names_values(one, columns) for one in terms(bare, exp.Or))
    sides = (bare.this, bare.args.get("expression")) if isinstance(bare, exp.EQ) else (bare.this,)
    return isinstance(bare, exp.EQ | exp.In) and any(id(one) in columns for one in sides)


def items_that_are_there(term: Term) -> frozenset[Item]:
    """The items with a row, and not one of NULLs, wherever a condition is true."""
    columns = zip(term.refers.nodes, term.refers.columns, strict=True)
    return _items_there(term.node, {id(node): item for node, (item, _) in columns})


def _items_there(node: exp.Expression, columns: Mapping[int, Item]) -> frozenset[Item]:
    bare = node.unnest()
    if isinstance(bare, exp.Or):
        return _items_there(bare.this, columns) & _items_there(bare.expression, columns)
    sides = []
    if isinstance(bare, exp.EQ | exp.NEQ | exp.LT | exp.LTE | exp.GT | exp.GTE):
        sides = [bare.this, bare.expression]
    elif isinstance(bare, exp.In | exp.Between | exp.Like | exp.Glob):
        sides = [bare.this]
    return frozenset(columns[id(side)] for side in sides if id(side) in columns)


def never_null(item: Item, catalog: Catalog) -> frozenset[str]:
    """The columns of an item that are known to be NULL in none of its rows."""
    if item.derived is not None:
        return item.derived.never_null
    if item.view is None:
        table = None if item.ours is None else item.ours.table
        return frozenset() if table is None else table.never_null | table.identifying
    # Its keys are passed on from these.
    tables = [one.table for one in _tables_of(item.view, catalog) if one is not None]
    return frozenset(
        name
        for name in item.view.view.keys
        if any(name in one.positions for one in tables)
        and all(name in one.identifying for one in tables if name in one.positions)
    )


def _tables_of(view: OurView, catalog: Catalog) -> Sequence[OurTable | None]:
    return [catalog.resolve(view.schema, table) for table in view.view.needs]


def is_text(side: Side) -> bool:
    """Whether a column is known to hold texts."""
    if side[0].derived is not None:
        return side[1].lower() in side[0].derived.texts
    item, name, _ = side
    column = item.column(name) if item.known and item.spelled(name) is not None else None
    return column is not None and column.type is ColumnType.TEXT


def written(*names: str | None) -> str:
    """A name with its qualifiers, as far as it has any."""
    return ".".join(quoted(one) for one in names if one)
