"""Which table's rows another table's rows belong to, and whether they are read by its keys.

Told from columns and capabilities alone; snapshots and scans read the same way.
"""

from __future__ import annotations

from collections.abc import Collection, Mapping
from typing import Final

from sessions_vtab.contract.backend import Resource
from sessions_vtab.contract.capability import Capability
from sessions_vtab.contract.model import ColumnType

__all__ = ["LINK", "SESSION_TABLES", "followed_column", "parent_of", "read_by_parent", "time_order"]

LINK: Final = "session_name"
"""The column that names the parent's row."""

_SESSIONS: Final = "sessions"
_PARENTS: Final = {"upload_session_files": "upload_sessions"}

SESSION_TABLES: Final = frozenset((_SESSIONS, *_PARENTS.values()))
"""Tables whose rows are sessions."""

# A list of everything is better than reading by keys unless it costs as much as so many of them.
_WORTH: Final = 10


def parent_of(table: str, columns: Collection[str], resources: Mapping[str, Resource]) -> str:
    """The table whose rows a table's rows belong to; '' for none.

    Args:
        table: its name.
        columns: names of its columns.
        resources: the tables of its backend.
    """
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
    followed = followed_column(table, parent, resources)
    return bool(followed) or not _has_cheap_list(resources[table].capability)


def time_order(resource: Resource) -> str:
    """A time column to sort a list by, so that it is read as one chain of pages; '' for none."""
    for path in resource.capability.paths:
        for name in () if path.unique else path.orders:
            if resource.table.column(name).type is ColumnType.TIME:
                return name
    return ""


def _has_cheap_list(capability: Capability) -> bool:
    """Whether one list gives all rows, without a request for each key after it."""
    keyed = [path.cost for path in capability.paths if path.keys]
    lists = [path.cost for path in capability.paths if not path.keys]
    return bool(lists) and min(lists) <= _WORTH * min(keyed, default=min(lists))
