"""Predicates evaluated over rows, to the letter: what a strict server would do with them."""

from __future__ import annotations

import fnmatch
import json
import re
from collections.abc import Mapping
from typing import Any

from sessions_vtab.contract import times
from sessions_vtab.contract.predicate import (
    TIMESTAMP,
    AllOf,
    AnyOf,
    Compare,
    Field,
    Member,
    Not,
    Nothing,
    Null,
    Op,
    Predicate,
    Value,
)
from sessions_vtab.contract.values import dump_json

__all__ = ["evaluate"]


def evaluate(predicate: Predicate, row: Mapping[str, Value]) -> bool | None:
    """Whether a row matches, with SQL's three values.

    Args:
        predicate: of a request: it holds values, no slots.
        row: column name to value.
    """
    match predicate:
        case Nothing():
            return False
        case Null(field, negated):
            return (_value(field, row) is None) != negated
        case Compare(field, op, operand, collation):
            return _compare(_value(field, row), op, operand, collation)
        case Member(field, operands, negated, collation):
            value = _value(field, row)
            found = [_compare(value, Op.EQ, operand, collation) for operand in operands]
            return _negated(_any(found), negated=negated)
        case AllOf(terms):
            return _negated(
                _any([_negated(evaluate(term, row), negated=True) for term in terms]), negated=True
            )
        case AnyOf(terms):
            return _any([evaluate(term, row) for term in terms])
        case Not(term):
            return _negated(evaluate(term, row), negated=True)


def _any(found: list[bool | None]) -> bool | None:
    if True in found:
        return True
    return None if None in found else False


def _negated(truth: bool | None, *, negated: bool) -> bool | None:
    return truth if truth is None or not negated else not truth


def _value(field: Field, row: Mapping[str, Value]) -> Any:
    value = row[field.column]
    if field.key is None or value is None:
        return value
    loaded = json.loads(str(value))
    member = loaded.get(field.key) if isinstance(loaded, dict) else None
    # ->> answers with an array or object as JSON text.
    return dump_json(member) if isinstance(member, list | dict) else member


def _compare(value: Any, op: Op, operand: Any, collation: str) -> bool | None:
    if value is None or operand is None:
        return None
    if op in {Op.LIKE, Op.NOT_LIKE}:
        return _negated(_like(str(operand), str(value)), negated=op is Op.NOT_LIKE)
    if op is Op.GLOB:
        return fnmatch.fnmatchcase(_until_nul(str(value)), _until_nul(str(operand)))
    order = _order(value, operand, collation)
    return {
        Op.EQ: order == 0,
        Op.NE: order != 0,
        Op.LT: order < 0,
        Op.LE: order <= 0,
        Op.GT: order > 0,
        Op.GE: order >= 0,
    }[op]


def _order(value: Any, operand: Any, collation: str) -> int:
    if isinstance(value, str) and isinstance(operand, str):
        if collation == TIMESTAMP:
            return times.compare(value, operand)
        if collation == "NOCASE":
            value, operand = _folded(value), _folded(operand)
        return int(value > operand) - int(value < operand)
    if isinstance(value, str) or isinstance(operand, str):
        return 1 if isinstance(value, str) else -1
    return int(value > operand) - int(value < operand)


def _folded(text: str) -> str:
    """NOCASE and LIKE fold ASCII letters only."""
    return "".join(one.lower() if one.isascii() else one for one in text)


def _like(pattern: str, text: str) -> bool:
    parts = {"%": ".*", "_": "."}
    expression = "".join(parts.get(one, re.escape(one)) for one in _folded(_until_nul(pattern)))
    return re.fullmatch(expression, _folded(_until_nul(text)), re.DOTALL) is not None


def _until_nul(text: str) -> str:
    """LIKE and GLOB of SQLite read C strings."""
    return text.partition("\x00")[0]
