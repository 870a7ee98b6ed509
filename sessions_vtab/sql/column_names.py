"""Names of result columns: SQLite names a column after its text, which splices would change.

``name || ?`` is called ``name || ?``; numbered it would be called ``name || ?1``. So an expression
without an alias that an edit touches gets its old text as its alias.
"""

from __future__ import annotations

from collections.abc import Sequence

from sessions_vtab.sql.lexer import Token, TokenKind
from sessions_vtab.sql.shapes import Span, blocks, commas
from sessions_vtab.sql.splice import Edit, insert

__all__ = ["column_name_of", "has_alias", "keep_column_names", "keep_items"]

_NAMES = frozenset((TokenKind.WORD, TokenKind.QUOTED, TokenKind.STRING))
_OPERANDS = frozenset(
    (
        TokenKind.WORD,
        TokenKind.QUOTED,
        TokenKind.STRING,
        TokenKind.NUMBER,
        TokenKind.BLOB,
        TokenKind.PARAMETER,
    )
)
_LAST_OF_EXPRESSION = frozenset(("END", "NULL", "ISNULL", "NOTNULL"))
_WANTS_OPERAND = frozenset(
    (
        *("AND", "OR", "NOT", "IS", "IN", "LIKE", "GLOB", "MATCH", "REGEXP", "BETWEEN", "COLLATE"),
        *("ESCAPE", "OVER", "DISTINCT", "CASE", "WHEN", "THEN", "ELSE", "FROM", "EXISTS"),
    )
)


def has_alias(tokens: Sequence[Token], item: Span) -> bool:
    """Whether a result column says how it is called, with or without AS."""
    first, end = item
    if end - first < 2 or tokens[end - 1].kind not in _NAMES:  # noqa: PLR2004
        return False
    last, before = tokens[end - 1], tokens[end - 2]
    if before.upper == "AS" and before.kind is TokenKind.WORD:
        return True
    if last.kind is TokenKind.WORD and last.upper in _LAST_OF_EXPRESSION:
        return False
    if before.kind is TokenKind.WORD and before.upper in _WANTS_OPERAND:
        return False
    return before.kind in _OPERANDS or before.text == ")"


def column_name_of(text: str, tokens: Sequence[Token], item: Span) -> str:
    """The text SQLite takes as the name: up to the next token, so with comments after it."""
    end = tokens[item[1]].start if item[1] < len(tokens) else len(text)
    return text[tokens[item[0]].start : end].rstrip(" \t\n\f\r")


def keep_items(
    text: str, tokens: Sequence[Token], items: Sequence[Span], edits: Sequence[Edit]
) -> list[Edit]:
    """Aliases for those result columns that lack one and that an edit changes."""
    return [
        _alias(text, tokens, item)
        for item in items
        if _touched(tokens, item, edits) and not has_alias(tokens, item)
    ]


def keep_column_names(
    text: str, tokens: Sequence[Token], pairs: dict[int, int], edits: Sequence[Edit]
) -> list[Edit]:
    """As ``keep_items`` for the result columns of every SELECT in a statement."""
    aliases: list[Edit] = []
    for block in blocks(tokens, pairs):
        items = commas(tokens, block.items, pairs)
        aliases += keep_items(text, tokens, items, edits)
    return aliases


def _alias(text: str, tokens: Sequence[Token], item: Span) -> Edit:
    old = column_name_of(text, tokens, item).replace('"', '""')
    return insert(tokens[item[1] - 1].end, f' AS "{old}"', rank=-1)


def _touched(tokens: Sequence[Token], item: Span, edits: Sequence[Edit]) -> bool:
    if item[0] >= item[1]:
        return False
    start, end = tokens[item[0]].start, tokens[item[1] - 1].end
    return any(start <= edit.start and edit.end <= end for edit in edits)
