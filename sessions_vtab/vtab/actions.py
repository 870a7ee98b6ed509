"""What a table cannot do at all, refused before a statement has read or written anything."""

from __future__ import annotations

from typing import Final

import apsw

from sessions_vtab.contract.capability import Writes
from sessions_vtab.errors import UnsupportedError

__all__ = ["require_action", "require_conflict"]

_CONFLICTS: Final = {
    apsw.SQLITE_REPLACE: (
        "REPLACE would overwrite rows of {} without reading them; use UPDATE instead."
    ),
    apsw.SQLITE_FAIL: (
        "INSERT OR FAIL would keep the rows before the failing one, but rows of {} are"
        " written together or not at all. Use INSERT, or INSERT OR IGNORE to skip"
        " existing rows."
    ),
    apsw.SQLITE_ROLLBACK: (
        "INSERT OR ROLLBACK would roll back at the first row that already exists, but for {}"
        " that is known only when the transaction ends. Use INSERT, and ROLLBACK"
        " after an error."
    ),
}


def require_action(title: str, writes: Writes, action: str, column: str = "") -> None:
    """Raises UnsupportedError if no row of a table can be written that way, with the hint.

    Args:
        title: source and table.
        writes: what the table declares.
        action: ``insert``, ``update`` or ``delete``.
        column: the one that was given a value, for a hint of its own.
    """
    if getattr(writes, action):
        return
    what = (
        f"Rows of {title} cannot be deleted."
        if action == "delete"
        else f"{title} does not support {action.upper()}."
    )
    raise UnsupportedError(
        " ".join(filter(None, (what, writes.hint(action, column), "Nothing was written.")))
    )


def require_conflict(title: str, conflict: int) -> None:
    """Raises UnsupportedError for a conflict clause that cannot be kept.

    Args:
        title: source and table.
        conflict: as ``sqlite3_vtab_on_conflict()`` says it.
    """
    if conflict in _CONFLICTS:
        raise UnsupportedError(_CONFLICTS[conflict].format(title))
