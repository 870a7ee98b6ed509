"""A plan with its values: the ``Scan`` that a backend is asked."""

from __future__ import annotations

import json
from collections.abc import Callable, Collection, Mapping, Sequence
from types import MappingProxyType
from typing import Any, Final, NamedTuple, TypeAlias, TypeGuard

from sessions_vtab.contract.capability import AccessPath
from sessions_vtab.contract.model import ColumnType, Table
from sessions_vtab.contract.predicate import (
    EVERYTHING,
    NOTHING,
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
    conjuncts,
)
from sessions_vtab.contract.scan import Scan
from sessions_vtab.errors import InvalidValueError, UnsupportedError
from sessions_vtab.plan.index_info import Relation
from sessions_vtab.plan.plan import Plan, Term
from sessions_vtab.plan.pushdown import NOT_PUSHABLE, NotPushable, pushable, takes_any_text

_NO_PARAMETERS: Final[Mapping[str, Value]] = MappingProxyType({})
_FROM = frozenset((Op.EQ, Op.GT, Op.GE))
_UNTIL = frozenset((Op.EQ, Op.LT, Op.LE))

Argument: TypeAlias = Value | Collection[Value]
"""What SQLite hands over: a value, a set of values for an IN, or None for an empty set."""


class Binder:
    """Fills the values of one run after the other into a plan.

    Args:
        plan: the plan.
        where: ``source.table``, for errors.

    Attributes:
        plan: the same.
    """

    __slots__ = ("_certain", "_places", "_shape", "_timed", "_where", "plan")

    def __init__(self, plan: Plan, where: str) -> None:
        self.plan = plan
        self._where = where
        self._places = tuple(_place(term, plan.table) for term in plan.terms)
        operators = {term.op for term in plan.terms}
        # Then each term becomes what it says, or is left out for its value; and the path has its
        # keys, which it may lack: a key compared without case does not identify one row.
        self._certain = (
            plan.pushed is None
            and Relation.IS not in operators
            and _keys_of(plan).issuperset(plan.path.keys)
        )
        times = [place for place in self._places if place.collation == TIMESTAMP]
        self._timed = plan.pushed is not None or len(times) > 1
        varies = (
            not self._certain
            or Op.IN in operators
            or plan.parameters
            or plan.constants
            or plan.skips
        )
        self._shape = None if varies else object()

    def bind(self, arguments: Sequence[Argument]) -> Scan | None:
        """The scan the plan becomes with these arguments.

        Returns:
            None if no row can match, so that nothing has to be asked.

        Raises:
            InvalidValueError: a key is compared with a value that cannot be one, and there is
                no other way.
        """
        plan = self.plan
        # A value that may not be compared by the API becomes EVERYTHING and not an error: SQLite
        # checks the rows anyway, so leaving it out only reads more.
        terms = [
            place.bound(place, argument)
            for place, argument in zip(self._places, arguments, strict=False)
        ]
        if plan.pushed is not None:
            terms.extend(conjuncts(_pushed(plan, arguments)))
        where = tuple([term for term in terms if term is not EVERYTHING])
        # Not left to the API: `= NULL`, an empty IN and contradictions match no row, and cost no
        # request.
        if NOTHING in where or (self._timed and _empty_time_span(where)):
            return None
        whole = self._certain and len(where) == len(terms)
        path = plan.path if whole else _path_for(plan, where, self._where)
        if path is not plan.path:
            where = tuple(term for term in where if _takes(path, term))
        return Scan(
            path=path,
            where=AllOf(where),
            order=plan.order,
            columns=plan.columns,
            parameters=_parameters(plan, arguments, self._where)
            if plan.parameters or plan.constants
            else _NO_PARAMETERS,
            limit=None if plan.limit is None else _rows_wanted(plan, arguments),
            offset=_number(arguments[plan.offset]) if plan.skips and plan.offset is not None else 0,
            shape=self._shape if whole else None,
        )


def _keys_of(plan: Plan) -> set[str]:
    """Columns that have a value, or a set of values, in every run."""
    equated = {term.column for term in plan.terms if term.op in {Op.EQ, Op.IN}}
    return equated | {column for column, _ in plan.parameters}


def _path_for(plan: Plan, terms: Sequence[Predicate], where: str) -> AccessPath:
    """The plan's path, or a fallback if the value of a key cannot be pushed down."""
    known = {term.field.column for term in terms if _equates(term)}
    known.update(column for column, _ in plan.parameters)
    if known.issuperset(plan.path.keys):
        return plan.path
    # The plan cannot be made again here: SQLite has prepared the statement. So the other ways were
    # kept.
    for path in plan.fallbacks:
        if known.issuperset(path.keys) and {one.column for one in plan.order}.issubset(path.orders):
            return path
    (key, *_) = (key for key in plan.path.keys if key not in known)
    raise InvalidValueError(
        f"{where}.{key} is text, but is compared with a value of another type. Give the value"
        f" as text, or write {key} = CAST(.. AS TEXT)."
    )


def _equates(term: Predicate) -> TypeGuard[Compare | Member]:
    return (isinstance(term, Compare) and term.op is Op.EQ) or (
        isinstance(term, Member) and not term.negated
    )


def _takes(path: AccessPath, term: Predicate) -> bool:
    """Whether a path declares what the term asks; what it does not is left to SQLite."""
    if not isinstance(term, Compare | Member) or term.field.key is not None:
        return False
    op = term.op if isinstance(term, Compare) else Op.NOT_IN if term.negated else Op.IN
    declared = path.filter_for(term.field.column)
    taken = declared.ops if declared else frozenset()
    return op in taken or (term.field.column in path.keys and _equates(term))


def _empty_time_span(terms: Sequence[Predicate]) -> bool:
    """Whether a time would have to be before another one that it has to be after."""
    first: dict[Field, str] = {}
    last: dict[Field, str] = {}
    for term in terms:
        # Canonical texts of times are in the order of their instants.
        if isinstance(term, Compare) and term.collation == TIMESTAMP:
            field, text = term.field, str(term.operand)
            if term.op in _FROM:
                first[field] = max(text, first.get(field, text))
            if term.op in _UNTIL:
                last[field] = min(text, last.get(field, text))
    return any(field in last and first[field] > last[field] for field in first)


def _parameters(plan: Plan, arguments: Sequence[Argument], where: str) -> dict[str, Value]:
    values: dict[str, Value] = dict(plan.constants)
    for column, index in plan.parameters:
        value = _single(arguments[index])
        if values.setdefault(column, value) != value:
            raise UnsupportedError(
                f"{where}.{column} is given twice, but a parameter has only one value."
            )
    return values


class _Place(NamedTuple):
    """A term with what does not depend on its value.

    Attributes:
        bound: makes the predicate of a value.
        term: the term.
        field: what is compared.
        type: of its column.
        collation: times are compared as instants, whichever collation asked for the equality.
    """

    bound: Callable[[_Place, Argument], Predicate]
    term: Term
    field: Field
    type: ColumnType
    collation: str


def _place(term: Term, table: Table) -> _Place:
    type_ = table.column(term.column).type
    instants = type_ is ColumnType.TIME and term.op not in {Op.LIKE, Op.GLOB}
    collation = TIMESTAMP if instants else term.collation
    compared = _equal if term.op is Op.EQ and takes_any_text(type_) else _compared
    return _Place(_BOUND.get(term.op, compared), term, Field(term.column), type_, collation)


def _equal(place: _Place, argument: Argument) -> Predicate:
    """A column of text: nearly every lookup by a key."""
    if isinstance(argument, str):
        return Compare(place.field, Op.EQ, argument, place.collation)
    return _compared(place, argument)


def _compared(place: _Place, argument: Argument) -> Predicate:
    op = Op.EQ if place.term.op is Relation.IS else place.term.op
    value = _single(argument)
    if value is None:
        return NOTHING
    if not isinstance(op, Op):
        return EVERYTHING
    fit = _fit(place, op, value)
    return (
        EVERYTHING
        if isinstance(fit, NotPushable)
        else Compare(place.field, op, fit, place.collation)
    )


def _is(place: _Place, argument: Argument) -> Predicate:
    return Null(place.field) if argument is None else _compared(place, argument)


def _left(_place: _Place, _: Argument) -> Predicate:
    return EVERYTHING


def _null(place: _Place, _: Argument) -> Predicate:
    return Null(place.field, negated=place.term.op is Op.IS_NOT_NULL)


def _member(place: _Place, argument: Argument) -> Predicate:
    """APSW hands over an empty set as None; a set may hold NULL, which equals nothing."""
    values = (
        argument
        if isinstance(argument, Collection) and not isinstance(argument, str | bytes)
        else ()
    )
    # A set comes in another order in each process; requests should not.
    ordered = sorted((value for value in values if value is not None), key=str)
    fits = [_fit(place, Op.IN, value) for value in ordered]
    known = tuple(fit for fit in fits if not isinstance(fit, NotPushable))
    # One value that cannot be compared may equal any row, so the set as a whole narrows nothing.
    if len(known) < len(fits):
        return EVERYTHING
    if not known:
        return NOTHING
    return Member(place.field, known, collation=place.collation)


_BOUND: Final[Mapping[Op | Relation, Callable[[_Place, Argument], Predicate]]] = {
    Op.IS_NULL: _null,
    Op.IS_NOT_NULL: _null,
    Op.IN: _member,
    Relation.IS: _is,
    Relation.OTHER: _left,
}


def _fit(place: _Place, op: Op, value: Value) -> Value | NotPushable:
    term = place.term
    return pushable(place.type, op, value, collation=term.collation, literal=term.literal)


def _pushed(plan: Plan, arguments: Sequence[Argument]) -> Predicate:
    if plan.pushed is None:
        return EVERYTHING
    index = plan.pushed.argument
    values = json.loads(str(arguments[index])) if index is not None else []
    bound = _fill(plan.pushed.predicate, values, plan.table)
    return EVERYTHING if bound is None or bound == EVERYTHING else bound


def _fill(predicate: Predicate, values: list[Any], table: Table) -> Predicate | None:
    """The predicate with its values; None where a value does not settle how SQLite compares."""
    match predicate:
        case Compare(field, op, Slot(index), collation, optional):
            if values[index] is None:
                return None if optional else NOTHING
            fit = _fit_pushed(field, op, values[index], collation, table)
            return None if isinstance(fit, NotPushable) else Compare(field, op, fit, collation)
        case Member():
            return _fill_member(predicate, values, table)
        case AllOf(terms):
            known = (_fill(term, values, table) for term in terms)
            return AllOf(tuple(term for term in known if term is not None))
        case AnyOf(terms):
            return _fill_all(terms, values, table, AnyOf)
        case Not(term):
            return _fill_not(term, values, table)
        case _:
            return predicate


def _fill_all(
    terms: tuple[Predicate, ...],
    values: list[Any],
    table: Table,
    make: Callable[[tuple[Predicate, ...]], Predicate],
) -> Predicate | None:
    """Fills all terms, or none: leaving out a term of an OR would lose rows."""
    filled = tuple(_fill(term, values, table) for term in terms)
    known = tuple(term for term in filled if term is not None)
    return make(known) if len(known) == len(filled) else None


def _fill_not(term: Predicate, values: list[Any], table: Table) -> Predicate | None:
    """Fills a NOT; every term of an AND inside it must be filled, or rows would be lost."""
    inner = (
        _fill_all(term.terms, values, table, AllOf)
        if isinstance(term, AllOf)
        else _fill(term, values, table)
    )
    return None if inner is None else Not(inner)


def _fill_member(member: Member, values: list[Any], table: Table) -> Predicate | None:
    op = Op.NOT_IN if member.negated else Op.IN
    raw = [values[slot.index] for slot in member.operands if isinstance(slot, Slot)]
    if member.negated and None in raw:
        return NOTHING
    fits = [
        _fit_pushed(member.field, op, value, member.collation, table)
        for value in raw
        if value is not None
    ]
    known = tuple(fit for fit in fits if not isinstance(fit, NotPushable))
    if len(known) < len(fits):
        return None
    if not known:
        return EVERYTHING if member.negated else NOTHING
    return Member(member.field, known, member.negated, member.collation)


def _fit_pushed(
    field: Field, op: Op, value: Value, collation: str, table: Table
) -> Value | NotPushable:
    """Checks a value for a field; for a JSON key (no affinity), only text can be pushed down."""
    if field.key is not None:
        return value if isinstance(value, str) else NOT_PUSHABLE
    type_ = table.column(field.column).type
    return pushable(type_, op, value, collation=collation, literal=False)


def _single(argument: Argument) -> Value:
    if argument is None or isinstance(argument, str | int | float | bytes):
        return argument
    (value,) = argument
    return value


def _rows_wanted(plan: Plan, arguments: Sequence[Argument]) -> int | None:
    """LIMIT plus OFFSET; None for no limit (a negative LIMIT also means no limit)."""
    if plan.limit is None:
        return None
    limit = arguments[plan.limit]
    if not isinstance(limit, int) or limit < 0:
        return None
    skipped = _number(arguments[plan.offset]) if plan.offset is not None and not plan.skips else 0
    return limit + skipped


def _number(argument: Argument) -> int:
    return argument if isinstance(argument, int) and argument > 0 else 0
