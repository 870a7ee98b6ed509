"""What is to be copied: the options, then tables and columns from what the backend declares."""

from __future__ import annotations

from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass
from typing import Final

from sessions_vtab.contract.backend import Resource
from sessions_vtab.contract.capability import Capability
from sessions_vtab.contract.model import Column, ColumnType, Table
from sessions_vtab.contract.tables import EVENT_COLUMNS, SCOPE_COLUMNS
from sessions_vtab.errors import InvalidValueError, UnknownNameError, did_you_mean, no_table
from sessions_vtab.scanning.splitting import (
    LINK,
    SESSION_TABLES,
    followed_column,
    parent_of,
    read_by_parent,
    time_order,
)

DEFAULT_BUDGET: Final = 100_000
"""Requests that a snapshot may make unless it is told otherwise."""

DEFAULT_OVERLAP: Final = 5.0
"""Minutes that a session has to be older than its copy for the copy to be trusted."""

# Made from a column of ``events``: a snapshot that has that column has them already.
_DERIVED: Final = "event_parts"
# Known only in the connection that opened the session, and they let anyone upload.
_NEVER: Final = frozenset(("upload_url", "upload_fields"))
_EVENTS: Final = "events"
_SEQUENCE: Final = EVENT_COLUMNS["sequence"]
# What people group and filter by in the tools that open a snapshot.
_FACETS: Final = {"events": ("author", "invocation_id", "error_code", "model_version")}


@dataclass(frozen=True, slots=True)
class SnapshotOptions:
    """What is to be copied, and how.

    Attributes:
        tables: their names; None for all.
        where: condition on the sessions, as SQL; None for all of them.
        without: columns that are left out, and not fetched.
        full: read everything again.
        max_requests: most HTTP requests.
        overlap: minutes, see ``DEFAULT_OVERLAP``.
    """

    tables: tuple[str, ...] | None = None
    where: str | None = None
    without: tuple[str, ...] = ()
    full: bool = False
    max_requests: int = DEFAULT_BUDGET
    overlap: float = DEFAULT_OVERLAP


@dataclass(frozen=True, slots=True)
class CopiedTable:
    """One table of a snapshot.

    Attributes:
        table: its name.
        key: the column that identifies a row.
        columns: those that are copied, the key among them.
        parent: the table whose rows these belong to; "" for none.
        by_parent: it is read by the keys of its parent's rows, not as one list.
        follows: the parent's column that changes whenever these rows do; "" for none.
        indexed: columns to make indexes on.
        unread: a column that the source does not have; "" for none.
        refers: its rows have a foreign key to those of the parent, which are copied too.
        numbered: a column that numbers the rows of each parent from 1, in the order in which the
            source has them, where it gives no number itself; "" for none.
    """

    table: str
    key: str
    columns: tuple[Column, ...]
    parent: str = ""
    by_parent: bool = False
    follows: str = ""
    indexed: tuple[tuple[str, ...], ...] = ()
    unread: str = ""
    numbered: str = ""
    refers: bool = False

    @property
    def names(self) -> tuple[str, ...]:
        """Names of the columns."""
        return tuple(column.name for column in self.columns)

    @property
    def read(self) -> tuple[str, ...]:
        """Names of the columns that are read from the source, in the order of ``names``."""
        return tuple(name for name in self.names if name != self.unread)


@dataclass(frozen=True, slots=True)
class ListedTable:
    """One table that is listed.

    Attributes:
        table: its name.
        key: the column that identifies a row.
        columns: what is asked for.
        shape: where the rows go; None if only their keys are needed.
        version: place in ``columns`` of what other tables follow; None if nothing does.
        where: condition; "" for none.
        page_cap: most rows of a page; None where they do not come in pages or cost nothing.
        order: a time that the source sorts by, so that the copy is in that order; "" for none.
    """

    table: str
    key: str
    columns: tuple[str, ...]
    shape: CopiedTable | None
    version: int | None
    where: str
    page_cap: int | None
    order: str


@dataclass(frozen=True, slots=True)
class CopyPlan:
    """What is copied.

    Attributes:
        shapes: the tables, in the backend's order.
        listings: what is listed first, sessions before what belongs to them.
        remote: reading costs requests.
    """

    shapes: tuple[CopiedTable, ...]
    listings: tuple[ListedTable, ...]
    remote: bool

    @property
    def by_parent(self) -> tuple[CopiedTable, ...]:
        """The tables that are read by the keys of their sessions."""
        return tuple(shape for shape in self.shapes if shape.by_parent)


def plan_of(
    source: str, resources: Mapping[str, Resource], options: SnapshotOptions, condition: str
) -> CopyPlan:
    """The plan of a snapshot.

    Args:
        source: the source's name, for errors.
        resources: its tables.
        options: what is to be copied.
        condition: ``where``, checked, with the names of the source's tables; "" for none.

    Raises:
        UnknownNameError: a table or column is not there.
        InvalidValueError: a column is needed that was to be left out, or there is nothing that the
            condition could be about.
    """
    chosen = _chosen(source, resources, options.tables)
    _check_without(source, chosen, options.without)
    names = {one.table.name for one in chosen}
    shapes = tuple(_shape(one, resources, names, options.without) for one in chosen)
    parents = _parents_of(shapes, filtered=options.where is not None)
    filtered = _filtered(source, resources, options)
    listed = [name for name in resources if name in parents]
    listed += [one.table for one in shapes if not one.by_parent and one.table not in parents]
    by_name = {shape.table: shape for shape in shapes}
    listings = tuple(
        _listing(
            resources[name],
            by_name.get(name),
            parents.get(name, ""),
            condition if name == filtered else "",
        )
        for name in listed
    )
    read = {*by_name, *listed}
    remote = any(resources[name].capability.remote for name in read)
    return CopyPlan(shapes, listings, remote)


def _chosen(
    source: str, resources: Mapping[str, Resource], wanted: Sequence[str] | None
) -> list[Resource]:
    if wanted is None:
        derived = {_DERIVED} if "events" in resources else set()
        return [
            one
            for name, one in resources.items()
            if name not in derived and not one.capability.enumerates
        ]
    for name in wanted:
        if name not in resources:
            raise no_table(source, name, resources)
    if not wanted:
        raise InvalidValueError(f"No table of {source} was given. Tables: {', '.join(resources)}.")
    return [one for name, one in resources.items() if name in wanted]


def _check_without(source: str, resources: Sequence[Resource], without: Sequence[str]) -> None:
    known = {column.name for resource in resources for column in _columns(resource)}
    needed = {LINK, *(resource.table.key for resource in resources)}
    for name in without:
        if name not in known:
            meant = did_you_mean(name, sorted(known))
            raise UnknownNameError(
                f"None of the tables copied from {source} has a column {name!r:.60}.{meant}"
            )
        if name in needed:
            raise InvalidValueError(
                f"{name} cannot be left out: it identifies rows, or the session they belong to."
            )


def _copied(resource: Resource) -> tuple[Column, ...]:
    """The columns of ``SELECT *``, the key, and of a store what it keeps besides."""
    table = resource.table
    shown = tuple(column for column in table.visible if column.name not in _NEVER)
    key = table.column(table.key)
    # Of an API's, each may cost a request, but for those that are read from others.
    remote = resource.capability.remote
    more = (one for one in table.hidden if one.derived or (not remote and _is_kept(one)))
    kept = (*shown, *(table.column(one.name) for one in more if one.name != key.name))
    return kept if not key.hidden else (key, *kept)


def _is_kept(column: Column) -> bool:
    """Whether a hidden column has a value of its own."""
    return not (
        column.parameter or column.transient or column.write_only or column.name in SCOPE_COLUMNS
    )


def _columns(resource: Resource) -> tuple[Column, ...]:
    """The columns of a copy: events are numbered, so that those of equal time keep their order."""
    copied = _copied(resource)
    return (*copied, _SEQUENCE) if _unread(resource.table) else copied


def _unread(table: Table) -> str:
    """The column that is not read from the source because it has none."""
    has_sessions = table.name == _EVENTS and LINK in table.positions
    lacks = has_sessions and _SEQUENCE.name not in table.positions
    return _SEQUENCE.name if lacks else ""


def _shape(
    resource: Resource,
    resources: Mapping[str, Resource],
    chosen: Collection[str],
    without: Sequence[str],
) -> CopiedTable:
    table, capability = resource.table, resource.capability
    columns = tuple(column for column in _columns(resource) if column.name not in without)
    names = frozenset(column.name for column in columns)
    parent = parent_of(table.name, names, resources)
    return CopiedTable(
        table.name,
        table.key,
        columns,
        parent,
        by_parent=read_by_parent(table.name, parent, resources),
        follows=followed_column(table.name, parent, resources),
        indexed=_indexed(table, columns, capability),
        unread=_unread(table),
        numbered=_SEQUENCE.name if table.name == _EVENTS and _SEQUENCE.name in names else "",
        refers=parent in chosen,
    )


def _parents_of(shapes: Sequence[CopiedTable], *, filtered: bool) -> dict[str, str]:
    """Tables whose keys are needed, each with the column that others follow."""
    found: dict[str, str] = {}
    for shape in shapes:
        if shape.by_parent or (shape.parent and filtered):
            found[shape.parent] = shape.follows or found.get(shape.parent, "")
    return found


def _filtered(source: str, resources: Mapping[str, Resource], options: SnapshotOptions) -> str:
    """The table that the condition is about."""
    for name in SESSION_TABLES:
        if name in resources:
            return name
    if options.where is not None:
        raise InvalidValueError(f"{source} has no sessions to which a condition could apply.")
    return ""


def _listing(
    resource: Resource, shape: CopiedTable | None, version: str, where: str
) -> ListedTable:
    key = resource.table.key
    names = list(shape.read if shape is not None else (key,))
    if version and version not in names:
        names.append(version)
    paths = resource.capability.paths
    caps = [path.page_cap for path in paths if not path.unique and path.page_cap is not None]
    return ListedTable(
        resource.table.name,
        key,
        tuple(names),
        shape,
        names.index(version) if version else None,
        where,
        min(caps) if caps and resource.capability.remote else None,
        time_order(resource),
    )


def _indexed(
    table: Table, columns: Sequence[Column], capability: Capability
) -> tuple[tuple[str, ...], ...]:
    """What the source can be asked by, and facets; ids and times where it can be asked anything."""
    declared: set[str] = set()
    for path in capability.paths:
        filtered = (one.column for one in path.filters if not one.keyed)
        declared.update(path.keys, filtered, path.orders, path.ascending)
    chosen = [
        column.name
        for column in columns
        if column.name != table.key
        and column.name not in SCOPE_COLUMNS
        and column.type in {ColumnType.TEXT, ColumnType.TIME, ColumnType.INTEGER}
        and column.name in declared
        and (
            capability.remote
            or column.type is ColumnType.TIME
            or column.name.endswith("_id")
            or column.name == LINK
        )
    ]
    times = [column.name for column in columns if column.type is ColumnType.TIME]
    # Rows of one session are mostly wanted in the order of time.
    by_session = {LINK, "session_id"} if LINK in chosen or LINK in declared else set()
    numbers = [column.name for column in columns if column.name == _SEQUENCE.name]
    in_order = (*times[:1], *numbers)
    facets = frozenset(_FACETS.get(table.name, ())).difference(chosen)
    return (
        *((name, *in_order) if name in by_session else (name,) for name in chosen),
        *((column.name,) for column in columns if column.name in facets),
    )
