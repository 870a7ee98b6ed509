"""A condition given as text, of a snapshot or scan: it must be an expression and no more."""

from __future__ import annotations

from typing import Final

from sessions_vtab.errors import InvalidValueError
from sessions_vtab.sql.lexer import Kind, tokenize

__all__ = ["check_condition"]

# After the opening parenthesis, they would be a scalar subquery, which is hardly what was meant.
_STATEMENTS: Final = frozenset(("SELECT", "VALUES", "WITH"))
_QUOTES: Final = frozenset("'\"`[")


def check_condition(text: str, table: str = "sessions") -> str:
    """The condition itself.

    It is put between parentheses, so it must not close them, nor end the statement; what is
    inside balanced parentheses can only be an expression there, or SQLite refuses it.

    Args:
        text: what would follow WHERE.
        table: what it is about, for errors.

    Raises:
        InvalidValueError: it could be more than an expression, or has parameters.
    """
    depth = 0
    tokens = tokenize(text)
    if tokens and tokens[0].upper in _STATEMENTS:
        raise _refused(table, f"it begins with {tokens[0].upper}, so it is a statement")
    for token in tokens:
        depth += (token.text == "(") - (token.text == ")")
        place = f"{token.text[:1]} at character {token.start + 1}"
        if token.kind is Kind.ILLEGAL:
            raise _refused(
                table,
                f"the {place} opens a text that is not closed"
                if token.text[:1] in _QUOTES
                else f"the {place} is not SQL",
            )
        if depth < 0 or token.text == ";":
            raise _refused(table, f"the {place} ends the expression")
        if token.kind is Kind.PARAMETER:
            raise _refused(
                table, f"the parameter {token.text[:20]} has no value; write the value itself"
            )
    if depth or not tokens:
        raise _refused(table, "a parenthesis is not closed" if depth else "it is empty")
    return text


def _refused(table: str, reason: str) -> InvalidValueError:
    """The text itself is not shown: the id of a session can be a secret."""
    return InvalidValueError(
        f"The condition on {table} is not a valid SQL expression: {reason}. Give the text"
        " that would follow WHERE, such as user_id = 'u1'."
    )
