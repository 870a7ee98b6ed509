"""Errors for people at a terminal: a problem, a mark below its place, and where help is."""

from __future__ import annotations

from typing import Final

from sessions_vtab.cli.display import escaped
from sessions_vtab.hints import Problem, line_at, place_of

__all__ = ["render"]

_HERE: Final = "^--- here"
_HINT_COLUMN: Final = 59


def render(found: Problem, sql: str, offset: int, help_command: str) -> str:
    """The message, the line of the statement it is about with a mark below, and where to look.

    Args:
        found: the problem.
        sql: the statement.
        offset: SQLite's place in it, in bytes of UTF-8; -1 if it named none.
        help_command: how help is asked for: ``.help`` or ``sessions-vtab help``.
    """
    lines = [escaped(found.message)]
    place = place_of(found.word, sql, offset)
    hint = f"All columns: {help_command} {found.topic}" if found.topic else ""
    if found.topic in {"tables", "sources"}:
        hint = f"See also: {help_command} {found.topic}"
    if place is not None:
        before, after = map(escaped, line_at(sql, place))
        mark = " " * (2 + len(before)) + _HERE
        lines += ["  " + before + after, f"{mark.ljust(_HINT_COLUMN)}{hint}" if hint else mark]
    elif hint:
        lines.append("  " + hint)
    return "\n".join(lines)
