"""A plan: how one scan will read its table, without values."""

from __future__ import annotations

from dataclasses import dataclass, field

from sessions_vtab.contract.capability import AccessPath
from sessions_vtab.contract.model import Table
from sessions_vtab.contract.predicate import BINARY, Op, Predicate, Value
from sessions_vtab.contract.rules import Rule
from sessions_vtab.contract.scan import Order
from sessions_vtab.plan.index_info import Relation

__all__ = ["Plan", "Pushed", "Term"]


@dataclass(frozen=True, slots=True)
class Term:
    """A condition that is handed over; its value is the argument of the same number.

    Attributes:
        column: the column's name.
        op: the operator; IN when the values come as a set.
        collation: the collating sequence SQLite compares with.
        literal: the value is a literal of the statement, so its type is that of the comparison.
    """

    column: str
    op: Op | Relation
    collation: str = BINARY
    literal: bool = False


@dataclass(frozen=True, slots=True)
class Pushed:
    """A condition found by the statement rewriter; its slots index the JSON array of values.

    Attributes:
        predicate: the part of it that the access path takes.
        argument: index of the argument that holds the JSON array; None if it has no values.
    """

    predicate: Predicate
    argument: int | None


@dataclass(frozen=True, slots=True)
class Plan:
    """How one scan reads its table.

    Attributes:
        table: the table.
        path: the way of reading.
        terms: conditions whose arguments come first, in order.
        parameters: parameter columns given a value, and the index of the argument.
        constants: parameter columns that have the same value in every run.
        pushed: what the statement rewriter found.
        told: the text of ``_push``: everything the statement rewriter said about this occurrence.
        values: index of the argument with the JSON array of its values.
        limit, offset: indexes of the arguments that hold the two numbers.
        skips: OFFSET is done by the backend; SQLite no longer does it.
        order: the order rows must come in.
        columns: names of the columns that are looked at.
        here: conditions that SQLite checks itself, as text for people.
        fallbacks: other ways of reading, best first, for values that cannot be a key: a number may
            equal many texts.
        rules: why each condition that SQLite offered is sent or not, by its index.
    """

    table: Table
    path: AccessPath
    terms: tuple[Term, ...] = ()
    parameters: tuple[tuple[str, int], ...] = ()
    constants: tuple[tuple[str, Value], ...] = ()
    pushed: Pushed | None = None
    told: str = ""
    values: int | None = None
    limit: int | None = None
    offset: int | None = None
    skips: bool = False
    order: tuple[Order, ...] = ()
    columns: frozenset[str] = frozenset()
    here: tuple[str, ...] = ()
    fallbacks: tuple[AccessPath, ...] = ()
    rules: tuple[tuple[int, Rule], ...] = field(default=(), compare=False)
