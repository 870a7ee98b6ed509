"""What a statement asks of each of our tables: predicates, links, residuals, order and limit.

What may move into a table occurrence (mechanisms of SQLite, tried against native tables): of the
WHERE of its SELECT the conjuncts that mention only this occurrence, values, and columns of SELECTs
around it; if it is the right side of a LEFT JOIN, only those that are not true of a row of NULLs;
of that join's ON those about it; of an inner ON all. With RIGHT or FULL JOIN nothing.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from enum import StrEnum
from typing import NamedTuple

from sqlglot import exp

from sessions_vtab.errors import UnsupportedError
from sessions_vtab.spec.predicate import AllOf, Predicate, fields
from sessions_vtab.sql.catalog import Catalog, OurTable
from sessions_vtab.sql.conditions import Atom, Reader, TimeOperand, resolve
from sessions_vtab.sql.lexer import Heading, Token
from sessions_vtab.sql.masked import Masked, read
from sessions_vtab.sql.names import Item, Scope
from sessions_vtab.sql.parameters import Numbering
from sessions_vtab.sql.plans import slots, true_on_nulls, with_slots
from sessions_vtab.sql.shapes import Block, Span, blocks, conjuncts, find

__all__ = ["Condition", "Join", "Lead", "Occurrence", "Role", "analyse", "condition_of_change"]


class Role(StrEnum):
    """Who takes care of a condition."""

    OFFERED = "offered"
    """SQLite offers it to the virtual table by itself."""
    PUSHED = "pushed"
    """The plan carries all of it."""
    NARROWED = "narrowed"
    """The plan carries something wider; SQLite decides."""
    HERE = "here"
    """SQLite checks it, the plan does not know it."""


class Condition(NamedTuple):
    """One conjunct of WHERE or ON that is about a single occurrence.

    Attributes:
        text: as written, parameters as ``?N`` of the statement.
        role: who takes care of it.
        local: it mentions nothing but columns of the occurrence and parameters.
        numbers: the parameters in it.
    """

    text: str
    role: Role
    local: bool
    numbers: tuple[int, ...]


class Join(NamedTuple):
    """``column = source.source_column``, where the source hands its rows to this occurrence."""

    column: str
    source: Item
    source_column: str


class Lead(NamedTuple):
    """Rows of no table of ours that hand their keys to an occurrence: the FROM item before it.

    Attributes:
        column: the key column of the occurrence.
        key: the item's column, as written.
        label: how the item is called, as written.
        span: tokens of the item.
        conditions: what WHERE says about the item alone.
    """

    column: str
    key: str
    label: str
    span: Span
    conditions: tuple[str, ...]


@dataclass(slots=True)
class Occurrence:
    """One place where a statement names one of our tables.

    Attributes:
        item: name, table and place.
        alias: how the statement qualifies its columns.
        block: the SELECT it is in; None in UPDATE and DELETE.
        predicate: what may be pushed; its slots are indexes into ``atoms``.
        atoms: the values.
        conditions: the conjuncts about it alone.
        joins: equalities with rows of other occurrences.
        order: terms of ORDER BY as written.
        limit: LIMIT and OFFSET as written.
        spliceable: table-valued arguments can be put behind its name.
        lead: the item whose rows come first, if it is none of ours.
    """

    item: Item
    ours: OurTable
    alias: str
    block: Block | None = None
    predicate: Predicate | None = None
    atoms: tuple[Atom, ...] = ()
    conditions: list[Condition] = field(default_factory=list)
    joins: list[Join] = field(default_factory=list)
    order: str = ""
    limit: str = ""
    spliceable: bool = True
    lead: Lead | None = None


def analyse(
    text: str,
    tokens: Sequence[Token],
    heading: Heading,
    numbering: Numbering,
    pairs: dict[int, int],
    catalog: Catalog,
) -> tuple[list[Occurrence], list[TimeOperand]]:
    """The occurrences of our tables in a statement, in the order of the text.

    Returns:
        The occurrences, none where sqlglot cannot read the statement; and the values that are
        compared with time columns.

    Raises:
        UnsupportedError: one of our tables is given arguments.
    """
    masked = read(tokens, heading, numbering.numbers, pairs)
    if masked is None:
        return [], []
    walk = _Walk(text, tokens, numbering, pairs, catalog, masked)
    walk.statement(masked.tree)
    found = sorted(walk.occurrences.values(), key=lambda each: each.item.at)
    return found, walk.times


_Names = frozenset[str]


@dataclass(slots=True)
class _Walk:
    text: str
    tokens: Sequence[Token]
    numbering: Numbering
    pairs: dict[int, int]
    catalog: Catalog
    masked: Masked
    occurrences: dict[int, Occurrence] = field(default_factory=dict)
    times: list[TimeOperand] = field(default_factory=list)
    blocks: list[Block] = field(init=False)

    def __post_init__(self) -> None:
        self.blocks = blocks(self.tokens, self.pairs)

    # Walking down: every SELECT with the scope it sees and the CTE names that hide tables.

    def statement(self, tree: exp.Expression) -> None:
        names: _Names = frozenset()
        match tree:
            case exp.Select() | exp.SetOperation() | exp.Subquery():
                self._query(tree, None, names)
            case exp.Insert():
                names = self._with(tree, names)
                if isinstance(tree.expression, exp.Expression):
                    self._nested(tree.expression, None, names)
            case exp.Update() | exp.Delete():
                self._change(tree, self._with(tree, names))
            case _:
                return

    def _with(self, node: exp.Expression, names: _Names) -> _Names:
        clause = node.args.get("with_")
        if clause is None:
            return names
        names |= {cte.alias.lower() for cte in clause.expressions}
        for cte in clause.expressions:
            self._nested(cte.this, None, names)
        return names

    def _query(self, node: exp.Expression, outer: Scope | None, names: _Names) -> None:
        names = self._with(node, names)
        if isinstance(node, exp.Select):
            self._select(node, outer, names)
            return
        for name, value in node.args.items():
            if name != "with_":
                for part in value if isinstance(value, list) else [value]:
                    if isinstance(part, exp.Expression):
                        self._nested(part, outer, names)

    def _nested(self, node: exp.Expression | None, outer: Scope | None, names: _Names) -> None:
        """Visits the queries in an expression."""
        if node is None:
            return
        for query in _queries(node):
            self._query(query, outer, names)

    def _select(self, node: exp.Select, outer: Scope | None, names: _Names) -> None:
        scope = Scope(outer=outer, aliases=_aliases(node))
        ons = self._from(node, scope, names)
        self._conditions(node, scope, ons)
        self._lead(node, scope, ons)
        inside = ("expressions", "where", "group", "having", "order", "windows", "distinct")
        for part in _parts(node, *inside):
            self._nested(part, scope, names)
        for _, condition in ons:
            self._nested(condition, scope, names)
        for part in _parts(node, "limit", "offset"):
            self._nested(part, None, names)

    def _change(self, node: exp.Update | exp.Delete, names: _Names) -> None:
        scope = Scope()
        if isinstance(node.this, exp.Table):
            item = self._table(node.this, frozenset(), target=True)
            scope.items.append(item)
        ons = self._from(node, scope, names)
        self._conditions(node, scope, ons)
        for part in _parts(node, "expressions", "where"):
            self._nested(part, scope, names)
        for _, condition in ons:
            self._nested(condition, scope, names)

    # FROM: items, and the conditions of ON with the item on their right.

    def _from(
        self, node: exp.Expression, scope: Scope, names: _Names
    ) -> list[tuple[Item | None, exp.Expression]]:
        """Fills the scope; answers each ON with the right side of its LEFT JOIN, None for inner."""
        clause = node.args.get("from_")
        if clause is None:
            return []
        scope.items.append(self._item(clause.this, scope, names))
        ons: list[tuple[Item | None, exp.Expression]] = []
        joins = [*(node.args.get("joins") or ()), *(clause.this.args.get("joins") or ())]
        scope.opaque = bool(node.args.get("laterals"))
        for join in joins:
            item = self._item(join.this, scope, names)
            item.nullable = join.side == "LEFT"
            scope.fixed |= join.side in {"RIGHT", "FULL"}
            scope.merged |= join.method == "NATURAL" or bool(join.args.get("using"))
            scope.opaque |= bool(join.this.args.get("joins"))
            self._using(join, item, scope.items)
            scope.items.append(item)
            if join.args.get("on") is not None:
                ons.append((item if item.nullable else None, join.args["on"]))
        return ons

    def _using(self, join: exp.Join, right: Item, left: Sequence[Item]) -> None:
        """Notes the equalities that USING stands for, where their left sides are certain."""
        mine = self.occurrences.get(right.at)
        certain = all(item.ours is not None for item in left) and join.side in {"", "LEFT"}
        for column in join.args.get("using") or () if mine is not None and certain else ():
            found = [item for item in left if item.spelled(column.name) is not None]
            name = right.spelled(column.name)
            if mine is None or len(found) != 1 or name is None:
                continue
            source = found[0]
            source_name = source.spelled(column.name) or name
            mine.joins.append(Join(name, source, source_name))
            if not right.nullable and source.at in self.occurrences:
                self.occurrences[source.at].joins.append(Join(source_name, right, name))

    def _item(self, node: exp.Expression, scope: Scope, names: _Names) -> Item:
        label = node.alias.lower() or None
        if isinstance(node, exp.Table) and isinstance(node.this, exp.Identifier):
            for join in node.args.get("joins") or ():
                self._nested(join, Scope(opaque=True), names)
            return self._table(node, names)
        if isinstance(node, exp.Table):
            self._refuse_arguments(node, names)
            self._nested(node, scope, names)
            name = node.this.name.lower() if isinstance(node.this, exp.Func) else None
            return Item(label or name)
        inner = node.this if isinstance(node, exp.Subquery) else None
        if isinstance(inner, exp.Table):
            scope.opaque = True
        self._nested(node, Scope(opaque=True) if isinstance(inner, exp.Table) else None, names)
        return Item(label)

    def _refuse_arguments(self, node: exp.Table, names: _Names) -> None:
        name = node.this.name if isinstance(node.this, exp.Func) else ""
        hidden = not node.db and name.lower() in names
        if name and not hidden and self.catalog.resolve(node.db or None, name) is not None:
            raise UnsupportedError(f"{name} is a table and takes no arguments; use WHERE.")

    def _table(self, node: exp.Table, names: _Names, *, target: bool = False) -> Item:
        name, schema = node.name, node.db or None
        at = self.masked.token_of(node.this)
        hidden = schema is None and name.lower() in names
        ours = None if hidden or at < 0 else self.catalog.resolve(schema, name)
        alias = node.alias
        item = Item((alias or name).lower(), None if alias else schema, ours, at, target=target)
        if ours is not None and at >= 0:
            self._occurrence(item, ours, alias or name)
        return item

    def _occurrence(self, item: Item, ours: OurTable, alias: str) -> None:
        found = Occurrence(item, ours, alias)
        if not item.target:
            found.block = _innermost(self.blocks, item.at)
            found.spliceable = not self._indexed(item.at)
            self._order(found)
        self.occurrences[item.at] = found

    def _indexed(self, at: int) -> bool:
        """Whether NOT INDEXED or INDEXED BY follows: such an item takes no arguments."""
        return any(token.upper == "INDEXED" for token in self.tokens[at + 1 : at + 5])

    def _order(self, found: Occurrence) -> None:
        if found.block is not None and not found.block.compound:
            found.order = self._slice(found.block.clauses.get("ORDER"))
            found.limit = self._slice(found.block.clauses.get("LIMIT"))

    # Conditions.

    def _conditions(
        self,
        node: exp.Expression,
        scope: Scope,
        ons: Sequence[tuple[Item | None, exp.Expression]],
    ) -> None:
        mine = [self.occurrences[item.at] for item in scope.items if item.at in self.occurrences]
        if not mine or scope.opaque:
            return
        for occurrence in mine if scope.fixed else ():
            occurrence.joins.clear()  # From USING: with RIGHT or FULL either side may come first.
        where = node.args.get("where")
        terms = [] if where is None else _terms(where.this)
        spans = self._where_spans(mine[0], len(terms))
        for occurrence in mine:
            self._read(occurrence, scope, list(zip(terms, spans, strict=True)), ons)

    def _where_spans(self, occurrence: Occurrence, count: int) -> list[Span | None]:
        """The tokens of each conjunct of WHERE; None where the two readings do not agree."""
        span = self._where(occurrence)
        found = [] if span is None else conjuncts(self.tokens, span, self.pairs)
        return list(found) if len(found) == count else [None] * count

    def _where(self, occurrence: Occurrence) -> Span | None:
        if occurrence.block is not None:
            return occurrence.block.clauses.get("WHERE")
        return condition_of_change(self.tokens, occurrence.item.at, self.pairs)

    def _read(
        self,
        occurrence: Occurrence,
        scope: Scope,
        where: Sequence[tuple[exp.Expression, Span | None]],
        ons: Sequence[tuple[Item | None, exp.Expression]],
    ) -> None:
        item = occurrence.item
        reader = Reader(scope, item, self._column_text)
        pushed: list[Predicate] = []
        inner = [(term, None) for right, on in ons if right is None for term in _terms(on)]
        for term, span in [*where, *inner]:
            pushed += self._condition(occurrence, reader, term, span, nullable=item.nullable)
        for right, on in ons:
            for term in _terms(on) if right is item else ():
                pushed += self._condition(occurrence, reader, term, None, nullable=False)
        self.times += reader.times
        if pushed and occurrence.spliceable:
            whole = pushed[0] if len(pushed) == 1 else AllOf(tuple(_flat(pushed)))
            occurrence.predicate, occurrence.atoms = _compacted(whole, reader.atoms)

    def _condition(
        self,
        occurrence: Occurrence,
        reader: Reader,
        term: exp.Expression,
        span: Span | None,
        *,
        nullable: bool,
    ) -> list[Predicate]:
        """Notes one conjunct; answers what of it is to be pushed."""
        scope, item = reader.scope, occurrence.item
        self._link(occurrence, scope, term, nullable=nullable)
        about = self._about(scope, item, term)
        predicate = reader.read(term)
        role, pushed = Role.HERE, list[Predicate]()
        if reader.is_plain(term):
            role = Role.OFFERED
        elif predicate is not None and _movable(predicate, scope, nullable=nullable):
            role = Role.PUSHED if reader.complete else Role.NARROWED
            pushed = [predicate]
        if span is not None and about is not None:
            numbers = [self.numbering.numbers.get(index) for index in range(*span)]
            known = tuple(dict.fromkeys(number for number in numbers if number is not None))
            occurrence.conditions.append(Condition(self._slice(span), role, about, known))
        return pushed

    def _about(self, scope: Scope, item: Item, term: exp.Expression) -> bool | None:
        """Whether a conjunct is about this item alone.

        True if nothing else is in it, False if values of SELECTs around it or subqueries are, None
        if it is not certain or other items are in it.
        """
        local, mine = True, False
        for node in term.walk():
            if isinstance(node, exp.Query):
                local = False
            if not isinstance(node, exp.Column):
                continue
            if node.find_ancestor(exp.Query) is not term.find_ancestor(exp.Query):
                continue
            found = resolve(scope, node)
            if found is None:
                return None
            if found.item is item:
                mine = True
            elif not found.outer:
                return None
            else:
                local = False
        return local if mine else None

    def _link(
        self, occurrence: Occurrence, scope: Scope, term: exp.Expression, *, nullable: bool
    ) -> None:
        """Notes ``column = other.column`` where the other occurrence can come first."""
        if not isinstance(term, exp.EQ) or scope.fixed:
            return
        sides = (term.this, term.args["expression"])
        if not all(isinstance(side, exp.Column) for side in sides):
            return
        pair = [resolve(scope, side) for side in sides]
        for mine, other in (pair, reversed(pair)):
            if mine is None or other is None or mine.item is not occurrence.item:
                continue
            first = other.outer or nullable or not other.item.nullable
            if other.item is not mine.item and first:
                joined = Join(mine.column.name, other.item, other.column.name)
                occurrence.joins.append(joined)

    # An item before ours, which is none of ours.

    def _lead(
        self,
        node: exp.Select,
        scope: Scope,
        ons: Sequence[tuple[Item | None, exp.Expression]],
    ) -> None:
        """Notes where the keys of the second of two items come from, if a window may carry them."""
        if len(scope.items) != 2 or scope.fixed or scope.merged or scope.opaque:  # noqa: PLR2004
            return
        first, second = scope.items
        mine = self.occurrences.get(second.at)
        if mine is None or mine.block is None or first.ours is not None or first.label is None:
            return
        where = node.args.get("where")
        terms = [] if where is None else _terms(where.this)
        joined = [term for _, on in ons for term in _terms(on)]
        found = self._key(mine, scope, [*terms, *joined])
        if found is None or not mine.spliceable or not self._windowable(node, mine):
            return
        span = self._item_span(mine.block)
        spans = self._where_spans(mine, len(terms))
        about = [one for term, one in zip(terms, spans, strict=True) if _is_about(first, term)]
        label = self.tokens[span[1] - 1].text
        conditions = tuple(self._slice(one) for one in about if one is not None)
        mine.lead = Lead(found[0], self._column_text(found[1]), label, span, conditions)

    def _key(
        self, mine: Occurrence, scope: Scope, terms: Sequence[exp.Expression]
    ) -> tuple[str, exp.Column] | None:
        """``key of ours = column of the first item``, if ours has no other way to be found.

        SQLite may turn an inner join round where ours can be looked up by itself; a window would
        forbid that. A LEFT JOIN has its order anyway.
        """
        for term in terms if mine.item.nullable or not _is_keyed(mine) else ():
            sides = (term.this, term.args.get("expression")) if isinstance(term, exp.EQ) else ()
            for one, other in (sides, sides[::-1]) if sides else ():
                if not isinstance(one, exp.Column) or not isinstance(other, exp.Column):
                    continue
                found = resolve(scope, one)
                theirs = other.table.lower() == scope.items[0].label and not other.db
                if found is None or found.item is not mine.item or not theirs:
                    continue
                if _is_key(mine, found.column.name):
                    return found.column.name, other
        return None

    def _windowable(self, node: exp.Select, mine: Occurrence) -> bool:
        """Whether one more column on the first item changes nothing else."""
        hidden = any(token.upper in _HIDDEN for token in self.tokens)
        sorted_first = bool(mine.order and mine.limit)
        return (
            not hidden
            and not sorted_first
            and not any(_shows_all(part, but=mine.alias) for part in node.expressions)
        )

    def _item_span(self, block: Block | None) -> Span:
        """The tokens of the first item of a FROM."""
        first, end = block.clauses["FROM"] if block is not None else (0, 0)
        return first, next(find(self.tokens, (first, end), self.pairs, _JOINS), end)

    # Text.

    def _slice(self, span: Span | None) -> str:
        """The text of some tokens, with parameters as ``?N``."""
        if span is None or span[0] >= span[1]:
            return ""
        pieces, done = [], self.tokens[span[0]].start
        for index in range(*span):
            number = self.numbering.numbers.get(index)
            if number is not None:
                token = self.tokens[index]
                pieces += [self.text[done : token.start], f"?{number}"]
                done = token.end
        pieces.append(self.text[done : self.tokens[span[1] - 1].end])
        return "".join(pieces)

    def _column_text(self, column: exp.Column) -> str:
        first = column.args.get("db") or column.args.get("table") or column.this
        start, end = self.masked.token_of(first), self.masked.token_of(column.this)
        return self.text[self.tokens[start].start : self.tokens[end].end]


def _movable(predicate: Predicate, scope: Scope, *, nullable: bool) -> bool:
    return not scope.fixed and not (nullable and true_on_nulls(predicate) is True)


def condition_of_change(tokens: Sequence[Token], target: int, pairs: dict[int, int]) -> Span | None:
    """The condition of an UPDATE or DELETE, without WHERE itself."""
    words = frozenset(("WHERE", "RETURNING", "ORDER", "LIMIT", ";"))
    marks = list(find(tokens, (target + 1, len(tokens)), pairs, words))
    for place, mark in enumerate(marks):
        if tokens[mark].upper == "WHERE":
            end = marks[place + 1] if place + 1 < len(marks) else len(tokens)
            return (mark + 1, end)
    return None


_JOINS = frozenset((",", "JOIN", "LEFT", "INNER", "CROSS", "OUTER", "NATURAL"))
_HIDDEN = frozenset(("ROWID", "_ROWID_", "OID", "INDEXED"))


def _shows_all(part: exp.Expression, *, but: str) -> bool:
    """Whether a result column is ``*``, or ``x.*`` of another table than ``but``."""
    if isinstance(part, exp.Column) and isinstance(part.this, exp.Star):
        return part.table.lower() != but.lower()
    return isinstance(part, exp.Star)


def _is_about(item: Item, term: exp.Expression) -> bool:
    """Whether a condition names only columns of an item, all of them qualified."""
    nodes = list(term.walk())
    columns = [node for node in nodes if isinstance(node, exp.Column)]
    ours = all(column.table.lower() == item.label and not column.db for column in columns)
    return bool(columns) and ours and not any(isinstance(node, exp.Query) for node in nodes)


def _is_keyed(mine: Occurrence) -> bool:
    """Whether conditions may give a key: the names of keys are looked for in their text."""
    keys = {key for path in mine.ours.capability.paths for key in path.keys}
    named = {one.column for one in fields(mine.predicate)} if mine.predicate is not None else set()
    texts = [condition.text.lower() for condition in mine.conditions]
    return bool(keys & named) or any(key.lower() in text for key in keys for text in texts)


def _is_key(mine: Occurrence, column: str) -> bool:
    """Whether a column finds rows: where it must be given, or in an order that is fixed."""
    paths = [path for path in mine.ours.capability.paths if path.keys == (column,)]
    return any(mine.item.nullable or not path.unique for path in paths)


def _queries(node: exp.Expression) -> Iterator[exp.Expression]:
    """The nearest queries in an expression, itself included."""
    pending = [node]
    while pending:
        part = pending.pop()
        if isinstance(part, exp.Select | exp.SetOperation):
            yield part
        else:
            pending += part.iter_expressions()


def _parts(node: exp.Expression, *names: str) -> Iterator[exp.Expression]:
    for name in names:
        value = node.args.get(name)
        for part in value if isinstance(value, list) else [value]:
            if isinstance(part, exp.Expression):
                yield part


def _aliases(node: exp.Select) -> frozenset[str]:
    return frozenset(part.alias.lower() for part in node.expressions if part.alias)


def _terms(condition: exp.Expression) -> list[exp.Expression]:
    """The conjuncts of a condition, from left to right; brackets are left alone."""
    found: list[exp.Expression] = []
    pending = [condition]
    while pending:
        part = pending.pop()
        if isinstance(part, exp.And):
            pending += [part.expression, part.this]
        else:
            found.append(part)
    return found


def _innermost(found: Sequence[Block], at: int) -> Block | None:
    inside = [
        block
        for block in found
        if block.clauses.get("FROM", (0, 0))[0] <= at < block.clauses.get("FROM", (0, 0))[1]
    ]
    return max(inside, key=lambda block: block.at, default=None)


def _flat(predicates: Sequence[Predicate]) -> Iterator[Predicate]:
    for predicate in predicates:
        yield from predicate.terms if isinstance(predicate, AllOf) else (predicate,)


def _compacted(predicate: Predicate, atoms: Sequence[Atom]) -> tuple[Predicate, tuple[Atom, ...]]:
    """Renumbers slots from 0 in the order of the words; drops the values nobody needs."""
    used = list(dict.fromkeys(slots(predicate)))
    places: Mapping[int, int] = {old: new for new, old in enumerate(used)}
    return with_slots(predicate, places), tuple(atoms[old] for old in used)
