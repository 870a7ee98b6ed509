"""The lists that hold the rows of a read, from the smallest on: what can be bought. Pure functions.

Which list serves follows from what has been asked so far: a condition that was the same in every
read of an occurrence belongs to its list, one that differs from read to read is looked up in it.
"""

from __future__ import annotations

from collections.abc import Collection, Hashable, Iterator, Sequence
from dataclasses import replace
from math import ceil, prod
from types import MappingProxyType
from typing import Final, NamedTuple

from sessions_vtab.contract.capability import AccessPath, Capability, Within
from sessions_vtab.contract.model import PLAN_COLUMNS
from sessions_vtab.contract.predicate import (
    AllOf,
    Compare,
    Field,
    Member,
    Null,
    Op,
    Predicate,
    Value,
)
from sessions_vtab.contract.predicate import fields as fields_of
from sessions_vtab.contract.scan import Scan

_OVERLAP: Final = 2
_MOST_SIZES: Final = 1_000


class Holder(NamedTuple):
    """A list that holds every row of a read.

    Attributes:
        scan: reads the list.
        through: the read would read this list anyway.
    """

    scan: Scan
    through: bool = False


def keys_asked(scan: Scan) -> int:
    """How many requests a read makes at least: one for each value of its keys."""
    within = scan.path.within
    if within is not None and within.through:
        return 1
    return prod(len(scan.given(key) or ()) for key in scan.path.keys)


def may_be_held(scan: Scan) -> bool:
    """Whether reads like this may have a list: most joins read by nothing but a session's key."""
    columns = {field.column for field in fields_of(scan.where)}
    return scan.path.within is not None or not columns <= set(scan.path.keys)


def holders(scan: Scan, lasting: Collection[Predicate], capability: Capability) -> Iterator[Holder]:
    """The lists that hold the rows of a read, the smallest first.

    Args:
        scan: the read.
        lasting: conditions that were the same in every read so far.
        capability: of the table.
    """
    hides = capability.hides
    for holder in _candidates(scan, lasting, capability.paths):
        dropped = set(scan.where.terms).difference(holder.scan.where.terms)
        # A condition on this column shows rows that are hidden without it.
        if hides is None or hides.column not in map(_column, dropped):
            yield holder


def _candidates(
    scan: Scan, lasting: Collection[Predicate], paths: Sequence[AccessPath]
) -> Iterator[Holder]:
    within = scan.path.within
    if within is not None and within.through:
        for holder in _within(scan, within, lasting, paths):
            yield holder
            further = holder.scan.path.within
            if further is not None:
                yield from _within(holder.scan, further, lasting, paths)
        return
    terms = scan.where.terms
    near = tuple(term for term in terms if _equates(term) or term in lasting)
    far = tuple(term for term in terms if term in lasting or _is_key(term, scan.path))
    for kept in dict.fromkeys((near, far)):
        if len(kept) < len(terms):
            yield Holder(_list(scan, scan.path, kept))
    if within is not None:
        yield from _within(scan, within, lasting, paths)


def pages_of(path: AccessPath, responses: int, rows: int) -> int:
    """How many pages of a list have come: those from both ends overlap, by one at either end."""
    if not path.page_cap or path.fans_out:
        return responses
    return min(responses, max(ceil(rows / path.page_cap), responses - _OVERLAP, 1))


class ListKey:
    """What a list is known by in dictionaries: values that are hashed once.

    The hash of a condition is that of every value in it, and a join looks each of its lists up ten
    times.
    """

    __slots__ = ("_hash", "_parts")

    def __init__(self, *parts: Hashable) -> None:
        self._parts = parts
        self._hash = hash(parts)

    def __hash__(self) -> int:
        return self._hash

    def __eq__(self, other: object) -> bool:
        return isinstance(other, ListKey) and self._parts == other._parts


def size_key(scan: Scan) -> ListKey:
    """What a list is known by when its pages were counted: neither order nor columns matter."""
    return ListKey(scan.path.name, scan.where, given_parameters(scan))


def given_parameters(scan: Scan) -> tuple[tuple[str, Value], ...]:
    """Parameter columns and their values, without those of the statement rewriter."""
    given = scan.parameters.items()
    return tuple([(name, one) for name, one in given if name not in PLAN_COLUMNS])


def read_key(scan: Scan) -> ListKey:
    """What a list is known by when its responses were counted: they come in an order."""
    return ListKey(scan.path.name, scan.where, given_parameters(scan), scan.order)


class Sizes:
    """How many pages the lists of a table had that were read to their ends, the last 1 000."""

    def __init__(self) -> None:
        self._known: dict[object, tuple[int, int]] = {}

    def of(self, scan: Scan) -> int | None:
        """Pages of a list; None where nobody has counted them."""
        return self.counts(scan)[0]

    def counts(self, scan: Scan) -> tuple[int, int] | tuple[None, None]:
        """Pages and rows of a list."""
        return self._known.get(size_key(scan), (None, None))

    def learn(self, scan: Scan, pages: int, rows: int) -> None:
        """Takes note of a list that was read to its end."""
        if not scan.is_whole:
            return
        key = size_key(scan)
        self._known.pop(key, None)
        self._known[key] = pages_of(scan.path, pages, rows), rows
        if len(self._known) > _MOST_SIZES:
            del self._known[next(iter(self._known))]


def _within(
    scan: Scan, within: Within, lasting: Collection[Predicate], paths: Sequence[AccessPath]
) -> Iterator[Holder]:
    path = next(path for path in paths if path.name == within.path)
    settled = _settled(scan, within)
    # A parameter may say which list it is; any other one is about a single read.
    named = scan.parameters.keys() - PLAN_COLUMNS
    if settled is None or not _orders(scan, path) or not named <= set(path.keys):
        return
    given = {term.field.column for term in settled}
    terms = [term for term in scan.where.terms if _stays(term, scan.path, path, lasting)]
    kept = (*settled, *(term for term in terms if _column(term) not in given))
    lacking = [term for term in scan.where.terms if term not in kept and _exact(term, scan.path)]
    if set(path.keys) <= {*named, *map(_column, kept)} and not lacking:
        yield Holder(_list(scan, path, kept), within.through)


def _settled(scan: Scan, within: Within) -> tuple[Compare, ...] | None:
    """The conditions that the key's value means for the list; None where it does not hold it."""
    if within.keys is None:
        return ()
    values = scan.given(scan.path.keys[0]) or ()
    if not all(isinstance(value, str) for value in values):
        return None
    # What is no name at all is that of no row, so any list will do for it.
    found = [one for one in map(within.keys, values) if one is not None]
    first = next(iter(found), None)
    if first is None or any(other != first for other in found):
        return None
    return tuple(Compare(Field(name), Op.EQ, value) for name, value in first.items())


def _stays(
    term: Predicate, read: AccessPath, path: AccessPath, lasting: Collection[Predicate]
) -> bool:
    """Whether a condition of the read is one of the list, too."""
    if not isinstance(term, Compare | Member) or term.field.key is not None:
        return False
    column = term.field.column
    if column in read.keys[1:] and column in path.keys:
        return True
    declared = path.filter_for(column)
    op = term.op if isinstance(term, Compare) else Op.NOT_IN if term.negated else Op.IN
    return (
        term in lasting and column not in read.keys and declared is not None and op in declared.ops
    )


def _list(scan: Scan, path: AccessPath, terms: tuple[Predicate, ...]) -> Scan:
    """The read of a list: with the columns that are compared in it afterwards."""
    compared = {field.column for field in fields_of(scan.where)}
    kept = {name: value for name, value in scan.parameters.items() if name not in PLAN_COLUMNS}
    return replace(
        scan,
        path=path,
        where=AllOf(terms),
        columns=scan.columns | compared | set(scan.path.keys),
        parameters=MappingProxyType(kept),
        limit=None,
        shape=None,
    )


def _orders(scan: Scan, path: AccessPath) -> bool:
    return all(
        one.column in path.orders or (one.column in path.ascending and not one.descending)
        for one in scan.order
    )


def _equates(term: Predicate) -> bool:
    match term:
        case Compare(_, op):
            return op is Op.EQ
        case Member(_, _, negated):
            return not negated
        case Null():
            return True
        case _:
            return False


def _column(term: Predicate) -> str:
    return term.field.column if isinstance(term, Compare | Member | Null) else ""


def _is_key(term: Predicate, path: AccessPath) -> bool:
    return _equates(term) and _column(term) in path.keys


def _exact(term: Predicate, path: AccessPath) -> bool:
    """Whether SQLite may have left the condition to the source."""
    declared = path.filter_for(_column(term))
    return declared is not None and declared.exact
