"""Edits of a text at token positions, applied together."""

from __future__ import annotations

from collections.abc import Iterable
from typing import NamedTuple

__all__ = ["Edit", "apply", "insert"]


class Edit(NamedTuple):
    """Replaces ``text[start:end]``.

    Edits are ordered by place; at one place by ``rank``, insertions first. What is inserted behind
    a token has a negative rank, so that it stays with that token.
    """

    start: int
    end: int
    text: str
    rank: int = 0


def insert(at: int, text: str, rank: int = 0) -> Edit:
    """An edit that only inserts."""
    return Edit(at, at, text, rank)


def apply(text: str, edits: Iterable[Edit]) -> str:
    """The edited text; the same object if there are no edits.

    Edits that lie within a range another edit replaces are swallowed by it.
    """
    ordered = sorted(edits, key=lambda edit: (edit.start, edit.rank, edit.end))
    if not ordered:
        return text
    pieces = []
    done = 0
    for edit in ordered:
        if edit.start < done:
            continue
        pieces.append(text[done : edit.start])
        pieces.append(edit.text)
        done = edit.end
    pieces.append(text[done:])
    return "".join(pieces)
