"""``(a, b) IN (SELECT ..)``: kept away from virtual tables, where SQLite checks it wrongly.

SQLite offers a virtual table one ``=`` for each column of the row and afterwards checks each value
that it handed over, but with the affinity of the column alone (``sqlite3WhereCodeOneLoopStart``
compares the column with a register, 3.53.4). The value's own affinity is lost: an integer of a
column without type equals the text '5', and that of an INTEGER column no longer equals '05'. A
unary plus in front of the condition keeps its value and makes SQLite check it as it is written.
Literals and parameters have no affinity, so rows of VALUES with nothing else are left alone.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence

from sessions_vtab.sql.lexer import Edit, Token, TokenKind, insert
from sessions_vtab.sql.shapes import commas

_BEFORE = frozenset(
    (
        *("WHERE", "ON", "HAVING", "AND", "OR", "NOT", "SELECT", "DISTINCT", "ALL", "BY"),
        *("CASE", "WHEN", "THEN", "ELSE", "SET", "RETURNING", "(", ",", "="),
    )
)
_PLAIN = (
    TokenKind.NUMBER,
    TokenKind.STRING,
    TokenKind.BLOB,
    TokenKind.PARAMETER,
    TokenKind.OPERATOR,
)


def keep_row_values(tokens: Sequence[Token], pairs: Mapping[int, int]) -> Iterator[Edit]:
    """The edits that make SQLite check IN with a row of columns by itself.

    Args:
        tokens: of the statement.
        pairs: matching brackets.
    """
    for first, last in pairs.items():
        values = _values_of(tokens, last)
        if values not in pairs or not _is_row(tokens, first, pairs):
            continue
        end = pairs[values]
        if not _is_plain(tokens[values + 1 : end]):
            yield insert(tokens[first].start, "+(")
            yield insert(tokens[end].end, ")", rank=-2)


def _values_of(tokens: Sequence[Token], last: int) -> int:
    """Index of the bracket after ``) IN`` or ``) NOT IN``; -1 if something else follows."""
    words = [token.upper for token in tokens[last + 1 : last + 4]]
    if words[:2] == ["IN", "("]:
        return last + 2
    return last + 3 if words == ["NOT", "IN", "("] else -1


def _is_row(tokens: Sequence[Token], first: int, pairs: Mapping[int, int]) -> bool:
    """Whether a bracket is a row of values, not the arguments of a function or a subquery."""
    if first == 0 or tokens[first - 1].upper not in _BEFORE:
        return False
    several = len(commas(tokens, (first + 1, pairs[first]), dict(pairs))) > 1
    return several and tokens[first + 1].upper not in {"SELECT", "WITH", "VALUES"}


def _is_plain(tokens: Sequence[Token]) -> bool:
    """Whether it is VALUES of literals and parameters."""
    allowed = {"VALUES", "NULL", "TRUE", "FALSE"}
    return tokens[0].upper == "VALUES" and all(
        token.kind in _PLAIN or token.upper in allowed for token in tokens
    )
