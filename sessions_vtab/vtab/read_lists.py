"""Rows that are found by key in lists that the statement has read, so that no request is made.

A list with a condition has few of a table's rows, but these are the very ones that keys find: after
``FROM sessions WHERE user_id = 'ann'`` each of these sessions is known by its id, too.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import replace
from typing import TYPE_CHECKING, Final

from sessions_vtab.contract.predicate import AllOf, Compare, Field, Member, Op, Predicate, Value
from sessions_vtab.contract.scan import Row, Scan
from sessions_vtab.plan.lists import holders, read_key
from sessions_vtab.vtab.index import IndexedList

if TYPE_CHECKING:
    from sessions_vtab.vtab.remote_cursor import RemoteCursor
    from sessions_vtab.vtab.table import SourceTable


_MOST: Final = 4
"""Lists that are looked into, the last ones first."""


class ReadLists:
    """The lists of a statement in which a cursor's rows may be.

    Args:
        cursor: whose rows are looked for.
        table: its table.
    """

    __slots__ = ("_cursor", "_indexed", "_table")

    def __init__(self, cursor: RemoteCursor, table: SourceTable) -> None:
        self._cursor = cursor
        self._table = table
        self._indexed: dict[object, IndexedList] = {}

    def rows(self, scan: Scan) -> tuple[list[Row], Scan | None]:
        """The rows of a read that are known, in the order of its keys, and a read of the others."""
        within = scan.path.within
        if not self._cursor.lists_begun() or within is None or within.through:
            return [], scan
        key, *others = scan.path.keys
        values = scan.given(key) or ()
        if scan.order and len(values) > 1:
            return [], scan
        single = all(len(scan.given(one) or ()) == 1 for one in others)
        if not (values and single and all(isinstance(value, str) for value in values)):
            return [], scan
        found: dict[Value, Row] = {}
        for listed in self._lists(scan):
            found |= self._find(listed, key, values)
            if len(found) == len(values):
                break
        rows = [found[value] for value in values if value in found]
        rest = tuple(value for value in values if value not in found)
        return rows, _of_others(scan, key, rest) if rest and rows else scan if rest else None

    def close(self) -> None:
        """Forgets what came."""
        for listed in self._indexed.values():
            listed.close()
        self._indexed.clear()

    def _lists(self, scan: Scan) -> Iterator[IndexedList]:
        """The lists of the same scope, each read again from the statement's responses."""
        held = next(iter(holders(scan, (), self._table.resource.capability)), None)
        if held is None or not scan.path.unique:
            return
        # A name is that of one row, whatever the list; an id is unique within its scope.
        named = scan.path.keys == (self._table.resource.table.key,)
        scope = () if named else held.scan.where.terms
        begun = reversed(self._cursor.lists_begun().values())
        likely = (one for one in begun if one.path.name == held.scan.path.name)
        inside = [one for one in likely if {*scope} <= {*one.where.terms}]
        for one in inside[:_MOST]:
            again = replace(one, columns=held.scan.columns, parameters={}, shape=None)
            listed = self._opened(again)
            self._catch_up(listed, read_key(again))
            yield listed

    def _catch_up(self, listed: IndexedList, key: object) -> None:
        """Reads what has come of the list; what is still to come would cost a request."""
        came = self._cursor.lists_read().get(key, 0)
        while not listed.ended and listed.responses < came:
            listed.advance()

    def _opened(self, scan: Scan) -> IndexedList:
        key = read_key(scan), scan.columns
        listed = self._indexed.get(key)
        if listed is None:
            recording = self._cursor.recorded(scan)
            listed = IndexedList(recording, scan.path, self._table.resource.table)
            self._indexed[key] = listed
        return listed

    def _find(self, listed: IndexedList, key: str, values: tuple[Value, ...]) -> dict[Value, Row]:
        place, wanted = self._cursor.position(key), {*values}
        rows = listed.known([Member(Field(key), values)])
        return {row[place]: row for row in rows if row[place] in wanted}


def _of_others(scan: Scan, key: str, values: tuple[Value, ...]) -> Scan:
    """A read of fewer keys."""
    kept = [one for one in scan.where.terms if not _names(one, key)]
    return replace(scan, where=AllOf((*kept, Member(Field(key), values))), shape=None)


def _names(term: Predicate, key: str) -> bool:
    """Whether a condition says which values a key has."""
    match term:
        case Compare(Field(column, None), Op.EQ) | Member(Field(column, None), negated=False):
            return column == key
    return False
