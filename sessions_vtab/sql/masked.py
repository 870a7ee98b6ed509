"""A statement as sqlglot can read it, with the way back to SQLite's tokens.

sqlglot reads ``?1`` as an error, ``1_000`` as an alias, ``+a`` as ``a``, and stops at ``OR IGNORE``
and NOT INDEXED. So it gets the tokens one by one, blanks between them, with these replaced.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import sqlglot
from sqlglot import exp
from sqlglot.dialects.sqlite import SQLite
from sqlglot.errors import SqlglotError

from sessions_vtab.sql.lexer import StatementKind, Token, TokenKind
from sessions_vtab.sql.shapes import find

__all__ = ["Masked", "read"]


class _Dialect(SQLite):
    """SQLite, with the path behind ``->>`` left as it is written."""

    def to_json_path(self, path: exp.Expr | None) -> exp.Expr | None:
        return path


@dataclass(frozen=True, slots=True)
class Masked:
    """A statement's tree.

    Attributes:
        tree: of sqlglot.
        tokens: index of the token at each position in the masked text.
    """

    tree: exp.Expression
    tokens: Mapping[int, int]

    def token_of(self, identifier: object) -> int:
        """Index of an identifier's token; -1 if it is not known."""
        if not isinstance(identifier, exp.Identifier):
            return -1
        return self.tokens.get(identifier.meta.get("start", -1), -1)


_LONG = 18  # 0x and 16 digits may be negative in SQLite: such a number is not understood.
_CUT_AT = frozenset(("RETURNING", "CONFLICT", ";"))
_BEFORE_UNARY = frozenset(
    (
        *("AND", "OR", "NOT", "IS", "IN", "LIKE", "GLOB", "MATCH", "REGEXP", "BETWEEN", "WHEN"),
        *("THEN", "ELSE", "CASE", "WHERE", "ON", "HAVING", "BY", "SELECT", "DISTINCT", "ALL"),
        *("ESCAPE", "LIMIT", "OFFSET", "FROM", "SET", "COLLATE", "RETURNING", "VALUES"),
    )
)


def read(
    tokens: Sequence[Token],
    kind: StatementKind,
    numbers: Mapping[int, int],
    pairs: dict[int, int],
) -> Masked | None:
    """The tree of a statement; None if sqlglot cannot read it.

    Args:
        tokens: of the statement.
        kind: of the statement.
        numbers: parameter numbers by token index.
        pairs: matching brackets.
    """
    pieces: list[str] = []
    places: dict[int, int] = {}
    length = 0
    for index in _tokens_for_sqlglot(tokens, kind, pairs):
        if tokens[index].kind is TokenKind.ILLEGAL:
            return None
        piece = f"@{numbers[index]}" if index in numbers else _mask(tokens, index, kind)
        places[length] = index
        pieces.append(piece)
        length += len(piece) + 1
    if not pieces:
        return None
    try:
        trees = sqlglot.parse(" ".join(pieces), dialect=_Dialect)
    except (SqlglotError, RecursionError):
        return None
    tree = trees[0] if len(trees) == 1 else None
    if not isinstance(tree, exp.Expression) or isinstance(tree, exp.Command):
        return None
    return Masked(tree, places)


def _tokens_for_sqlglot(
    tokens: Sequence[Token], kind: StatementKind, pairs: dict[int, int]
) -> list[int]:
    """Indexes of the tokens that are passed to sqlglot."""
    end = len(tokens)
    for index in find(tokens, (kind.at, end), pairs, _CUT_AT):
        if tokens[index - 1].text != "." and (
            tokens[index].upper != "CONFLICT" or _on(tokens, index)
        ):
            end = index - (tokens[index].upper == "CONFLICT")
            break
    wanted = []
    for index in range(_first(tokens, kind, pairs), end):
        conflict = kind.changes and index in (kind.at + 1, kind.at + 2)
        if conflict and tokens[kind.at + 1].upper == "OR":
            continue
        if not _is_hint(tokens, index):
            wanted.append(index)
    return wanted


def _first(tokens: Sequence[Token], kind: StatementKind, pairs: dict[int, int]) -> int:
    """Where reading begins: of CREATE TABLE .. AS only the query is read."""
    if kind.verb != "CREATE":
        return kind.first
    return 1 + next(find(tokens, (kind.at, len(tokens)), pairs, _AS), len(tokens))


_AS = frozenset(("AS",))


def _on(tokens: Sequence[Token], index: int) -> bool:
    return tokens[index - 1].upper == "ON"


def _is_hint(tokens: Sequence[Token], index: int) -> bool:
    """Whether a token belongs to NOT INDEXED or INDEXED BY name."""
    word = tokens[index].upper
    after = [token.upper for token in tokens[index + 1 : index + 3]]
    before = [token.upper for token in tokens[max(index - 2, 0) : index]]
    if word == "NOT":
        return after[:1] == ["INDEXED"]
    if word == "INDEXED":
        return after[:1] == ["BY"] or before[-1:] == ["NOT"]
    return (before[-1:] == ["INDEXED"] and word == "BY") or before == ["INDEXED", "BY"]


def _mask(tokens: Sequence[Token], index: int, kind: StatementKind) -> str:
    token = tokens[index]
    if token.kind is TokenKind.NUMBER:
        plain = token.text.replace("_", "")
        if plain[:2] not in ("0x", "0X"):
            return plain
        return str(int(plain, 16)) if len(plain) < _LONG else "~0"
    if index == kind.at and token.upper == "REPLACE":
        return "INSERT"
    if token.text == "+" and _is_unary(tokens[index - 1] if index else None):
        return "~"
    return token.text


def _is_unary(before: Token | None) -> bool:
    if before is None or (before.kind is TokenKind.OPERATOR and before.text != ")"):
        return True
    return before.kind is TokenKind.WORD and before.upper in _BEFORE_UNARY
