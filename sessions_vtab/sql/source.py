"""A statement as text, tokens, blocks and tree together: from a place in one to the others.

sqlglot reads ``?1`` as an error, ``1_000`` as an alias, ``+a`` as ``a``, and stops at ``OR IGNORE``
and NOT INDEXED. So it gets the tokens one by one, blanks between them, with these replaced.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field

import sqlglot
from sqlglot import exp
from sqlglot.dialects.sqlite import SQLite
from sqlglot.errors import SqlglotError

from sessions_vtab.sql.lexer import Edit, StatementKind, Token, TokenKind, apply
from sessions_vtab.sql.parameters import Numbering
from sessions_vtab.sql.shapes import Block, Span, blocks, conjuncts, disjuncts, find, partners


class _Dialect(SQLite):
    """SQLite, with the path after ``->>`` left as it is written."""

    def to_json_path(self, path: exp.Expr | None) -> exp.Expr | None:
        return path


@dataclass(frozen=True, slots=True)
class SqlglotTree:
    """The tree of sqlglot, and where in the statement its parts are.

    Attributes:
        tree: of sqlglot.
        tokens: index of the token at each position in the text that sqlglot has read.
    """

    tree: exp.Expression
    tokens: Mapping[int, int]

    def token_of(self, identifier: object) -> int:
        """Index of an identifier's token; -1 if it is not known."""
        if not isinstance(identifier, exp.Identifier):
            return -1
        return self.tokens.get(identifier.meta.get("start", -1), -1)


_LONG = 18  # 0x and 16 digits may be negative in SQLite: such a number is not understood.
_CUT_AT = frozenset(("RETURNING", "CONFLICT", ";"))
_BEFORE_UNARY = frozenset(
    (
        *("AND", "OR", "NOT", "IS", "IN", "LIKE", "GLOB", "MATCH", "REGEXP", "BETWEEN", "WHEN"),
        *("THEN", "ELSE", "CASE", "WHERE", "ON", "HAVING", "BY", "SELECT", "DISTINCT", "ALL"),
        *("ESCAPE", "LIMIT", "OFFSET", "FROM", "SET", "COLLATE", "RETURNING", "VALUES"),
    )
)


def read(
    tokens: Sequence[Token],
    kind: StatementKind,
    numbers: Mapping[int, int],
    pairs: dict[int, int],
) -> SqlglotTree | None:
    """The tree of a statement; None if sqlglot cannot read it.

    Args:
        tokens: of the statement.
        kind: of the statement.
        numbers: parameter numbers by token index.
        pairs: matching brackets.
    """
    pieces: list[str] = []
    places: dict[int, int] = {}
    length = 0
    for index in _tokens_for_sqlglot(tokens, kind, pairs):
        if tokens[index].kind is TokenKind.ILLEGAL:
            return None
        piece = f"@{numbers[index]}" if index in numbers else _readable(tokens, index, kind)
        places[length] = index
        pieces.append(piece)
        length += len(piece) + 1
    if not pieces:
        return None
    try:
        trees = sqlglot.parse(" ".join(pieces), dialect=_Dialect)
    except (SqlglotError, RecursionError, TypeError):
        # TypeError: compiled (sqlglotc), it finds a part missing where the types do not allow it.
        return None
    tree = trees[0] if len(trees) == 1 else None
    if not isinstance(tree, exp.Expression) or isinstance(tree, exp.Command):
        return None
    return SqlglotTree(tree, places)


def _tokens_for_sqlglot(
    tokens: Sequence[Token], kind: StatementKind, pairs: dict[int, int]
) -> list[int]:
    """Indexes of the tokens that are passed to sqlglot."""
    end = len(tokens)
    for index in find(tokens, (kind.at, end), pairs, _CUT_AT):
        if tokens[index - 1].text != "." and (
            tokens[index].upper != "CONFLICT" or tokens[index - 1].upper == "ON"
        ):
            end = index - (tokens[index].upper == "CONFLICT")
            break
    wanted = []
    for index in range(_first(tokens, kind, pairs), end):
        conflict = kind.changes and index in (kind.at + 1, kind.at + 2)
        if conflict and tokens[kind.at + 1].upper == "OR":
            continue
        if not _is_hint(tokens, index):
            wanted.append(index)
    return wanted


def _first(tokens: Sequence[Token], kind: StatementKind, pairs: dict[int, int]) -> int:
    """Where reading begins: of CREATE TABLE .. AS only the query is read."""
    if kind.verb != "CREATE":
        return kind.first
    return 1 + next(find(tokens, (kind.at, len(tokens)), pairs, _AS), len(tokens))


_AS = frozenset(("AS",))


def _is_hint(tokens: Sequence[Token], index: int) -> bool:
    """Whether a token belongs to NOT INDEXED or INDEXED BY name."""
    word = tokens[index].upper
    after = [token.upper for token in tokens[index + 1 : index + 3]]
    before = [token.upper for token in tokens[max(index - 2, 0) : index]]
    if word == "NOT":
        return after[:1] == ["INDEXED"]
    if word == "INDEXED":
        return after[:1] == ["BY"] or before[-1:] == ["NOT"]
    return (before[-1:] == ["INDEXED"] and word == "BY") or before == ["INDEXED", "BY"]


def _readable(tokens: Sequence[Token], index: int, kind: StatementKind) -> str:
    """A token as sqlglot should read it.

    ``~`` stands for what is not understood: nothing with it is pushed. So sqlglot, which forgets a
    unary plus, cannot make of ``+column`` a column that SQLite would not have used.
    """
    token = tokens[index]
    if token.kind is TokenKind.NUMBER:
        plain = token.text.replace("_", "")
        if plain[:2] not in ("0x", "0X"):
            return plain
        return str(int(plain, 16)) if len(plain) < _LONG else "~0"
    if index == kind.at and token.upper == "REPLACE":
        return "INSERT"
    if token.text == "+" and _is_unary(tokens[index - 1] if index else None):
        return "~"
    return token.text


def _is_unary(before: Token | None) -> bool:
    if before is None or (before.kind is TokenKind.OPERATOR and before.text != ")"):
        return True
    return before.kind is TokenKind.WORD and before.upper in _BEFORE_UNARY


@dataclass(frozen=True, slots=True)
class FromClause:
    """The tokens of a FROM, and of the conditions on its rows.

    Attributes:
        at: index of the first token of its SELECT, UPDATE or DELETE.
        spans: of each item.
        ons: of each ON, without the keyword, by the place of the item to the right of its join.
        where: of WHERE, without the keyword.
        block: the SELECT; None in UPDATE and DELETE.
    """

    at: int
    spans: tuple[Span, ...]
    ons: Mapping[int, Span]
    where: Span | None
    block: Block | None = None


_CLAUSES_OF_CHANGE = frozenset(("FROM", "WHERE", "RETURNING", "ORDER", "LIMIT", ";"))
_BEFORE_BODY = frozenset(("AS", "NOT", "MATERIALIZED"))
_JOINS = frozenset((",", "JOIN"))
_JOIN_ENDS = _JOINS | {"NATURAL", "LEFT", "RIGHT", "FULL", "INNER", "CROSS", "OUTER", "ON", "USING"}


@dataclass(slots=True)
class ParsedStatement:
    """One statement.

    Attributes:
        text: as written.
        tokens: of the text.
        numbering: of its parameters.
        pairs: matching brackets.
        parsed: its tree.
        blocks: its SELECTs.
    """

    text: str
    tokens: Sequence[Token]
    numbering: Numbering
    pairs: dict[int, int]
    parsed: SqlglotTree
    blocks: list[Block] = field(init=False)

    def __post_init__(self) -> None:
        self.blocks = blocks(self.tokens, self.pairs)

    def block_of(self, at: int) -> Block | None:
        """The innermost SELECT whose FROM holds a token."""
        spans = ((block, block.clauses.get("FROM", (0, 0))) for block in self.blocks)
        inside = [block for block, (first, end) in spans if first <= at < end]
        return max(inside, key=lambda block: block.at, default=None)

    def from_clause(self, block: Block, count: int) -> FromClause | None:
        """The FROM of a SELECT; None if its tokens are not understood.

        Args:
            block: the SELECT.
            count: how many items there are.
        """
        spans, ons = self.items_of(block.clauses["FROM"])
        known = len(spans) == count and all(start < stop for start, stop in spans)
        where = block.clauses.get("WHERE")
        return FromClause(block.at, spans, ons, where, block) if known else None

    def clause_of_change(self, target: int, count: int) -> FromClause | None:
        """The same of an UPDATE or DELETE.

        Args:
            target: index of the token that names what it changes.
            count: how many items there are, with the target.
        """
        first = target - 2 if self.tokens[target - 1].text == "." else target
        aliased = [one.upper for one in self.tokens[target + 1 : target + 2]] == ["AS"]
        own = (first, target + (3 if aliased else 1))
        rest = (own[1], len(self.tokens))
        marks = list(find(self.tokens, rest, self.pairs, _CLAUSES_OF_CHANGE))
        words = [self.tokens[mark].upper for mark in marks]
        at = words.index("FROM") if "FROM" in words else None
        ends = [*marks[1:], len(self.tokens)]
        none: tuple[tuple[Span, ...], dict[int, Span]] = (), {}
        spans, ons = none if at is None else self.items_of((marks[at] + 1, ends[at]))
        where = condition_of_change(self.tokens, target, self.pairs)
        known = 1 + len(spans) == count and all(start < stop for start, stop in spans)
        moved = {place + 1: on for place, on in ons.items()}
        return FromClause(first, (own, *spans), moved, where) if known else None

    def items_of(self, clause: Span) -> tuple[tuple[Span, ...], dict[int, Span]]:
        """The items of a FROM, and its conditions of ON."""
        first, end = clause
        marks = list(find(self.tokens, clause, self.pairs, _JOIN_ENDS))
        words = [self.tokens[mark].upper for mark in marks]
        ends = [*marks, end]
        starts = [
            (first, 0),
            *((mark + 1, n + 1) for n, mark in enumerate(marks) if words[n] in _JOINS),
        ]
        ons = {
            sum(word in _JOINS for word in words[:n]): (mark + 1, ends[n + 1])
            for n, mark in enumerate(marks)
            if words[n] == "ON"
        }
        return tuple((start, ends[n]) for start, n in starts), ons

    def conjuncts(self, span: Span | None, count: int) -> list[Span | None]:
        """The tokens of each conjunct of a condition; None where tree and tokens do not agree."""
        found = [] if span is None else conjuncts(self.tokens, span, self.pairs)
        return list(found) if len(found) == count else [None] * count

    def operands(self, node: exp.Expression, span: Span) -> list[tuple[exp.Expression, Span]]:
        """The conditions that one AND, or OR, joins; none for any other condition.

        Args:
            node: a condition.
            span: its tokens.
        """
        bare = node.unnest()
        while self.pairs.get(span[0]) == span[1] - 1:
            span = (span[0] + 1, span[1] - 1)
        if not isinstance(bare, exp.And | exp.Or):
            return []
        cut = conjuncts if isinstance(bare, exp.And) else disjuncts
        nodes, spans = terms(bare, type(bare)), cut(self.tokens, span, self.pairs)
        return list(zip(nodes, spans, strict=True)) if len(nodes) == len(spans) else []

    def conditions(self, span: Span) -> Iterator[str]:
        """The texts of the conditions that AND joins in a condition, without brackets."""
        for first, end in conjuncts(self.tokens, span, self.pairs):
            if self.pairs.get(first) == end - 1:
                yield from self.conditions((first + 1, end - 1))
            else:
                yield self.slice((first, end))

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

    def renamed(self, span: Span, names: Iterable[tuple[exp.Expression, str | None]]) -> str:
        """The text of some tokens, with other names for some of its columns.

        Args:
            span: the tokens, with parameters as ``?N``.
            names: columns, or functions of nothing but columns, and what is written in place of
                each; None for what is there.
        """
        edits = []
        for node, name in names:
            if name is not None:
                first, end = self._place_of(node)
                edits.append(Edit(self.tokens[first].start, self.tokens[end - 1].end, name))
        return self.edited(span, edits)

    def edited(self, span: Span, edits: Iterable[Edit]) -> str:
        """The text of some tokens with edits of the statement, and with parameters as ``?N``."""
        tokens, numbers = self.tokens, self.numbering.numbers
        numbered = [
            Edit(tokens[at].start, tokens[at].end, f"?{numbers[at]}")
            for at in range(*span)
            if at in numbers
        ]
        start = tokens[span[0]].start
        moved = [
            one._replace(start=one.start - start, end=one.end - start)
            for one in (*numbered, *edits)
        ]
        return apply(self.text[start : tokens[span[1] - 1].end], moved)

    def common_table(self, body: exp.Expression | None) -> tuple[exp.CTE, Span] | None:
        """The common table expression whose query it is, and the query's tokens with brackets."""
        cte = None if body is None else body.parent
        at = self.parsed.token_of(cte.args["alias"].this) if isinstance(cte, exp.CTE) else -1
        if not isinstance(cte, exp.CTE) or at < 0 or at + 1 >= len(self.tokens):
            return None
        first = self.pairs.get(at + 1, at) + 1
        while first < len(self.tokens) and self.tokens[first].upper in _BEFORE_BODY:
            first += 1
        end = self.pairs.get(first)
        return None if end is None else (cte, (first, end + 1))

    def numbers(self, span: Span) -> tuple[int, ...]:
        """The parameters in some tokens."""
        found = [self.numbering.numbers.get(index) for index in range(*span)]
        return tuple(dict.fromkeys(number for number in found if number is not None))

    def column_text(self, column: exp.Expression) -> str:
        """A column with its qualifiers, as written."""
        first, end = self._place_of(column)
        return self.text[self.tokens[first].start : self.tokens[end - 1].end]

    def _place_of(self, node: exp.Expression) -> Span:
        """The tokens of a column, or of a function of nothing but columns."""
        if isinstance(node, exp.Column):
            first = node.args.get("db") or node.args.get("table") or node.this
            return self.parsed.token_of(first), self.parsed.token_of(node.this) + 1
        at = min(self._place_of(one)[0] for one in node.find_all(exp.Column))
        opening = max(first for first, end in self.pairs.items() if first < at < end)
        return opening - 1, self.pairs[opening] + 1


def parsed(
    text: str, tokens: Sequence[Token], kind: StatementKind, numbering: Numbering
) -> ParsedStatement | None:
    """A statement with its tree; None if sqlglot cannot read it.

    Args:
        text: one statement.
        tokens: of the text.
        kind: of the statement.
        numbering: of its parameters.
    """
    pairs = partners(tokens)
    tree = read(tokens, kind, numbering.numbers, pairs)
    return None if tree is None else ParsedStatement(text, tokens, numbering, pairs, tree)


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


def joins_of(node: exp.Expression) -> list[exp.Join]:
    """The joins of a SELECT, UPDATE or DELETE with FROM, which sqlglot keeps in two places."""
    first: exp.Expression = node.args["from_"].this
    return [*(node.args.get("joins") or ()), *(first.args.get("joins") or ())]


def terms(
    condition: exp.Expression, joined: type[exp.Expression] = exp.And
) -> list[exp.Expression]:
    """The conjuncts of a condition, from left to right; brackets are left alone.

    Args:
        condition: the condition.
        joined: what joins them; OR for its disjuncts.
    """
    found: list[exp.Expression] = []
    pending = [condition]
    while pending:
        part = pending.pop()
        if isinstance(part, joined):
            pending += [part.args["expression"], part.this]
        else:
            found.append(part)
    return found
