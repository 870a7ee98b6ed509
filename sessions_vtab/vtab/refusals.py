"""The error of a statement whose kind of change a table does not take at all."""

from __future__ import annotations

from sessions_vtab.errors import UnsupportedError
from sessions_vtab.spec.capability import Writes

__all__ = ["refusal"]


def refusal(title: str, writes: Writes, action: str) -> UnsupportedError | None:
    """The error that every row of such a statement would meet; None if the table takes some.

    Args:
        title: ``source.table``.
        writes: what can be written to it.
        action: ``insert``, ``update`` or ``delete``.
    """
    if {"insert": writes.insert, "update": writes.update, "delete": writes.delete}[action]:
        return None
    what = (
        f"Rows of {title} cannot be deleted."
        if action == "delete"
        else f"{title} takes no {action.upper()}."
    )
    return UnsupportedError(
        " ".join(filter(None, (what, writes.remedies.get(action), "Nothing was written.")))
    )
