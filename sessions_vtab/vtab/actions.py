"""What a table takes at all: told before a statement reads the rows that it would change."""

from __future__ import annotations

from sessions_vtab.contract.capability import Writes
from sessions_vtab.errors import UnsupportedError

__all__ = ["require_action"]


def require_action(title: str, writes: Writes, action: str, column: str = "") -> None:
    """Raises UnsupportedError if no row of a table can be written that way, with the remedy.

    Args:
        title: source and table.
        writes: what the table declares.
        action: ``insert``, ``update`` or ``delete``.
        column: the one that was given a value, for a remedy of its own.
    """
    if getattr(writes, action):
        return
    what = (
        f"Rows of {title} cannot be deleted."
        if action == "delete"
        else f"{title} does not support {action.upper()}."
    )
    raise UnsupportedError(
        " ".join(filter(None, (what, writes.remedy(action, column), "Nothing was written.")))
    )
