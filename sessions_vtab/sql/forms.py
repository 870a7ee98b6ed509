"""Literals that no value of a column can equal, said before anything is sent.

``session_id = 'latest'`` finds nothing where every id is a UUID: most likely it is a mistake. Only
what is written in the statement is judged, where the whole condition depends on it. A value from
data, or one of several alternatives, matches no row, as SQL has it.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence

from sessions_vtab.errors import InvalidValueError
from sessions_vtab.sql.catalog import Catalog, OurTable
from sessions_vtab.sql.lexer import StatementKind, Token, TokenKind, name_of
from sessions_vtab.sql.shapes import Span, blocks, conjuncts, find

__all__ = ["require_form"]

_NAMED = (TokenKind.WORD, TokenKind.QUOTED)
_WHERE = frozenset(("WHERE",))
_ENDS = frozenset(("RETURNING", "ORDER", "LIMIT", ";"))


def require_form(
    tokens: Sequence[Token], kind: StatementKind, pairs: dict[int, int], catalog: Catalog
) -> None:
    """Checks the literals that WHERE compares with a column by ``=``.

    Raises:
        InvalidValueError: one that no row can have.
    """
    texts = {token.text for token in tokens if token.kind is TokenKind.STRING}
    if not texts:
        return
    for tables, where in _wheres(tokens, kind, pairs):
        for span in conjuncts(tokens, where, pairs):
            label, column, literal = _equality(tokens, span)
            if column and literal is not None:
                _judge(_found(tokens, tables, catalog, label), column, literal)


def _wheres(
    tokens: Sequence[Token], kind: StatementKind, pairs: dict[int, int]
) -> Iterator[tuple[Span, Span]]:
    """Each WHERE clause with the span that names its tables."""
    for block in blocks(tokens, pairs):
        if {"FROM", "WHERE"} <= block.clauses.keys():
            yield block.clauses["FROM"], block.clauses["WHERE"]
    if kind.verb in {"UPDATE", "DELETE"}:
        every = (kind.at, len(tokens))
        mark = next(find(tokens, every, pairs, _WHERE), None)
        if mark is not None:
            end = next(find(tokens, (mark, len(tokens)), pairs, _ENDS), len(tokens))
            yield (kind.at + 1, mark), (mark + 1, end)


def _equality(tokens: Sequence[Token], span: Span) -> tuple[str, str, str | None]:
    """Qualifier, column and literal of ``column = 'literal'``; empty for anything else."""
    part = tokens[slice(*span)]
    label = ""
    if len(part) == 5 and part[1].text == ".":  # noqa: PLR2004  # label . column = literal
        label, part = name_of(part[0]).lower(), part[2:]
    shaped = len(part) == 3 and part[0].kind in _NAMED and part[1].text in {"=", "=="}  # noqa: PLR2004
    if not shaped or part[2].kind is not TokenKind.STRING:
        return "", "", None
    return label, name_of(part[0]).lower(), name_of(part[2])


def _found(tokens: Sequence[Token], span: Span, catalog: Catalog, label: str) -> Iterator[OurTable]:
    """The tables of a span, those of one label if there is one."""
    for at in range(*span):
        token = tokens[at]
        if token.kind not in _NAMED or name_of(token).lower() not in catalog.table_names:
            continue
        qualified = at - 2 >= span[0] and tokens[at - 1].text == "."
        schema = name_of(tokens[at - 2]) if qualified else None
        if label in {"", _label(tokens, at)}:
            found = catalog.resolve(schema, name_of(token))
            if found is not None:
                yield found


def _label(tokens: Sequence[Token], at: int) -> str:
    following = at + 1
    if following < len(tokens) and tokens[following].upper == "AS":
        following += 1
    is_alias = following < len(tokens) and (
        following > at + 1
        or (tokens[following].kind in _NAMED and tokens[following].upper not in _WORDS)
    )
    return name_of(tokens[following] if is_alias else tokens[at]).lower()


_WORDS = frozenset(
    ("WHERE", "SET", "JOIN", "LEFT", "RIGHT", "FULL", "INNER", "CROSS", "NATURAL", "ON", "USING")
)


def _judge(tables: Iterator[OurTable], column: str, literal: str) -> None:
    found = [one for one in tables if column in one.table.positions]
    if len(found) != 1:
        return  # SQLite will say that it is ambiguous, or whose column it is.
    form = found[0].capability.forms.get(column)
    if form is not None and not form.fits(literal):
        raise InvalidValueError(
            f"{found[0].title}.{column} = {literal!r:.60} is not a valid {form.says}."
            " Nothing was sent."
        )
