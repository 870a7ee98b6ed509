"""What a statement would do, collected while SQLite plans and starts it without any request."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field
from typing import Final

import apsw

from sessions_vtab.contract.backend import Request
from sessions_vtab.contract.capability import Capability
from sessions_vtab.contract.predicate import Value
from sessions_vtab.contract.scan import Scan
from sessions_vtab.plan.index_info import UNKNOWN, IndexInfo, IndexUsage, Unknown
from sessions_vtab.plan.lists import Sizes, holders, may_be_held
from sessions_vtab.plan.plan import Decided, Plan, decided, spoken

_EVERY: Final = 1_000
_STEPS: Final = 5_000_000
"""Steps of SQLite's virtual machine after which planning ends: some tenths of a second."""
_SCANS: Final = 2_000
"""Reads after which it ends: each takes some tenths of a millisecond."""


@dataclass(frozen=True, slots=True)
class Reached:
    """A read that the statement begins with.

    Attributes:
        plan_text: of its plan.
        scan: with its values.
        requests: what it would send first.
        pages: how many pages the list had when it was last read to its end; None: unknown.
        rows: how many rows that were.
        lists: pages of each list that has the rows of a read by key, None where nobody knows.
    """

    plan_text: str
    scan: Scan
    requests: tuple[Request, ...]
    pages: int | None = None
    rows: int | None = None
    lists: tuple[int | None, ...] = ()


@dataclass(slots=True, eq=False)
class Look:
    """What was found out about a statement.

    Attributes:
        shown: ``source.table`` and request, in the order SQLite reads the tables; then, for rows
            that the statement itself has, ``source.table insert`` and the request of each.
        reached: the reads behind the former.
        spoken: what a plan sends, and what its order meets, with the values that stand in the
            statement, by its words; two occurrences with the same words may have different values.
        decided: why each condition that SQLite offered is sent or not, by the plan's text.
        tables: the ``source.table`` of each plan, by its words; a view or a subquery reads tables
            that the statement's own text does not name.
        scans: how many reads there were, of which some would have asked for nothing.
        partial: planning was ended, so the statement would read more: see ``bounded``.
    """

    shown: list[tuple[str, Request]] = field(default_factory=list)
    reached: list[Reached] = field(default_factory=list)
    spoken: dict[str, set[tuple[str, str]]] = field(default_factory=dict)
    decided: dict[str, tuple[Decided, ...]] = field(default_factory=dict)
    tables: dict[str, set[str]] = field(default_factory=dict)
    scans: int = 0
    partial: bool = False

    def planned(
        self, title: str, plan_text: str, plan: Plan, index_info: IndexInfo, usage: IndexUsage
    ) -> None:
        """Takes note of a plan of the table ``title`` with its literals."""
        self.tables.setdefault(plan_text, set()).add(title)
        taken: Sequence[tuple[int, Value | Unknown]] = sorted(
            (
                (use.argument, one.literal)
                for use, one in zip(usage.uses, index_info.constraints, strict=True)
                if use.argument is not None and one.column
            ),
            key=lambda pair: pair[0],
        )
        values = tuple(UNKNOWN if value is None else value for _, value in taken)
        self.spoken.setdefault(plan_text, set()).add(spoken(plan, values))
        found = decided(plan, index_info)
        if self.decided.get(plan_text, found) != found:  # Of another occurrence, or its copy.
            found = tuple(one._replace(value="?") for one in found)
        self.decided[plan_text] = found

    def reach(
        self,
        plan_text: str,
        scan: Scan,
        requests: tuple[Request, ...],
        capability: Capability,
        sizes: Sizes,
    ) -> None:
        """Takes note of a read.

        Args:
            plan_text: of its plan.
            scan: with its values.
            requests: what it would send first.
            capability: of its table.
            sizes: of the table's lists.
        """
        held = holders(scan, (), capability) if may_be_held(scan) else ()
        lists = tuple(sizes.of(one.scan) for one in held)
        pages, rows = sizes.counts(scan)
        self.reached.append(Reached(plan_text, scan, requests, pages, rows, lists))

    @contextmanager
    def bounded(self, connection: apsw.Connection) -> Iterator[None]:
        """Ends a query that runs in the block after so many steps, or reads.

        Rows of no table of ours are computed while planning, and may be without end, or each ask
        for rows of ours. Not for a write: SQLite would roll back the transaction around it.
        """
        steps = 0

        def ends() -> bool:
            nonlocal steps
            steps += _EVERY
            self.partial = steps > _STEPS or self.scans > _SCANS
            return self.partial

        connection.set_progress_handler(ends, _EVERY, id=self)
        try:
            yield
        except apsw.InterruptError:
            if not self.partial:  # Somebody else ended it.
                raise
        finally:
            connection.set_progress_handler(None, id=self)
