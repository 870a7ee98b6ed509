"""Statements for one access path of a table, made from its declarations and the rows it has.

Every operator on every column, with a value of the rows, one of no row and a hostile one, and what
is declared also with NOT; every order; LIMIT and OFFSET; projections; pairs of conditions of which
one is declared and one is not; and what a key can be asked for. The values are of a column's rows,
of none of them, or hostile.
"""

from __future__ import annotations

import json
from collections import Counter
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import replace
from enum import Enum, auto
from itertools import chain, count, cycle, islice
from math import ceil
from typing import Any, Final, TypeAlias

from sessions_vtab.contract import times
from sessions_vtab.contract.capability import AccessPath
from sessions_vtab.contract.model import Column, ColumnType
from sessions_vtab.contract.predicate import Field, Op, Value
from sessions_vtab.contract.scan import Order
from sessions_vtab.testing.case import NULLITY, Case, CaseCondition, CaseForm, sorts
from sessions_vtab.testing.oracle import Known

_PATTERNS: Final = frozenset((Op.LIKE, Op.NOT_LIKE, Op.GLOB))
_SETS: Final = frozenset((Op.IN, Op.NOT_IN))
_EQUAL: Final = frozenset((Op.EQ, Op.NE, *_SETS))
_KEYS: Final = 3
"""Values that a key is given at once."""
_PAIRS: Final = 4


def cases_for(
    known: Known,
    path: AccessPath,
    parameters: Mapping[str, Sequence[Value]],
    most: int | None = None,
    start: int = 0,
) -> Iterator[Case]:
    """The cases of a path.

    Args:
        known: the table and its rows.
        path: one of its paths.
        parameters: values of parameter columns that change no row, such as a page size.
        most: how many cases of a kind; None for all. Fewer are spread evenly over columns,
            operators and values; of declared operators there are many more, and what keys can be
            asked for always is.
        start: where that begins: several paths of a table together ask for more.
    """
    maker = _Maker(known, path)
    declared, others = maker.declared(), maker.undeclared()
    yield from maker.of_keys()
    kinds = (
        (16.0, [*maker.filtered(declared, tuple(_Kind)), *maker.negated(declared)]),
        (1.0, maker.filtered(others, (_Kind.TYPICAL, _Kind.UNKNOWN, _Kind.HOSTILE))),
        (1.0, maker.plain(parameters)),
        (0.5, maker.ordered(declared=True)),
        (0.5, maker.ordered(declared=False)),
        (1.0, maker.paired(declared, others)),
        (1.0, maker.limited(declared, others)),
    )
    for share, cases in kinds:
        yield from _spread(list(cases), None if most is None else ceil(share * most), start)


def _spread(cases: Sequence[Case], most: int | None, start: int) -> Iterator[Case]:
    if most is None or len(cases) <= most:
        yield from cases
        return
    for number in range(most):
        yield cases[(start + number * len(cases) // most) % len(cases)]


_Probe: TypeAlias = tuple[Field, Column, Op]


class _Kind(Enum):
    """What a column is asked for."""

    TYPICAL = auto()
    AWKWARD = auto()
    """A value of the rows that is easily garbled."""
    UNKNOWN = auto()
    HOSTILE = auto()
    PART = auto()
    """A text within a value of the rows: found where a service looks for words."""
    OTHER_CASE = auto()
    """A value of the rows with its letters in the other case."""


_NEAR: Final = frozenset((_Kind.PART, _Kind.OTHER_CASE))


class _Maker:
    def __init__(self, known: Known, path: AccessPath) -> None:
        self._known = known
        self._path = path
        self._key = tuple(self._some(name) for name in path.keys)
        self._columns = list(known.columns())
        self._hostile = {
            column.name: cycle(hostile_values(column, known.values(column.name)))
            for column in self._columns
        }
        self._samples: dict[Field, dict[_Kind, Value]] = {}
        self._bound = cycle((False, True))
        paths = known.resource.capability.paths
        self._names = {known.table.key, "name", *(key for one in paths for key in one.keys)}

    # What there is to ask

    def _probes(self) -> Iterator[_Probe]:
        """A field and an operator each."""
        for column in self._columns:
            for op in Op:
                # SQLite itself answers whether a key is NULL.
                if op not in NULLITY or column.name not in self._known.table.never_null:
                    yield Field(column.name), column, op
            if column.type is ColumnType.JSON:
                for key in json_keys(self._known.values(column.name)):
                    yield from ((Field(column.name, key), column, op) for op in Op)

    def declared(self) -> list[_Probe]:
        """What the path takes."""
        return [one for one in self._probes() if CaseCondition(one[0], one[2]).declared(self._path)]

    def undeclared(self) -> list[_Probe]:
        """What it does not."""
        return [
            one for one in self._probes() if not CaseCondition(one[0], one[2]).declared(self._path)
        ]

    # The cases

    def plain(self, parameters: Mapping[str, Sequence[Value]]) -> Iterator[Case]:
        """All rows, their number, some of them; each parameter."""
        name = self._known.table.key
        yield Case(key=self._key)
        yield Case(key=self._key, count=True)
        yield Case((self._columns[-1].name, self._columns[0].name), self._key)
        for limit in ((3, 0), (2, 1), (0, 0), (1000, 2)):
            yield Case((name,), self._key, limit=limit)
        for parameter, values in parameters.items():
            for value in values:
                asked = (CaseCondition(Field(parameter), Op.EQ, (value,)),)
                yield Case((name,), self._key, parameters=asked)
                yield Case((), self._key, parameters=asked, limit=(5, 1))

    def of_keys(self) -> Iterator[Case]:
        """Each key with one value, none, an unknown one, several with repetitions, and NULL."""
        yield from self._of_single_rows()
        for place, name in enumerate(self._path.keys):
            column = self._known.table.column(name)
            values = self._values(name)
            no, nor = unknown_values(column, values)
            sets: list[tuple[Value, ...]] = [(None,), (no,)]
            if not column.parameter:
                some = values[:3]
                sets += [(*some, *some, no, None), (no, nor), (next(self._hostile[name]),)]
            for one in [values[:1], values[-1:], *sets]:
                op = Op.IN if len(one) > 1 else Op.EQ
                key = replace(self._key[place], op=op, values=tuple(one), bound=next(self._bound))
                yield Case(key=(*self._key[:place], key, *self._key[place + 1 :]))

    def _of_single_rows(self) -> Iterator[Case]:
        """All keys with the values of one row, for two rows."""
        places = [self._known.table.positions[name] for name in self._path.keys]
        if len(places) > 1:
            for row in self._known.rows[:2]:
                yield Case(
                    key=tuple(
                        replace(one, op=Op.EQ, values=(row[place],))
                        for one, place in zip(self._key, places, strict=True)
                    )
                )

    def filtered(self, probes: Sequence[_Probe], kinds: Sequence[_Kind]) -> Iterator[Case]:
        """Each operator with each kind of value, kind after kind."""
        for kind in kinds:
            for probe in probes:
                if self._asks(probe, kind, first=kind is kinds[0]):
                    yield self._case(self._condition(probe, kind))

    def _asks(self, probe: _Probe, kind: _Kind, *, first: bool) -> bool:
        """Whether an operator is asked with a kind of value."""
        field, column, op = probe
        if op in NULLITY:
            return first
        if kind not in _NEAR:
            return True
        if field.key is not None:
            return op in _EQUAL and isinstance(self._sample(field, column)[_Kind.TYPICAL], str)
        # A key has a form of its own, which part of it has not; ids are never searched for words.
        return op in _EQUAL and column.type is ColumnType.TEXT and column.name not in self._names

    def negated(self, probes: Sequence[_Probe]) -> Iterator[Case]:
        """NOT of each operator."""
        for probe in probes:
            yield self._case(self._condition(probe, _Kind.AWKWARD), form=CaseForm.NOT)

    def ordered(self, *, declared: bool) -> Iterator[Case]:
        """Each column both ways, also with LIMIT."""
        for limit in (None, (4, 1)):
            for column in self._columns:
                for descending in (False, True):
                    order = Order(column.name, descending)
                    if declared == sorts(self._path, order):
                        names = tuple(dict.fromkeys((column.name, self._known.table.key)))
                        yield Case(names, self._key, order=order, limit=limit)

    def paired(self, declared: Sequence[_Probe], others: Sequence[_Probe]) -> Iterator[Case]:
        """A declared condition and one that is not, and two declared ones, by AND, OR and NOT."""
        some = self._some_of(declared)
        rest = self._some_of(others)
        for number, (mine, other) in enumerate(zip(some, cycle(rest or some), strict=False)):
            kind = _Kind.UNKNOWN if number % 2 else _Kind.TYPICAL
            pair = self._condition(mine, _Kind.TYPICAL), self._condition(other, kind)
            yield self._case(*pair)
            yield self._case(*pair, form=CaseForm.OR)
            yield self._case(*pair, form=CaseForm.NOT)
        if len(some) > 1:
            for kind in (_Kind.TYPICAL, _Kind.HOSTILE):
                both = self._condition(some[0], _Kind.TYPICAL), self._condition(some[1], kind)
                yield self._case(*both)
                yield self._case(*both, form=CaseForm.OR)

    def limited(self, declared: Sequence[_Probe], others: Sequence[_Probe]) -> Iterator[Case]:
        """LIMIT and OFFSET with declared conditions, exact or not, alone and with one that is not.

        A backend that counts rows before SQLite has checked them returns too few.
        """
        rest = self._some_of(others)
        # LIMIT may end the read before the last value of a set is asked for, which is right.
        single = [probe for probe in declared if probe[2] not in _SETS]
        for number, mine in enumerate(self._some_of(single)):
            one = self._condition(mine, _Kind.TYPICAL)
            yield replace(self._case(one), limit=(2, 0))
            yield replace(self._case(one, form=CaseForm.NOT), limit=(3, 1))
            if rest:
                other = self._condition(rest[number % len(rest)], _Kind.TYPICAL)
                yield replace(self._case(one, other), limit=(2, 1))

    # Inside

    def _case(self, *terms: CaseCondition, form: CaseForm = CaseForm.AND) -> Case:
        return Case((self._known.table.key,), self._key, terms, form)

    def _some_of(self, probes: Sequence[_Probe]) -> Sequence[_Probe]:
        """Some probes, of different columns; none that changes which rows show."""
        hides = self._known.resource.capability.hides
        by_field = {
            field: (field, column, op)
            for field, column, op in probes
            if op not in NULLITY
            and (hides is None or column.name != hides.column)
            and column.name not in self._path.keys
        }
        return list(by_field.values())[:: max(1, len(by_field) // _PAIRS)][:_PAIRS]

    def _condition(self, probe: _Probe, kind: _Kind) -> CaseCondition:
        field, column, op = probe
        if op in NULLITY:
            return CaseCondition(field, op)
        sample, hostile = self._sample(field, column), kind is _Kind.HOSTILE
        choice = next(self._hostile[column.name]) if hostile else sample[kind]
        bound = next(self._bound)
        if op in _SETS:
            return CaseCondition(field, op, (choice, choice, sample[_Kind.HOSTILE]), bound)
        if op in _PATTERNS and not (hostile and isinstance(choice, str)):
            choice = pattern(op, choice)
        return CaseCondition(field, op, (choice,), bound)

    def _sample(self, field: Field, column: Column) -> dict[_Kind, Value]:
        """A value of each kind; for HOSTILE, of which there are many, another one of no row."""
        if field not in self._samples:
            self._samples[field] = self._sampled(field, column)
        return self._samples[field]

    def _sampled(self, field: Field, column: Column) -> dict[_Kind, Value]:
        values = self._known.values(field.column)
        none = unknown_values(column, values)
        if field.key is not None:
            values = list(_members(values, field.key))
            none = "no such value", "nor this"
        usual = typical(values)
        text = str(usual)
        # The part is the longer half: short ones are values themselves.
        near = text[: max(1, len(text) * 2 // 3)], text.swapcase()
        found = usual, awkward(values), *none, *near
        return dict(zip(_Kind, found, strict=True))

    def _values(self, name: str) -> list[Value]:
        return [value for value in dict.fromkeys(self._known.values(name)) if value is not None]

    def _some(self, name: str) -> CaseCondition:
        """A key with values of the rows, one where it is a parameter."""
        values = self._values(name)
        if not values:
            raise AssertionError(
                f"{self._known.table.name}: no row has a {name}, which the path {self._path.name}"
                " needs; give some in keys"
            )
        if self._known.table.column(name).parameter or len(values) == 1:
            return CaseCondition(Field(name), Op.EQ, (values[0],))
        step = max(1, len(values) // _KEYS)
        return CaseCondition(Field(name), Op.IN, tuple(values[::step][:_KEYS]))


def _members(values: Iterable[Value], key: str) -> Iterator[Value]:
    """The texts and numbers under a key of JSON objects."""
    found = (one.get(key) for one in _objects(values))
    return (value for value in found if isinstance(value, str | int | float))


def _objects(values: Iterable[Value]) -> Iterator[dict[str, Any]]:
    """The JSON objects among the values of a column."""
    for value in values:
        if isinstance(value, str) and value[:1] == "{":
            yield json.loads(value)


_TEXTS: Final[tuple[Value, ...]] = (
    "x' OR '1'='1",
    "a/b?c=d&e#f",
    "",
    "..",
    " padded ",
    "%2Fnul\x00",
    "\U0001f600 \u05e9\u05dc\u05d5\u05dd",
    'q"u[o]t{e}\\s',
    "line\nbreak",
    "*%_?",
    "z" * 500,
)
_NUMBERS: Final[tuple[Value, ...]] = ("1", 1.5, -1, 2**63 - 1, "abc", "01", -0.0, 10**18 + 1)
_MEMBERS: Final = 2
"""Keys of a JSON column that are asked for."""


def typical(values: Iterable[Value]) -> Value:
    """The value that most rows have, of equally frequent ones the middle one; None if none has."""
    counted = Counter(value for value in values if value is not None)
    if not counted:
        return None
    most = max(counted.values())
    known = sorted((value for value in counted if counted[value] == most), key=_sortable)
    return known[len(known) // 2]


def awkward(values: Iterable[Value]) -> Value:
    """The text with the most characters that a query may misread, or the largest number."""
    known = [value for value in values if value is not None]
    return max(known, key=lambda value: (_odd(value), _sortable(value)), default=None)


def unknown_values(column: Column, known: Sequence[Value]) -> tuple[Value, Value]:
    """Two values of the column's own form that no row has."""
    if column.type is ColumnType.TIME:
        return "2031-03-04 05:06:07.089123", "1987-06-05T04:03:02.010203Z"
    if column.type in {ColumnType.INTEGER, ColumnType.REAL, ColumnType.BOOLEAN}:
        found = (number for number in count(987_654_321) if number not in known)
        return next(found), next(found)
    if column.type is ColumnType.JSON:
        return '{"no":"such row"}', '["no such row"]'
    model = str(typical(known) or "no such row")
    return _neighbour(model, known, 0), _neighbour(model, known, 1)


def hostile_values(column: Column, known: Sequence[Value]) -> tuple[Value, ...]:
    """Values that break careless code; of a time column a known instant in other spellings."""
    if column.type in {ColumnType.INTEGER, ColumnType.REAL, ColumnType.BOOLEAN}:
        return _NUMBERS
    if column.type is not ColumnType.TIME:
        return _TEXTS
    instant = times.parse(typical(known) or "2026-01-01")
    canonical = "2026-01-01" if instant is None else times.to_text(instant)
    return canonical.replace(" ", "T") + "Z", canonical[:10], "9999-12-31T23:59:59+00:00"


def pattern(op: Op, value: Value) -> str:
    """A pattern that a value meets, with a wildcard and the other case where case is nothing."""
    text = str(value)[:12]
    return f"{text}*" if op is Op.GLOB else f"%{text[1:].swapcase()}%"


def json_keys(values: Iterable[Value]) -> list[str]:
    """The keys that most objects of a column have, and one that none has."""
    counted: Counter[str] = Counter()
    for one in _objects(values):
        # A plan in words is taken apart at these.
        counted.update(key for key in one if "; " not in key and " AND " not in key)
    return [key for key, _ in counted.most_common(_MEMBERS)] + (["no such key"] if counted else [])


def _neighbour(text: str, known: Sequence[Value], skip: int) -> str:
    """A text of the same form: the last letters or digits are others."""
    places = [place for place, letter in enumerate(text) if letter.isascii() and letter.isalnum()]
    found = (
        changed
        for place in reversed(places)
        for letter in _alike(text[place])
        if (changed := text[:place] + letter + text[place + 1 :]) not in known
    )
    others = (f"{text} no such row {number}" for number in count())
    return next(islice(chain(found, others), skip, None))


def _alike(letter: str) -> str:
    """Letters that fit where this one stands, also in a hexadecimal number."""
    for form in ("0123456789", "abcdef", "ghijklmnopqrstuvwxyz", "ABCDEF", "GHIJKLMNOPQRSTUVWXYZ"):
        if letter in form:
            at = form.index(letter)
            return form[at + 1 :] + form[:at]
    return ""


def _odd(value: Value) -> int:
    return sum(not letter.isalnum() for letter in set(str(value)))


def _sortable(value: Value) -> tuple[bool, float, str]:
    if isinstance(value, int | float):
        return False, float(value), ""
    return True, 0.0, str(value)
