"""What names mean: our tables and functions on a connection, and the columns of a statement.

Which table a column belongs to is decided by SQLite's rules
(https://sqlite.org/src/file/src/resolve.c): the innermost SELECT whose FROM has the name wins; its
aliases come before the SELECTs around it. What cannot be decided is None.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Final, NamedTuple, Protocol

from sessions_vtab.contract.agent_views import View
from sessions_vtab.contract.capability import Capability
from sessions_vtab.contract.model import Column, Function, Table, quoted

if TYPE_CHECKING:  # Many statements do not need it.
    from sqlglot import exp

    from sessions_vtab.sql.derived import Derived


class OurTable(NamedTuple):
    """A virtual table of ours, as a statement may name it.

    Attributes:
        table: its columns.
        capability: what its backend can do.
        source: name of the source it belongs to.
        steady: it has the same rows at any time of one statement.
    """

    table: Table
    capability: Capability
    source: str = ""
    steady: bool = True

    @property
    def title(self) -> str:
        """``source.table``, for errors."""
        return f"{self.source}.{self.table.name}" if self.source else self.table.name

    @property
    def fans_out(self) -> bool:
        """Whether some of its reads make a request for each row of another table."""
        return any(path.fans_out for path in self.capability.paths)

    @property
    def keys(self) -> frozenset[str]:
        """Columns by which some of its rows are found without such a fan-out."""
        paths = self.capability.paths
        every = {key for path in paths if path.fans_out for key in path.keys}
        return frozenset(key for path in paths for key in path.keys if key not in every)


class OurView(NamedTuple):
    """A view of ours, as a statement may name it.

    Attributes:
        view: what it is.
        schema: where its tables are.
    """

    view: View
    schema: str

    def spelled(self, column: str) -> str | None:
        """The declared spelling of a column name; None if it is not one of the view's."""
        names = (one.name for one in self.view.columns)
        return next((name for name in names if name.lower() == column.lower()), None)

    def column(self, name: str) -> Column | None:
        """A column by its declared spelling; None for none."""
        return next((one for one in self.view.columns if one.name == name), None)

    def query(self, where: str) -> str:
        """Its SELECT, with a clause that narrows the rows before they are grouped."""
        return self.view.query(self.schema, where=where)


class Catalog(Protocol):
    """The names of a connection, at one moment: it is asked again after DDL, ATTACH and ROLLBACK.

    Names are compared without case, as SQLite does for ASCII letters.
    """

    @property
    def table_names(self) -> frozenset[str]:
        """Names of all our tables, in lower case: a statement with none of them is not read."""

    @property
    def view_names(self) -> frozenset[str]:
        """Names of all views that group rows of our tables, in lower case."""

    @property
    def effect_names(self) -> frozenset[str]:
        """Names of all functions that act, in lower case."""

    def resolve(self, schema: str | None, name: str) -> OurTable | None:
        """Our table of that name; None for anything else (native table, view, nothing at all).

        Args:
            schema: as written before the dot; None where SQLite searches temp, main, attached.
            name: the table's name.
        """

    def view(self, schema: str | None, name: str) -> OurView | None:
        """Our view of that name, if it groups rows; None for anything else."""

    def definition(self, schema: str | None, name: str) -> str:
        """What created a table or view; '' for no name of the connection."""

    def effect(self, schema: str | None, name: str) -> Function | None:
        """Our function of that name, if it acts; None for anything else."""


@dataclass(slots=True, eq=False)
class Item:
    """One item of a FROM clause.

    Attributes:
        label: alias or name in lower case, by which columns are qualified; None without one.
        schema: schema as written, if there is no alias.
        ours: our table; None for anything whose columns are not known.
        at: index of the name's token; -1 for anything but a table.
        side: LEFT, RIGHT or FULL, if it is the right side of such a join.
        target: it is what UPDATE or DELETE changes.
        view: our view, where it is asked for.
        body: what computes its rows, where a name does not say it: a subquery, the query of a
            common table expression, a function.
        derived: what may move into the body.
        reserved: SQLite offers it no condition, since it is beside a RIGHT or FULL JOIN.
    """

    label: str | None
    schema: str | None = None
    ours: OurTable | None = None
    at: int = -1
    side: str = ""
    target: bool = False
    view: OurView | None = None
    body: exp.Expression | None = None
    derived: Derived | None = None
    reserved: bool = False

    @property
    def nullable(self) -> bool:
        """Whether it is the right side of a LEFT JOIN."""
        return self.side == "LEFT"

    @property
    def known(self) -> bool:
        """Whether its columns are known."""
        return self.ours is not None or self.view is not None

    def column(self, name: str) -> Column | None:
        """A column by its declared spelling."""
        if self.view is not None:
            return self.view.column(name)
        return None if self.ours is None else self.ours.table.column(name)

    def inside(self, column: str) -> str | None:
        """How a column is called where a condition on it saves requests; None where it does not.

        That is in a view or a query, into which the condition may move, or in a table that fans
        out, which is offered it by SQLite; and in any table that is offered nothing.

        Args:
            column: by its declared spelling.
        """
        if self.derived is not None:
            return self.derived.columns.get(column.lower())
        keyed = column in self.view.view.keys if self.view is not None else self._is_key(column)
        return f"{quoted(self.label or '')}.{quoted(column)}" if keyed else None

    def outside(self, column: str) -> str:
        """How a column is called in the SELECT whose FROM has the item."""
        return ".".join(quoted(one) for one in (self.label, column) if one)

    @property
    def visible(self) -> Sequence[str] | None:
        """The columns that ``*`` stands for; None if they are not known."""
        if self.view is not None:
            return [one.name for one in self.view.view.columns]
        if self.ours is not None:
            return [one.name for one in self.ours.table.visible]
        if self.body is None:
            return None
        renamed = renamed_columns(self.body)
        query = self.body.unnest()
        while query.key in {"union", "except", "intersect"}:
            query = query.this.unnest()
        names = [one.alias_or_name for one in query.expressions] if query.key == "select" else []
        return renamed or (None if "*" in names or not names else names)

    def _is_key(self, column: str) -> bool:
        """Whether a table of which a condition saves requests has a key of that name."""
        ours = self.ours
        return ours is not None and (ours.fans_out or self.reserved) and column in ours.keys

    def spelled(self, column: str) -> str | None:
        """The declared spelling of a column name; None if it is not one of ours."""
        if self.view is not None:
            return self.view.spelled(column)
        if self.derived is not None:
            return column.lower() if column.lower() in self.derived.columns else None
        if self.ours is None:
            return None
        if column in self.ours.table.positions:
            return column
        lowered = column.lower()
        return next((name for name in self.ours.table.names if name.lower() == lowered), None)


class Resolved(NamedTuple):
    """A column reference that is understood."""

    item: Item
    column: Column
    outer: bool
    """It belongs to a SELECT around the one that mentions it."""


@dataclass(slots=True, eq=False)
class Scope:
    """The names one SELECT (or UPDATE, DELETE) can use.

    Attributes:
        items: of its FROM, from left to right.
        outer: the scope around a subquery; None at the top, in CTEs and in FROM.
        aliases: of its result columns, in lower case.
        merged: it has NATURAL or USING: unqualified columns may belong to both sides.
        shared: columns of USING in lower case, where there is no NATURAL: no others are merged; and
            the item that each is taken from, None if that is not certain.
        merges: the items whose columns one of USING stands for, by its name in lower case: it has
            the value of the first of them that has a row; none where that is not certain.
        leans: its joins are taken for what they are with the conditions of its WHERE.
        using: the columns of USING: the items on both sides that have them.
        opaque: it has a bracketed join, whose names are not followed.
        queries: the common table expressions that can be named, in lower case.
    """

    items: list[Item] = field(default_factory=list)
    outer: Scope | None = None
    aliases: frozenset[str] = frozenset()
    merged: bool = False
    shared: Mapping[str, Item | None] = field(default_factory=dict)
    merges: dict[str, list[Item]] = field(default_factory=dict)
    leans: bool = False
    using: list[tuple[Item, Item, str]] = field(default_factory=list)
    opaque: bool = False
    queries: Mapping[str, exp.Expression] = field(default_factory=dict)

    @property
    def fixed(self) -> bool:
        """Whether it has RIGHT or FULL JOIN: SQLite then offers few conditions to its tables."""
        return any(one.side in _BOTH for one in self.items)

    def require(self, item: Item) -> None:
        """Notes that rows without one of an item's are left out, as by a condition of WHERE.

        So a RIGHT or FULL JOIN keeps fewer rows than it says.
        """
        at = self.items.index(item)
        for place, joined in enumerate(self.items):
            before = joined.side
            if joined.side in _BOTH and at < place:
                joined.side = "LEFT" if joined.side == "FULL" else ""
            elif joined.side == "FULL" and at == place:
                joined.side = "RIGHT"
            self.leans |= joined.side != before

    def holds(self, place: int | None, item: Item) -> bool:
        """Whether a condition is true in every row of the result that has a row of an item.

        So it says which rows of the item are wanted, whatever kinds of joins there are.

        Args:
            place: where the condition is: index of the item to the right of its ON; None for WHERE.
            item: one of these, or anything that all rows of the result are joined with.
        """
        if place is None or item not in self.items:
            return place is None or self._is_inner(place, len(self.items))
        at, side = self.items.index(item), self.items[place].side
        if at > place:
            return self._is_inner(place, at + 1)
        # LEFT JOIN keeps rows of what is on its left, RIGHT JOIN those of what is on its right.
        return side in ({"", "LEFT"} if at == place else {"", "RIGHT"})

    def meets_nulls(self, place: int | None, item: Item) -> bool:
        """Whether a condition is asked about rows of NULLs in place of an item's.

        Args:
            place: as for ``holds``.
            item: one of these.
        """
        at, end = self.items.index(item), len(self.items) if place is None else place
        joined = self.items[at + 1 : end]
        return at < end and (
            item.side in {"LEFT", "FULL"} or any(one.side in _BOTH for one in joined)
        )

    def nulled_without(self, place: int | None, item: Item) -> Iterator[frozenset[Item]]:
        """The items that are NULLs where a join on the right of an item misses a row of it.

        Args:
            place: as for ``holds``: joins from there on are not looked at.
            item: as for ``holds``.
        """
        at = self.items.index(item) if item in self.items else len(self.items)
        end = len(self.items) if place is None else place
        for later in range(at + 1, end):
            if self.items[later].side in _BOTH:
                yield frozenset(self.items[:later])

    def comes_with(self, other: Item, item: Item) -> bool:
        """Whether every row of the result with a row of an item has one of another item, too.

        Args:
            other: one of these.
            item: as for ``holds``.
        """
        at = self.items.index(other)
        own = self.items.index(item) if item in self.items else len(self.items) - 1
        if at > own:
            return other.side in {"", "RIGHT"}
        return self._is_inner(at, own + 1, first="RIGHT")

    def _is_inner(self, at: int, end: int, first: str = "") -> bool:
        """Whether what is said at the join of an item is true up to that of a later one."""
        later = self.items[at + 1 : end]
        return self.items[at].side in {"", first} and all(one.side not in _BOTH for one in later)

    def resolve(self, column: str, label: str | None, schema: str | None) -> Resolved | None:
        """The table a reference ``schema.label.column`` means; None where that is not certain."""
        scope: Scope | None = self
        while scope is not None and not scope.opaque:
            candidates = scope.labelled(label, schema)
            if label is not None:
                if candidates:
                    return _only(candidates, column, scope is not self)
            else:
                if scope.merged and (not scope.shared or column.lower() in scope.shared):
                    return None
                candidates = [item for item in candidates if item.spelled(column) is not None]
                if candidates:
                    return _only(candidates, column, scope is not self)
                unknown = any(not item.known for item in scope.items)
                if unknown or column.lower() in scope.aliases:
                    return None
            scope = scope.outer
        return None

    def labelled(self, label: str | None, schema: str | None) -> list[Item]:
        """The items a qualifier may mean: all of them if there is none."""
        if label is None:
            return self.items
        matching = [item for item in self.items if item.label == label.lower()]
        if schema is None:
            return matching
        return [item for item in matching if (item.schema or "").lower() == schema.lower()]


_BOTH: Final = frozenset(("RIGHT", "FULL"))


def renamed_columns(query: exp.Expression) -> list[str]:
    """The names that a common table expression gives the columns of its query."""
    cte = query.parent
    alias = cte.args.get("alias") if cte is not None and cte.key == "cte" else None
    return [] if alias is None else [one.name for one in alias.args.get("columns") or ()]


def _only(candidates: list[Item], column: str, outer: bool) -> Resolved | None:
    if len(candidates) > 1:
        return None
    name = candidates[0].spelled(column)
    found = None if name is None else candidates[0].column(name)
    return None if found is None else Resolved(candidates[0], found, outer)
