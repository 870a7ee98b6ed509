"""StackQL's words: comments, hints, three-part names, and what a translation can be."""

from __future__ import annotations

import re
from collections.abc import Sequence
from dataclasses import dataclass
from enum import Enum

from sessions_vtab.errors import StatementError, UnknownNameError
from sessions_vtab.sql.lexer import Token, TokenKind, name_of
from sessions_vtab.sql.parameters import Numbering
from sessions_vtab.sql.stackql import SERVICE, is_place
from sessions_vtab.sql.stackql.provider import RESOURCES, ProviderResource


class ResultShape(Enum):
    """What the rows of a translated statement are."""

    ROWS = "rows"
    """Those of the SQL."""
    OPERATION = "operation"
    """The long-running operation: ``items`` over name, done, error, metadata, response."""
    MESSAGE = "message"
    """``The operation was despatched successfully``, once the rows have been read."""


@dataclass(frozen=True, slots=True)
class EngineScope:
    """The engine a statement names; empty where it is given by parameters or by IN."""

    project: str = ""
    location: str = ""
    reasoning_engine: str = ""


@dataclass(frozen=True, slots=True)
class Translation:
    """A StackQL statement in our own SQL.

    Attributes:
        sql: the statement; parameters are numbered as in the original.
        answer: what its rows are.
        items: for ``ResultShape.OPERATION`` the RETURNING list, to be selected from a row of name,
            done (0 or 1), error, metadata and response (JSON); empty if nothing is returned.
        scope: the engine it names first.
        asks: numbers of the parameters whose values choose its sources; empty once those values
            were given to ``translate``, or where there is one source to choose from.
        numbering: parameters of the original statement, by which its bindings are counted.
    """

    sql: str
    answer: ResultShape = ResultShape.ROWS
    items: str = ""
    scope: EngineScope = EngineScope()
    asks: frozenset[int] = frozenset()
    numbering: Numbering | None = None


@dataclass(frozen=True, slots=True)
class StaticResult:
    """The answer of SHOW or DESCRIBE, which needs no request.

    Attributes:
        columns: names of the columns.
        rows: their values.
        where: a condition on them, as SQL; empty for none.
    """

    columns: tuple[str, ...]
    rows: tuple[tuple[str, ...], ...]
    where: str = ""


_COMMENTS = re.compile(
    r"'(?:[^']|'')*'|\"(?:[^\"]|\"\")*\"|/\*.*?\*/|--[^\n]*|(?://|#)[^\n]*", re.DOTALL
)


def cleaned(text: str) -> str:
    """The text without StackQL's comments ``//`` and ``#``; nothing moves."""

    def blank(match: re.Match[str]) -> str:
        found = match[0]
        return " " * len(found) if found.startswith(("//", "#")) else found

    return _COMMENTS.sub(blank, text)


def hints_of(text: str) -> frozenset[str]:
    """Words of the hint after the verb: ``/*+ AWAIT */``; StackQL ignores ``/*+AWAIT*/``."""
    match = re.match(r"\s*\w+\s+/\*(\+.*?)\*/", text, re.DOTALL)
    words = match[1].split() if match and match[1][-1:].isspace() else []
    return frozenset(word.upper() for word in words[1:] if words[0] == "+")


@dataclass(frozen=True, slots=True)
class ResourceMention:
    """One table of a statement: ``google.aiplatform.sessions [AS] s``.

    Attributes:
        resource: which it is.
        at: index of its first token.
        end: one after the last token of its name.
        label: how its columns are qualified.
        aliased: it is followed by an alias.
    """

    resource: ProviderResource
    at: int
    end: int
    label: str
    aliased: bool = False


def places(tokens: Sequence[Token]) -> list[ResourceMention]:
    """The resources a statement names as tables.

    Raises:
        UnknownNameError: a service or resource that is not served here.
    """
    found = []
    for index in range(len(tokens)):
        if is_place(tokens, index):
            parts = [name_of(tokens[index + step]) for step in (0, 2, 4)]
            resource = resource_of(parts)
            alias = alias_at(tokens, index + 5)
            label = resource.name if alias is None else alias
            found.append(ResourceMention(resource, index, index + 5, label, alias is not None))
    return found


def parts_at(tokens: Sequence[Token], index: int) -> tuple[list[str], int]:
    """The parts of the dotted name that begins at a token, and the index after it."""
    parts = []
    while index < len(tokens) and tokens[index].kind in (TokenKind.WORD, TokenKind.QUOTED):
        parts.append(name_of(tokens[index]))
        index += 1
        if index >= len(tokens) or tokens[index].text != ".":
            break
        index += 1
    return parts, index


def resource_of(parts: Sequence[str]) -> ProviderResource:
    """The resource of a name in three parts.

    Raises:
        UnknownNameError: it is not served here.
    """
    found = RESOURCES.get(parts[2]) if tuple(parts[:2]) == SERVICE else None
    if found is None:
        known = ", ".join(".".join((*SERVICE, name)) for name in RESOURCES)
        raise UnknownNameError(f"could not find resource '{'.'.join(parts)}'; available: {known}.")
    return found


_NO_ALIAS = frozenset(
    (
        *("WHERE", "SET", "JOIN", "LEFT", "RIGHT", "FULL", "INNER", "CROSS", "NATURAL", "ON"),
        *("GROUP", "ORDER", "LIMIT", "HAVING", "UNION", "EXCEPT", "INTERSECT", "RETURNING"),
        *("SELECT", "VALUES", "USING", "OUTER", "DEFAULT", "INDEXED", "NOT", "WINDOW"),
    )
)


def alias_at(tokens: Sequence[Token], at: int) -> str | None:
    """The alias of an item of FROM whose name ends before a token; None if it has none."""
    if at < len(tokens) and tokens[at].upper == "AS":
        if at + 1 >= len(tokens):
            raise StatementError("syntax error: a name is missing after AS.")
        return name_of(tokens[at + 1])
    named = at < len(tokens) and tokens[at].kind in (TokenKind.WORD, TokenKind.QUOTED)
    return name_of(tokens[at]) if named and tokens[at].upper not in _NO_ALIAS else None
