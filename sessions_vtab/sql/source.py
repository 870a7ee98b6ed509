"""A statement as text, tokens, blocks and tree together: from a place in one to the others."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field

from sqlglot import exp

from sessions_vtab.sql.lexer import Token
from sessions_vtab.sql.masked import Masked
from sessions_vtab.sql.parameters import Numbering
from sessions_vtab.sql.shapes import Block, Span, blocks, conjuncts, find

__all__ = ["ParsedStatement", "condition_of_change", "parts", "queries", "terms"]


@dataclass(slots=True)
class ParsedStatement:
    """One statement.

    Attributes:
        text: as written.
        tokens: of the text.
        numbering: of its parameters.
        pairs: matching brackets.
        masked: its tree.
        blocks: its SELECTs.
    """

    text: str
    tokens: Sequence[Token]
    numbering: Numbering
    pairs: dict[int, int]
    masked: Masked
    blocks: list[Block] = field(init=False)

    def __post_init__(self) -> None:
        self.blocks = blocks(self.tokens, self.pairs)

    def block_of(self, at: int) -> Block | None:
        """The innermost SELECT whose FROM holds a token."""
        spans = ((block, block.clauses.get("FROM", (0, 0))) for block in self.blocks)
        inside = [block for block, (first, end) in spans if first <= at < end]
        return max(inside, key=lambda block: block.at, default=None)

    def conjuncts(self, span: Span | None, count: int) -> list[Span | None]:
        """The tokens of each conjunct of a condition; None where tree and tokens do not agree."""
        found = [] if span is None else conjuncts(self.tokens, span, self.pairs)
        return list(found) if len(found) == count else [None] * count

    def slice(self, span: Span | None) -> str:
        """The text of some tokens, with parameters as ``?N``."""
        if span is None or span[0] >= span[1]:
            return ""
        pieces, done = [], self.tokens[span[0]].start
        for index in range(*span):
            number = self.numbering.numbers.get(index)
            if number is not None:
                token = self.tokens[index]
                pieces += [self.text[done : token.start], f"?{number}"]
                done = token.end
        pieces.append(self.text[done : self.tokens[span[1] - 1].end])
        return "".join(pieces)

    def numbers(self, span: Span) -> tuple[int, ...]:
        """The parameters in some tokens."""
        found = [self.numbering.numbers.get(index) for index in range(*span)]
        return tuple(dict.fromkeys(number for number in found if number is not None))

    def column_text(self, column: exp.Column) -> str:
        """A column with its qualifiers, as written."""
        first = column.args.get("db") or column.args.get("table") or column.this
        start, end = self.masked.token_of(first), self.masked.token_of(column.this)
        return self.text[self.tokens[start].start : self.tokens[end].end]


def condition_of_change(tokens: Sequence[Token], target: int, pairs: dict[int, int]) -> Span | None:
    """The condition of an UPDATE or DELETE, without WHERE itself."""
    words = frozenset(("WHERE", "RETURNING", "ORDER", "LIMIT", ";"))
    marks = list(find(tokens, (target + 1, len(tokens)), pairs, words))
    for place, mark in enumerate(marks):
        if tokens[mark].upper == "WHERE":
            end = marks[place + 1] if place + 1 < len(marks) else len(tokens)
            return (mark + 1, end)
    return None


def queries(node: exp.Expression) -> Iterator[exp.Expression]:
    """The nearest queries in an expression, itself included."""
    pending = [node]
    while pending:
        part = pending.pop()
        if isinstance(part, exp.Select | exp.SetOperation):
            yield part
        else:
            pending += part.iter_expressions()


def parts(node: exp.Expression, *names: str) -> Iterator[exp.Expression]:
    """The expressions that are a node's arguments of these names."""
    for name in names:
        value = node.args.get(name)
        for part in value if isinstance(value, list) else [value]:
            if isinstance(part, exp.Expression):
                yield part


def terms(condition: exp.Expression) -> list[exp.Expression]:
    """The conjuncts of a condition, from left to right; brackets are left alone."""
    found: list[exp.Expression] = []
    pending = [condition]
    while pending:
        part = pending.pop()
        if isinstance(part, exp.And):
            pending += [part.expression, part.this]
        else:
            found.append(part)
    return found
