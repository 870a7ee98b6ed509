"""One table of ADK's file, as the engine uses it."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import replace
from functools import partial
from types import MappingProxyType
from typing import Final

from sessions_vtab.backends.adk.store import AdkStore
from sessions_vtab.backends.adk.tables import ABSENT
from sessions_vtab.backends.local.resource import LocalResource
from sessions_vtab.backends.local.tables import StoreTable
from sessions_vtab.contract.backend import Context
from sessions_vtab.contract.capability import Writes
from sessions_vtab.contract.predicate import Value
from sessions_vtab.contract.scan import Page, Scan

__all__ = ["AdkResource"]

_REMEDY: Final = "Only ADK writes this file: run the agent, or copy the sessions to a local source."
_WRITES: Final = Writes(
    remedies=MappingProxyType(dict.fromkeys(("insert", "update", "delete"), _REMEDY))
)


class AdkResource(LocalResource):
    """One table.

    Args:
        relation: the columns of the table.
        store: the file.
    """

    def __init__(self, relation: StoreTable, store: AdkStore) -> None:
        super().__init__(relation, store, _WRITES)
        absent = ABSENT.get(self.table.name, frozenset())
        self.capability = replace(self.capability, absent=absent)
        self._file = store

    def scan(self, scan: Scan, context: Context) -> Iterator[Page]:
        """Yields matching rows; if only some will probably be wanted, these first."""
        # The layout of the file, which may have been replaced, determines the SQL.
        self._select = self._file.select(self.table.name)
        if scan.limit is None or scan.path.unique:
            return super().scan(scan, context)
        return self._first_some(scan, scan.limit, context)

    def _first_some(self, scan: Scan, limit: int, context: Context) -> Iterator[Page]:
        """Reads as many rows as will probably be wanted, and only then, if at all, the others.

        The agent may have written between the two reads, so the second one skips rows by their
        keys: none comes twice, and none is left out.
        """
        key = self.table.key
        whole = replace(scan, columns=scan.columns | {key}, shape=None, offset=0)
        text, bindings = self._select.statement(whole, partial(self._file.now_of, context))
        handed: set[Value] = set()
        place = self.table.positions[key]
        for page in self._file.pages(
            f"{text} LIMIT {limit} OFFSET {scan.offset}", bindings, context
        ):
            rows = list(page)
            handed.update(row[place] for row in rows)
            yield rows
        if len(handed) < limit:
            return
        for page in self._file.pages(f"{text} LIMIT -1 OFFSET {scan.offset}", bindings, context):
            yield [row for row in page if row[place] not in handed]
