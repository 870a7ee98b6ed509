"""What a statement would do: per table the first request, what is sent, and what is checked here.

SQLite's EXPLAIN QUERY PLAN prints the plan of each virtual table in the engine's own words
(``plan.plan``), without values; the first requests come from ``Connection.preview``. Nothing is
read, sent or written.
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING, Any, Final
from urllib.parse import unquote_plus, urlsplit

from sessions_vtab.cli.display import escaped
from sessions_vtab.cli.readings import (
    Expected,
    PlanStep,
    ReadTable,
    RequestEstimate,
    TableReading,
    expected,
    reasons,
)
from sessions_vtab.contract.backend import Resource
from sessions_vtab.contract.capability import AccessPath
from sessions_vtab.contract.predicate import BINARY, Compare, Member, Predicate, literal, to_sql
from sessions_vtab.contract.predicate import fields as fields_of
from sessions_vtab.contract.rules import Rule
from sessions_vtab.contract.scan import Order, Scan
from sessions_vtab.contract.write import Request
from sessions_vtab.errors import UnsupportedError
from sessions_vtab.hints import Mention, Names, mentions, names_of
from sessions_vtab.plan.plan import is_by_order, stopping_column
from sessions_vtab.vtab.looking import Look, Reached

if TYPE_CHECKING:
    from sessions_vtab.connection import Connection
    from sessions_vtab.contract.source import Source
    from sessions_vtab.sql.occurrences import Condition

__all__ = ["Writing", "examine", "examine_write", "explain", "parse_step", "short_url", "steps"]

_SCAN: Final = re.compile(
    r"(?:SCAN|SEARCH) (\S+)(?: EXISTS)? VIRTUAL TABLE INDEX \d+:(.*?)"
    r"(?: (?:LEFT|FULL|RIGHT)-JOIN)?",
    re.DOTALL,
)
_CLAUSE: Final = re.compile(
    r"; (?=(?:sent|stops|here|order|groups|read): |limit\b|skip\b|offset\b)"
)
_VARIANT: Final = re.compile(r"; variant \d+$")
_INTO: Final = re.compile(r"""\binto\s+[\w."`\[\]]+""", re.IGNORECASE)
_GATHERS: Final = re.compile(r"USE TEMP B-TREE FOR (?:GROUP|ORDER) BY")
_LIMIT: Final = re.compile(r"\blimit\b", re.IGNORECASE)
_INDENT: Final = 2
_SEGMENTS: Final = 3
"""Last parts of a URL's path that are shown: what comes before is the same for a whole source."""


@dataclass(frozen=True, slots=True)
class Writing:
    """The rows a statement writes.

    Attributes:
        title: ``source.table`` and what happens to its rows.
        call: the declared call for one row.
        requests: those of rows that the statement itself has; empty where it finds them by reading.
        source: the settings of a source that requests go to; None for a store on this machine.
        per_minute: rows that the service's quota lets it write in a minute; 0 if none is known.
    """

    title: str
    call: str
    requests: tuple[Request, ...]
    source: Source | None
    per_minute: int = 0

    @property
    def count(self) -> str:
        """How many requests write them, in words."""
        return str(len(self.requests)) if self.requests else "1 per row"


def explain(
    connection: Connection,
    sql: str,
    bindings: Mapping[str, Any] | None = None,
    *,
    why: bool = False,
) -> Iterator[str]:
    """Lines that say how a statement would be answered.

    Args:
        connection: its tables are explained.
        sql: one statement.
        bindings: values of its parameters.
        why: also names the rule by which each condition is sent or not.

    Raises:
        SessionsError, apsw.Error: the statement cannot be prepared, or lacks something required.
    """
    readings = examine(connection, sql, bindings)
    for reading in readings:
        yield from _lines(reading, why=why)
    writing = examine_write(connection, sql, bindings)
    if writing is not None:
        yield from _writing_lines(writing)
    remote = [one for one in readings if one.estimate is not None]
    words = [str(one.estimate) for one in remote]
    total = expected(readings, sql)
    if writing is not None and writing.source is not None:
        words.append(writing.count)
        total += Expected(len(writing.requests), exact=bool(writing.requests))
    if words:
        written = None if writing is None else writing.source
        most = _most(connection, [*(one.target.source for one in remote), written])
        said, each = str(total), "; then ".join(words)
        said = said if said == each else f"{said} ({each})"
        yield f"requests  {said}; at most {most} (max_requests)"
    if not (readings or writing):
        yield "No table is read."
    if _limit_comes_late(readings, sql):
        yield "note      LIMIT does not end the reading early: rows are grouped or sorted first"
    for name in dict.fromkeys(one.target.source.name for one in readings if one.target.source):
        for notice in connection.sources[name].backend.notices():
            yield f"note      {name}: {notice}"


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
    try:
        reached = connection.look(sql, bindings or {}).reached
    except UnsupportedError:  # It writes to a table of another owner.
        reached = []
    conditions = connection.conditions(sql)
    return list(_readings(found, look, reached, conditions))


def examine_write(
    connection: Connection, sql: str, bindings: Mapping[str, Any] | None = None
) -> Writing | None:
    """What a statement would send to write its rows; None if it writes to no table of ours.

    Raises:
        SessionsError, apsw.Error: a row it would write is refused.
    """
    target = connection.target(sql)
    if target is None:
        return None
    table, action = target
    title = f"{table.source}.{table.table.name} {action}"
    shown = connection.preview(sql, bindings or {})
    requests = tuple(request for other, request in shown if other == title)
    remote = table.capability.remote
    source = connection.sources[table.source].settings if remote else None
    writes = table.capability.writes
    quota = writes.per_minute.get(action, 0)
    return Writing(title, writes.calls.get(action, ""), requests, source, quota)


def steps(planned: list[tuple[int, int, str]]) -> Iterator[PlanStep]:
    """The rows of EXPLAIN QUERY PLAN, (id, parent, detail), as steps in order."""
    depths: dict[int, int] = {}
    for number, parent, detail in planned:
        depths[number] = depths.get(parent, -1) + 1
        yield parse_step(detail, depths[number])


def parse_step(detail: str, depth: int = 0) -> PlanStep:
    """One row's detail as a step; a step that does not read a table of this package has no path."""
    match = _SCAN.fullmatch(detail)
    if match is None:
        return PlanStep(detail, "", {}, depth)
    path, *clauses = _CLAUSE.split(_VARIANT.sub("", match[2]))
    split = (clause.partition(":") for clause in clauses)
    clauses_by_word = {word: text.strip() for word, _, text in split}
    return PlanStep(match[1], path, clauses_by_word, depth, match[2])


# Requests of each step.


def _readings(
    found: Sequence[tuple[PlanStep, ReadTable]],
    look: Look,
    reached: Sequence[Reached],
    conditions: Mapping[str, Sequence[Condition]],
) -> Iterator[TableReading]:
    groups = _by_words([step for step, _ in found], reached)
    outer = ""
    for step, target in found:
        known = groups[step.plan_text].pop(0) if groups.get(step.plan_text) else ()
        reading = TableReading(step, target, reached=known)
        if target.path is not None:
            # A table that has a prefix and no alias is called by its name alone in the text.
            called = step.alias.lower()
            own = conditions.get(called) or conditions.get(called.rpartition(".")[2], ())
            reading = _said(reading, look, own)
        if target.remote and target.path is not None:
            reading = _asked(reading, outer)
        yield reading
        outer = target.label if target.path is not None else outer


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


def _asked(reading: TableReading, outer: str) -> TableReading:
    target, path = reading.target, reading.target.path
    if target.resource is None or path is None:
        return reading
    known = [request for one in reading.reached for request in one.requests]
    requests = known or _template(reading.step, path, target.resource)
    estimate = RequestEstimate(
        page=None if path.unique else path.page_cap,
        reads=max(1, len(requests)),
        limited="limit" in reading.step.clauses,
    )
    if path.fans_out:
        estimate = replace(estimate, reads=1, lists=_place(requests[-1].url) if requests else "row")
    elif not known and (path.keys or "?" in reading.step.clauses.get("sent", "")):
        alone = " and ".join(path.keys) or "value"
        estimate = replace(estimate, each=f"row of {outer}" if outer else alone)
    return replace(reading, requests=tuple(requests), estimate=estimate)


# What is sent, and what is not.


def _said(reading: TableReading, look: Look, conditions: Sequence[Condition]) -> TableReading:
    """With its conditions, and their values as far as the statement has them."""
    step = reading.step
    sent, stops = step.clauses.get("sent", ""), step.clauses.get("stops", "")
    spoken = look.spoken.get(step.plan_text, set())
    if len(spoken) == 1:
        sent, stops = next(iter(spoken))
    if reading.reached:
        terms = [_values_of(one.scan, met=stops != "") for one in reading.reached]
        sent = " OR ".join(dict.fromkeys(text for text, _ in terms if text))
        stops = " OR ".join(dict.fromkeys(text for _, text in terms if text))
    here = _here(step, reading.target.path, conditions)
    decided = look.decided.get(step.plan_text, ())
    path = reading.target.path
    why = () if path is None else reasons(path, conditions, decided, reading.reached)
    return replace(reading, sent=sent, stops=stops, here=tuple(here), why=tuple(why))


def _values_of(scan: Scan, *, met: bool) -> tuple[str, str]:
    """The conditions of a read that go out, and those that its order meets."""
    columns = [name for term in scan.where.terms for name in _columns(term)]
    stops = stopping_column(scan.path, columns, scan.order) if met else None
    sent, order = [], []
    for term in scan.where.terms:
        names = set(_columns(term))
        if not any(is_by_order(scan.path, name) for name in names):
            sent.append(to_sql(_plain(term)))
        elif stops in names:
            order.append(to_sql(_plain(term)))
    sent += [f"{name} = {literal(v)}" for name, v in scan.parameters.items() if name[0] != "_"]
    return " AND ".join(sent), " AND ".join(order)


def _plain(term: Predicate) -> Predicate:
    """Without the collation that every time has."""
    return replace(term, collation=BINARY) if isinstance(term, Compare | Member) else term


def _columns(term: Predicate) -> list[str]:
    return [one.column for one in fields_of(term)]


def _here(
    step: PlanStep, path: AccessPath | None, conditions: Sequence[Condition]
) -> Iterator[tuple[str, str]]:
    """What SQLite checks, and why the source does not."""
    offered = [one.text for one in conditions if one.role == "offered"]
    for term in filter(None, step.clauses.get("here", "").split(", ")):
        column = term.partition(" ")[0]
        named = re.compile(rf"\b{re.escape(column)}\b", re.IGNORECASE)
        text = next((text for text in offered if named.search(text)), term)
        yield text, "" if path is None else _why(term, path)
    for one in conditions:
        if one.role in {"here", "narrowed"}:
            yield one.text, "only SQLite can decide it"


def _why(term: str, path: AccessPath) -> str:
    column, _, operator = term.partition(" ")
    declared = path.filter_for(column)
    if declared is None:
        return "the API has no such filter"
    if declared.by_order and operator in declared.ops:
        return "the rows come in another order"
    return f"the API supports only {', '.join(sorted(declared.ops))}"


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


def _most(connection: Connection, sources: Iterable[Source | None]) -> int:
    if connection.budget.max_requests is not None:
        return connection.budget.max_requests
    return min((source.max_requests for source in sources if source is not None), default=0)


# In words.


def _lines(reading: TableReading, *, why: bool) -> Iterator[str]:
    step, target = reading.step, reading.target
    margin = " " * (_INDENT * step.depth)
    if not step.path:
        yield margin + step.alias
        return
    yield f"{margin}{target.label}  {_first(reading)}"
    yield f"{margin}  sent      {reading.sent or 'nothing'}"
    if reading.stops:
        yield f"{margin}  by order  {reading.stops} (the API has no such filter; stops early)"
    here = ", ".join(f"{text} ({why})" if why else text for text, why in reading.here)
    yield f"{margin}  here      {here or 'nothing'}"
    for word in ("order", "groups", "read"):
        if word in step.clauses:
            yield f"{margin}  {word:<8}  {step.clauses[word]}"
    unknown = "not known" if target.resource is None else "none"
    yield f"{margin}  requests  {reading.estimate or unknown}"
    if why:
        for text, rule in reading.why or (("no condition", None),):
            yield f"{margin}  why       {text}{'' if rule is None else _because(rule)}"


def _because(rule: Rule) -> str:
    return f": {'sent' if rule.sent else 'here'} by {rule}: {rule.says} ({rule.decided_in})"


def _limit_comes_late(readings: Sequence[TableReading], sql: str) -> bool:
    """Whether a LIMIT only cuts what was read: SQLite groups or sorts all rows of a list first."""
    lists = any(one.estimate is not None and one.estimate.page is not None for one in readings)
    gathers = any(_GATHERS.fullmatch(one.step.alias) for one in readings)
    return lists and gathers and _LIMIT.search(sql) is not None


def _writing_lines(writing: Writing) -> Iterator[str]:
    if writing.source is None:
        yield f"{writing.title}  in this transaction"
        return
    words = writing.call
    if writing.requests:
        first = writing.requests[0]
        words = f"{first.method} {short_url(first.url)}"
    if len(writing.requests) != 1:
        words += f", {writing.source.concurrency} at a time"
    yield f"{writing.title}  {words}"
    quota = f", at most {writing.per_minute} per minute" if writing.per_minute else ""
    yield f"  requests  {writing.count}{quota}"


def _first(reading: TableReading) -> str:
    """The first request, or the way of reading where there is none."""
    target, requests = reading.target, reading.requests
    if not requests:
        call = f"  {target.path.call}" if target.path and target.path.call else ""
        return f"{reading.step.path}{call}"
    shown = requests[:1] if reading.estimate is None or not reading.estimate.lists else requests[:2]
    words = ", then ".join(f"{one.method} {short_url(one.url)}" for one in shown)
    if len(requests) > len(shown):
        # Lists are read one after the other as far as LIMIT needs them.
        most = "at most " if reading.estimate is not None and reading.estimate.limited else ""
        words += f" and {most}{len(requests) - len(shown)} more"
    if reading.parallel and target.source is not None:
        words += f", {target.source.concurrency} at a time"
    return words


def short_url(url: str) -> str:
    """A URL for people: without host, the end of its path, its query decoded."""
    parts = urlsplit(url)
    segments = [segment for segment in parts.path.split("/") if segment]
    path = parts.path
    if parts.scheme and len(segments) > _SEGMENTS:
        path = "/".join(("..", *segments[-_SEGMENTS:]))
    return escaped(path + (f"?{unquote_plus(parts.query)}" if parts.query else ""))


# Names.


def _target(
    step: PlanStep, look: Look, tables: Mapping[str, Mention], connection: Connection, names: Names
) -> ReadTable:
    title = _title(step, look, tables, names.default)
    if title is None:
        return ReadTable(step.alias, step.alias)
    schema, _, table = title.rpartition(".")
    source = _in_any_case(schema or names.default, connection.sources)
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


def _in_any_case(name: str, known: Iterable[str]) -> str:
    """The known name that SQLite takes ``name`` for; ``name`` itself if there is none."""
    return next((other for other in known if other.lower() == name.lower()), name)
