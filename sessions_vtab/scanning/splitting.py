"""A table in parts: each has the rows of some sessions, so no row is in two.

Which table's rows another table's rows belong to, and whether they are read by its keys, is told
from columns and capabilities alone; snapshots read the same way.
"""

from __future__ import annotations

from collections.abc import Collection, Iterable, Iterator, Mapping
from typing import Final

from sessions_vtab.contract.backend import Resource, Source
from sessions_vtab.contract.model import ColumnType, quoted
from sessions_vtab.contract.scan import Order
from sessions_vtab.errors import InvalidValueError, UnsupportedError
from sessions_vtab.scanning.parts import Part, opened, resolved, resource_of
from sessions_vtab.scanning.reading import pages
from sessions_vtab.scanning.rows import TableRead, condition

LINK: Final = "session_name"
"""The column that names the parent's row."""

_SESSIONS: Final = "sessions"
_PARENTS: Final = {"upload_session_files": "upload_sessions"}

SESSION_TABLES: Final = (_SESSIONS, *_PARENTS.values())
"""Tables whose rows are sessions."""

# A list of everything is better than reading by keys unless it costs as much as so many of them.
_WORTH: Final = 10


def parent_of(table: str, columns: Collection[str], resources: Mapping[str, Resource]) -> str:
    """The table whose rows a table's rows belong to; '' for none."""
    parent = _PARENTS.get(table, _SESSIONS) if LINK in columns else ""
    return parent if parent in resources and parent != table else ""


def followed_column(table: str, parent: str, resources: Mapping[str, Resource]) -> str:
    """The parent's column that changes whenever a row of the table does; '' for none."""
    follows = resources[table].capability.follows
    return follows if parent and follows in resources[parent].table.positions else ""


def read_by_parent(table: str, parent: str, resources: Mapping[str, Resource]) -> bool:
    """Whether a table is read by the keys of its parent's rows, not as one list."""
    if not parent:
        return False
    if followed_column(table, parent, resources):
        return True
    # Whether one list gives all rows, without a request for each key after it.
    paths = resources[table].capability.paths
    lists = [path.cost for path in paths if not path.keys]
    keyed = [path.cost for path in paths if path.keys]
    return not lists or min(lists) > _WORTH * min(keyed, default=min(lists))


def time_order(resource: Resource) -> str:
    """A time column to sort a list by, so that it is read as one chain of pages; '' for none."""
    for path in resource.capability.paths:
        for name in () if path.unique else path.orders:
            if resource.table.column(name).type is ColumnType.TIME:
                return name
    return ""


DEFAULT_SIZE: Final = 100
"""Sessions of a part. A task of an engine costs about 0.2 s, a session's list 0.05 s."""


def split(
    source: str | Source,
    table: str,
    *,
    sessions_where: str | None = None,
    size: int = DEFAULT_SIZE,
) -> list[Part]:
    """The parts of a table; together they have every row of it, once.

    A table whose rows are read session by session is cut into parts of so many sessions, which
    takes one list of the sessions. Any other table is one part, which takes no request.

    Args:
        source: a URL, the name of a source in the configuration file, or settings.
        table: name of the table.
        sessions_where: condition on the sessions whose rows are wanted, as SQL.
        size: most sessions of a part.

    Returns:
        The parts in the order of the list of sessions; none if there are no sessions.

    Raises:
        InvalidValueError: the condition is not valid, or ``size`` is below 1.
        UnsupportedError: the condition is on sessions that the table does not belong to.
        SessionsError: what the source raises.
    """
    if size < 1:
        raise InvalidValueError(f"size must be at least 1 session, not {size}.")
    settings = resolved(source)
    with opened(settings) as backend:
        resource = resource_of(settings, backend, table)
        resources = backend.resources
    parent = parent_of(table, resource.table.positions, resources)
    where = ""
    if sessions_where is not None:
        if not parent and table not in SESSION_TABLES:
            raise UnsupportedError(
                f"{settings.name}.{table} does not belong to sessions, so a condition on sessions"
                " cannot select its rows. Use where."
            )
        where = condition(settings, parent or table, sessions_where)
    if not (read_by_parent(table, parent, resources) and resource.capability.remote):
        return [Part(settings, table, where=_whole(settings, parent, where))]
    names = _names(settings, resources[parent], where)
    return list(parts_of_names(settings, table, names, size))


def parts_of_names(source: Source, table: str, names: Iterable[str], size: int) -> Iterator[Part]:
    """Parts of the rows of some sessions, each with sessions of one engine."""
    by_parent: dict[str, list[str]] = {}
    for name in names:
        parent, slash, last = name.rpartition("/")
        by_parent.setdefault(parent + slash, []).append(last)
    for parent, ids in by_parent.items():
        for first in range(0, len(ids), size):
            yield Part(source, table, LINK, parent, tuple(ids[first : first + size]))


def _names(source: Source, parent: Resource, where: str) -> Iterator[str]:
    """Names of the sessions, in the order of a time where the list has one: the fewest pages."""
    order = time_order(parent)
    question = TableRead((parent.table.key,), (), (Order(order),) if order else ())
    for page in pages(source, parent.table.name, question, where):
        for (name,) in page:
            yield str(name)


def _whole(source: Source, parent: str, where: str) -> str:
    """The condition on sessions as one on the table, which is read in one piece."""
    if not (parent and where):
        return where
    inner = f"SELECT name FROM {quoted(source.name)}.{quoted(parent)} WHERE (\n{where}\n)"
    return f"{LINK} IN ({inner})"
