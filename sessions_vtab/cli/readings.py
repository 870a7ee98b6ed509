"""How each table of a statement is read: in how many requests, and by which rule each condition."""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field, replace
from math import ceil
from typing import TYPE_CHECKING, Final

from sessions_vtab.contract.backend import Resource
from sessions_vtab.contract.capability import AccessPath
from sessions_vtab.contract.predicate import Compare, Nothing, fields
from sessions_vtab.contract.rules import Rule
from sessions_vtab.contract.write import Request
from sessions_vtab.plan.plan import Decided
from sessions_vtab.plan.pushdown import project, refusal
from sessions_vtab.vtab.looking import Reached

if TYPE_CHECKING:
    from sessions_vtab.contract.source import Source
    from sessions_vtab.sql.occurrences import Condition

__all__ = [
    "Expected",
    "PlanStep",
    "ReadTable",
    "RequestEstimate",
    "TableReading",
    "expected",
    "reasons",
]


@dataclass(frozen=True, slots=True)
class PlanStep:
    """How one table of a statement is read.

    Attributes:
        alias: what the statement calls it.
        path: name of the way of reading.
        clauses: the plan's clauses by their first word: sent, stops, here, order, groups,
            read, limit.
        depth: how deep in the plan it is.
        plan_text: the text of the plan.
    """

    alias: str
    path: str
    clauses: Mapping[str, str]
    depth: int = 0
    plan_text: str = field(default="", compare=False)


@dataclass(frozen=True, slots=True)
class ReadTable:
    """The table a step reads, as far as it is known.

    Attributes:
        title: ``source.table``.
        label: ``source.table alias``.
        resource: what reads it.
        path: how it is read.
        source: the settings of its source.
    """

    title: str
    label: str
    resource: Resource | None = None
    path: AccessPath | None = None
    source: Source | None = None

    @property
    def remote(self) -> bool:
        """Whether reading it costs requests, as far as is known."""
        return self.resource is not None and self.resource.capability.remote


@dataclass(frozen=True, slots=True)
class RequestEstimate:
    """How many requests a step makes.

    Attributes:
        page: most rows of one answer; None where an answer is one row.
        reads: how many reads there are, as far as the statement alone says.
        each: what it is read once for: ``row of prod.sessions s``; '' if the reads are known.
        lists: what is listed first, to be read one by one; '' for nothing.
        limited: LIMIT may end it early.
    """

    page: int | None
    reads: int = 1
    each: str = ""
    lists: str = ""
    limited: bool = False

    def count(self, rows: Sequence[int], listed: int = 0) -> int:
        """Requests of reads that give so many rows each, after a list of ``listed`` rows."""
        first = self._pages(listed) if self.lists else 0
        return first + sum(map(self._pages, rows))

    def __str__(self) -> str:
        """In words."""
        if self.lists:
            first = "1" if self.page is None else f"1 per {self.page} {self.lists}s"
            words = f"{first}, then 1 or more per {self.lists}"
        elif self.each:
            words = f"1{'' if self.page is None else ' or more'} per {self.each}"
        elif self.page is None:
            words = str(self.reads)
        else:
            many = f" in each of {self.reads} lists" if self.reads > 1 else ""
            words = f"1 per {self.page} rows{many}"
        return f"{words}, fewer with LIMIT" if self.limited and self.page else words

    def _pages(self, rows: int) -> int:
        return 1 if self.page is None else max(1, ceil(rows / self.page))


@dataclass(frozen=True, slots=True)
class TableReading:
    """One step with what it asks first.

    Attributes:
        step: the step.
        target: its table.
        requests: the first requests; with a place in braces for what a join will give.
        estimate: of all its requests; None where there are none.
        reached: the reads that these come from; none where a join will give the keys.
        sent: conditions that go out, with their values as far as the statement has them.
        stops: conditions that are met by the order of reading, which ends after the last row.
        here: conditions that SQLite checks, and why.
        why: each condition, and the rule by which it is sent or not.
    """

    step: PlanStep
    target: ReadTable
    requests: tuple[Request, ...] = ()
    estimate: RequestEstimate | None = None
    reached: tuple[Reached, ...] = ()
    sent: str = ""
    stops: str = ""
    here: tuple[tuple[str, str], ...] = ()
    why: tuple[tuple[str, Rule], ...] = ()

    @property
    def parallel(self) -> bool:
        """Whether it sends more than one request at once."""
        one = self.estimate
        return one is not None and bool(one.each or one.lists or one.reads > 1)


@dataclass(frozen=True, slots=True)
class Expected:
    """How many requests a statement will make.

    Attributes:
        count: so many.
        exact: false: at least so many.
        about: the count comes from what was read before.
    """

    count: int
    exact: bool = True
    about: bool = False

    def __add__(self, other: Expected) -> Expected:
        return Expected(
            self.count + other.count, self.exact and other.exact, self.about or other.about
        )

    def __str__(self) -> str:
        if not self.exact:
            return f"at least {self.count}"
        return f"about {self.count}" if self.about else str(self.count)


def expected(readings: Sequence[TableReading], sql: str) -> Expected:
    """How many requests the reads of a statement make, as far as it can be told.

    The lengths of lists are known from earlier reads. What a join asks follows from the length of
    the list that gives the keys, as long as every row of it is used.
    """
    ends, extreme = _EARLY.search(sql) is not None, _EXTREME.search(sql) is not None
    total = Expected(0)
    rows: int | None = None
    for number, reading in enumerate(readings):
        if reading.estimate is None:
            rows = None if reading.step.path else rows
            continue
        early = ends or (extreme and "order" in reading.step.clauses)
        if reading.estimate.each:
            asked = _expected_of_keys(reading, None if number > 1 else rows)
        else:
            asked, rows = _expected_of_reads(reading, early=early)
        total += replace(asked, exact=asked.exact and not early)
    return total


def _expected_of_reads(reading: TableReading, *, early: bool) -> tuple[Expected, int | None]:
    """Requests of a read whose conditions are known, and the rows that it gives to a join."""
    path = reading.target.path
    if path is None or not reading.reached:
        return Expected(0, exact=False), None
    if path.unique:  # LIMIT may end it at the first key.
        return (Expected(1, exact=False) if early else Expected(len(reading.requests))), None
    if path.fans_out:
        known = [one.pages for one in reading.reached]
        if early or None in known:
            return Expected(1, exact=False), None
        return Expected(sum(filter(None, known)), about=True), None
    if early or reading.estimate is None or reading.estimate.limited:
        return Expected(1, exact=False), None
    known = [one.pages for one in reading.reached]
    if None in known or len(reading.requests) != len(reading.reached):
        return Expected(len(reading.requests), exact=False), None
    rows = sum(one.rows or 0 for one in reading.reached)
    return Expected(sum(filter(None, known)), about=True), None if reading.here else rows


def _expected_of_keys(reading: TableReading, rows: int | None) -> Expected:
    """Requests of the inner side of a join: one for each row, unless a list may be bought."""
    path = reading.target.path
    compared = {term.split(" ")[0] for term in reading.sent.split(" AND ") if term}
    if rows is None or path is None or path.within is not None or not compared <= set(path.keys):
        return Expected(0, exact=False)
    return Expected(rows, about=True)


_EARLY: Final = re.compile(r"\b(?:limit|exists)\b", re.IGNORECASE)
_EXTREME: Final = re.compile(r"\b(?:min|max)\s*\(", re.IGNORECASE)
"""What ends a read before its list: for the latter SQLite asks for an order, and takes one row."""


def reasons(
    path: AccessPath,
    conditions: Sequence[Condition],
    decided: Sequence[Decided],
    reached: Sequence[Reached],
) -> Iterator[tuple[str, Rule]]:
    """Each condition on a table with the rule that decided about it.

    Args:
        path: how the table is read.
        conditions: of the statement's text, about this table.
        decided: what the planner said to what SQLite offered.
        reached: the reads that the statement begins with.
    """
    left = [one._replace(rule=_with_values(one, reached)) for one in decided]
    rules: dict[Condition, list[Rule]] = {}
    # Those that SQLite is known to offer first: the others take what is left of their columns.
    for condition in sorted(conditions, key=lambda one: one.role != "offered"):
        mine = [one for one in left if _is_of(one, condition)]
        left = [one for one in left if one not in mine]
        offered = [one.rule for one in mine] or [condition.rule or Rule.SQLITE]
        handed = _by_text(condition, path)
        rules[condition] = offered if handed is None else [handed]
    for condition in conditions:
        for rule in dict.fromkeys(rules[condition]):
            yield condition.text, rule
    for one in left:
        yield f"{one.column} {one.op} ?", one.rule


def _by_text(condition: Condition, path: AccessPath) -> Rule | None:
    """What the path makes of a condition that the statement rewriter hands over, if it does."""
    predicate = condition.predicate
    if predicate is None or condition.role not in {"pushed", "narrowed"}:
        return None
    refused = refusal(predicate, path)
    if refused is not None:
        return refused
    whole = condition.role == "pushed" and project(predicate, path) == predicate
    return Rule.TEXT if whole else Rule.PART


def _is_of(one: Decided, condition: Condition) -> bool:
    """Whether an offer of SQLite comes from a condition of the text."""
    predicate = condition.predicate
    if predicate is None:  # On a parameter, or in a form that is not read.
        return re.search(rf"\b{re.escape(one.column)}\b", condition.text, re.IGNORECASE) is not None
    if isinstance(predicate, Compare):
        same = predicate.op == one.op and predicate.collation == one.collation
        return same and one.column == predicate.field.column
    return one.column in {field.column for field in fields(predicate)}


def _with_values(one: Decided, reached: Sequence[Reached]) -> Rule:
    """The rule, seen with the values: one that may not be compared is not sent after all."""
    if one.rule not in {Rule.KEY, Rule.FILTER, Rule.EXACT_FILTER} or not reached:
        return one.rule
    asked = [read.scan.where for read in reached]
    if any(isinstance(where, Nothing) for where in asked):
        return one.rule
    sent = {field.column for where in asked for field in fields(where)}
    return one.rule if one.column in sent else Rule.VALUE
