"""Conditions of a statement as predicates on one table occurrence.

Understood are comparisons of a column (or one key of a JSON column) with an *atom*: a literal, a
parameter, or a column of a SELECT around this one; and AND, OR, NOT of those, with ``?1 IS NULL
OR`` before a comparison with ``?1``. NOT is moved down to the comparisons. What is not understood
is left out of an AND, and makes an OR useless: the predicate that comes out is never narrower than
the condition.
"""

from __future__ import annotations

import math
import re
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field, replace
from typing import NamedTuple

from sqlglot import exp

from sessions_vtab.contract.model import Column, ColumnType
from sessions_vtab.contract.predicate import (
    BINARY,
    TIMESTAMP,
    AllOf,
    AnyOf,
    Compare,
    Field,
    Member,
    Not,
    Null,
    Op,
    Predicate,
    Slot,
    Value,
    literal,
)
from sessions_vtab.sql.json_keys import is_key_of_json, key_of, makes_text
from sessions_vtab.sql.names import Item, Resolved, Scope
from sessions_vtab.sql.source import terms

NOCASE = "NOCASE"


class Atom(NamedTuple):
    """A value of a statement.

    Attributes:
        text: as an SQL expression.
        number: the parameter's number; None for a literal or column.
        value: a literal's value.
        item: the table occurrence of an outer column.
        kind: the kind of an outer column's values.
    """

    text: str
    number: int | None = None
    value: Value = None
    item: Item | None = None
    kind: str | None = None


class TimeOperand(NamedTuple):
    """A literal or parameter that is compared with a time column, so has to be a time."""

    column: str
    number: int | None
    value: Value


_COMPARISONS: dict[type[exp.Expression], Op] = {
    exp.EQ: Op.EQ,
    exp.NEQ: Op.NE,
    exp.LT: Op.LT,
    exp.LTE: Op.LE,
    exp.GT: Op.GT,
    exp.GTE: Op.GE,
}
_MIRRORED = {Op.LT: Op.GT, Op.LE: Op.GE, Op.GT: Op.LT, Op.GE: Op.LE}
_NEGATED = {
    Op.EQ: Op.NE,
    Op.NE: Op.EQ,
    Op.LT: Op.GE,
    Op.GE: Op.LT,
    Op.GT: Op.LE,
    Op.LE: Op.GT,
    Op.LIKE: Op.NOT_LIKE,
}
_KINDS = {
    ColumnType.TEXT: "text",
    ColumnType.JSON: "text",
    ColumnType.TIME: "time",
    ColumnType.INTEGER: "number",
    ColumnType.BOOLEAN: "number",
    ColumnType.REAL: "number",
}
_NUMBER = re.compile(r"(?:\d+(?:\.\d*)?|\.\d+)(?:[eE][+-]?\d+)?", re.ASCII)


def resolve(scope: Scope, column: exp.Column) -> Resolved | None:
    """The table a column belongs to; None where that is not certain."""
    if not isinstance(column.this, exp.Identifier) or column.args.get("catalog"):
        return None
    return scope.resolve(column.name, column.table or None, column.db or None)


@dataclass(slots=True)
class ConditionReader:
    """Reads the conditions on one item of a scope.

    Attributes:
        scope: where the condition stands.
        item: the occurrence the predicate is about.
        text_of: the text of an outer column, as the statement writes it.
        times: values that were compared with a time column.
        complete: nothing of the last condition was left out or widened.
        echoes: columns that only echo a value given in WHERE are read too.
    """

    scope: Scope
    item: Item
    text_of: Callable[[exp.Column], str]
    times: list[TimeOperand] = field(default_factory=list)
    complete: bool = True
    echoes: bool = False
    _places: dict[Atom, int] = field(default_factory=dict)

    @property
    def atoms(self) -> Sequence[Atom]:
        """Values the predicates' slots stand for, in the order they were met."""
        return tuple(self._places)

    def read(self, node: exp.Expression) -> Predicate | None:
        """The predicate of a condition; None if there is nothing to say."""
        self.complete = True
        return self._read(node, negated=False)

    def is_plain(self, node: exp.Expression) -> bool:
        """Whether SQLite offers the condition to a virtual table by itself."""
        while isinstance(node, exp.Paren):
            node = node.this
        inner = node.this if isinstance(node, exp.Not) else None
        plain = (*_COMPARISONS, exp.Like, exp.Glob, exp.In, exp.Between, exp.Is)
        if not isinstance(node, plain) and not isinstance(inner, exp.Is):
            return False
        if node.args.get("negate"):
            return False
        reader = ConditionReader(self.scope, self.item, self.text_of, echoes=True)
        found = reader.read(node)
        terms = found.terms if isinstance(found, AllOf) else (found,)
        return reader.complete and all(
            isinstance(term, Compare | Member | Null) and term.field.key is None for term in terms
        )

    def _read(self, node: exp.Expression, *, negated: bool) -> Predicate | None:
        if isinstance(node, exp.Paren):
            return self._read(node.this, negated=negated)
        if isinstance(node, exp.Not):
            return self._read(node.this, negated=not negated)
        if isinstance(node, exp.And | exp.Or):
            return self._connective(node, negated=negated)
        found = self._leaf(node, negated=negated)
        self.complete = self.complete and found is not None
        return found

    def _connective(self, node: exp.And | exp.Or, *, negated: bool) -> Predicate | None:
        operands = terms(node, type(node))
        numbers = {number for number in map(_tested, operands) if number is not None}
        if numbers and isinstance(node, exp.Or) and not negated:
            found = self._optional([part for part in operands if _tested(part) is None], numbers)
            self.complete = self.complete and found is not None
            return found
        parts = [self._read(part, negated=negated) for part in operands]
        known = [part for part in parts if part is not None]
        if isinstance(node, exp.And) != negated:
            return _joined(AllOf, known) if known else None
        return _joined(AnyOf, known) if len(known) == len(parts) else None

    def _optional(self, operands: Sequence[exp.Expression], numbers: set[int]) -> Predicate | None:
        """``?1 IS NULL OR column = ?1``: comparisons with the one parameter that may be NULL."""
        parts = [self._read(part, negated=False) for part in operands]
        found: list[Predicate] = [
            replace(part, optional=True)
            for part in parts
            if isinstance(part, Compare)
            and isinstance(part.operand, Slot)
            and {self.atoms[part.operand.index].number} == numbers
        ]
        return _joined(AnyOf, found) if found and len(found) == len(parts) else None

    def _leaf(self, node: exp.Expression, *, negated: bool) -> Predicate | None:
        if isinstance(node, exp.Escape):
            return self._escaped(node, negated=negated)
        if type(node) in _COMPARISONS and _only_has(node, "this", "expression"):
            return self._comparison(node, negated=negated)
        if isinstance(node, exp.Like | exp.Glob):
            return self._pattern(node, negated=negated)
        if isinstance(node, exp.In) and _only_has(node, "this", "expressions"):
            return self._membership(node, negated=negated)
        if isinstance(node, exp.Between) and _only_has(node, "this", "low", "high"):
            return self._between(node, negated=negated)
        if isinstance(node, exp.Is) and _only_has(node, "this", "expression"):
            return self._null_test(node, negated=negated)
        if isinstance(node, exp.Column):
            return self._truth(node, negated=negated)
        return None

    def _comparison(self, node: exp.Expression, *, negated: bool) -> Predicate | None:
        op = _COMPARISONS[type(node)]
        left, right = node.this, node.args["expression"]
        subject = self._field(left)
        if subject is None:
            op, left, right = _MIRRORED.get(op, op), right, left
            subject = self._field(left)
        if subject is None:
            return self._lowered(node, negated=negated)
        if op is Op.EQ and not negated and isinstance(right, exp.Coalesce):
            return self._or_itself(right, *subject)
        slot = self._slot(right, *subject)
        if slot is None:
            return None
        name, column = subject
        return Compare(name, _NEGATED[op] if negated else op, slot, _collation(name, column))

    def _or_itself(self, node: exp.Coalesce, name: Field, column: Column) -> Predicate | None:
        """``column = coalesce(?1, column)``: a NULL parameter matches all rows with a value."""
        same = [self._field(other) for other in node.expressions] == [(name, column)]
        if not same or not isinstance(node.this, exp.Parameter):
            return None
        slot = self._slot(node.this, name, column)
        if slot is None:
            return None
        self.complete = False
        return Compare(name, Op.EQ, slot, _collation(name, column), optional=True)

    def _lowered(self, node: exp.Expression, *, negated: bool) -> Predicate | None:
        """``lower(col) = value`` means that col equals it without case, but not the reverse.

        Not so for a key of a JSON column: ``lower`` makes text of a number there.
        """
        side = node.this
        if negated or not isinstance(node, exp.EQ) or not isinstance(side, exp.Lower | exp.Upper):
            return None
        subject = self._field(side.this) if _only_has(side, "this") else None
        if subject is None or subject[0].key or _KINDS[subject[1].type] != "text":
            return None
        slot = self._slot(node.args["expression"], *subject)
        self.complete = False
        return None if slot is None else Compare(subject[0], Op.EQ, slot, NOCASE)

    def _pattern(self, node: exp.Like | exp.Glob, *, negated: bool) -> Predicate | None:
        if not _only_has(node, "this", "expression", "negate"):
            return None
        negated = negated != bool(node.args.get("negate"))
        subject = self._field(node.this)
        atom = self._atom(node.args["expression"])
        if subject is None or atom is None or atom.item is not None:
            return None
        slot = self._keep(atom)
        if isinstance(node, exp.Glob):
            glob = Compare(subject[0], Op.GLOB, slot)
            return Not(glob) if negated else glob
        return Compare(subject[0], Op.NOT_LIKE if negated else Op.LIKE, slot)

    def _escaped(self, node: exp.Escape, *, negated: bool) -> Predicate | None:
        """``column LIKE 'pattern' ESCAPE 'c'`` where the pattern is a literal."""
        like, mark = node.this, node.args["expression"]
        literals = isinstance(mark, exp.Literal) and mark.is_string and isinstance(like, exp.Like)
        pattern = self._atom(like.args["expression"]) if literals else None
        if pattern is None or not isinstance(pattern.value, str):
            return None
        text = _unescaped(pattern.value, mark.name)
        subject = self._field(like.this)
        if text is None or subject is None or not _only_has(like, "this", "expression", "negate"):
            return None
        negated = negated != bool(like.args.get("negate"))
        slot = self._keep(_text(text))
        return Compare(subject[0], Op.NOT_LIKE if negated else Op.LIKE, slot)

    def _membership(self, node: exp.In, *, negated: bool) -> Predicate | None:
        subject = self._field(node.this)
        if subject is None or not node.expressions:
            return None
        found = [self._slot(member, *subject) for member in node.expressions]
        members = tuple(slot for slot in found if slot is not None)
        if len(members) < len(found):
            return None
        return Member(subject[0], members, negated, _collation(*subject))

    def _between(self, node: exp.Between, *, negated: bool) -> Predicate | None:
        subject = self._field(node.this)
        if subject is None:
            return None
        low, high = (self._slot(node.args[side], *subject) for side in ("low", "high"))
        if low is None or high is None:
            return None
        collation = _collation(*subject)
        ops = (Op.LT, Op.GT) if negated else (Op.GE, Op.LE)
        bounds = tuple(
            Compare(subject[0], op, slot, collation)
            for op, slot in zip(ops, (low, high), strict=True)
        )
        return AnyOf(bounds) if negated else AllOf(bounds)

    def _null_test(self, node: exp.Is, *, negated: bool) -> Predicate | None:
        subject = self._field(node.this)
        if subject is None or not isinstance(node.args["expression"], exp.Null):
            return None
        return Null(subject[0], negated)

    def _truth(self, node: exp.Column, *, negated: bool) -> Predicate | None:
        """A column that stands alone is true unless it is 0 or NULL."""
        subject = self._field(node)
        if subject is None or _KINDS.get(subject[1].type) != "number":
            return None
        slot = self._keep(Atom("0", value=0))
        return Compare(subject[0], Op.EQ if negated else Op.NE, slot)

    def _field(self, node: exp.Expression) -> tuple[Field, Column] | None:
        """The column, or key of a JSON column, of this occurrence that an operand is."""
        while isinstance(node, exp.Paren):
            node = node.this
        if is_key_of_json(node):
            return self._keyed(node)
        if isinstance(node, exp.Collate):
            return self._collated(node)
        if type(node) is exp.Cast:
            return self._cast(node)
        if not isinstance(node, exp.Column):
            return None
        found = resolve(self.scope, node)
        if found is None or found.item is not self.item or found.column.type is ColumnType.BLOB:
            return None
        if found.column.parameter and not self.echoes:
            return None
        return Field(found.column.name), found.column

    def _collated(self, node: exp.Collate) -> tuple[Field, Column] | None:
        """A column whose COLLATE clause changes nothing; times never qualify."""
        found = self._field(node.this)
        return found if found is not None and _is_binary(node, *found) else None

    def _cast(self, node: exp.Cast) -> tuple[Field, Column] | None:
        """``CAST(column->>'key' AS text)`` where every such key is text anyway."""
        if not makes_text(node) or not _only_has(node, "this", "to"):
            return None
        found = self._field(node.this)
        if found is None or found[0].key is None or self.item.ours is None:
            return None
        paths = self.item.ours.capability.paths
        filters = [one.filter_for(found[0].column, keyed=True) for one in paths]
        declared = [one.texts for one in filters if one is not None]
        return found if declared and all(declared) else None

    def _keyed(self, node: exp.Expression) -> tuple[Field, Column] | None:
        path = node.args["expression"]
        literal = isinstance(path, exp.Literal) and path.is_string
        if not literal or node.args.get("expressions") or not isinstance(node.this, exp.Column):
            return None
        found = self._field(node.this)
        key = key_of(path.name)
        if found is None or key is None or found[1].type is not ColumnType.JSON:
            return None
        return Field(found[0].column, key), found[1]

    def _slot(self, node: exp.Expression, name: Field, column: Column) -> Slot | None:
        if isinstance(node, exp.Collate) and _is_binary(node, name, column):
            node = node.this
        atom = self._atom(node)
        if atom is None:
            return None
        timed = name.key is None and column.type is ColumnType.TIME
        if atom.item is not None and (name.key is not None or atom.kind != _KINDS[column.type]):
            return None  # Affinity or collation would be decided by the other column.
        if timed and atom.item is None and (atom.number is not None or atom.value is not None):
            self.times.append(TimeOperand(self._label(column), atom.number, atom.value))
        return self._keep(atom)

    def _label(self, column: Column) -> str:
        ours = self.item.ours
        return column.name if ours is None else f"{ours.title}.{column.name}"

    def _keep(self, atom: Atom) -> Slot:
        return Slot(self._places.setdefault(atom, len(self._places)))

    def _atom(self, node: exp.Expression) -> Atom | None:
        while isinstance(node, exp.Paren):
            node = node.this
        match node:
            case exp.Parameter():
                mine = int(node.name)
                return Atom(f"?{mine}", number=mine)
            case exp.Literal():
                return _literal(node)
            case exp.Neg(this=exp.Literal() as positive) if not positive.is_string:
                atom = _literal(positive)
                return atom and Atom(f"-{atom.text}", value=-_numeric(atom.value))
            case exp.Null():
                return Atom("NULL")
            case exp.Boolean():
                return Atom(str(int(node.this)), value=int(node.this))
            case exp.Column():
                return self._outer(node)
            case _:
                return None

    def _outer(self, node: exp.Column) -> Atom | None:
        found = resolve(self.scope, node)
        if found is None or not found.outer or found.column.parameter:
            return None
        if found.column.type not in _KINDS:
            return None
        kind = _KINDS[found.column.type]
        return Atom(self.text_of(node), item=found.item, kind=kind)


def _tested(node: exp.Expression) -> int | None:
    """The number of the parameter in ``?N IS NULL``; None for any other condition."""
    while isinstance(node, exp.Paren):
        node = node.this
    if not (isinstance(node, exp.Is) and _only_has(node, "this", "expression")):
        return None
    null = isinstance(node.args["expression"], exp.Null)
    return int(node.this.name) if null and isinstance(node.this, exp.Parameter) else None


def _unescaped(pattern: str, mark: str) -> str | None:
    """A pattern that matches the same without ESCAPE; None where there is none.

    What is escaped then has to be no wildcard.
    """
    if len(mark) != 1 or mark in "%_":
        return None
    parts = re.split(re.escape(mark) + "(.?)", pattern, flags=re.DOTALL)
    escaped = parts[1::2]
    return None if {"", "%", "_"}.intersection(escaped) else "".join(parts)


def _joined(connective: type[AllOf | AnyOf], terms: list[Predicate]) -> Predicate:
    flat: list[Predicate] = []
    for term in terms:
        flat += term.terms if isinstance(term, connective) else (term,)
    return flat[0] if len(flat) == 1 else connective(tuple(flat))


def _only_has(node: exp.Expression, *names: str) -> bool:
    """Whether a node has no other arguments: what a newer sqlglot adds is not understood."""
    return all(name in names or not value for name, value in node.args.items())


def _collation(name: Field, column: Column) -> str:
    return TIMESTAMP if name.key is None and column.type is ColumnType.TIME else BINARY


def _is_binary(node: exp.Collate, name: Field, column: Column) -> bool:
    """Whether the COLLATE clause is the collation that the column has anyway."""
    named: str = node.args["expression"].name
    return named.upper() == BINARY == _collation(name, column)


def _literal(node: exp.Literal) -> Atom | None:
    text = node.name
    if node.is_string:
        return None if "\x00" in text else _text(text)
    if not _NUMBER.fullmatch(text) or math.isinf(float(text)):
        return None
    return Atom(text, value=int(text) if text.isdigit() else float(text))


def _text(text: str) -> Atom:
    return Atom(literal(text), value=text)


def _numeric(value: Value) -> int | float:
    return value if isinstance(value, int | float) else 0
