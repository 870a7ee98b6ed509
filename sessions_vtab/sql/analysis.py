"""What a statement asks of each of our tables, found by walking its tree.

Every SELECT, UPDATE and DELETE is visited with the names it can use: items of its FROM, names of
common table expressions that hide tables, and the scope around a correlated subquery.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field

from sqlglot import exp

from sessions_vtab.errors import UnsupportedError
from sessions_vtab.sql.conditions import TimeOperand
from sessions_vtab.sql.lexer import StatementKind, Token
from sessions_vtab.sql.names import Catalog, Item, OurTable, Scope
from sessions_vtab.sql.occurrences import Join, Occurrence, key_source_of
from sessions_vtab.sql.parameters import Numbering
from sessions_vtab.sql.pushing import On, SelectConditions, read_conditions
from sessions_vtab.sql.shapes import Span
from sessions_vtab.sql.source import (
    ParsedStatement,
    condition_of_change,
    parts,
    queries,
    read,
    terms,
)

__all__ = ["analyse"]


def analyse(
    text: str,
    tokens: Sequence[Token],
    kind: StatementKind,
    numbering: Numbering,
    pairs: dict[int, int],
    catalog: Catalog,
) -> tuple[list[Occurrence], list[TimeOperand]]:
    """The occurrences of our tables in a statement, in the order of the text.

    Returns:
        The occurrences, none where sqlglot cannot read the statement; and the values that are
        compared with time columns.

    Raises:
        UnsupportedError: one of our tables is given arguments, or a parameter column is used
            where it has no value.
    """
    parsed = read(tokens, kind, numbering.numbers, pairs)
    if parsed is None:
        return [], []
    walk = _Walk(ParsedStatement(text, tokens, numbering, pairs, parsed), catalog)
    walk.statement(parsed.tree)
    found = sorted(walk.occurrences.values(), key=lambda each: each.item.at)
    return found, walk.times


_Names = frozenset[str]


@dataclass(slots=True)
class _Walk:
    source: ParsedStatement
    catalog: Catalog
    occurrences: dict[int, Occurrence] = field(default_factory=dict)
    times: list[TimeOperand] = field(default_factory=list)

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
        for query in queries(node):
            self._query(query, outer, names)

    def _select(self, node: exp.Select, outer: Scope | None, names: _Names) -> None:
        aliases = frozenset(part.alias.lower() for part in node.expressions if part.alias)
        scope = Scope(outer=outer, aliases=aliases)
        ons = self._from(node, scope, names)
        self._conditions(node, scope, ons)
        inside = ("expressions", "where", "group", "having", "order", "windows", "distinct")
        for part in parts(node, *inside):
            self._nested(part, scope, names)
        for _, condition in ons:
            self._nested(condition, scope, names)
        for part in parts(node, "limit", "offset"):
            self._nested(part, None, names)

    def _change(self, node: exp.Update | exp.Delete, names: _Names) -> None:
        scope = Scope()
        if isinstance(node.this, exp.Table):
            item = self._table(node.this, frozenset(), target=True)
            scope.items.append(item)
        ons = self._from(node, scope, names)
        self._conditions(node, scope, ons)
        for part in parts(node, "expressions", "where"):
            self._nested(part, scope, names)
        for _, condition in ons:
            self._nested(condition, scope, names)

    # FROM: items, and the conditions of ON with the item on their right.

    def _from(self, node: exp.Expression, scope: Scope, names: _Names) -> list[On]:
        """Fills the scope; answers each ON with the right side of its LEFT JOIN, None for inner."""
        clause = node.args.get("from_")
        if clause is None:
            return []
        scope.items.append(self._item(clause.this, scope, names))
        ons: list[On] = []
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
        at = self.source.parsed.token_of(node.this)
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
            found.block = self.source.block_of(item.at)
            found.spliceable = not self._indexed(item.at)
            self._order(found)
        self.occurrences[item.at] = found

    def _indexed(self, at: int) -> bool:
        """Whether NOT INDEXED or INDEXED BY follows: such an item takes no arguments."""
        return any(token.upper == "INDEXED" for token in self.source.tokens[at + 1 : at + 5])

    def _order(self, found: Occurrence) -> None:
        if found.block is not None and not found.block.compound:
            found.order = self.source.slice(found.block.clauses.get("ORDER"))
            found.limit = self.source.slice(found.block.clauses.get("LIMIT"))

    # Conditions.

    def _conditions(self, node: exp.Expression, scope: Scope, ons: Sequence[On]) -> None:
        mine = [self.occurrences[item.at] for item in scope.items if item.at in self.occurrences]
        if not mine or scope.opaque:
            return
        for occurrence in mine if scope.fixed else ():
            occurrence.joins.clear()  # From USING: with RIGHT or FULL either side may come first.
        condition = node.args.get("where")
        found = [] if condition is None else terms(condition.this)
        spans = self.source.conjuncts(self._where(mine[0]), len(found))
        where = list(zip(found, spans, strict=True))
        having = [part.this for part in parts(node, "having")]
        asked = SelectConditions(scope, tuple(found), tuple(ons), tuple(having))
        for occurrence in mine:
            asked.require_parameters(occurrence)
            occurrence.hidden = asked.for_hidden(occurrence)
            self.times += read_conditions(self.source, occurrence, scope, where, ons)
        if isinstance(node, exp.Select) and scope.items[-1] is mine[-1].item:
            joined = [term for _, on in ons for term in terms(on)]
            mine[-1].key_source = key_source_of(self.source, node, scope, mine[-1], where, joined)

    def _where(self, occurrence: Occurrence) -> Span | None:
        if occurrence.block is not None:
            return occurrence.block.clauses.get("WHERE")
        return condition_of_change(self.source.tokens, occurrence.item.at, self.source.pairs)
