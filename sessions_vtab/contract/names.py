"""Resource names made of ids: ``sessions/{id}/events/{id}``, reversible whatever an id holds."""

from __future__ import annotations

from urllib.parse import quote, unquote

__all__ = ["ids_of", "resource_name"]


def resource_name(*pairs: tuple[str, str]) -> str:
    """The name of a resource from its collections and ids: ``sessions/a%2Fb``.

    Args:
        pairs: collection and id, outermost first. An id may be any text, also an empty one.
    """
    return "/".join(
        f"{collection}/{quote(identifier, safe='')}" for collection, identifier in pairs
    )


def ids_of(name: object, *collections: str) -> tuple[str, ...] | None:
    """The ids in a name; None unless it is spelled exactly as ``resource_name`` spells it."""
    parts = name.split("/") if isinstance(name, str) else []
    if len(parts) != 2 * len(collections):
        return None
    try:
        ids = tuple(unquote(part, errors="strict") for part in parts[1::2])
    except UnicodeDecodeError:
        return None
    same = name == resource_name(*zip(collections, ids, strict=True))
    return ids if same else None
