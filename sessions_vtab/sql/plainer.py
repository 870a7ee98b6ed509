"""Says plainly what a statement says in a way that SQLite, or what is moved later, cannot use.

* ``a RIGHT JOIN b ON c`` becomes ``b LEFT JOIN a ON c``, beside which SQLite offers conditions to
  tables. Where one of them is a bracketed join, whose names are not followed, its brackets go.
* ``x IN (VALUES (1), (2))`` becomes ``x IN (1, 2)``: literals and parameters have no affinity, so
  it compares as before, and is a list of keys that is known before a row is read.
"""

from __future__ import annotations

from collections.abc import Iterator

from sqlglot import exp

from sessions_vtab.sql.derived import TermsWalk
from sessions_vtab.sql.lexer import Edit, TokenKind
from sessions_vtab.sql.shapes import Block, Span, commas, find
from sessions_vtab.sql.source import ParsedStatement


class PlainerWalk(TermsWalk):
    """Looks at the tokens alone: a bracketed join has no names that can be followed."""

    __slots__ = ()
    words = frozenset(("RIGHT", "VALUES"))

    def statement(self, tree: exp.Expression) -> None:  # noqa: ARG002
        """Visits every FROM, and every list."""
        for block in self.source.blocks:
            self.edits += _joins(self.source, block)
        self.edits += _lists(self.source)


_STAR = frozenset(("*",))
_MERGING = frozenset(("NATURAL", "USING"))
_JOINS = frozenset(("JOIN",))
_ONS = frozenset(("ON", "USING"))
_RIGHT = (["RIGHT", "JOIN"], ["RIGHT", "OUTER", "JOIN"])
_QUERY = frozenset(("SELECT", "WITH", "VALUES"))


def _joins(source: ParsedStatement, block: Block) -> Iterator[Edit]:
    """The joins of a FROM; nothing where the order of its items can be seen in the columns."""
    tokens, pairs = source.tokens, source.pairs
    clause = block.clauses.get("FROM", (0, 0))
    seen = any(find(tokens, block.items, pairs, _STAR))
    if seen or any(find(tokens, clause, pairs, _MERGING)):
        return
    (first, *others), ons = source.items_of(clause)
    inside = _inside(source, first)
    if inside is not None:
        yield from (Edit(tokens[at].start, tokens[at].end, " ") for at in (first[0], first[1] - 1))
    elif others and 1 in ons and _words(source, (first[1], others[0][0])) in _RIGHT:
        left = source.slice(_inside(source, others[0]) or others[0])
        end = tokens[others[0][1] - 1].end
        yield Edit(tokens[first[0]].start, end, f"{left} LEFT JOIN {source.slice(first)}")


def _words(source: ParsedStatement, span: Span) -> list[str]:
    return [token.upper for token in source.tokens[slice(*span)]]


def _inside(source: ParsedStatement, item: Span) -> Span | None:
    """What is in the brackets of a join that may stand without them."""
    first, end = item
    if source.pairs.get(first) != end - 1 or source.tokens[first + 1].upper in _QUERY:
        return None
    span = (first + 1, end - 1)
    joins, ons = ([*find(source.tokens, span, source.pairs, one)] for one in (_JOINS, _ONS))
    # Each with its own condition: else the one that follows would be taken for that of another.
    return span if len(joins) == len(ons) else None


_IN_BRACKETS = 3  # Tokens.
_PLAIN = (TokenKind.NUMBER, TokenKind.STRING, TokenKind.BLOB, TokenKind.PARAMETER)


def _lists(source: ParsedStatement) -> Iterator[Edit]:
    """``IN`` with rows of one literal or parameter each."""
    tokens, pairs = source.tokens, source.pairs
    for first, last in pairs.items():
        if _words(source, (max(first - 1, 0), first + 2)) != ["IN", "(", "VALUES"]:
            continue
        rows = commas(tokens, (first + 2, last), pairs)
        if all(_is_value(source, row) for row in rows):
            values = ", ".join(source.slice((row[0] + 1, row[1] - 1)) for row in rows)
            yield Edit(tokens[first].end, tokens[last].start, values)


def _is_value(source: ParsedStatement, row: Span) -> bool:
    """Whether a row is one value in brackets."""
    first, end = row
    return end - first == _IN_BRACKETS and source.tokens[first + 1].kind in _PLAIN
