"""ATTACH: which file, under which name (https://sqlite.org/lang_attach.html)."""

from __future__ import annotations

from collections.abc import Sequence
from typing import NamedTuple

from sessions_vtab.contract.predicate import literal
from sessions_vtab.sql.lexer import Edit, Token, TokenKind, apply, name_of
from sessions_vtab.sql.parameters import number
from sessions_vtab.sql.shapes import Span, find, partners

_AS = frozenset(("AS",))
_ENDS = frozenset((";", "KEY"))


class Attached(NamedTuple):
    """What an ATTACH statement says, as SQL expressions with numbered parameters.

    Attributes:
        file: the file's name.
        schema: the name it is to have.
        parameters: how many values the two take.
    """

    file: str
    schema: str
    parameters: int


def attached(text: str, tokens: Sequence[Token]) -> Attached | None:
    """The parts of an ATTACH statement; None if SQLite would not run it."""
    first = 2 if len(tokens) > 1 and tokens[1].upper == "DATABASE" else 1
    pairs = partners(tokens)
    mark = next(find(tokens, (first, len(tokens)), pairs, _AS), None)
    if mark is None or mark == first:
        return None
    end = next(find(tokens, (mark, len(tokens)), pairs, _ENDS), len(tokens))
    if end <= mark + 1:
        return None
    numbering = number(tokens)
    edits = numbering.edits(tokens)
    file, schema = (
        _expression(text, tokens, span, edits) for span in ((first, mark), (mark + 1, end))
    )
    return Attached(file, schema, numbering.count)


def _expression(text: str, tokens: Sequence[Token], span: Span, edits: Sequence[Edit]) -> str:
    """An expression; a single name is a text here."""
    first, end = span
    if end - first == 1 and tokens[first].kind in (TokenKind.WORD, TokenKind.QUOTED):
        return literal(name_of(tokens[first]))
    start, stop = tokens[first].start, tokens[end - 1].end
    inside = [
        Edit(one.start - start, one.end - start, one.text)
        for one in edits
        if start <= one.start and one.end <= stop
    ]
    return apply(text[start:stop], inside)
