"""A plan: how one scan will read its table, without values, and its text for EXPLAIN QUERY PLAN.

The text is SQLite's idxStr and the plan's identity: it holds no values, so that one text stands for
one plan whatever it is run with.
"""

from __future__ import annotations

import re
from collections.abc import Collection, Iterable, Iterator, Sequence
from dataclasses import dataclass, field
from typing import Final, NamedTuple

from sessions_vtab.contract.capability import AccessPath
from sessions_vtab.contract.model import PLAN_COLUMNS, Table
from sessions_vtab.contract.predicate import (
    BINARY,
    EVERYTHING,
    TIMESTAMP,
    AllOf,
    Compare,
    Field,
    Op,
    Predicate,
    Rule,
    Value,
    conjuncts,
    fields,
    literal,
    to_sql,
)
from sessions_vtab.contract.scan import Order
from sessions_vtab.plan.index_info import UNKNOWN, Constraint, IndexInfo, Relation, Unknown
from sessions_vtab.plan.pushdown import handed_over


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
        argument: the text of ``_push``: the plan argument of this occurrence; empty for none.
        values: index of the argument with the JSON array of its values.
        limit, offset: indexes of the arguments that hold the two numbers.
        skips: OFFSET is done by the backend; SQLite no longer does it.
        order: the order rows must come in.
        ties: what the engine sorts those rows by that are equal in ``order``.
        groups: columns whose equal values must come one after another, for GROUP BY; the path
            promises it of one of them (``AccessPath.grouped``).
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
    argument: str = ""
    values: int | None = None
    limit: int | None = None
    offset: int | None = None
    skips: bool = False
    order: tuple[Order, ...] = ()
    ties: tuple[Order, ...] = ()
    groups: tuple[str, ...] = ()
    columns: frozenset[str] = frozenset()
    here: tuple[str, ...] = ()
    fallbacks: tuple[AccessPath, ...] = ()
    rules: tuple[tuple[int, Rule], ...] = field(default=(), compare=False)


def spoken(plan: Plan, values: Sequence[Value | Unknown]) -> tuple[str, str]:
    """What is sent, and what the order of reading meets, with the values that are known.

    Args:
        plan: the plan.
        values: of its terms, in order.
    """
    met, sent = list[str](), list[str]()
    stops = _stops(plan)
    for term, value in zip(plan.terms, values, strict=False):
        if term.column == stops:
            met.append(_term(term, value))
        elif not is_by_order(plan.path, term.column):
            sent.append(_term(term, value))
    asked = dict.fromkeys(sent + _sent_besides(plan))  # Terms of several subqueries read the same.
    return " AND ".join(asked), " AND ".join(met + _ordered_in_text(plan, stops))


def describe(plan: Plan) -> str:
    """The plan as one line: way of reading, sent, here, order, limit, columns read.

    Example:
        ``get; sent: session_id = ?; here: author LIKE; read: name, user_id``
    """
    stops = _stops(plan)
    met = [_term(one) for one in plan.terms if one.column == stops]
    clauses = (
        plan.path.name,
        _clause("sent", " AND ".join(_sent(plan))),
        _clause("stops", " AND ".join(met + _ordered_in_text(plan, stops))),
        _clause("here", ", ".join([*plan.here, *_unmet(plan, stops)])),
        _clause("order", ", ".join(map(_order, plan.order))),
        _clause("sorted here", ", ".join(map(_order, plan.ties))),
        _clause("groups", ", ".join(plan.groups)),
        "limit" if plan.limit is not None else "",
        ("skip" if plan.skips else "offset") if plan.offset is not None else "",
        _clause("read", _columns(plan) or "no column"),
    )
    return "; ".join(filter(None, clauses))


_FROM: Final = frozenset((Op.EQ, Op.GT, Op.GE))
_UNTIL: Final = frozenset((Op.EQ, Op.LT, Op.LE))
_SCAN: Final = re.compile(
    r"(?:SCAN|SEARCH) (\S+)(?: EXISTS)? VIRTUAL TABLE INDEX \d+:(.*?)"
    r"(?: (?:LEFT|FULL|RIGHT)-JOIN)?",
    re.DOTALL,
)
_CLAUSE: Final = re.compile(
    r"; (?=(?:sent|stops|here|order|groups|read): |limit\b|skip\b|offset\b)"
)
_VARIANT: Final = re.compile(r"; variant \d+$")


def scan_in(detail: str) -> tuple[str, str] | None:
    """Alias and plan text in a row of EXPLAIN QUERY PLAN; None for scans of other tables."""
    match = _SCAN.fullmatch(detail)
    return None if match is None else (match[1], match[2])


def clauses_of(plan_text: str) -> tuple[str, dict[str, str]]:
    """The way of reading that a plan text names, and its clauses by their first word.

    Args:
        plan_text: as ``describe`` writes it; the number of a variant is left out.
    """
    path, *clauses = _CLAUSE.split(_VARIANT.sub("", plan_text))
    parts = (clause.partition(":") for clause in clauses)
    return path, {word: text.strip() for word, _, text in parts}


class Decided(NamedTuple):
    """A condition that SQLite offered, and why it is sent or not.

    Attributes:
        column: what is compared.
        op: the operator, as text.
        collation: the collating sequence SQLite compares with.
        rule: the reason.
        value: what it is compared with, as text: ``?`` if the statement does not have it.
    """

    column: str
    op: str
    collation: str
    rule: Rule
    value: str = "?"


def decided(plan: Plan, index_info: IndexInfo) -> tuple[Decided, ...]:
    """Why each condition that SQLite offers is sent or not; without the ranges of patterns."""
    stops = _stops(plan)
    found, ranges = [], set(_ranges(index_info.constraints))
    for index, rule in plan.rules:
        one = index_info.constraints[index]
        met = rule is not Rule.ORDER or one.column == stops
        if one.column not in PLAN_COLUMNS and index not in ranges:
            rule_met = rule if met else Rule.OTHER_ORDER
            op, value = (Op.IN, "(?)") if one.listed else (one.op, "?")
            value = value if one.literal is UNKNOWN else literal(one.literal)
            found.append(Decided(one.column, str(op), one.collation, rule_met, value))
    return tuple(found)


def _ranges(constraints: Sequence[Constraint]) -> Iterator[int]:
    """The places of ``column >= 'X'`` and ``< 'y'``, which SQLite puts before LIKE 'x%'."""
    triples = zip(constraints, constraints[1:], constraints[2:], strict=False)
    for index, (low, high, pattern) in enumerate(triples):
        ops = low.op, high.op, pattern.op
        if ops[:2] == (Op.GE, Op.LT) and ops[2] in {Op.LIKE, Op.GLOB}:
            begun = {str(one.literal).lower()[:-1] for one in (low, high)}
            if low.column == high.column == pattern.column and len(begun) == 1:
                yield from (index, index + 1)


def stopping_column(
    path: AccessPath,
    compared: Iterable[tuple[str, Op | Relation]],
    order: Sequence[Order],
    given: Collection[str] = (),
) -> str | None:
    """The column whose range is met by reading in its order and stopping; None where none is.

    Args:
        path: the way of reading.
        compared: columns, and how they are compared.
        order: what the rows have to be sorted by anyway.
        given: parameter columns that have a value.
    """
    if not order and any(one in path.ordered_by for one in given):
        return None
    if order:  # Only a row beyond the end that comes last ends it.
        first, last = order[0], _FROM if order[0].descending else _UNTIL
        compared = (one for one in compared if one[0] == first.column and one[1] in last)
    columns = {column for column, _ in compared}
    return next(
        (one.column for one in path.filters if one.by_order and one.column in columns), None
    )


def compared_in(predicate: Predicate) -> Iterator[tuple[str, Op]]:
    """Columns that all rows must compare in one way, and how."""
    for term in conjuncts(predicate):
        if isinstance(term, Compare) and term.field.key is None:
            yield term.field.column, term.op


def _stops(plan: Plan) -> str | None:
    pushed = EVERYTHING if plan.pushed is None else plan.pushed.predicate
    offered = ((term.column, term.op) for term in plan.terms)
    given = [name for name, _ in plan.parameters]
    return stopping_column(plan.path, (*offered, *compared_in(pushed)), plan.order, given)


def is_by_order(path: AccessPath, column: str) -> bool:
    """Whether a condition on a column is never sent, since only the order can meet it."""
    declared = path.filter_for(column)
    return declared is not None and declared.by_order


def split(terms: Iterable[Predicate], path: AccessPath) -> tuple[list[Predicate], list[Compare]]:
    """Of conditions that all hold: what is sent, and those that only the order can meet."""
    sent, ordered = list[Predicate](), list[Compare]()
    for term in terms:
        if not any(is_by_order(path, one.column) for one in fields(term)):
            sent.append(term)
        elif isinstance(term, Compare):
            ordered.append(term)
        else:
            sent += conjuncts(handed_over(term, path))
    return sent, ordered


def _in_text(plan: Plan) -> tuple[list[Predicate], list[Compare]]:
    return split(() if plan.pushed is None else conjuncts(plan.pushed.predicate), plan.path)


def _ordered_in_text(plan: Plan, stops: str | None) -> list[str]:
    """Those of the text that the order meets."""
    return [to_sql(term) for term in _in_text(plan)[1] if term.field.column == stops]


def _unmet(plan: Plan, stops: str | None) -> Iterator[str]:
    """Conditions that the order would meet, if another column did not lead it."""
    for column, op in compared_in(AllOf(tuple(_in_text(plan)[1]))):
        if column != stops:
            yield f"{column} {op}"
    for term in plan.terms:
        if is_by_order(plan.path, term.column) and term.column != stops:
            yield f"{term.column} {term.op}"


def _sent(plan: Plan) -> list[str]:
    words = [_term(term) for term in plan.terms if not is_by_order(plan.path, term.column)]
    return words + _sent_besides(plan)


def _sent_besides(plan: Plan) -> list[str]:
    """Parameters, and what the statement rewriter found."""
    words = [f"{name} = ?" for name, _ in plan.parameters if name not in PLAN_COLUMNS]
    words += [f"{name} = {value!r}" for name, value in plan.constants]
    sent, _ = _in_text(plan)
    if sent:
        words.append(f"({to_sql(AllOf(tuple(sent)) if sent[1:] else sent[0])})")
    return words


def _term(term: Term, known: Value | Unknown = UNKNOWN) -> str:
    field = Field(term.column)
    if term.op in {Op.IS_NULL, Op.IS_NOT_NULL}:
        return f"{field} {term.op}"
    value = "literal" if term.literal else "?"
    if known is not UNKNOWN:
        value = literal(known)
    elif term.op is Op.IN:
        value = "(?)"
    op = Relation.IS if term.op is Relation.IS else term.op
    return f"{field} {op} {value}{_collate(field, term.collation)}"


def _collate(field: Field, collation: str) -> str:
    usual = field.key is None and collation == TIMESTAMP
    return "" if usual or collation == BINARY else f" COLLATE {collation}"


def _clause(word: str, text: str) -> str:
    return f"{word}: {text}" if text else ""


def _order(order: Order) -> str:
    return f"{order.column} desc" if order.descending else order.column


def _columns(plan: Plan) -> str:
    names = [name for name in plan.table.names if name in plan.columns]
    visible = [column.name for column in plan.table.visible]
    return "all" if names == visible else ", ".join(names)
