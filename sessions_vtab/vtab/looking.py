"""What a statement would do, collected while SQLite plans and starts it without any request."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field

from sessions_vtab.contract.predicate import Value
from sessions_vtab.contract.scan import Scan
from sessions_vtab.contract.write import Request
from sessions_vtab.plan.index_info import UNKNOWN, IndexInfo, IndexUsage, Unknown
from sessions_vtab.plan.plan import Decided, Plan, decided, spoken


@dataclass(frozen=True, slots=True)
class Reached:
    """A read that the statement begins with.

    Attributes:
        plan_text: of its plan.
        scan: with its values.
        requests: what it would send first.
        pages: how many pages the list had when it was last read to its end; None: unknown.
        rows: how many rows that were.
    """

    plan_text: str
    scan: Scan
    requests: tuple[Request, ...]
    pages: int | None = None
    rows: int | None = None


@dataclass(slots=True)
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
    """

    shown: list[tuple[str, Request]] = field(default_factory=list)
    reached: list[Reached] = field(default_factory=list)
    spoken: dict[str, set[tuple[str, str]]] = field(default_factory=dict)
    decided: dict[str, tuple[Decided, ...]] = field(default_factory=dict)
    tables: dict[str, set[str]] = field(default_factory=dict)

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
        pages: int | None,
        rows: int | None,
    ) -> None:
        """Takes note of a read: see ``Reached``."""
        self.reached.append(Reached(plan_text, scan, requests, pages, rows))
