"""What a condition refers to, its subqueries included.

A name in a subquery belongs to the innermost SELECT that has it. Columns of native tables are not
known: a name that may be one of theirs is *uncertain*.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import dataclass, field

from sqlglot import exp

from sessions_vtab.sql.conditions import resolve
from sessions_vtab.sql.names import Catalog, Item, Scope


@dataclass(slots=True)
class References:
    """What the columns of a condition belong to.

    Attributes:
        columns: those of the SELECT that the condition stands in: item, and name as declared.
        nodes: the same as they are written.
        around: those of a SELECT around that one: item, name as declared, and as written.
        queries: there are subqueries in it.
        certain: every column is understood, or of a table within the condition if of any.
        doubtful: names of columns that are not understood, in lower case.
        quoted: those of them that are written in quotation marks: SQLite takes such a name for a
            text where it finds no column of that name.
    """

    columns: list[tuple[Item, str]] = field(default_factory=list)
    nodes: list[exp.Expression] = field(default_factory=list)
    around: list[tuple[Item, str, exp.Column]] = field(default_factory=list)
    queries: bool = False
    certain: bool = True
    doubtful: set[str] = field(default_factory=set)
    quoted: set[str] = field(default_factory=set)

    def doubt(self, column: exp.Column, *, within: bool = False) -> None:
        """Notes a column that is not understood.

        Args:
            column: the column.
            within: no table outside of the condition has a column of that name.
        """
        quoted = bool(column.this.args.get("quoted")) and not column.table
        self.certain = self.certain and within and not quoted
        self.doubtful.add(column.name.lower())
        if quoted:
            self.quoted.add(column.name.lower())

    @property
    def outer(self) -> bool:
        """Whether some belong to a SELECT around the one that the condition stands in."""
        return bool(self.around)

    @property
    def bare(self) -> list[exp.Column]:
        """Those of ``nodes`` that are written without a qualifier."""
        return [one for one in self.nodes if isinstance(one, exp.Column) and not one.table]

    @property
    def items(self) -> frozenset[Item]:
        """What the columns belong to, of the SELECT that the condition stands in."""
        return frozenset(item for item, _ in self.columns)

    def named(self, item: Item, wanted: Callable[[str], bool]) -> frozenset[int]:
        """The ids of the nodes of an item's columns whose names, in lower case, are wanted."""
        columns = zip(self.columns, self.nodes, strict=True)
        return frozenset(
            id(node) for (one, name), node in columns if one is item and wanted(name.lower())
        )


def references(
    scope: Scope, term: exp.Expression, catalog: Catalog, but: exp.Expression | None = None
) -> References:
    """What a condition of a SELECT refers to.

    Args:
        scope: the names of the SELECT.
        term: the condition.
        catalog: what names mean.
        but: a part of it that is left out.
    """
    # ``IN name`` is read as if the name were a column's.
    named = {id(one.args["field"]) for one in term.find_all(exp.In) if one.args.get("field")}
    found = References(queries=bool(named) or term.find(exp.Query) is not None)
    named |= set() if but is None else set(map(id, but.find_all(exp.Column)))
    for column in (one for one in term.find_all(exp.Column) if id(one) not in named):
        own = _is_own(column, term, scope, catalog)
        if own is False:
            _note(found, scope, column)
        elif own is None:
            found.doubt(column, within=not _may_be_of(scope, column))
    return found


def _may_be_of(scope: Scope | None, column: exp.Column) -> bool:
    """Whether a SELECT, or one around it, may have a column of that name."""
    name = column.name.lower()
    if scope is None:
        return False
    return (
        scope.opaque
        or bool(column.table)
        or name in scope.aliases
        or any(not one.known or one.spelled(name) is not None for one in scope.items)
        or _may_be_of(scope.outer, column)
    )


def _note(found: References, scope: Scope, column: exp.Column) -> None:
    resolved = resolve(scope, column)
    if resolved is not None and resolved.outer:
        found.around.append((resolved.item, resolved.column.name, column))
    elif resolved is not None:
        found.columns.append((resolved.item, resolved.column.name))
        found.nodes.append(column)
    else:
        item = _of_unknown(scope, column)
        if item is None:
            found.doubt(column)
        elif item in scope.items:
            found.columns.append((item, column.name))
            found.nodes.append(column)
        else:
            found.around.append((item, column.name, column))


def _of_unknown(scope: Scope, column: exp.Column) -> Item | None:
    """The item that a column belongs to although not all columns are known; None if uncertain."""
    around: Scope | None = scope
    while around is not None and not around.opaque:
        found = around.labelled(column.table or None, column.db or None)
        if not column.table and around.merged:
            return around.shared.get(column.name.lower())
        if not column.table:
            # Where a second item had the name, too, SQLite would refuse it as ambiguous.
            known = [one for one in found if one.spelled(column.name) is not None]
            found = known or _left_over(around, column)
        if len(found) == 1:
            return found[0]
        hidden = not column.table and (
            not all(one.known for one in around.items) or column.name.lower() in around.aliases
        )
        if found or hidden or (column.this.args.get("quoted") and not column.table):
            return None
        around = around.outer
    return None


def _left_over(scope: Scope, column: exp.Column) -> list[Item]:
    """The items that may have a column that nothing else has.

    In quotation marks it may be a text instead.
    """
    name, around = column.name.lower(), scope.outer
    found = [] if column.this.args.get("quoted") else [one for one in scope.items if not one.known]
    while around is not None and found:
        if around.opaque or any(not one.known or one.spelled(name) for one in around.items):
            return []
        found = [] if name in around.aliases else found
        around = around.outer
    return [] if name in scope.aliases else found


def _is_own(
    column: exp.Column, term: exp.Expression, scope: Scope, catalog: Catalog
) -> bool | None:
    """Whether a column belongs to a subquery of the condition; None if that is not certain."""
    own: bool | None = False
    for select in _around(column, term):
        for node in _from(select):
            label = (node.alias or node.name).lower()
            if column.table:
                if label == column.table.lower():
                    return True
                continue
            known = _known(node, term, scope, catalog)
            if known is None:
                own = None
            elif column.name.lower() in known:
                return True
        if column.name.lower() in {part.alias.lower() for part in select.expressions}:
            own = None
    return own


def _around(node: exp.Expression, term: exp.Expression) -> Iterator[exp.Select]:
    """The SELECTs of a condition around a part of it, from the inside."""
    part: exp.Expr | None = node
    while part is not None and part is not term:
        part = part.parent
        if isinstance(part, exp.Select):
            yield part


def _from(select: exp.Select) -> Iterator[exp.Expression]:
    clause = select.args.get("from_")
    joins = select.args.get("joins") or ()
    for node in (clause, *joins):
        if node is not None:
            yield node.this
            yield from (join.this for join in node.this.args.get("joins") or ())


def _known(
    node: exp.Expression, term: exp.Expression, scope: Scope, catalog: Catalog
) -> frozenset[str] | None:
    """The columns of an item, in lower case; None if they are not known."""
    if not isinstance(node, exp.Table) or not isinstance(node.this, exp.Identifier):
        return None
    if not node.db and node.name.lower() in scope.queries:
        return None
    named = any(one.args.get("with_") for one in _queries_above(node, term))
    if named and not node.db:
        return None
    ours = catalog.resolve(node.db or None, node.name)
    view = None if ours is not None else catalog.view(node.db or None, node.name)
    names = [one.name for one in view.view.columns] if view is not None else []
    found = names if ours is None else ours.table.names
    return frozenset(one.lower() for one in found) if found else None


def _queries_above(node: exp.Expression, term: exp.Expression) -> Iterator[exp.Query]:
    """The queries of a condition around a part of it."""
    part: exp.Expr | None = node
    while part is not None and part is not term:
        part = part.parent
        if isinstance(part, exp.Query):
            yield part


def is_correlated(node: exp.Expression) -> bool:
    """Whether a SELECT stands where the columns of another one can be named."""
    child: exp.Expr = node
    on = False
    while child.parent is not None:
        parent = child.parent
        on = on or (isinstance(parent, exp.Join) and child.arg_key == "on")
        if isinstance(parent, exp.Select | exp.Update | exp.Delete):
            if on or child.arg_key not in {"from_", "joins", "with_"}:
                return True
            on = False
        child = parent
    return False
