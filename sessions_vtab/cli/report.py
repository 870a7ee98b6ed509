"""Errors for people: what is wrong, what was probably meant, and where it is in the statement."""

from __future__ import annotations

import re
from collections.abc import Callable
from dataclasses import dataclass
from typing import Final

from sessions_vtab.cli.display import escaped
from sessions_vtab.cli.names import Names, mentions
from sessions_vtab.spec.near import did_you_mean, nearest

__all__ = ["Problem", "problem", "render"]

_AROUND: Final = 40
_HERE: Final = "^--- here"
_HINT_COLUMN: Final = 59
_WORDS: Final = re.findall(
    r"\w+",
    "SELECT FROM WHERE GROUP ORDER HAVING LIMIT INSERT INTO VALUES UPDATE DELETE RETURNING CREATE"
    " JOIN UNION BEGIN COMMIT ROLLBACK EXPLAIN ATTACH PRAGMA",
)


@dataclass(frozen=True, slots=True)
class Problem:
    """An error in words.

    Attributes:
        message: what is wrong and what was probably meant.
        word: the part of the statement it is about, if it is about one.
        topic: topic of the help that lists what there is.
    """

    message: str
    word: str = ""
    topic: str = ""


def problem(message: str, sql: str, names: Names) -> Problem:
    """What SQLite's message means for a statement, as far as names are concerned.

    Args:
        message: SQLite's message.
        sql: the statement.
        names: what the connection knows.
    """
    for pattern, describe in _PATTERNS:
        match = pattern.fullmatch(message)
        if match:
            return describe(match[1], match[match.re.groups], sql, names)
    return Problem(message)


def _no_column(name: str, _: str, sql: str, names: Names) -> Problem:
    prefix, _dot, column = name.rpartition(".")
    column = column.strip('"')
    alias = prefix.rpartition(".")[2].lower()
    spoken = mentions(sql, names)
    tables = [m for m in spoken if m.alias.lower() == alias] or ([] if alias else spoken)
    if not tables:
        return Problem(f"There is no column {name}.", name)
    known = dict.fromkeys(column for table in tables for column in table.columns)
    where = " and ".join(dict.fromkeys(table.name for table in tables))
    verb = "has" if len(tables) == 1 else "have"
    message = f"{where} {verb} no column {column}.{did_you_mean(column, known)}"
    return Problem(message, column, tables[0].name)


def _table_has_no_column(table: str, column: str, _sql: str, names: Names) -> Problem:
    schema, _, name = table.rpartition(".")
    known = names.columns(schema or None, name) or ()
    return Problem(f"{table} has no column {column}.{did_you_mean(column, known)}", column, table)


def _no_table(name: str, _: str, _sql: str, names: Names) -> Problem:
    schema, _dot, table = name.rpartition(".")
    known = names.reachable(schema or None)
    match = nearest(table if schema else name, known)
    prefix = f"{schema}." if schema and match else ""
    meant = f" Did you mean {prefix}{match}?" if match else ""
    if schema and not known:
        meant = did_you_mean(schema, names.tables) + f" Sources: {', '.join(names.functions)}."
    return Problem(f"There is no table {name}.{meant}", table, "sources" if schema else "tables")


def _no_function(name: str, _: str, _sql: str, names: Names) -> Problem:
    known = names.function_names
    if name.lower() in known:
        message = f"{name} is a table-valued function; use SELECT .. FROM {name}(..)."
        return Problem(message, name, name)
    return Problem(f"There is no function {name}.{did_you_mean(name, sorted(known))}", name)


def _ambiguous(name: str, _: str, sql: str, names: Names) -> Problem:
    holders = [m.alias for m in mentions(sql, names) if name in m.columns]
    meant = f" Write {' or '.join(f'{alias}.{name}' for alias in holders)}." if holders else ""
    return Problem(f"More than one table has a column {name}.{meant}", name)


def _syntax(word: str, _: str, _sql: str, _names: Names) -> Problem:
    meant = did_you_mean(word, _WORDS) if word.upper() not in _WORDS else ""
    return Problem(f"Syntax error near {word!r}.{meant}", word)


_Describe = Callable[[str, str, str, Names], Problem]
_PATTERNS: Final[tuple[tuple[re.Pattern[str], _Describe], ...]] = (
    (re.compile(r"no such column: (.+?)(?: - should this be.*)?"), _no_column),
    (re.compile(r"table (\S+) has no column named (.+)"), _table_has_no_column),
    (re.compile(r"no such table: (.+)"), _no_table),
    (re.compile(r"no such function: (.+)"), _no_function),
    (re.compile(r"ambiguous column name: (.+)"), _ambiguous),
    (re.compile(r'near "(.+)": syntax error', re.DOTALL), _syntax),
)


def render(found: Problem, sql: str, offset: int, help_command: str) -> str:
    """The message, the line of the statement it is about with a mark below, and where to look.

    Args:
        found: the problem.
        sql: the statement.
        offset: SQLite's place in it, in bytes of UTF-8; -1 if it named none.
        help_command: how help is asked for: ``.help`` or ``sessions-vtab help``.
    """
    lines = [escaped(found.message)]
    place = _place(found.word, sql, offset)
    hint = f"All columns: {help_command} {found.topic}" if found.topic else ""
    if found.topic in {"tables", "sources"}:
        hint = f"See also: {help_command} {found.topic}"
    if place is not None:
        before, after = _line(sql, place)
        mark = " " * (2 + len(before)) + _HERE
        lines += ["  " + before + after, f"{mark.ljust(_HINT_COLUMN)}{hint}" if hint else mark]
    elif hint:
        lines.append("  " + hint)
    return "\n".join(lines)


def _place(word: str, sql: str, offset: int) -> int | None:
    """Index of the character the problem is at."""
    start = len(sql.encode()[:offset].decode(errors="ignore")) if offset >= 0 else None
    if not word:
        return start
    if start is not None and sql[start : start + len(word)].lower() == word.lower():
        return start
    match = re.search(rf"(?<!\w){re.escape(word)}(?!\w)", sql, re.IGNORECASE)
    return match.start() if match else start


def _line(sql: str, place: int) -> tuple[str, str]:
    """The line around a place, at most 80 characters of it, cut in two at the place."""
    start = max(sql.rfind("\n", 0, place) + 1, place - _AROUND)
    end = sql.find("\n", place)
    stop = min(len(sql) if end < 0 else end, place + _AROUND)
    before = sql[start:place].replace("\t", " ").lstrip()
    return escaped(before), escaped(sql[place:stop].replace("\t", " "))
