"""The SELECTs of a statement, each with the names it can use.

Every SELECT, UPDATE and DELETE is visited with the items of its FROM, the names of common table
expressions that hide tables, and the scope around a correlated subquery.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import NamedTuple

from sqlglot import exp

from sessions_vtab.errors import UnsupportedError
from sessions_vtab.sql.names import Catalog, Item, Scope
from sessions_vtab.sql.source import ParsedStatement, joins_of, parts, queries


class On(NamedTuple):
    """A condition of ON.

    Attributes:
        place: index of the item to the right of its join.
        condition: the condition.
    """

    place: int
    condition: exp.Expression


Names = Mapping[str, exp.Expression]
"""The common table expressions that can be named, in lower case, with their queries."""


@dataclass(slots=True)
class Walk:
    """Visits what can name tables; subclasses note what they look for.

    Attributes:
        source: the statement.
        catalog: what its names mean.
    """

    source: ParsedStatement
    catalog: Catalog

    def conditions(self, node: exp.Expression, scope: Scope, ons: Sequence[On]) -> None:
        """Is called with the items of each SELECT, UPDATE or DELETE, before its subqueries."""

    def named(self, item: Item, node: exp.Table) -> None:
        """Is called with each item that is named."""

    def merged(self, join: exp.Join, right: Item, left: Sequence[Item]) -> None:
        """Is called with each join, for the columns of USING."""

    def statement(self, tree: exp.Expression) -> None:
        """Visits a statement."""
        names: Names = {}
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

    def _with(self, node: exp.Expression, names: Names) -> Names:
        clause = node.args.get("with_")
        if clause is None:
            return names
        names = {**names, **{cte.alias.lower(): cte.this for cte in clause.expressions}}
        for cte in clause.expressions:
            self._nested(cte.this, None, names)
        return names

    def _query(self, node: exp.Expression, outer: Scope | None, names: Names) -> None:
        names = self._with(node, names)
        if isinstance(node, exp.Select):
            self._select(node, outer, names)
            return
        for name, value in node.args.items():
            if name != "with_":
                for part in value if isinstance(value, list) else [value]:
                    if isinstance(part, exp.Expression):
                        self._nested(part, outer, names)

    def _nested(self, node: exp.Expression | None, outer: Scope | None, names: Names) -> None:
        """Visits the queries in an expression."""
        if node is None:
            return
        for query in queries(node):
            self._query(query, outer, names)

    def _select(self, node: exp.Select, outer: Scope | None, names: Names) -> None:
        aliases = frozenset(part.alias.lower() for part in node.expressions if part.alias)
        scope = Scope(outer=outer, aliases=aliases, queries=names)
        ons = self._from(node, scope, names)
        self.conditions(node, scope, ons)
        inside = ("expressions", "where", "group", "having", "order", "windows", "distinct")
        for part in parts(node, *inside):
            self._nested(part, scope, names)
        for _, condition in ons:
            self._nested(condition, scope, names)
        for part in parts(node, "limit", "offset"):
            self._nested(part, None, names)

    def _change(self, node: exp.Update | exp.Delete, names: Names) -> None:
        scope = Scope(queries=names)
        if isinstance(node.this, exp.Table):
            item = self._table(node.this, {}, target=True)
            scope.items.append(item)
        ons = self._from(node, scope, names)
        self.conditions(node, scope, ons)
        for part in parts(node, "expressions", "where"):
            self._nested(part, scope, names)
        for _, condition in ons:
            self._nested(condition, scope, names)

    # FROM: items, and the conditions of ON with the item on their right.

    def _from(self, node: exp.Expression, scope: Scope, names: Names) -> list[On]:
        """Fills the scope, and returns the conditions of ON."""
        clause = node.args.get("from_")
        if clause is None:
            return []
        scope.items.append(self._item(clause.this, scope, names))
        ons: list[On] = []
        scope.opaque = bool(node.args.get("laterals"))
        natural, shared = False, dict[str, Item | None]()
        for join in joins_of(node):
            item = self._item(join.this, scope, names)
            item.side = join.side
            natural |= join.method == "NATURAL" and not _name_columns(join, item, scope.items)
            for column in join.args.get("using") or ():
                owner = shared.setdefault(column.name.lower(), _owner(column.name, scope.items))
                if owner is not None and not scope.fixed:
                    scope.using.append((owner, item, column.name))
                merged = scope.merges.setdefault(column.name.lower(), [owner] if owner else [])
                merged += [item] if merged else []
            scope.opaque |= bool(join.this.args.get("joins"))
            self.merged(join, item, scope.items)
            scope.items.append(item)
            if join.args.get("on") is not None:
                ons.append(On(len(scope.items) - 1, join.args["on"]))
        scope.merged = natural or bool(shared)
        # With RIGHT and FULL, a column of USING is that of whichever side has a row.
        shared = dict.fromkeys(shared) if scope.fixed else shared
        scope.shared = {} if natural else shared
        scope.merges = {} if natural else scope.merges
        for item in scope.items if scope.fixed else ():
            item.reserved = True
        return ons

    def _item(self, node: exp.Expression, scope: Scope, names: Names) -> Item:
        label = node.alias.lower() or None
        if isinstance(node, exp.Table) and isinstance(node.this, exp.Identifier):
            for join in node.args.get("joins") or ():
                self._nested(join, Scope(opaque=True), names)
            return self._table(node, names)
        if isinstance(node, exp.Table):
            self._refuse_arguments(node, names)
            self._nested(node, scope, names)
            name = node.this.name.lower() if isinstance(node.this, exp.Func) else None
            return Item(label or name, body=node.this)
        inner = node.this if isinstance(node, exp.Subquery) else None
        if isinstance(inner, exp.Table):
            scope.opaque = True
        # It does not see the items beside it, but those of a SELECT around them.
        around = Scope(opaque=True) if isinstance(inner, exp.Table) else scope.outer
        self._nested(node, around, names)
        return Item(label, body=node)

    def _refuse_arguments(self, node: exp.Table, names: Names) -> None:
        name = node.this.name if isinstance(node.this, exp.Func) else ""
        hidden = not node.db and name.lower() in names
        if name and not hidden and self.catalog.resolve(node.db or None, name) is not None:
            raise UnsupportedError(f"{name} is a table and takes no arguments; use WHERE.")

    def _table(self, node: exp.Table, names: Names, *, target: bool = False) -> Item:
        name, schema = node.name, node.db or None
        at = self.source.parsed.token_of(node.this)
        hidden = schema is None and name.lower() in names
        ours = None if hidden or at < 0 else self.catalog.resolve(schema, name)
        alias = node.alias
        item = Item((alias or name).lower(), None if alias else schema, ours, at, target=target)
        item.body = names[name.lower()] if hidden else None
        if at >= 0:
            self.named(item, node)
        return item


def _name_columns(join: exp.Join, right: Item, left: Sequence[Item]) -> bool:
    """Writes NATURAL as the USING that it stands for; whether that is known."""
    join.set("using", None)  # Another walk may have known more.
    if any(one.visible is None for one in (*left, right)):
        return False
    *others, own = [{name.lower(): name for name in one.visible or ()} for one in (*left, right)]
    shared = [name for name in own if any(name in names for names in others)]
    for item, names in zip(left, others, strict=True):
        if any(item.spelled(name) is not None and name not in names for name in shared):
            return False  # A hidden column, which is not joined by.
    join.set("using", [exp.to_identifier(own[name]) for name in shared])
    return True


def _has(item: Item, column: str) -> bool:
    shown = column.lower() in map(str.lower, item.visible or ())
    return shown or item.spelled(column) is not None


def _owner(column: str, items: Sequence[Item]) -> Item | None:
    """The item that a column of USING is taken from; None if that is not certain."""
    found = [item for item in items if _has(item, column)]
    if len(items) > 1 and any(item.visible is None for item in items):
        return None
    return (found or items)[0]
