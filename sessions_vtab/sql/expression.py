"""A condition given as text, of a snapshot or scan: it must be an expression and no more."""

from __future__ import annotations

from collections.abc import Collection, Iterator, Sequence
from typing import Final

from sessions_vtab.contract.model import quoted
from sessions_vtab.errors import InvalidValueError
from sessions_vtab.sql.lexer import Token, TokenKind, apply, insert, name_of, tokenize
from sessions_vtab.sql.shapes import common_names

# After the opening parenthesis, they would be a scalar subquery, which is hardly what was meant.
_STATEMENTS: Final = frozenset(("SELECT", "VALUES", "WITH"))
_QUOTES: Final = frozenset("'\"`[")
_FROM: Final = frozenset(("FROM", "JOIN"))
# After these, a comma does not lead to another item of FROM.
_AFTER_FROM: Final = frozenset(
    ("WHERE", "GROUP", "HAVING", "WINDOW", "ORDER", "LIMIT", "UNION", "EXCEPT", "INTERSECT")
)


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
        if token.kind is TokenKind.ILLEGAL:
            raise _refused(
                table,
                f"the {place} opens a text that is not closed"
                if token.text[:1] in _QUOTES
                else f"the {place} is not SQL",
            )
        if depth < 0 or token.text == ";":
            raise _refused(table, f"the {place} ends the expression")
        if token.kind is TokenKind.PARAMETER:
            raise _refused(
                table, f"the parameter {token.text[:20]} has no value; write the value itself"
            )
    if depth or not tokens:
        raise _refused(table, "a parenthesis is not closed" if depth else "it is empty")
    return text


def within(text: str, source: str, tables: Collection[str]) -> str:
    """The condition with the source's name before each of its tables that has no schema.

    SQLite would take the default source's table of that name.

    Args:
        text: the condition.
        source: the source's name.
        tables: names of its tables and functions.
    """
    tokens = tokenize(text)
    known = {name.lower() for name in tables} - common_names(tokens)
    return apply(
        text,
        [
            insert(token.start, f"{quoted(source)}.")
            for token in _tables(tokens)
            if name_of(token).lower() in known
        ],
    )


def _tables(tokens: Sequence[Token]) -> Iterator[Token]:
    """The tokens that name a table without a schema: items of FROM, and names after IN."""
    enclosing: list[bool] = []
    in_from = item = False
    for place, token in enumerate(tokens):
        after = tokens[place + 1].upper if place + 1 < len(tokens) else ""
        if token.text == "(":
            enclosing.append(in_from)
            in_from = item = item and after not in _STATEMENTS
        elif token.text == ")":
            in_from, item = bool(enclosing) and enclosing.pop(), False
        elif token.text == ",":
            item = in_from
        elif token.upper in _FROM and token.kind is TokenKind.WORD:
            # IS DISTINCT FROM compares.
            in_from = item = place == 0 or tokens[place - 1].upper != "DISTINCT"
        elif token.upper == "IN" and token.kind is TokenKind.WORD:
            item = after != "("
        elif token.upper in _AFTER_FROM and token.kind is TokenKind.WORD:
            in_from = item = False
        else:
            if item and token.kind in {TokenKind.WORD, TokenKind.QUOTED} and after != ".":
                yield token
            item = False


def _refused(table: str, reason: str) -> InvalidValueError:
    """The text itself is not shown: the id of a session can be a secret."""
    return InvalidValueError(
        f"The condition on {table} is not a valid SQL expression: {reason}. Give the text"
        " that would follow WHERE, such as user_id = 'u1'."
    )
