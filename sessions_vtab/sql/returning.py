"""RETURNING taken off a statement, so that it can be answered with what the server said.

The statement without it is executed; its rows are captured; then the list is evaluated by SQLite
as ``SELECT <list> FROM <captured rows> AS <target>``. The rules of SQLite's own RETURNING hold:
https://sqlite.org/lang_returning.html#limitations_and_caveats.

SQLite names a result column after its text: ``name || ?`` is called ``name || ?``; numbered it
would be called ``name || ?1``. So an expression without an alias that an edit touches gets its old
text as its alias.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass

from sessions_vtab.errors import StatementError, UnknownNameError, UnsupportedError
from sessions_vtab.sql.lexer import (
    Edit,
    StatementKind,
    Token,
    TokenKind,
    apply,
    insert,
)
from sessions_vtab.sql.parameters import Numbering
from sessions_vtab.sql.shapes import Span, blocks, commas, find
from sessions_vtab.sql.targets import Target, target_of

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


_RETURNING = frozenset(("RETURNING",))
_SUBQUERY = frozenset(("SELECT", "VALUES", "WITH"))
_ROWID = frozenset(("ROWID", "_ROWID_", "OID"))
_AGGREGATES = frozenset(
    (
        *("AVG", "COUNT", "GROUP_CONCAT", "STRING_AGG", "SUM", "TOTAL", "MEDIAN", "PERCENTILE"),
        *("PERCENTILE_CONT", "PERCENTILE_DISC", "JSON_GROUP_ARRAY", "JSON_GROUP_OBJECT"),
        *("JSONB_GROUP_ARRAY", "JSONB_GROUP_OBJECT"),
    )
)
_ONE_ARGUMENT = frozenset(("MIN", "MAX"))


@dataclass(frozen=True, slots=True)
class Returning:
    """A RETURNING clause.

    Attributes:
        target: the table that is changed.
        select_list: the list, parameters as ``?N``, with the original column names.
        parameters: the largest parameter number in the list: it is executed with that many values.
        cut: the edit that takes the clause off the statement.
    """

    target: Target
    select_list: str
    parameters: int
    cut: Edit


def returning_of(
    text: str,
    tokens: Sequence[Token],
    kind: StatementKind,
    numbering: Numbering,
    pairs: dict[int, int],
) -> Returning | None:
    """The RETURNING clause of a statement; None if it has none.

    Raises:
        UnsupportedError: aggregates, window functions and ``table.*`` in the list.
        UnknownNameError: ``rowid`` in the list.
    """
    target = target_of(tokens, kind)
    if target is None:
        return None
    places = list(find(tokens, (target.end, len(tokens)), pairs, _RETURNING))
    if not places or tokens[places[-1] - 1].text == ".":
        return None
    at = places[-1]
    end = len(tokens) - (tokens[-1].text == ";")
    if at + 1 >= end:
        return None
    span = (at + 1, end)
    items = commas(tokens, span, pairs)
    _check(tokens, items, pairs)
    used = [mine for index, mine in numbering.numbers.items() if at < index]
    return Returning(
        target,
        _list_text(text, tokens, items, numbering),
        max(used, default=0),
        Edit(tokens[at - 1].end, tokens[end - 1].end, ""),
    )


def select_text(returning: Returning, source: str) -> str:
    """The statement that evaluates the list over captured rows.

    Args:
        returning: the clause.
        source: what holds the captured rows, as written after FROM.
    """
    label = returning.target.label.replace('"', '""')
    return f'SELECT {returning.select_list} FROM {source} AS "{label}"'


def _list_text(
    text: str, tokens: Sequence[Token], items: Sequence[Span], numbering: Numbering
) -> str:
    start, end = tokens[items[0][0]].start, tokens[items[-1][1] - 1].end
    edits = [edit for edit in numbering.edits(tokens) if start <= edit.start < end]
    edits += keep_items(text, tokens, items, edits)
    moved = [Edit(at - start, to - start, new, rank) for at, to, new, rank in edits]
    return apply(text[start:end], moved)


def _check(tokens: Sequence[Token], items: Sequence[Span], pairs: dict[int, int]) -> None:
    for first, end in items:
        if first >= end:
            raise StatementError("RETURNING: an expression is missing.")
        for index in _outside_subqueries(tokens, (first, end), pairs):
            _check_token(tokens, index, pairs)


def _outside_subqueries(
    tokens: Sequence[Token], span: Span, pairs: dict[int, int]
) -> Iterator[int]:
    index, end = span
    while index < end:
        if index in pairs and tokens[index + 1].upper in _SUBQUERY:
            index = pairs[index]
        else:
            yield index
        index += 1


def _check_token(tokens: Sequence[Token], index: int, pairs: dict[int, int]) -> None:
    token = tokens[index]
    if token.text == "*" and tokens[index - 1].text == ".":
        raise UnsupportedError('RETURNING may not use "TABLE.*" wildcards; write * or the columns.')
    called = index + 1 in pairs and token.kind is TokenKind.WORD
    if called and _aggregates(tokens, index, pairs):
        raise UnsupportedError(
            f"RETURNING may not use the aggregate or window function {token.text}(): it"
            " returns one row for each row written."
        )
    if token.upper in _ROWID and not called and token.kind is not TokenKind.STRING:
        raise UnknownNameError(f"no such column: {token.text} (the table is WITHOUT ROWID)")


def _aggregates(tokens: Sequence[Token], index: int, pairs: dict[int, int]) -> bool:
    name, closing = tokens[index].upper, pairs[index + 1]
    follows = tokens[closing + 1].upper if closing + 1 < len(tokens) else ""
    if name in _AGGREGATES or follows in {"OVER", "FILTER"}:
        return True
    return name in _ONE_ARGUMENT and len(commas(tokens, (index + 2, closing), pairs)) == 1
