"""What INSERT, UPDATE and DELETE write to, and what they say about conflicts."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from typing import NamedTuple

from sessions_vtab.errors import UnsupportedError
from sessions_vtab.sql.lexer import Edit, StatementKind, Token, TokenKind, insert, name_of
from sessions_vtab.sql.shapes import commas, find

_NAMES = frozenset((TokenKind.WORD, TokenKind.QUOTED, TokenKind.STRING))


class Target(NamedTuple):
    """The table a statement changes.

    Attributes:
        schema: as named before the dot; None if it was not.
        name: the table's name.
        alias: the name after AS; None if there is none.
        at: index of the name's token.
        end: one after the last token of name and alias.
    """

    schema: str | None
    name: str
    alias: str | None
    at: int
    end: int

    @property
    def label(self) -> str:
        """How columns of it are qualified."""
        return self.alias or self.name


def target_of(tokens: Sequence[Token], kind: StatementKind) -> Target | None:
    """The target of a statement; None if it is not an INSERT, REPLACE, UPDATE or DELETE."""
    if not kind.changes:
        return None
    at = kind.at + 1
    if _word(tokens, at) == "OR":
        at += 2
    if _word(tokens, at) in {"INTO", "FROM"}:
        at += 1
    schema = None
    if _text(tokens, at + 1) == ".":
        schema, at = name_of(tokens[at]), at + 2
    if at >= len(tokens) or tokens[at].kind not in _NAMES:
        return None
    aliased = _word(tokens, at + 1) == "AS" and at + 2 < len(tokens)
    alias = name_of(tokens[at + 2]) if aliased else None
    return Target(schema, name_of(tokens[at]), alias, at, at + (3 if aliased else 1))


def assigned_columns(
    tokens: Sequence[Token], target: Target, pairs: dict[int, int]
) -> Iterator[str]:
    """The columns that an UPDATE sets to anything but themselves, as they are written.

    Args:
        tokens: of the statement.
        target: the table that it changes.
        pairs: matching brackets.
    """
    marks = [*find(tokens, (target.end, len(tokens)), pairs, _SET), len(tokens)]
    for start, end in commas(tokens, (marks[0] + 1, marks[1]), pairs):
        if start in pairs:
            for first, _ in commas(tokens, (start + 1, pairs[start]), pairs):
                yield name_of(tokens[first])
        elif not _is_itself(tokens[start:end]):
            yield name_of(tokens[start])


def _is_itself(assignment: Sequence[Token]) -> bool:
    """Whether it is ``column = column`` or ``column = t.column``."""
    column, *between, value = assignment
    own = value.kind <= TokenKind.QUOTED and name_of(value).lower() == name_of(column).lower()
    words = [token.text for token in between]
    return own and (words == ["="] or words[::2] == ["=", "."])


_SET = frozenset(("SET", "FROM", "WHERE", "ORDER", "LIMIT", "RETURNING", ";"))


def creates_table(tokens: Sequence[Token], kind: StatementKind) -> bool:
    """Whether it is CREATE [TEMP] TABLE, as opposed to a view, trigger or virtual table."""
    if kind.verb != "CREATE":
        return False
    words = [token.upper for token in tokens[kind.at + 1 : kind.at + 3]]
    return words[:1] == ["TABLE"] or (words[:1] in (["TEMP"], ["TEMPORARY"]) and "TABLE" in words)


class Conflict(NamedTuple):
    """What is to happen to a row that exists already.

    Attributes:
        action: IGNORE, ABORT, FAIL or ROLLBACK; empty where the statement does not say.
        columns: the columns ON CONFLICT names, in lower case; empty for any.
        edits: what turns ON CONFLICT DO NOTHING into OR IGNORE.
    """

    action: str = ""
    columns: tuple[str, ...] = ()
    edits: tuple[Edit, ...] = ()


_NONE = Conflict()
_CONFLICT = frozenset(("CONFLICT",))


def conflict_of(
    tokens: Sequence[Token], kind: StatementKind, pairs: dict[int, int], table: str
) -> Conflict:
    """The conflict clause of an INSERT, REPLACE or UPDATE.

    Args:
        tokens: of the statement.
        kind: of the statement.
        pairs: matching brackets.
        table: ``schema.table`` for the error.

    Raises:
        UnsupportedError: REPLACE and DO UPDATE, which a session service does not have.
    """
    verb = tokens[kind.at]
    action = _word(tokens, kind.at + 2) if _word(tokens, kind.at + 1) == "OR" else ""
    if verb.upper == "REPLACE" or (verb.upper == "INSERT" and action == "REPLACE"):
        raise _refused(table, "REPLACE")
    clauses = _clauses(tokens, kind, pairs)
    if not clauses:
        return Conflict(action) if action else _NONE
    columns: tuple[str, ...] = ()
    for start, end in clauses:
        columns = columns or _columns(tokens, start, pairs)
        if [token.upper for token in tokens[end - 2 : end]] != ["DO", "NOTHING"]:
            raise _refused(table, "ON CONFLICT DO UPDATE")
    cut = Edit(tokens[clauses[0][0] - 1].end, tokens[clauses[-1][1] - 1].end, "")
    return Conflict("IGNORE", columns, (_ignore(tokens, kind, action), cut))


def _ignore(tokens: Sequence[Token], kind: StatementKind, action: str) -> Edit:
    if action:
        old = tokens[kind.at + 2]
        return Edit(old.start, old.end, "IGNORE")
    return insert(tokens[kind.at].end, " OR IGNORE")


def _clauses(
    tokens: Sequence[Token], kind: StatementKind, pairs: dict[int, int]
) -> list[tuple[int, int]]:
    """Spans of the ON CONFLICT clauses, which are the last thing before RETURNING."""
    stop = next(find(tokens, (kind.at, len(tokens)), pairs, _LAST), len(tokens))
    starts = [
        index - 1
        for index in find(tokens, (kind.at, stop), pairs, _CONFLICT)
        if tokens[index - 1].upper == "ON" and _text(tokens, index + 1).upper() in {"DO", "("}
    ]
    return list(zip(starts, [*starts, stop][1:], strict=True))


_LAST = frozenset(("RETURNING", ";"))


def _columns(tokens: Sequence[Token], start: int, pairs: dict[int, int]) -> tuple[str, ...]:
    bracket = start + 2
    if bracket not in pairs:
        return ()
    parts = commas(tokens, (bracket + 1, pairs[bracket]), pairs)
    return tuple(name_of(tokens[first]).lower() for first, _ in parts)


def _refused(table: str, what: str) -> UnsupportedError:
    return UnsupportedError(
        f"{table}: {what} is not possible, because the service has no such operation. Use"
        f" UPDATE {table} SET .. for existing rows, or INSERT OR IGNORE to skip"
        " them."
    )


def _word(tokens: Sequence[Token], index: int) -> str:
    return tokens[index].upper if index < len(tokens) else ""


def _text(tokens: Sequence[Token], index: int) -> str:
    return tokens[index].text if index < len(tokens) else ""
