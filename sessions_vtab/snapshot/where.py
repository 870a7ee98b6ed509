"""The condition of a snapshot: text of the user's that must be an expression and no more."""

from __future__ import annotations

from typing import Final

from sessions_vtab.errors import InvalidValueError
from sessions_vtab.sql.lexer import Kind, tokenize

__all__ = ["check_condition"]

# Behind a parenthesis they would be a subquery, whose only value is hardly what was meant.
_STATEMENTS: Final = frozenset(("SELECT", "VALUES", "WITH"))


def check_condition(text: str) -> str:
    """The condition itself.

    It is put between parentheses, so it must not close them, nor end the statement; what is
    inside balanced parentheses can only be an expression there, or SQLite refuses it.

    Raises:
        InvalidValueError: it could be more than an expression, or has parameters.
    """
    depth = 0
    tokens = tokenize(text)
    if tokens and tokens[0].upper in _STATEMENTS:
        raise _refused(f"{tokens[0].upper} begins a statement")
    for token in tokens:
        depth += (token.text == "(") - (token.text == ")")
        if depth < 0 or token.text == ";" or token.kind is Kind.ILLEGAL:
            raise _refused(f"{token.text[:1]!r} at character {token.start + 1} ends the expression")
        if token.kind is Kind.PARAMETER:
            raise _refused(f"{token.text[:20]} has no value; write the value instead")
    if depth or not tokens:
        raise _refused("a parenthesis is not closed" if depth else "it is empty")
    return text


def _refused(reason: str) -> InvalidValueError:
    """The text itself is not shown: the id of a session can be a secret."""
    return InvalidValueError(
        f"The condition on sessions is not a valid SQL expression: {reason}. Give the text"
        " that would follow WHERE, such as user_id = 'u1'."
    )
