"""A text of several statements, one by one, with the lines they are on."""

from __future__ import annotations

import re
from collections.abc import Iterator
from dataclasses import dataclass
from typing import Final

import apsw

__all__ = ["ScriptStatement", "split"]

# Where a semicolon does not end anything, and the semicolons that may. Text that is not closed
# runs to the end, as SQLite reads it.
_TOKEN: Final = re.compile(
    r"""
    --[^\n]* | /\*.*?(?:\*/|\Z)
    | '(?:[^']|'')*(?:'|\Z) | "(?:[^"]|"")*(?:"|\Z) | `[^`]*(?:`|\Z) | \[[^\]]*(?:\]|\Z)
    | (?P<end>;)
    """,
    re.VERBOSE | re.DOTALL,
)
_LEADING: Final = re.compile(r"(?:\s+|;|--[^\n]*|/\*.*?(?:\*/|\Z))*", re.DOTALL)


@dataclass(frozen=True, slots=True)
class ScriptStatement:
    """One statement of a script.

    Attributes:
        text: from its first word to its semicolon, if it has one.
        line: line of its first word, from 1.
        comments: the ``--`` lines before it.
    """

    text: str
    line: int
    comments: tuple[str, ...] = ()


def split(text: str) -> Iterator[ScriptStatement]:
    """The statements of a text; what follows the last one comes as a statement without text.

    The end of a statement is where SQLite's own ``sqlite3_complete`` says so: the semicolons
    inside a trigger's body do not end it.
    """
    start, line = 0, 1
    for match in _TOKEN.finditer(text):
        if match["end"] is None or not apsw.complete(text[start : match.end()]):
            continue
        statement = _statement(text[start : match.end()], line)
        line += text.count("\n", start, match.end())
        start = match.end()
        if statement.text:
            yield statement
    rest = _statement(text[start:], line)
    if rest.text or rest.comments:
        yield rest


def _statement(piece: str, line: int) -> ScriptStatement:
    match = _LEADING.match(piece)
    skipped = match[0] if match else ""
    comments = tuple(row.strip() for row in skipped.splitlines() if row.strip().startswith("--"))
    return ScriptStatement(piece[len(skipped) :].rstrip(), line + skipped.count("\n"), comments)
