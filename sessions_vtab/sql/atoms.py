"""Values of a statement that a plan can carry: literals, parameters, and columns around a SELECT.

An atom is an SQL expression that is evaluated where the plan is spliced in, so the pattern of a
LIKE may also be put together there.
"""

from __future__ import annotations

import math
import re
from typing import NamedTuple

from sqlglot import exp

from sessions_vtab.spec.predicate import Value
from sessions_vtab.sql.names import Item

__all__ = ["Atom", "collated", "constant", "pattern", "unescaped"]

_NUMBER = re.compile(r"(?:\d+(?:\.\d*)?|\.\d+)(?:[eE][+-]?\d+)?", re.ASCII)
_COLLATIONS = frozenset(("BINARY", "NOCASE", "RTRIM"))


class Atom(NamedTuple):
    """A value of a statement.

    Attributes:
        text: as an SQL expression.
        numbers: the parameters in it.
        value: a literal's value.
        item: the table occurrence of an outer column.
        kind: the kind of an outer column's values.
    """

    text: str
    numbers: tuple[int, ...] = ()
    value: Value = None
    item: Item | None = None
    kind: str | None = None


def constant(node: exp.Expression) -> Atom | None:
    """A literal or parameter; None for anything else."""
    while isinstance(node, exp.Paren):
        node = node.this
    match node:
        case exp.Parameter():
            mine = int(node.name)
            return Atom(f"?{mine}", numbers=(mine,))
        case exp.Literal():
            return _literal(node)
        case exp.Neg(this=exp.Literal() as positive) if not positive.is_string:
            atom = _literal(positive)
            return atom and Atom(f"-{atom.text}", value=-_numeric(atom.value))
        case exp.Null():
            return Atom("NULL")
        case exp.Boolean():
            return Atom(str(int(node.this)), value=int(node.this))
        case _:
            return None


def pattern(node: exp.Expression) -> Atom | None:
    """What a LIKE or GLOB compares with: a constant, or constants joined by ``||``."""
    while isinstance(node, exp.Paren):
        node = node.this
    if not isinstance(node, exp.DPipe):
        return constant(node)
    left, right = pattern(node.this), pattern(node.args["expression"])
    if left is None or right is None:
        return None
    numbers = dict.fromkeys((*left.numbers, *right.numbers))
    return Atom(f"({left.text} || {right.text})", numbers=tuple(numbers))


def unescaped(atom: Atom, escape: exp.Expression) -> Atom | None:
    """A pattern for LIKE without ESCAPE that matches at least the same texts.

    A character that stands for itself becomes ``_`` where it would not: ``100\\%`` is ``100_``.
    The escape character goes first, so that what is left of it always precedes another character.

    Returns:
        None for an escape character that is no literal, or is a wildcard itself.
    """
    known = isinstance(escape, exp.Literal) and escape.is_string and len(escape.name) == 1
    if not known or escape.name in "%_\x00":
        return None
    mark, text = escape.name, atom.text
    for old, new in ((mark * 2, "_"), (f"{mark}%", "_"), (f"{mark}_", "_"), (mark, "")):
        text = f"replace({text}, {_quoted(old)}, '{new}')"
    return Atom(text, numbers=atom.numbers)


def collated(node: exp.Expression) -> tuple[exp.Expression, str | None]:
    """An operand without its COLLATE, and the collating sequence; as it is for an unknown one."""
    bare: exp.Expression = node
    while isinstance(bare, exp.Paren):
        bare = bare.this
    if not isinstance(bare, exp.Collate):
        return node, None
    name = bare.args["expression"].name.upper()
    return (bare.this, name) if name in _COLLATIONS else (node, None)


def _literal(node: exp.Literal) -> Atom | None:
    text = node.name
    if node.is_string:
        return None if "\x00" in text else Atom(_quoted(text), value=text)
    if not _NUMBER.fullmatch(text) or math.isinf(float(text)):
        return None
    return Atom(text, value=int(text) if text.isdigit() else float(text))


def _quoted(text: str) -> str:
    return "'" + text.replace("'", "''") + "'"


def _numeric(value: Value) -> int | float:
    return value if isinstance(value, int | float) else 0
