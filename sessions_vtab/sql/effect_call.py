"""A call of a function with side effects, and the splices that make its number definite.

In ``FROM item, f(args) WHERE ..`` the item becomes ``(SELECT * FROM item WHERE .. LIMIT -1)``, with
the conditions that are not about the function: SQLite neither flattens it nor filters it from
outside. The comma becomes CROSS JOIN, which fixes the order, and each condition that is left
becomes ``(..) IS TRUE``, which SQLite takes whole: no OR, IN or EXISTS in it changes how often rows
come. ``SELECT *`` leaves out hidden columns, so those that are used outside are added to it.
"""

from __future__ import annotations

from collections.abc import Callable, Collection, Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import TypeAlias

from sessions_vtab.contract.model import Function
from sessions_vtab.errors import UnsupportedError
from sessions_vtab.sql.lexer import Edit, Token, TokenKind, insert, name_of
from sessions_vtab.sql.row_values import keep_row_values
from sessions_vtab.sql.shapes import Block, Span, commas, conjuncts

HiddenColumns: TypeAlias = Callable[[str | None, str], Collection[str]]
"""The hidden columns of ``schema.name``, in lower case; none where the table is not ours."""

_NAMES = (TokenKind.WORD, TokenKind.QUOTED)
_HINT = frozenset(("NOT", "INDEXED"))
_QUERY = frozenset(("SELECT", "WITH", "VALUES"))


@dataclass(frozen=True, slots=True)
class SideEffectCall:
    """A function with the item that it runs over.

    Attributes:
        tokens: of the statement.
        pairs: matching brackets.
        block: the SELECT it is in.
        at: index of the function's name.
        function: its parameters and results.
        item: tokens of the item; None where the function is alone.
        join: tokens between the item and the function.
    """

    tokens: Sequence[Token]
    pairs: dict[int, int]
    block: Block
    at: int
    function: Function
    item: Span | None = None
    join: Span | None = None

    def parameters_in_where(self) -> Iterator[str]:
        """The function's parameters that WHERE mentions, as written.

        In a subquery only with the function's name before them: alone they may be its own columns.
        """
        parameters = {one.name for one in self.function.parameters}
        for index in range(*self._where):
            name = name_of(self.tokens[index])
            clear = self._qualifier(index) is not None or not self._in_subquery(index)
            if name.lower() in parameters and clear and self._may_be_own(index):
                yield name

    def edits(self, numbers: Mapping[int, int], hidden: HiddenColumns) -> tuple[Edit, ...]:
        """The splices.

        Args:
            numbers: of the parameters, by the index of their token.
            hidden: the hidden columns of a table.
        """
        terms = conjuncts(self.tokens, self._where, self.pairs)
        inner = [one for one in terms if self._may_move(one)]
        edits = [edit for one in terms for edit in self._condition(one, moved=one in inner)]
        if self.item is not None and self.join is not None:
            where = " AND ".join(f"({self._written(one, numbers)})" for one in inner)
            edits += self._wrapped(self.item, where, self._added(self.item, inner, hidden))
            edits += self._cross_join(self.join)
        return tuple(edits)

    # Names.

    @property
    def _where(self) -> Span:
        return self.block.clauses.get("WHERE", (0, 0))

    @property
    def _label(self) -> str:
        """What the function's columns are qualified with, in lower case."""
        after = self.pairs[self.at + 1] + 1
        end = self.block.clauses["FROM"][1]
        after += after < end and self.tokens[after].upper == "AS"
        return name_of(self.tokens[after if after < end else self.at]).lower()

    def _qualifier(self, index: int) -> str | None:
        named = index > 1 and self.tokens[index - 1].text == "."
        return name_of(self.tokens[index - 2]).lower() if named else None

    def _may_be_own(self, index: int) -> bool:
        """Whether a token is a column's name that is not qualified with another table."""
        token, last = self.tokens[index], len(self.tokens) - 1
        following = self.tokens[index + 1].text if index < last else ""
        if token.kind not in _NAMES or following in {".", "("} or self._is_type(index):
            return False
        return self._qualifier(index) in {None, self._label}

    def _is_type(self, index: int) -> bool:
        return self.tokens[index - 1].upper == "AS"

    def _in_subquery(self, index: int) -> bool:
        return any(
            self._where[0] <= first < index < last and self.tokens[first + 1].upper in _QUERY
            for first, last in self.pairs.items()
        )

    def _may_move(self, term: Span) -> bool:
        """Whether a condition can stand in the item, with no other edit in it."""
        first, end = self.tokens[term[0]].start, self.tokens[term[1] - 1].end
        edited = any(first <= one.start <= end for one in keep_row_values(self.tokens, self.pairs))
        return self.item is not None and not edited and not self._is_about_own(term)

    def _is_about_own(self, term: Span) -> bool:
        """Whether a condition mentions the function's columns, or may do so."""
        own = {one.name for one in (*self.function.results, *self.function.parameters)}
        return any(
            self._may_be_own(index)
            and (self._qualifier(index) is not None or name_of(self.tokens[index]).lower() in own)
            for index in range(*term)
        )

    # Splices.

    def _condition(self, term: Span, *, moved: bool) -> Iterator[Edit]:
        first, end = self.tokens[term[0]], self.tokens[term[1] - 1]
        if moved:
            yield Edit(first.start, end.end, "TRUE", rank=-1)
        else:
            yield insert(first.start, "(")
            yield insert(end.end, ") IS TRUE", rank=-1)

    def _written(self, span: Span, numbers: Mapping[int, int]) -> str:
        pieces = []
        for index in range(*span):
            token = self.tokens[index]
            if index > span[0] and token.start > self.tokens[index - 1].end:
                pieces.append(" ")
            pieces.append(f"?{numbers[index]}" if index in numbers else token.text)
        return "".join(pieces)

    def _wrapped(self, item: Span, where: str, added: Sequence[str]) -> Iterator[Edit]:
        first, end = item
        alias = self._alias(item)
        columns = ", ".join(("*", *added))
        yield insert(self.tokens[first].start, f"(SELECT {columns} FROM ")
        closing = f"{f' WHERE {where}' if where else ''} LIMIT -1)"
        closing += "" if alias is None else f" AS {alias.text}"
        yield insert(self.tokens[end - 1].end, closing, rank=-1)

    def _alias(self, item: Span) -> Token | None:
        """The token that names the item: its alias or its own name."""
        first, end = item
        body = self._body_end(item)
        hint = next((i for i in range(body, end) if self.tokens[i].upper in _HINT), end)
        if body < hint:
            return self.tokens[hint - 1]
        return None if first in self.pairs else self.tokens[self._named(item)]

    def _named(self, item: Span) -> int:
        first, end = item
        return first + (2 if first + 2 < end and self.tokens[first + 1].text == "." else 0)

    def _body_end(self, item: Span) -> int:
        """The index after ``name``, ``schema.name``, ``name(..)`` or ``(SELECT ..)``."""
        first, _ = item
        if first in self.pairs:
            return self.pairs[first] + 1
        at = self._named(item) + 1
        return self.pairs[at] + 1 if at in self.pairs else at

    def _cross_join(self, join: Span) -> list[Edit]:
        first, end = join
        tokens = self.tokens
        if tokens[first].upper == "CROSS":
            return []
        before = " " if tokens[first - 1].end == tokens[first].start else ""
        after = " " if tokens[end - 1].end == tokens[end].start else ""
        return [Edit(tokens[first].start, tokens[end - 1].end, f"{before}CROSS JOIN{after}")]

    # Hidden columns.

    def _added(self, item: Span, inner: Sequence[Span], hidden: HiddenColumns) -> list[str]:
        """Hidden columns of the item that the statement uses outside the item."""
        named = self._named(item)
        schema = name_of(self.tokens[item[0]]) if named > item[0] else None
        known = () if item[0] in self.pairs else hidden(schema, name_of(self.tokens[named]))
        within = {index for span in (item, *inner) for index in range(*span)}
        used = [
            name_of(self.tokens[index])
            for index in range(self.block.at, self.block.end)
            if index not in within and self._is_hidden(index, item, known)
        ]
        if used and self._has_star(item):
            msg = (
                f"{used[0]} is a hidden column, which SELECT * would show here. Name the columns"
                " instead of *."
            )
            raise UnsupportedError(msg)
        return list({name.lower(): name for name in used}.values())

    def _is_hidden(self, index: int, item: Span, known: Collection[str]) -> bool:
        token = self.tokens[index]
        alias = self._alias(item)
        labels = {None} if alias is None else {None, name_of(alias).lower()}
        return (
            token.kind in _NAMES
            and name_of(token).lower() in known
            and self._qualifier(index) in labels
            and not self._is_type(index)
        )

    def _has_star(self, item: Span) -> bool:
        alias = self._alias(item)
        own = "" if alias is None else name_of(alias).lower()
        stars = (
            (first, end - first)
            for first, end in commas(self.tokens, self.block.items, self.pairs)
            if self.tokens[end - 1].text == "*"
        )
        return any(
            width == 1 or (width == 3 and name_of(self.tokens[first]).lower() == own)  # noqa: PLR2004
            for first, width in stars
        )
