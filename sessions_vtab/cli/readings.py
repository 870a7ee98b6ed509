"""How each table of a statement is read: its plan, its first requests, what is sent.

SQLite's EXPLAIN QUERY PLAN prints the plan of each virtual table in the engine's own words
(``plan.plan``), without values; the first requests come from ``Connection.preview``. Nothing is
read, sent or written.
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Iterator, Mapping, Sequence
from contextlib import suppress
from dataclasses import dataclass, field, replace
from typing import TYPE_CHECKING, Any, Final

from sessions_vtab.contract.backend import Request, Resource
from sessions_vtab.contract.capability import AccessPath
from sessions_vtab.contract.predicate import BINARY, Compare, Member, Predicate, literal, to_sql
from sessions_vtab.contract.scan import Order, Scan
from sessions_vtab.errors import UnsupportedError
from sessions_vtab.hints import Mention, Names, mentions, names_of
from sessions_vtab.plan.costs import surely_rented
from sessions_vtab.plan.lists import keys_asked
from sessions_vtab.plan.plan import (
    Decided,
    clauses_of,
    compared_in,
    scan_in,
    split,
    stopping_column,
)
from sessions_vtab.vtab.looking import Look, Reached

if TYPE_CHECKING:
    from sessions_vtab.connection import Connection
    from sessions_vtab.contract.backend import Source
    from sessions_vtab.sql.occurrences import Condition


_SHOWN: Final = 3
"""Reads of one table whose conditions are shown."""
_INTO: Final = re.compile(r"""\binto\s+[\w."`\[\]]+""", re.IGNORECASE)


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


@dataclass(frozen=True, slots=True)
class RequestEstimate:
    """How many requests a step makes.

    Attributes:
        page: most rows of one answer; None where an answer is one row.
        reads: how many reads there are, as far as the statement alone says.
        each: what it is read once for: ``row of prod.sessions s``; '' if the reads are known.
        lists: what is listed first, to be read one by one; '' for nothing.
        limited: LIMIT may end it early.
        partial: there are more reads than were counted.
        listed: a list may be read in their place.
    """

    page: int | None
    reads: int = 1
    each: str = ""
    lists: str = ""
    limited: bool = False
    partial: bool = False
    listed: bool = False

    def __str__(self) -> str:
        """In words."""
        least = "at least " if self.partial else ""
        if self.lists:
            first = "1" if self.page is None else f"1 per {self.page} {self.lists}s"
            words = f"{first}, then 1 or more per {self.lists}"
        elif self.each:
            words = f"1{'' if self.page is None else ' or more'} per {self.each}"
        elif self.page is None:
            words = f"{least}{self.reads}"
        else:
            many = f" in each of {least}{self.reads} lists" if self.reads > 1 else ""
            words = f"1 per {self.page} rows{many}"
        if self.listed:
            words += ", or fewer by reading a list"
        return f"{words}, fewer with LIMIT" if self.limited and self.page else words


@dataclass(frozen=True, slots=True)
class TableReading:
    """One step with what it asks first.

    Attributes:
        step: the step.
        target: its table.
        requests: the first requests; with a place in braces for what a join will give.
        estimate: of all its requests; None where there are none.
        reached: the reads that these come from; none where a join will give the keys.
        partial: planning was ended before the last of them.
        sent: conditions that go out, with their values as far as the statement has them.
        stops: conditions that are met by the order of reading, which ends after the last row.
        conditions: those of the statement's text, about this table.
        decided: what the planner said to what SQLite offered.
    """

    step: PlanStep
    target: ReadTable
    requests: tuple[Request, ...] = ()
    estimate: RequestEstimate | None = None
    reached: tuple[Reached, ...] = ()
    partial: bool = False
    sent: str = ""
    stops: str = ""
    conditions: tuple[Condition, ...] = ()
    decided: tuple[Decided, ...] = ()

    @property
    def parallel(self) -> bool:
        """Whether it sends more than one request at once."""
        one = self.estimate
        return one is not None and bool(one.each or one.lists or one.reads > 1)


def examine(
    connection: Connection, sql: str, bindings: Mapping[str, Any] | None = None
) -> list[TableReading]:
    """How each table of a statement would be read.

    Raises:
        SessionsError, apsw.Error: the statement cannot be prepared, or lacks something required.
    """
    with connection.looking() as look:
        rows = connection.execute(f"EXPLAIN QUERY PLAN {sql}", bindings or {}, can_cache=False)
        planned = [(int(str(row[0])), int(str(row[1])), str(row[3])) for row in rows]
    names = names_of(connection)
    # What INSERT writes to is not read, and may have the name of what is.
    spoken = mentions(_INTO.sub(" ", sql, count=1), names)
    # SQLite prints a table that has a prefix and no alias with its prefix.
    tables = {mention.name.lower(): mention for mention in spoken}
    tables |= {mention.alias.lower(): mention for mention in spoken}
    found = [(step, _target(step, look, tables, connection, names)) for step in steps(planned)]
    started = Look()
    # What reads no table of ours would only compute.
    if any(target.resource is not None for _, target in found):
        with suppress(UnsupportedError):  # It writes to a table of another owner.
            started = connection.look(sql, bindings or {})
    conditions = connection.conditions(sql)
    return list(_readings(found, look, started, conditions))


def steps(planned: list[tuple[int, int, str]]) -> Iterator[PlanStep]:
    """The rows of EXPLAIN QUERY PLAN, (id, parent, detail), as steps in order."""
    depths: dict[int, int] = {}
    for number, parent, detail in planned:
        depths[number] = depths.get(parent, -1) + 1
        yield parse_step(detail, depths[number])


def parse_step(detail: str, depth: int = 0) -> PlanStep:
    """One row's detail as a step; a step that does not read a table of this package has no path."""
    found = scan_in(detail)
    if found is None:
        return PlanStep(detail, "", {}, depth)
    alias, plan_text = found
    return PlanStep(alias, *clauses_of(plan_text), depth, plan_text)


def _readings(
    found: Sequence[tuple[PlanStep, ReadTable]],
    look: Look,
    started: Look,
    conditions: Mapping[str, Sequence[Sequence[Condition]]],
) -> Iterator[TableReading]:
    groups = _by_words([step for step, _ in found], started.reached)
    outer, left = "", {called: list(several) for called, several in conditions.items()}
    for step, target in found:
        known = groups[step.plan_text].pop(0) if groups.get(step.plan_text) else ()
        reading = TableReading(step, target, reached=known, partial=started.partial)
        if target.path is not None:
            # A table that has a prefix and no alias is called by its name alone in the text.
            called = step.alias.lower()
            called = called if called in left else called.rpartition(".")[2]
            reading = _said(reading, look)
            once = tuple({one.requests: one for one in known}.values())  # Each is made once.
            reading = replace(reading, reached=once)
            own = _own(left.get(called, []), reading.decided)
            reading = _asked(replace(reading, conditions=tuple(own)), target.path, outer)
            outer = target.label
        yield reading


def _by_words(
    found: Sequence[PlanStep], reached: Sequence[Reached]
) -> dict[str, list[tuple[Reached, ...]]]:
    """The reads of each plan: one for each step where there are as many, else all for the first."""
    groups: dict[str, list[tuple[Reached, ...]]] = {}
    for text in dict.fromkeys(one.plan_text for one in reached):
        own = tuple(one for one in reached if one.plan_text == text)
        alone = sum(step.plan_text == text for step in found) == len(own)
        groups[text] = [(one,) for one in own] if alone else [own]
    return groups


def _asked(reading: TableReading, path: AccessPath, outer: str) -> TableReading:
    """With its first requests, where reading costs any."""
    resource = reading.target.resource
    if resource is None or not resource.capability.remote:
        return reading
    known = [request for one in reading.reached for request in one.requests]
    requests = known or _template(reading.step, path, resource)
    estimate = RequestEstimate(
        page=None if path.unique else path.page_cap,
        reads=max(1, len(requests)),
        limited="limit" in reading.step.clauses,
        partial=reading.partial and len(requests) > 1,
        listed=not made_as_they_are(reading.reached),
    )
    if path.fans_out:
        estimate = replace(estimate, reads=1, lists=_place(requests[-1].url) if requests else "row")
    elif not known and (path.keys or "?" in reading.step.clauses.get("sent", "")):
        alone = " and ".join(path.keys) or "value"
        estimate = replace(estimate, each=f"row of {outer}" if outer else alone)
    return replace(reading, requests=tuple(requests), estimate=estimate)


def _own(several: list[Sequence[Condition]], decided: Sequence[Decided]) -> Sequence[Condition]:
    """The conditions of the table that a step reads, of all tables that are called the same.

    They are those in which what SQLite offers is written, else the first. They are taken out while
    there are others: a table that is named once may be read in several steps.

    Args:
        several: the conditions of each table, in the order of the text.
        decided: what SQLite offers.
    """
    offered = [(one.column, one.value.lower()) for one in decided if "?" not in one.value]

    def fitting(conditions: Sequence[Condition]) -> int:
        texts = [one.text.lower() for one in conditions]
        return sum(any(all(part in text for part in one) for text in texts) for one in offered)

    best = max(several, key=fitting, default=())
    if len(several) > 1:
        several.remove(best)
    return best


def made_as_they_are(reached: Sequence[Reached]) -> bool:
    """Whether no list is read in place of reads by key: see ``plan.costs``."""
    lists = {pages for one in reached for pages in one.lists}
    return surely_rented([keys_asked(one.scan) for one in reached], lists)


def _said(reading: TableReading, look: Look) -> TableReading:
    """With what is sent, and its values as far as the statement has them."""
    step = reading.step
    sent, stops = step.clauses.get("sent", ""), step.clauses.get("stops", "")
    spoken = look.spoken.get(step.plan_text, set())
    if len(spoken) == 1:
        sent, stops = next(iter(spoken))
    if reading.reached:
        terms = [_values_of(one.scan) for one in reading.reached]
        sent = _any_of(text for text, _ in terms)
        stops = _any_of(text for _, text in terms)
    return replace(
        reading,
        sent=sent,
        stops=stops,
        decided=tuple(look.decided.get(step.plan_text, ())),
    )


def _values_of(scan: Scan) -> tuple[str, str]:
    """The conditions of a read that go out, and those that its order meets."""
    given = [name for name, value in scan.parameters.items() if value is not None]
    stops = stopping_column(scan.path, compared_in(scan.where), scan.order, given)
    taken, ordered = split(scan.where.terms, scan.path)
    sent = [to_sql(_plain(term)) for term in taken]
    order = [to_sql(_plain(term)) for term in ordered if term.field.column == stops]
    sent += [f"{name} = {literal(v)}" for name, v in scan.parameters.items() if name[0] != "_"]
    return _all_of(sent), _all_of(order)


def _any_of(texts: Iterable[str]) -> str:
    """Conditions of which one holds; the first of many."""
    different = list(dict.fromkeys(filter(None, texts)))
    more = len(different) - _SHOWN
    shown = different if more <= 1 else [*different[:_SHOWN], f"{more} more"]
    return " OR ".join(shown)


def _all_of(texts: Sequence[str]) -> str:
    """Conditions that all hold; OR within one of several is in brackets."""
    mixed = len(texts) > 1
    return " AND ".join(f"({one})" if mixed and " OR " in one else one for one in texts)


def _plain(term: Predicate) -> Predicate:
    """Without the collation that every time has."""
    return replace(term, collation=BINARY) if isinstance(term, Compare | Member) else term


def _template(step: PlanStep, path: AccessPath, resource: Resource) -> Sequence[Request]:
    """The request of a read whose keys a join will give.

    What else it sends is known in words only: then the declared call has to do.
    """
    sent = step.clauses.get("sent", "")
    if {term.split(" ")[0] for term in filter(None, sent.split(" AND "))} != set(path.keys):
        method, _, where = path.call.partition(" ")
        return (Request(method, where),)
    order = tuple(
        Order(term.removesuffix(" desc"), term.endswith(" desc"))
        for term in filter(None, step.clauses.get("order", "").split(", "))
    )
    return resource.preview(Scan(path, order=order))


def _place(url: str) -> str:
    """The name of the placeholder in a URL: ``session`` for ``../{session}/events``."""
    match = re.search(r"\{(\w+)\}", url)
    return "row" if match is None else match[1]


def _target(
    step: PlanStep, look: Look, tables: Mapping[str, Mention], connection: Connection, names: Names
) -> ReadTable:
    title = _title(step, look, tables, names.default)
    if title is None:
        return ReadTable(step.alias, step.alias)
    schema, _, table = title.rpartition(".")
    called = schema or names.default
    source = next((one for one in connection.sources if one.lower() == called.lower()), called)
    label = f"{source}.{table}"
    if step.alias.lower().rpartition(".")[2] != table.lower():
        label += f" {step.alias}"
    title = f"{source}.{table.lower()}"
    opened = connection.sources.get(source)
    resource = opened.backend.resources.get(table.lower()) if opened is not None else None
    if opened is None or resource is None:
        return ReadTable(title, label)
    paths = {path.name: path for path in resource.capability.paths}
    return ReadTable(title, label, resource, paths.get(step.path), opened.settings)


def _title(step: PlanStep, look: Look, tables: Mapping[str, Mention], default: str) -> str | None:
    """The table of a step: by its plan, or by its name in the text where two have the same plan.

    The text's own spelling stays. What a view or a subquery reads is not named there, or its alias
    is another table's.
    """
    planned = look.tables.get(step.plan_text, ())
    mention = tables.get(step.alias.lower())
    written = None if mention is None else mention.name
    if len(planned) != 1:
        return written
    title = next(iter(planned))
    full = written if written is None or "." in written else f"{default}.{written}"
    return written if full is not None and full.lower() == title.lower() else title
