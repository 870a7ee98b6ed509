"""Functions that act: the one shape of statement in which SQLite runs them exactly once a row.

SQLite may run a table-valued function more often or less often than a reader expects: a LIMIT, an
outer join, an OR or an EXISTS that it turns into a join change the number of calls. In
``FROM <item>, f(args)`` that is settled by splices, which ``effect_call`` makes. Everything else is
refused, and so is a parameter of the function in WHERE: it would not be given to the function, but
filter its rows after it has acted.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from types import MappingProxyType
from typing import TypeAlias

from sessions_vtab.contract.model import Function
from sessions_vtab.errors import UnsupportedError
from sessions_vtab.sql.effect_call import HiddenColumns, SideEffectCall
from sessions_vtab.sql.lexer import (
    Edit,
    StatementKind,
    Token,
    TokenKind,
    classify,
    name_of,
    tokenize,
)
from sessions_vtab.sql.shapes import Block, Span, blocks, common_names, find, partners
from sessions_vtab.sql.targets import creates_table

EffectOf: TypeAlias = Callable[[str | None, str], Function | None]
"""The function ``schema.name``, if it acts; None for anything else. The schema is None where none
is written."""


@dataclass(frozen=True, slots=True)
class Effect:
    """An accepted use of a function that acts.

    Attributes:
        schema: as written before the dot; None if there was none.
        name: the function's name as written.
        at: index of the name's token.
        item: whether it runs once for each row of an item, not just once.
        edits: what makes the number of calls definite.
    """

    schema: str | None
    name: str
    at: int
    item: bool
    edits: tuple[Edit, ...]


_NAMES = frozenset((TokenKind.WORD, TokenKind.QUOTED))
_OUTER = frozenset(("LEFT", "RIGHT", "FULL", "OUTER", "NATURAL"))
_JOINS = frozenset((",", "JOIN", "CROSS", "INNER", "ON", "USING", *_OUTER))
_SUBQUERY = frozenset(("SELECT", "VALUES", "WITH"))
_STOPS_EARLY = frozenset(("MIN", "MAX"))
_ACCEPTED = "SELECT .. FROM {f}(..), or SELECT .. FROM <one item>, {f}(..)"


def mentioned(
    tokens: Sequence[Token], pairs: dict[int, int], names: frozenset[str], effect: EffectOf
) -> list[tuple[int, Function]]:
    """The side-effecting functions that are called or used as tables, with their tokens' indexes.

    Args:
        tokens: of the statement.
        pairs: matching brackets.
        names: of all such functions, in lower case.
        effect: the function of a name with its schema.
    """
    candidates = [
        index
        for index, token in enumerate(tokens)
        if name_of(token).lower() in names and (token.kind in _NAMES or _is_called(tokens, index))
    ]
    if not candidates:
        return []
    hidden = common_names(tokens)
    spans = [block.clauses.get("FROM", (0, 0)) for block in blocks(tokens, pairs)]
    found: list[tuple[int, Function]] = []
    for index in candidates:
        name, schema = name_of(tokens[index]), _schema(tokens, index)
        if _stands_for_table(tokens, index, spans) and (schema or name.lower() not in hidden):
            function = effect(schema, name)
            found += [] if function is None else [(index, function)]
    return found


def schemas_of(text: str, name: str) -> set[str | None]:
    """What stands before the dot wherever a statement names a function; None for nothing."""
    found: set[str | None] = set()

    def note(schema: str | None, _name: str) -> None:
        found.add(schema)

    tokens = tokenize(text)
    mentioned(tokens, partners(tokens), frozenset((name,)), note)
    return found


def stands_alone(text: str, function: Function) -> bool:
    """Whether a function is the only table of a statement: then SQLite calls it exactly once.

    Raises:
        UnsupportedError: a use that is refused in any case.
    """
    tokens = tokenize(text)
    pairs = partners(tokens)
    found = mentioned(tokens, pairs, frozenset((function.name,)), lambda _, __: function)
    effect = effect_of(tokens, classify(tokens), pairs, found) if found else None
    return effect is not None and not effect.item


def _schema(tokens: Sequence[Token], index: int) -> str | None:
    return name_of(tokens[index - 2]) if index > 1 and tokens[index - 1].text == "." else None


def _is_called(tokens: Sequence[Token], index: int) -> bool:
    """Whether a bracket follows; SQLite takes even ``'name'(..)`` in single quotes for a call."""
    return index + 1 < len(tokens) and tokens[index + 1].text == "("


def _stands_for_table(tokens: Sequence[Token], index: int, spans: Sequence[Span]) -> bool:
    if _is_called(tokens, index):
        return True
    first = index - (0 if _schema(tokens, index) is None else 2)
    before = tokens[first - 1].upper if first else ""
    if before in {"FROM", "JOIN"}:
        return True
    return before in {",", "("} and any(start <= index < end for start, end in spans)


def effect_of(
    tokens: Sequence[Token],
    kind: StatementKind,
    pairs: dict[int, int],
    found: Sequence[tuple[int, Function]],
    *,
    numbers: Mapping[int, int] = MappingProxyType({}),
    hidden: HiddenColumns = lambda _, __: frozenset(),
) -> Effect:
    """The accepted use of the one function in ``found``.

    Args:
        tokens: of the statement.
        kind: of the statement.
        pairs: matching brackets.
        found: what ``mentioned`` answered; not empty.
        numbers: of the parameters, by the index of their token.
        hidden: the hidden columns of a table.

    Raises:
        UnsupportedError: any other shape; the message says what to write instead.
    """
    at, function = found[0]
    name = name_of(tokens[at])
    if len(found) > 1:
        raise _refused(name, "two side-effecting functions in one statement", _SPLIT)
    if kind.explain:
        raise _refused(
            name, "EXPLAIN", "Run the statement, then read http_requests to see what it sent"
        )
    block = _block_of(tokens, kind, pairs, at)
    _check_block(tokens, block, pairs, name)
    call = _call(tokens, block, pairs, at, function)
    for column in call.parameters_in_where():
        raise _refused_parameter(name, column, item=call.item is not None)
    return Effect(_schema(tokens, at), name, at, call.item is not None, call.edits(numbers, hidden))


_SPLIT = "Write two statements; CREATE TEMP TABLE r AS SELECT .. keeps the rows of the first"
_KEEP = "Store the results first with CREATE TEMP TABLE r AS SELECT .. FROM {f}(..), then query r"
_SUBSELECT = "Put the rest into one subquery: FROM (SELECT ..) AS k, {f}(..)"


def _refused(name: str, what: str, hint: str) -> UnsupportedError:
    accepted = _ACCEPTED.format(f=name)
    return UnsupportedError(
        f"{name}() has side effects and must run exactly once for each row of its arguments,"
        f" which SQLite cannot guarantee with {what}. {hint.format(f=name)}."
        f" Accepted: {accepted}, also as the source of INSERT or CREATE TABLE AS."
    )


def _refused_parameter(name: str, column: str, *, item: bool) -> UnsupportedError:
    other = f" For a column of the other table, write its name before it: t.{column}."
    return UnsupportedError(
        f"{column} is a parameter of {name}(), so WHERE would compare it after the function has"
        f" taken effect. Give it inside the parentheses.{other if item else ''}"
    )


def _block_of(
    tokens: Sequence[Token], kind: StatementKind, pairs: dict[int, int], at: int
) -> Block:
    """The SELECT whose FROM holds the function, if it is at the top of the statement."""
    name = name_of(tokens[at])
    top = [block for block in blocks(tokens, pairs) if _is_top(tokens, kind, pairs, block)]
    for block in top:
        first, end = block.clauses.get("FROM", (0, 0))
        bracketed = any(first <= start < at < pairs[start] < end for start in pairs)
        if first <= at < end and not bracketed:
            return block
    if kind.verb == "CREATE" and not creates_table(tokens, kind):
        raise _refused(name, "a view or trigger", "Call it in a separate statement")
    raise _refused(name, "a call inside a subquery or an expression", _KEEP)


def _is_top(
    tokens: Sequence[Token], kind: StatementKind, pairs: dict[int, int], block: Block
) -> bool:
    if any(start < block.at < end for start, end in pairs.items()):
        return False
    return kind.verb in {"SELECT", "INSERT", "REPLACE"} or creates_table(tokens, kind)


def _check_block(tokens: Sequence[Token], block: Block, pairs: dict[int, int], name: str) -> None:
    if block.compound:
        raise _refused(name, "UNION, INTERSECT or EXCEPT", _KEEP)
    if "LIMIT" in block.clauses:
        raise _refused(name, "LIMIT", _SUBSELECT.replace("SELECT ..", "SELECT .. LIMIT n"))
    if "HAVING" in block.clauses:
        raise _refused(name, "HAVING", _KEEP)
    if block.distinct:
        raise _refused(name, "DISTINCT", _KEEP)
    for index in find(tokens, block.items, pairs, _STOPS_EARLY):
        if index + 1 in pairs:
            raise _refused(name, f"{tokens[index].text}()", _KEEP)


def _call(
    tokens: Sequence[Token], block: Block, pairs: dict[int, int], at: int, function: Function
) -> SideEffectCall:
    name = name_of(tokens[at])
    span = block.clauses["FROM"]
    if at + 1 not in pairs:
        raise _refused(name, "a call without parentheses", f"Write its arguments: {name}('..')")
    joins = list(find(tokens, span, pairs, _JOINS))
    words = [tokens[index].upper for index in joins]
    if _OUTER.intersection(words):
        raise _refused(name, "an outer or natural join", _SUBSELECT)
    if "ON" in words or "USING" in words:
        raise _refused(name, "a join with ON or USING", "Move the condition into WHERE")
    first = at - (2 if _schema(tokens, at) is not None else 0)
    if not joins:
        return SideEffectCall(tokens, pairs, block, at, function)
    if joins[-1] != first - 1:
        raise _refused(name, "a call before other tables", "Put it last in FROM")
    if words not in ([","], ["JOIN"], ["CROSS", "JOIN"], ["INNER", "JOIN"]):
        raise _refused(name, "more than one other item in FROM", _SUBSELECT)
    item = (span[0], joins[0])
    opening = tokens[item[0]]
    if opening.text == "(" and tokens[item[0] + 1].upper not in _SUBQUERY:
        raise _refused(name, "a join in parentheses", _SUBSELECT)
    return SideEffectCall(tokens, pairs, block, at, function, item, (joins[0], joins[-1] + 1))
