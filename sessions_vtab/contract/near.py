"""Near names for error messages: the one that was probably meant."""

from __future__ import annotations

from collections.abc import Iterable

__all__ = ["did_you_mean", "nearest"]

_SIMILAR = 0.6
"""Least ratio of ``difflib``; its own default."""


def nearest(name: str, known: Iterable[str]) -> str | None:
    """The known name most like ``name``, upper and lower case being alike; None if none is near."""
    from difflib import get_close_matches  # noqa: PLC0415  # Only errors need it.

    by_folded = {candidate.lower(): candidate for candidate in known}
    matches = get_close_matches(name.lower(), by_folded, n=1, cutoff=_SIMILAR)
    return by_folded[matches[0]] if matches else None


def did_you_mean(name: str, known: Iterable[str]) -> str:
    """A sentence to append to a message, with a blank before it; empty if no name is near."""
    match = nearest(name, known)
    return f" Did you mean {match}?" if match is not None else ""
