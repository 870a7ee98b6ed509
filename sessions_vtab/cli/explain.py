"""What a statement would do: per table what is sent, what is checked here, and the requests.

SQLite's EXPLAIN QUERY PLAN prints the plan of each virtual table in the engine's own words
(``plan.words``), without values; nothing is read or sent.
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, Final

from sessions_vtab.cli.names import Mention, Names, mentions, names_of
from sessions_vtab.spec.capability import AccessPath, Capability

if TYPE_CHECKING:
    from sessions_vtab.connection import Connection

__all__ = ["Step", "Target", "explain", "parse_step", "render", "steps"]

_SCAN: Final = re.compile(r"(?:SCAN|SEARCH) (\S+) VIRTUAL TABLE INDEX \d+:(.*)", re.DOTALL)
_CLAUSE: Final = re.compile(r"; (?=(?:sent|here|order|read): |limit\b|skip\b|offset\b)")
_INDENT: Final = 2


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


def explain(
    connection: Connection, sql: str, bindings: Mapping[str, Any] | None = None
) -> Iterator[str]:
    """Lines that say how a statement would be answered.

    Raises:
        SessionsError, apsw.Error: the statement cannot be prepared, or lacks something required.
    """
    rows = connection.execute(f"EXPLAIN QUERY PLAN {sql}", bindings or {}, can_cache=False)
    planned = [(int(str(row[0])), int(str(row[1])), str(row[3])) for row in rows]
    names = names_of(connection)
    spoken = mentions(sql, names)
    # SQLite prints a table that has a prefix and no alias with its prefix.
    tables = {mention.name.lower(): mention for mention in spoken}
    tables |= {mention.alias.lower(): mention for mention in spoken}
    for step in steps(planned):
        yield from render(step, _table(step, tables, connection, names))
    if not planned:
        yield "No table is read."


def steps(planned: list[tuple[int, int, str]]) -> Iterator[Step]:
    """The rows of EXPLAIN QUERY PLAN, (id, parent, detail), as steps in order."""
    depths: dict[int, int] = {}
    for number, parent, detail in planned:
        depths[number] = depths.get(parent, -1) + 1
        yield parse_step(detail, depths[number])


def parse_step(detail: str, depth: int = 0) -> Step:
    """One row's detail as a step; what is no scan of ours has no path."""
    match = _SCAN.fullmatch(detail)
    if match is None:
        return Step(detail, "", {}, depth)
    path, *clauses = _CLAUSE.split(match[2])
    split = (clause.partition(":") for clause in clauses)
    return Step(match[1], path, {word: text.strip() for word, _, text in split}, depth)


@dataclass(frozen=True, slots=True)
class Target:
    """The table a step reads, as far as it is known.

    Attributes:
        label: ``source.table alias``.
        path: how it is read.
        capability: what the source declares about the table.
    """

    label: str
    path: AccessPath | None
    capability: Capability | None


def render(step: Step, target: Target) -> Iterator[str]:
    """The lines of one step."""
    margin = " " * (_INDENT * step.depth)
    if not step.path:
        yield margin + step.alias
        return
    call = f"  {target.path.call}" if target.path and target.path.call else ""
    yield f"{margin}{target.label}  {step.path}{call}"
    yield f"{margin}  sent      {step.clauses.get('sent', 'nothing')}"
    yield f"{margin}  here      {step.clauses.get('here', 'nothing')}"
    for word in ("order", "read"):
        if word in step.clauses:
            yield f"{margin}  {word:<8}  {step.clauses[word]}"
    yield f"{margin}  requests  {_requests(step, target)}"


def _requests(step: Step, target: Target) -> str:
    if target.capability is None:
        return "not known"
    if not target.capability.costly:
        return "none"
    if target.path is None:
        return "1 or more"
    each = f" each {' and '.join(target.path.keys)}" if target.path.keys else ""
    cap = None if target.path.unique else target.path.page_cap
    if cap is None:
        return f"1 for{each}" if each else "1"
    rows = f"1 for each {cap} rows{f' of{each}' if each else ''}"
    return f"{rows}, fewer with LIMIT" if "limit" in step.clauses else rows


def _table(
    step: Step, tables: Mapping[str, Mention], connection: Connection, names: Names
) -> Target:
    mention = tables.get(step.alias.lower())
    if mention is None:
        return Target(step.alias, None, None)
    schema, _, table = mention.name.rpartition(".")
    source = _in_any_case(schema or names.default, connection.sources)
    label = f"{source}.{table}"
    if mention.alias.lower() != table.lower():
        label += f" {mention.alias}"
    opened = connection.sources.get(source)
    resource = opened.backend.resources.get(table.lower()) if opened is not None else None
    if resource is None:
        return Target(label, None, None)
    paths = {path.name: path for path in resource.capability.paths}
    return Target(label, paths.get(step.path), resource.capability)


def _in_any_case(name: str, known: Iterable[str]) -> str:
    """The known name that SQLite takes ``name`` for; ``name`` itself if there is none."""
    return next((other for other in known if other.lower() == name.lower()), name)
