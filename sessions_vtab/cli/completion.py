"""Names that can stand where the cursor is."""

from __future__ import annotations

import re
from collections.abc import Iterable
from dataclasses import dataclass
from typing import Final

from sessions_vtab.hints import Names, mentions
from sessions_vtab.schema.functions import FUNCTIONS

__all__ = ["Candidates", "candidates", "matching"]

_PREFIX: Final = re.compile(r"(\w+)\.$")
_EXPECTS_TABLE: Final = re.compile(r"\b(?:from|join|into|update|table)\s+$", re.IGNORECASE)


@dataclass(frozen=True, slots=True)
class Candidates:
    """Words that could come.

    Attributes:
        words: ours, in the order to offer them.
        only: nothing else makes sense there.
    """

    words: tuple[str, ...]
    only: bool = False


def candidates(names: Names, line: str, begin: int) -> Candidates:
    """Our names that can stand at a place of a line.

    Args:
        names: what the connection knows.
        line: the line so far.
        begin: where the word that is being typed begins.
    """
    before = line[:begin]
    prefix = _PREFIX.search(before)
    if prefix:
        return _behind_dot(names, line, prefix[1])
    if _EXPECTS_TABLE.search(before):
        return Candidates(_called((*names.reachable(None), *names.functions)), only=True)
    columns = [column for mention in mentions(line, names) for column in mention.columns]
    if columns:
        return Candidates(tuple(dict.fromkeys(columns)))
    return Candidates(_called(names.reachable(None)))


def _behind_dot(names: Names, line: str, prefix: str) -> Candidates:
    """Tables of a source, or columns of a table or alias."""
    for mention in mentions(line, names):
        if mention.alias.lower() == prefix.lower():
            return Candidates(mention.columns, only=True)
    tables = _called(names.reachable(prefix))
    columns = names.columns(None, prefix) or ()
    return Candidates(tables or columns, only=True)


def _called(words: Iterable[str]) -> tuple[str, ...]:
    """Functions with the bracket that follows them."""
    return tuple(
        f"{word}(" if word.rpartition(".")[2] in FUNCTIONS else word
        for word in dict.fromkeys(words)
    )


def matching(words: Iterable[str], token: str) -> list[str]:
    """The words that begin with what was typed, in any case of letters."""
    return [word for word in words if word.lower().startswith(token.lower())]
