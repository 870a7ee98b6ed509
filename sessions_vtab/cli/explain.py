"""What a statement would do: per table the first request, what is sent, and what is checked here.

SQLite's EXPLAIN QUERY PLAN prints the plan of each virtual table in the engine's own words
(``plan.words``), without values; the first requests come from ``Connection.preview``. Nothing is
read, sent or written.
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from math import ceil
from typing import TYPE_CHECKING, Any, Final
from urllib.parse import unquote_plus, urlsplit

from sessions_vtab.cli.display import escaped
from sessions_vtab.cli.names import Mention, Names, mentions, names_of
from sessions_vtab.errors import UnsupportedError
from sessions_vtab.spec.backend import Resource
from sessions_vtab.spec.capability import AccessPath
from sessions_vtab.spec.scan import Order, Scan
from sessions_vtab.spec.write import Request

if TYPE_CHECKING:
    from sessions_vtab.connection import Connection
    from sessions_vtab.spec.source import Source

__all__ = [
    "Estimate",
    "Reading",
    "Step",
    "Target",
    "Writing",
    "examine",
    "examine_write",
    "explain",
    "parse_step",
    "steps",
]

_SCAN: Final = re.compile(
    r"(?:SCAN|SEARCH) (\S+) VIRTUAL TABLE INDEX \d+:(.*?)(?: LEFT-JOIN)?", re.DOTALL
)
_CLAUSE: Final = re.compile(r"; (?=(?:sent|here|order|read): |limit\b|skip\b|offset\b)")
_INTO: Final = re.compile(r"""\binto\s+[\w."`\[\]]+""", re.IGNORECASE)
_INDENT: Final = 2
_SEGMENTS: Final = 3
"""Last parts of a URL's path that are shown: what comes before is the same for a whole source."""


@dataclass(frozen=True, slots=True)
class Step:
    """How one table of a statement is read.

    Attributes:
        alias: what the statement calls it.
        path: name of the way of reading.
        clauses: the plan's clauses by their first word: sent, here, order, read, limit.
        depth: how deep in the plan it is.
    """

    alias: str
    path: str
    clauses: Mapping[str, str]
    depth: int = 0


@dataclass(frozen=True, slots=True)
class Target:
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
    def costly(self) -> bool:
        """Whether reading it costs requests, as far as is known."""
        return self.resource is not None and self.resource.capability.costly


@dataclass(frozen=True, slots=True)
class Estimate:
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
        """Requests of reads that give so many rows each, behind a list of ``listed`` rows."""
        first = self._pages(listed) if self.lists else 0
        return first + sum(map(self._pages, rows))

    def __str__(self) -> str:
        """In words."""
        if self.lists:
            words = f"1 per {self.page} {self.lists}s, then 1 or more per {self.lists}"
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
class Reading:
    """One step with what it asks first.

    Attributes:
        step: the step.
        target: its table.
        requests: the first requests; with a place in braces for what a join will give.
        estimate: of all its requests; None where there are none.
    """

    step: Step
    target: Target
    requests: tuple[Request, ...] = ()
    estimate: Estimate | None = None

    @property
    def parallel(self) -> bool:
        """Whether it sends more than one request at once."""
        one = self.estimate
        return one is not None and bool(one.each or one.lists or one.reads > 1)


@dataclass(frozen=True, slots=True)
class Writing:
    """The rows a statement writes.

    Attributes:
        title: ``source.table`` and what happens to its rows.
        call: the declared call for one row.
        requests: those of rows that the statement itself has; empty where it finds them by reading.
        source: the settings of a source that requests go to; None for a store on this machine.
    """

    title: str
    call: str
    requests: tuple[Request, ...]
    source: Source | None

    @property
    def count(self) -> str:
        """How many requests write them, in words."""
        return str(len(self.requests)) if self.requests else "1 per row"


def explain(
    connection: Connection, sql: str, bindings: Mapping[str, Any] | None = None
) -> Iterator[str]:
    """Lines that say how a statement would be answered.

    Raises:
        SessionsError, apsw.Error: the statement cannot be prepared, or lacks something required.
    """
    readings = examine(connection, sql, bindings)
    for reading in readings:
        yield from _lines(reading)
    writing = examine_write(connection, sql, bindings)
    if writing is not None:
        yield from _writing_lines(writing)
    costly = [one for one in readings if one.estimate is not None]
    words = [str(one.estimate) for one in costly]
    if writing is not None and writing.source is not None:
        words.append(writing.count)
    if words:
        most = _most(connection, [*(one.target.source for one in costly), _source_of(writing)])
        yield f"requests  {'; then '.join(words)}; at most {most} (max_requests)"
    if not (readings or writing):
        yield "No table is read."


def examine(
    connection: Connection, sql: str, bindings: Mapping[str, Any] | None = None
) -> list[Reading]:
    """How each table of a statement would be read.

    Raises:
        SessionsError, apsw.Error: the statement cannot be prepared, or lacks something required.
    """
    rows = connection.execute(f"EXPLAIN QUERY PLAN {sql}", bindings or {}, can_cache=False)
    planned = [(int(str(row[0])), int(str(row[1])), str(row[3])) for row in rows]
    names = names_of(connection)
    # What INSERT writes to is not read, and may have the name of what is.
    spoken = mentions(_INTO.sub(" ", sql, count=1), names)
    # SQLite prints a table that has a prefix and no alias with its prefix.
    tables = {mention.name.lower(): mention for mention in spoken}
    tables |= {mention.alias.lower(): mention for mention in spoken}
    found = [(step, _target(step, tables, connection, names)) for step in steps(planned)]
    try:
        reached = connection.preview(sql, bindings or {})
    except UnsupportedError:  # It writes to a table of another owner.
        reached = []
    return list(_readings(found, reached))


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
    costly = table.capability.costly
    source = connection.sources[table.source].settings if costly else None
    return Writing(title, table.capability.writes.calls.get(action, ""), requests, source)


def steps(planned: list[tuple[int, int, str]]) -> Iterator[Step]:
    """The rows of EXPLAIN QUERY PLAN, (id, parent, detail), as steps in order."""
    depths: dict[int, int] = {}
    for number, parent, detail in planned:
        depths[number] = depths.get(parent, -1) + 1
        yield parse_step(detail, depths[number])


def parse_step(detail: str, depth: int = 0) -> Step:
    """One row's detail as a step; a step that does not read a table of this package has no path."""
    match = _SCAN.fullmatch(detail)
    if match is None:
        return Step(detail, "", {}, depth)
    path, *clauses = _CLAUSE.split(match[2])
    split = (clause.partition(":") for clause in clauses)
    return Step(match[1], path, {word: text.strip() for word, _, text in split}, depth)


# Requests of each step.


def _readings(
    found: Sequence[tuple[Step, Target]], reached: Sequence[tuple[str, Request]]
) -> Iterator[Reading]:
    waiting = _by_title(found, reached)
    outer = ""
    for step, target in found:
        reading = Reading(step, target)
        if target.costly and target.path is not None:
            groups = waiting.get(target.title)
            known = groups.pop(0) if groups else ()
            reading = _asked(reading, known, outer)
        yield reading
        outer = target.label if target.path is not None else outer


def _by_title(
    found: Sequence[tuple[Step, Target]], reached: Sequence[tuple[str, Request]]
) -> dict[str, list[tuple[Request, ...]]]:
    """The requests of each table, one group for each step that was reached."""
    titles = [target.title for _, target in found]
    groups: dict[str, list[tuple[Request, ...]]] = {}
    for title in dict.fromkeys(title for title, _ in reached):
        own = tuple(request for other, request in reached if other == title)
        # As many as there are steps: one each. Else the first step was reached, and asks for all.
        alone = titles.count(title) == len(own)
        groups[title] = [(request,) for request in own] if alone else [own]
    return groups


def _asked(reading: Reading, known: tuple[Request, ...], outer: str) -> Reading:
    target, path = reading.target, reading.target.path
    if target.resource is None or path is None:
        return reading
    requests = known or _template(reading.step, path, target.resource)
    place = bool(requests) and "{" in requests[-1].url
    estimate = Estimate(
        page=None if path.unique else path.page_cap,
        reads=max(1, len(requests)),
        limited="limit" in reading.step.clauses,
    )
    if known and len(known) > 1 and place and "{" not in known[0].url:
        estimate = replace(estimate, reads=1, lists=_place(known[-1].url))
    elif not known and (path.keys or "?" in reading.step.clauses.get("sent", "")):
        estimate = replace(estimate, each=f"row of {outer}" if outer else _each(path))
    return replace(reading, requests=tuple(requests), estimate=estimate)


def _template(step: Step, path: AccessPath, resource: Resource) -> Sequence[Request]:
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


def _each(path: AccessPath) -> str:
    return " and ".join(path.keys) or "value"


def _place(url: str) -> str:
    """The name of the placeholder in a URL: ``session`` for ``../{session}/events``."""
    match = re.search(r"\{(\w+)\}", url)
    return "row" if match is None else match[1]


def _most(connection: Connection, sources: Iterable[Source | None]) -> int:
    if connection.budget.max_requests is not None:
        return connection.budget.max_requests
    return min((source.max_requests for source in sources if source is not None), default=0)


def _source_of(writing: Writing | None) -> Source | None:
    return None if writing is None else writing.source


# In words.


def _lines(reading: Reading) -> Iterator[str]:
    step, target = reading.step, reading.target
    margin = " " * (_INDENT * step.depth)
    if not step.path:
        yield margin + step.alias
        return
    yield f"{margin}{target.label}  {_first(reading)}"
    yield f"{margin}  sent      {step.clauses.get('sent', 'nothing')}"
    yield f"{margin}  here      {_here(step, target.path)}"
    for word in ("order", "read"):
        if word in step.clauses:
            yield f"{margin}  {word:<8}  {step.clauses[word]}"
    yield f"{margin}  requests  {_requests(reading)}"


def _writing_lines(writing: Writing) -> Iterator[str]:
    if writing.source is None:
        yield f"{writing.title}  in this transaction"
        return
    words = writing.call
    if writing.requests:
        first = writing.requests[0]
        words = f"{first.method} {_short(first.url)}"
    if len(writing.requests) != 1:
        words += f", {writing.source.concurrency} at a time"
    yield f"{writing.title}  {words}"
    yield f"  requests  {writing.count}"


def _first(reading: Reading) -> str:
    """The first request, or the way of reading where there is none."""
    target, requests = reading.target, reading.requests
    if not requests:
        call = f"  {target.path.call}" if target.path and target.path.call else ""
        return f"{reading.step.path}{call}"
    shown = requests[:1] if reading.estimate is None or not reading.estimate.lists else requests[:2]
    words = ", then ".join(f"{one.method} {_short(one.url)}" for one in shown)
    if len(requests) > len(shown):
        words += f" and {len(requests) - len(shown)} more"
    if reading.parallel and target.source is not None:
        words += f", {target.source.concurrency} at a time"
    return words


def _short(url: str) -> str:
    """A URL for people: without host, the end of its path, its query decoded."""
    parts = urlsplit(url)
    segments = [segment for segment in parts.path.split("/") if segment]
    path = parts.path
    if parts.scheme and len(segments) > _SEGMENTS:
        path = "/".join(("..", *segments[-_SEGMENTS:]))
    return escaped(path + (f"?{unquote_plus(parts.query)}" if parts.query else ""))


def _here(step: Step, path: AccessPath | None) -> str:
    """What SQLite checks, and why the source does not."""
    terms = [term for term in step.clauses.get("here", "").split(", ") if term]
    if path is None or not terms:
        return ", ".join(terms) or "nothing"
    return ", ".join(f"{term} ({_why(term.partition(' ')[0], path)})" for term in terms)


def _why(column: str, path: AccessPath) -> str:
    declared = path.filter_for(column)
    if declared is None:
        return "the API has no such filter"
    return f"the API supports only {', '.join(sorted(declared.ops))}"


def _requests(reading: Reading) -> str:
    if reading.estimate is not None:
        return str(reading.estimate)
    return "not known" if reading.target.resource is None else "none"


# Names.


def _target(
    step: Step, tables: Mapping[str, Mention], connection: Connection, names: Names
) -> Target:
    mention = tables.get(step.alias.lower())
    if mention is None:
        return Target(step.alias, step.alias)
    schema, _, table = mention.name.rpartition(".")
    source = _in_any_case(schema or names.default, connection.sources)
    label = f"{source}.{table}"
    if mention.alias.lower() != table.lower():
        label += f" {mention.alias}"
    title = f"{source}.{table.lower()}"
    opened = connection.sources.get(source)
    resource = opened.backend.resources.get(table.lower()) if opened is not None else None
    if opened is None or resource is None:
        return Target(title, label)
    paths = {path.name: path for path in resource.capability.paths}
    return Target(title, label, resource, paths.get(step.path), opened.settings)


def _in_any_case(name: str, known: Iterable[str]) -> str:
    """The known name that SQLite takes ``name`` for; ``name`` itself if there is none."""
    return next((other for other in known if other.lower() == name.lower()), name)
