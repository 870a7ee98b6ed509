"""The shape of a statement, from its tokens: matching brackets, and the clauses of each SELECT."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from typing import NamedTuple

from sessions_vtab.sql.lexer import Token, TokenKind, name_of

Span = tuple[int, int]
"""Token indexes: first, and one after the last."""

_CLAUSES = frozenset(("FROM", "WHERE", "GROUP", "HAVING", "WINDOW", "ORDER", "LIMIT"))
_COMPOUND = frozenset(("UNION", "INTERSECT", "EXCEPT"))


class Block(NamedTuple):
    """One SELECT without its neighbours in a compound.

    Attributes:
        at: index of the SELECT token.
        end: one after its last token.
        items: span of its result columns, without DISTINCT or ALL.
        clauses: span of each clause by its first keyword, without the keywords. ORDER and LIMIT
            are those of the whole compound, found on its last SELECT.
        distinct: it says DISTINCT.
        compound: it is part of a UNION, INTERSECT or EXCEPT.
    """

    at: int
    end: int
    items: Span
    clauses: dict[str, Span]
    distinct: bool
    compound: bool


def partners(tokens: Sequence[Token]) -> dict[int, int]:
    """The index of the closing bracket for each opening one; unmatched ones are left out."""
    open_brackets: list[int] = []
    pairs: dict[int, int] = {}
    for index, token in enumerate(tokens):
        if token.text == "(":
            open_brackets.append(index)
        elif token.text == ")" and open_brackets:
            pairs[open_brackets.pop()] = index
    return pairs


def find(
    tokens: Sequence[Token], span: Span, pairs: dict[int, int], words: frozenset[str]
) -> Iterator[int]:
    """Indexes of tokens in ``words`` within a span, outside of any bracket that opens in it."""
    index, end = span
    while index < end:
        token = tokens[index]
        if token.text == "(" and index in pairs:
            index = pairs[index]
        elif token.upper in words and token.kind in (TokenKind.WORD, TokenKind.OPERATOR):
            yield index
        index += 1


_COMMA = frozenset((",",))


def commas(tokens: Sequence[Token], span: Span, pairs: dict[int, int]) -> list[Span]:
    """The parts of a span between its commas; none for an empty span."""
    return _cut(span, list(find(tokens, span, pairs, _COMMA)))


def _cut(span: Span, places: list[int]) -> list[Span]:
    if span[0] >= span[1]:
        return []
    starts = [span[0], *(place + 1 for place in places)]
    return list(zip(starts, [*places, span[1]], strict=True))


_LOGIC = frozenset(("AND", "OR", "BETWEEN", "CASE", "END"))


def conjuncts(tokens: Sequence[Token], span: Span, pairs: dict[int, int]) -> list[Span]:
    """The parts of a condition that AND joins; the whole span if OR is weaker than its ANDs."""
    places: list[int] = []
    pending = depth = 0
    for index in find(tokens, span, pairs, _LOGIC):
        word = tokens[index].upper
        depth += (word == "CASE") - (word == "END")
        if depth or word in {"CASE", "END"}:
            continue
        if word == "OR":
            return _cut(span, [])
        if word == "BETWEEN":
            pending += 1
        elif pending:
            pending -= 1
        else:
            places.append(index)
    return _cut(span, places)


def disjuncts(tokens: Sequence[Token], span: Span, pairs: dict[int, int]) -> list[Span]:
    """The parts of a condition that OR joins."""
    places, depth = list[int](), 0
    for index in find(tokens, span, pairs, _LOGIC):
        word = tokens[index].upper
        depth += (word == "CASE") - (word == "END")
        places += [index] if word == "OR" and not depth else []
    return _cut(span, places)


def blocks(tokens: Sequence[Token], pairs: dict[int, int]) -> list[Block]:
    """Every SELECT of a statement, in the order of the text."""
    closing = _closing(tokens, pairs)
    return [
        _block(tokens, index, closing[index], pairs)
        for index, token in enumerate(tokens)
        if token.upper == "SELECT" and token.kind is TokenKind.WORD
    ]


def _closing(tokens: Sequence[Token], pairs: dict[int, int]) -> list[int]:
    """For each token the index of the bracket that closes around it, or the number of tokens."""
    ends: list[int] = [len(tokens)]
    result = []
    for index in range(len(tokens)):
        if len(ends) > 1 and index == ends[-1]:
            ends.pop()
        result.append(ends[-1])
        if index in pairs:
            ends.append(pairs[index])
    return result


_AFTER = frozenset(("RETURNING", ";", "SELECT", "CONFLICT"))
_STOPS = _CLAUSES | _COMPOUND | _AFTER


def _block(tokens: Sequence[Token], at: int, limit: int, pairs: dict[int, int]) -> Block:
    marks: list[int] = []
    end, compound = limit, at > 0 and tokens[at - 1].upper in {*_COMPOUND, "ALL"}
    for index in find(tokens, (at + 1, limit), pairs, _STOPS):
        word = tokens[index].upper
        if word == "FROM" and tokens[index - 1].upper == "DISTINCT" and index > at + 2:
            continue
        if word in _COMPOUND or word in _AFTER:
            end, compound = index - (word == "CONFLICT"), compound or word in _COMPOUND
            break
        if tokens[index + 1 : index + 2] and _is_clause(tokens, index):
            marks.append(index)
    first = at + 1
    distinct = first < limit and tokens[first].upper == "DISTINCT"
    if distinct or (first < limit and tokens[first].upper == "ALL"):
        first += 1
    bounds = [*marks, end]
    clauses = {
        tokens[mark].upper: (mark + 1 + (tokens[mark].upper in {"GROUP", "ORDER"}), bounds[n + 1])
        for n, mark in enumerate(marks)
    }
    return Block(at, end, (first, bounds[0]), clauses, distinct, compound)


def _is_clause(tokens: Sequence[Token], index: int) -> bool:
    """GROUP and ORDER need BY; a column may be called ``window``."""
    word = tokens[index].upper
    if word in {"GROUP", "ORDER"}:
        return tokens[index + 1].upper == "BY"
    if word == "WINDOW":
        return tokens[index + 2 : index + 3] != [] and tokens[index + 2].upper == "AS"
    return tokens[index - 1].text != "."


def common_names(tokens: Sequence[Token]) -> set[str]:
    """Names of common table expressions in lower case, which hide tables of the same name.

    ``name AS (`` or ``name (columns) AS [NOT] MATERIALIZED (``.
    """
    names = set()
    for index in range(2, len(tokens)):
        if tokens[index].upper != "AS" or tokens[index].kind is not TokenKind.WORD:
            continue
        follows = tokens[index + 1].upper if index + 1 < len(tokens) else ""
        if follows not in {"(", "NOT", "MATERIALIZED"}:
            continue
        at = index - 1
        if tokens[at].text == ")":
            while at > 0 and tokens[at].text != "(":
                at -= 1
            at -= 1
        if tokens[at - 1].upper in {"WITH", "RECURSIVE", ","}:
            names.add(name_of(tokens[at]).lower())
    return names
