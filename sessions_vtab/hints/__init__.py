"""What SQLite's errors mean: "did you mean", where in the statement, and which names there are.

Made once, for every interface: ``cursor`` puts it into the exception's text, from where DB-API,
SQLAlchemy, notebooks and agents have it; the command line prints it in a form of its own.

`names` has what a connection knows by name, and which of it a statement speaks of.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Iterator, Mapping
from contextlib import AbstractContextManager, contextmanager, suppress
from dataclasses import dataclass
from functools import partial
from typing import TYPE_CHECKING, Any, Final, Self

import apsw

from sessions_vtab.errors import did_you_mean, nearest
from sessions_vtab.hints.names import Connected, Mention, Names, mentions, names_of

if TYPE_CHECKING:
    from sessions_vtab.vtab.host import OpenSource

__all__ = [
    "Connected",
    "Mention",
    "Names",
    "Problem",
    "Registered",
    "add_hints",
    "explained",
    "hint",
    "line_at",
    "mentions",
    "names_of",
    "place_of",
    "problem",
]

_AROUND: Final = 40
_WHOLE: Final = 76
"""Characters of a line that is shown whole: with its margin it fits a terminal of 80."""
_COMPARED: Final = (r"[=<>]", r"\b(?:LIKE|GLOB|IS|NOT)")
_LISTED: Final = (r"[(,]", r"\b(?:AND|BETWEEN)")
_WORDS: Final = re.findall(
    r"\w+",
    "SELECT FROM WHERE GROUP ORDER HAVING LIMIT INSERT INTO VALUES UPDATE DELETE RETURNING CREATE"
    " JOIN UNION BEGIN COMMIT ROLLBACK EXPLAIN ATTACH PRAGMA",
)


@dataclass(frozen=True, slots=True)
class Problem:
    """An error in words.

    Attributes:
        what: what is wrong, in a sentence.
        hint: what was probably meant; empty if that is not known.
        word: the part of the statement it is about, if it is about one.
        topic: topic of the help that lists what there is.
        known: what there is, in a sentence, for readers who cannot ask for help; may be empty.
    """

    what: str
    hint: str = ""
    word: str = ""
    topic: str = ""
    known: str = ""

    @property
    def message(self) -> str:
        """What is wrong and what was probably meant."""
        return f"{self.what} {self.hint}" if self.hint else self.what


def problem(message: str, sql: str, names: Names) -> Problem:
    """What SQLite's message means for a statement, as far as names are concerned."""
    for pattern, describe in _PATTERNS:
        match = pattern.fullmatch(message)
        if match:
            return describe(match, sql, names)
    return Problem(message)


def explained(message: str, sql: str, offset: int, names: Names) -> str:
    """The text of an exception: SQLite's message, then the place, and what to write instead.

    SQLite's own words come first and alone in their line: tools look for them.

    Args:
        message: SQLite's message.
        sql: the statement, or several.
        offset: SQLite's place in it, in bytes of UTF-8; -1 if it named none.
        names: what the connection knows.
    """
    found = problem(message, sql, names)
    lines = [message]
    # Without a word, only SQLite knows the place, and it counts in the text that it was given.
    place = place_of(found.word, sql, offset) if found.word else None
    if place is not None:
        before, after = line_at(sql, place)
        lines += ["  " + before + after, "  " + " " * len(before) + "^"]
    return "\n".join((*lines, *filter(None, (found.hint, found.known))))


def _no_column(match: re.Match[str], sql: str, names: Names) -> Problem:
    name = match[1]
    prefix, _, column = name.rpartition(".")
    column = column.strip('"')
    alias = prefix.rpartition(".")[2].lower()
    spoken = mentions(sql, names)
    tables = [m for m in spoken if m.alias.lower() == alias] or ([] if alias else spoken)
    columns = dict.fromkeys(column for table in tables for column in table.columns)
    near = did_you_mean(column, columns).strip()
    text = "" if prefix else _as_text(name, column, sql, surely=not near)
    if not tables:
        return Problem(f"There is no column {name}.", text, name)
    where = " and ".join(dict.fromkeys(table.name for table in tables))
    verb = "has" if len(tables) == 1 else "have"
    what = f"{where} {verb} no column {column}."
    hint = f"{near} {text}".strip()
    listed = {table.name: ", ".join(table.columns) for table in tables}
    known = "All columns of " + "; of ".join(f"{one}: {text}" for one, text in listed.items())
    return Problem(what, hint, column, tables[0].name, known)


def _as_text(name: str, word: str, sql: str, *, surely: bool) -> str:
    """A hint for a word that is compared like a text, or in the wrong quotes.

    Args:
        name: the word in SQLite's message.
        word: the same without quotes.
        sql: the statement.
        surely: no column has a name like it, so a value in a list is meant, too.
    """
    before = _COMPARED + _LISTED if surely else _COMPARED
    found = rf"(?:{'|'.join(before)})\s*{re.escape(word)}(?!\w|\s*\()"
    if '"' in name or re.search(found, sql, re.IGNORECASE):
        return f"Text must be in single quotes: '{word}'."
    return ""


def _table_has_no_column(match: re.Match[str], _: str, names: Names) -> Problem:
    table, column = match.groups()
    schema, _dot, name = table.rpartition(".")
    known = names.columns(schema or None, name) or ()
    hint = did_you_mean(column, known).strip()
    listed = f"All columns of {table}: {', '.join(known)}" if known else ""
    return Problem(f"{table} has no column {column}.", hint, column, table, listed)


def _no_table(match: re.Match[str], _: str, names: Names) -> Problem:
    name = match[1]
    schema, _dot, table = name.rpartition(".")
    known = names.reachable(schema or None)
    near = nearest(table if schema else name, known)
    prefix = f"{schema}." if schema and near else ""
    hint = f"Did you mean {prefix}{near}?" if near else ""
    functions = names.function_names
    tables = [one for one in known if one.rpartition(".")[2] not in functions]
    listed = f"All tables: {', '.join(tables)}" if tables else ""
    if schema and not known:
        meant = did_you_mean(schema, names.tables)
        hint = f"{meant} Sources: {', '.join(names.functions)}.".strip()
    topic = "sources" if schema else "tables"
    return Problem(f"There is no table {name}.", hint, table, topic, listed)


# Functions of other databases, and what SQLite has.
_INSTEAD: Final = {
    "now": "datetime('now')",
    "getdate": "datetime('now')",
    "sysdate": "datetime('now')",
    "curdate": "date('now')",
    "current_date": "date('now')",
    "date_trunc": "strftime(format, time)",
    "to_char": "strftime(format, time)",
    "date_format": "strftime(format, time)",
    "from_unixtime": "datetime(seconds, 'unixepoch')",
    "to_timestamp": "datetime(seconds, 'unixepoch')",
    "len": "length(text)",
    "char_length": "length(text)",
    "nvl": "ifnull(value, other)",
    "isnull": "ifnull(value, other)",
    "string_agg": "group_concat(value, separator)",
    "listagg": "group_concat(value, separator)",
    "left": "substr(text, 1, length)",
    "array_agg": "json_group_array(value)",
    "json_value": "json ->> '$.key'",
    "regexp_like": "LIKE or GLOB",
    "rand": "random()",
}


_OFTEN: Final = re.findall(
    r"\w+",
    "abs avg coalesce count date datetime format glob group_concat hex ifnull iif instr json_each"
    " json_extract json_group_array json_object julianday length like lower max min nullif printf"
    " random replace round row_number strftime substr sum total trim unixepoch upper",
)
"""Functions of SQLite that people write most."""


def _no_function(match: re.Match[str], _: str, names: Names) -> Problem:
    name = match[1]
    known = names.function_names
    if name.lower() in known:
        hint = f"use SELECT .. FROM {name}(..)."
        return Problem(f"{name} is a table-valued function;", hint, name, name)
    instead = _INSTEAD.get(name.lower())
    hint = f"Use {instead}." if instead else did_you_mean(name, sorted({*known, *_OFTEN})).strip()
    return Problem(f"There is no function {name}.", hint, name)


def _ambiguous(match: re.Match[str], sql: str, names: Names) -> Problem:
    name = match[1]
    holders = [m.alias for m in mentions(sql, names) if name in m.columns]
    hint = f"Write {' or '.join(f'{alias}.{name}' for alias in holders)}." if holders else ""
    return Problem(f"More than one table has a column {name}.", hint, name)


def _syntax(match: re.Match[str], sql: str, names: Names) -> Problem:
    word = match[1]
    if word == ";":  # As typed, or put there: what stands before it is not whole.
        return _incomplete(match, sql, names)
    hint = did_you_mean(word, _WORDS).strip() if word.upper() not in _WORDS else ""
    return Problem(f"Syntax error near {word!r}.", hint, word)


def _incomplete(_match: re.Match[str], sql: str, _names: Names) -> Problem:
    last = sql.rstrip().rstrip(";").rstrip().rpartition("\n")[2].split()[-1:]
    # A word can be a list of values without blanks.
    ends = [word if len(word) <= _AROUND else f"..{word[-_AROUND:]}" for word in last]
    where = f" after {ends[0]!r}" if ends else ""
    hint = "Is a value, a name or a closing bracket missing?"
    return Problem(f"The statement ends too early{where}.", hint)


def _no_token(match: re.Match[str], _sql: str, _names: Names) -> Problem:
    token = match[1]
    closing = {"'": "'", '"': '"', "`": "`", "[": "]"}.get(token[:1])
    if closing is None:
        return Problem(f"{token!r:.60} is not part of SQL.", "", token)
    hint = f"A quote within it is written twice: {closing * 2}." if closing != "]" else ""
    what = f"What begins with {token[:1]} here has no closing {closing}."
    return Problem(what, hint, token.partition("\n")[0])


_Describe = Callable[[re.Match[str], str, Names], Problem]
_PATTERNS: Final[tuple[tuple[re.Pattern[str], _Describe], ...]] = (
    (re.compile(r"no such column: (.+?)(?: - should this be.*)?"), _no_column),
    (re.compile(r"table (\S+) has no column named (.+)"), _table_has_no_column),
    (re.compile(r"no such table: (.+)"), _no_table),
    (re.compile(r"no such function: (.+)"), _no_function),
    (re.compile(r"ambiguous column name: (.+)"), _ambiguous),
    (re.compile(r'near "(.+)": syntax error', re.DOTALL), _syntax),
    (re.compile(r"incomplete input"), _incomplete),
    (re.compile(r'unrecognized token: "(.+)"', re.DOTALL), _no_token),
)


def place_of(word: str, sql: str, offset: int) -> int | None:
    """Index of the character that a problem is at; None if it is not known.

    Args:
        word: what the problem is about; empty if it is not about a word.
        sql: the statement as the user wrote it.
        offset: SQLite's place in the statement that it was given, in bytes of UTF-8; -1 for none.
    """
    start = len(sql.encode()[:offset].decode(errors="ignore")) if offset >= 0 else None
    if not word:  # What is missing at the end has no place.
        return start if start is not None and start < len(sql.rstrip("; \n")) else None
    if start is not None and sql[start : start + len(word)].lower() == word.lower():
        return start
    match = re.search(rf"(?<!\w){re.escape(word)}(?!\w)", sql, re.IGNORECASE)
    return match.start() if match else start


def line_at(sql: str, place: int) -> tuple[str, str]:
    """The line around a place, cut in two at the place; of a long line about 80 characters."""
    start, end = sql.rfind("\n", 0, place) + 1, sql.find("\n", place)
    before, after = sql[start:place], sql[place : None if end < 0 else end]
    before, after = before.replace("\t", " ").lstrip(), after.replace("\t", " ").rstrip()
    if len(before) + len(after) <= _WHOLE:
        return before, after
    if len(before) > _AROUND:
        before = "…" + before[1 - _AROUND :]
    return before, after if len(after) <= _AROUND else after[: _AROUND - 1] + "…"


@dataclass(frozen=True, slots=True)
class Registered:
    """What was put into a connection of the user's own.

    Attributes:
        connection: the user's.
        sources: by name.
        default: the source whose tables need no prefix.
        unnumbered: within it, statements of ours are not counted as the user's.
    """

    connection: apsw.Connection
    sources: Mapping[str, OpenSource]
    default: str
    unnumbered: Callable[[], AbstractContextManager[None]]


def hint(registered: Registered) -> None:
    """Lets the cursors that a connection makes from now on explain SQLite's errors.

    SQLite and APSW have no hook between an error and its exception; a trace begins only after a
    statement was prepared, which is where a wrong name is found. What APSW does let be changed is
    the class of the connection's cursors. One that the user has set stays.
    """
    if registered.connection.cursor_factory is apsw.Cursor:
        registered.connection.cursor_factory = partial(_Cursor, registered=registered)


class _Cursor(apsw.Cursor):
    """APSW's cursor; an error of SQLite in a statement has hints in its text."""

    def __init__(self, connection: apsw.Connection, registered: Registered) -> None:
        super().__init__(connection)
        self._registered = registered

    def execute(self, statements: str, bindings: Any = None, **options: Any) -> Self:
        """See ``apsw.Cursor.execute``."""
        with self._explained(statements):
            super().execute(statements, bindings, **options)
        return self

    def executemany(self, statements: str, sequenceofbindings: Any, **options: Any) -> Self:
        """See ``apsw.Cursor.executemany``."""
        with self._explained(statements):
            super().executemany(statements, sequenceofbindings, **options)
        return self

    @contextmanager
    def _explained(self, statements: str) -> Iterator[None]:
        try:
            yield
        except apsw.SQLError as error:
            with suppress(apsw.Error), self._registered.unnumbered():
                add_hints(error, statements, self._registered.connection, self._registered)
            raise


def add_hints(
    error: apsw.SQLError, sql: str, connection: apsw.Connection, known: Connected
) -> None:
    """Puts what was probably meant into the text of an error; ``sqlite_message`` keeps it.

    Args:
        error: as APSW raised it; one that has hints is left as it is.
        sql: the statements.
        connection: what they ran on.
        known: the sources of the connection.

    Raises:
        apsw.Error: the names of the user's own tables cannot be read.
    """
    if hasattr(error, "sqlite_message"):
        return
    message, offset = str(error), getattr(error, "error_offset", -1)
    error.args = (explained(message, sql, offset, names_of(known, connection)),)
    setattr(error, "sqlite_message", message)  # noqa: B010  # APSW's class is not typed so.
