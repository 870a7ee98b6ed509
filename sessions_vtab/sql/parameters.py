"""Parameters: numbered as SQLite numbers them, bindings turned into one sequence.

https://sqlite.org/lang_expr.html#varparam: ``?`` takes the number after the largest so far, ``?N``
takes N, a name takes the next number at its first use and the same at each later one.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import TypeAlias

from sessions_vtab.errors import MissingParameterError, StatementError
from sessions_vtab.sql.lexer import Edit, Token, TokenKind

Bindings: TypeAlias = "Sequence[object] | Mapping[str, object] | None"
"""What a caller hands over beside the text: by place, by name, or nothing."""

_MOST = 32_766  # SQLITE_MAX_VARIABLE_NUMBER: https://sqlite.org/limits.html#max_variable_number


@dataclass(frozen=True, slots=True)
class Numbering:
    """The parameters of one statement.

    Attributes:
        count: the largest number, which is how many values a sequence must have.
        names: for each number from 1 its name as written (``:a``, ``?3``), None for a bare ``?``
            and for numbers that are left out.
        used: the numbers that occur.
        numbers: index of a parameter token to its number.
    """

    count: int
    names: tuple[str | None, ...]
    used: frozenset[int]
    numbers: Mapping[int, int]

    def edits(self, tokens: Sequence[Token]) -> list[Edit]:
        """What writes every parameter as ``?N``."""
        return [
            Edit(tokens[index].start, tokens[index].end, f"?{number}")
            for index, number in self.numbers.items()
            if tokens[index].text != f"?{number}"
        ]


def number(tokens: Sequence[Token]) -> Numbering:
    """The numbering of a statement's parameters.

    Raises:
        StatementError: a ``?N`` outside of 1 to 32766.
    """
    known: dict[str, int] = {}
    names: dict[int, str] = {}
    numbers: dict[int, int] = {}
    count = 0
    for index, token in enumerate(tokens):
        if token.kind is TokenKind.PARAMETER:
            mine = _number(token.text, known, count)
            if len(token.text) > 1:
                known[token.text] = mine
                names.setdefault(mine, token.text)
            numbers[index] = mine
            count = max(count, mine)
    listed = tuple(names.get(place) for place in range(1, count + 1))
    return Numbering(count, listed, frozenset(numbers.values()), numbers)


def _number(text: str, known: Mapping[str, int], count: int) -> int:
    if text[0] == "?" and len(text) > 1:
        mine = int(text[1:])
        if not 1 <= mine <= _MOST:
            raise StatementError(f"variable number must be between ?1 and ?{_MOST}, not {text}")
        return mine
    return known.get(text, count + 1)


def bind(numbering: Numbering, bindings: Bindings) -> tuple[object, ...]:
    """The values of one statement, by number.

    Raises:
        MissingParameterError: too few values, or a name that the mapping does not have.
        StatementError: too many values, or a mapping for a parameter without a name.
    """
    if isinstance(bindings, Mapping):
        return _by_name(numbering, bindings)
    values = () if bindings is None else tuple(bindings)
    if len(values) != numbering.count:
        raise _miscounted(numbering.count, len(values))
    return values


def distribute(numberings: Sequence[Numbering], bindings: Bindings) -> list[tuple[object, ...]]:
    """The values of each statement of a script; a sequence is used up from left to right.

    Raises:
        MissingParameterError: as ``bind``.
        StatementError: as ``bind``; also for values that no statement takes.
    """
    if isinstance(bindings, Mapping):
        return [_by_name(numbering, bindings) for numbering in numberings]
    values = () if bindings is None else tuple(bindings)
    wanted = sum(numbering.count for numbering in numberings)
    if len(values) != wanted:
        raise _miscounted(wanted, len(values))
    shares, done = [], 0
    for numbering in numberings:
        shares.append(values[done : done + numbering.count])
        done += numbering.count
    return shares


def _miscounted(wanted: int, given: int) -> StatementError:
    text = (
        f"Incorrect number of bindings supplied: the statement uses {wanted},"
        f" and there are {given} supplied."
    )
    return MissingParameterError(text) if given < wanted else StatementError(text)


def _by_name(numbering: Numbering, bindings: Mapping[str, object]) -> tuple[object, ...]:
    values: list[object] = [None] * numbering.count
    for mine in numbering.used:
        name = numbering.names[mine - 1]
        if name is None or name[0] == "?":
            raise StatementError(
                f"Binding {mine} has no name, but you supplied a dict (which only has names):"
                f" write :name in place of {name or '?'}."
            )
        if name[1:] not in bindings:
            raise MissingParameterError(f"No value was given for the parameter {name}.")
        values[mine - 1] = bindings[name[1:]]
    return tuple(values)
