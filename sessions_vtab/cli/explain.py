"""What a statement would do, in words: per table the first request, what is sent, and why.

Also what a statement would write, and how many requests it makes in all, as far as is known.
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING, Any, Final
from urllib.parse import unquote_plus, urlsplit

from sessions_vtab.cli.display import escaped
from sessions_vtab.cli.readings import TableReading, examine, made_as_they_are
from sessions_vtab.contract.backend import Request
from sessions_vtab.contract.capability import AccessPath
from sessions_vtab.contract.predicate import (
    BINARY,
    AllOf,
    AnyOf,
    Compare,
    Field,
    Member,
    Nothing,
    Null,
    Op,
    Predicate,
    Rule,
    conjuncts,
)
from sessions_vtab.contract.predicate import fields as fields_of
from sessions_vtab.plan.lists import keys_asked
from sessions_vtab.plan.plan import Decided, is_by_order
from sessions_vtab.plan.pushdown import handed_over, refusal
from sessions_vtab.vtab.looking import Reached

if TYPE_CHECKING:
    from sessions_vtab.connection import Connection
    from sessions_vtab.contract.backend import Source
    from sessions_vtab.sql.occurrences import Condition


_GATHERS: Final = re.compile(r"USE TEMP B-TREE FOR (?:GROUP|ORDER) BY")
_LIMIT: Final = re.compile(r"\blimit\b", re.IGNORECASE)
_EARLY: Final = re.compile(r"\b(?:limit|exists)\b", re.IGNORECASE)
_EXTREME: Final = re.compile(r"\b(?:min|max)\s*\(", re.IGNORECASE)
"""What ends a read before its list: for the latter SQLite asks for an order, and takes one row."""
_NULL_TESTS: Final = (Op.IS_NULL, Op.IS_NOT_NULL)
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
    here = ", ".join(f"{text} ({words})" for text, words in checked_here(reading))
    yield f"{margin}  here      {here or 'nothing'}"
    for word in ("order", "groups", "read"):
        if word in step.clauses:
            yield f"{margin}  {word:<8}  {step.clauses[word]}"
    unknown = "not known" if target.resource is None else "none"
    yield f"{margin}  requests  {reading.estimate or unknown}"
    if why:
        for text, rule in tuple(dict.fromkeys(reasons(reading))) or (("no condition", None),):
            because = ""
            if rule is not None:
                where = "sent" if rule.sent else "here"
                because = f": {where} by {rule}: {rule.says} ({rule.decided_in})"
            yield f"{margin}  why       {text}{because}"


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


# Which rule decided.


def reasons(reading: TableReading) -> Iterator[tuple[str, Rule]]:
    """Each condition on a table with the rule that decided about it."""
    path, conditions = reading.target.path, reading.conditions
    if path is None:
        return
    left = [one._replace(rule=_with_values(one, reading.reached)) for one in reading.decided]
    given = tuple(left)
    rules: dict[Condition, list[Rule]] = {}
    # Those that SQLite is known to offer first: the others take what is left of their columns. Two
    # that are alike are offered alike.
    for condition in sorted(conditions, key=lambda one: one.role != "offered"):
        mine = _offers_of(
            condition, given if condition.role == "offered" and condition.predicate else left
        )
        left = [one for one in left if one not in mine]
        offered = [one.rule for one in mine] or [condition.rule or Rule.SQLITE]
        alone = condition.role == "here" and condition.rule is Rule.OUTER_JOIN
        handed = [Rule.OUTER_JOIN] if alone else _by_text(condition, path, reading)
        rules[condition] = handed or offered
    for condition in conditions:
        for rule in dict.fromkeys(rules[condition]):
            yield condition.text, rule
    for one in left:
        value = "" if one.op in {Op.IS_NULL, Op.IS_NOT_NULL} else f" {one.value}"
        yield f"{one.column} {one.op}{value}", one.rule


def checked_here(reading: TableReading) -> Iterator[tuple[str, str]]:
    """The conditions that SQLite checks and the source does not, and why; each once."""
    rules: dict[str, list[Rule]] = {}
    for text, rule in reasons(reading):
        rules.setdefault(text, []).append(rule)
    for text, found in rules.items():
        if Rule.PART in found:
            yield text, "a part of it is sent" if Rule.ORDER not in found else "the rest of it"
        elif not any(rule.sent for rule in found) and found != [Rule.LATER]:
            yield text, _words(text, found[0], reading)


def _words(text: str, rule: Rule, reading: TableReading) -> str:
    """Why a condition is not sent; where an operator is missing, which ones there are."""
    path = reading.target.path
    if rule is not Rule.OPERATOR or path is None:
        return rule.says
    own = [one.predicate for one in reading.conditions if one.text == text and one.predicate]
    columns = [field.column for predicate in own for field in fields_of(predicate)]
    declared = [path.filter_for(column) for column in (*columns, text.partition(" ")[0])]
    found = next(filter(None, declared), None)
    if found is None:
        return rule.says
    only = f"the API supports only {', '.join(sorted(found.ops))}"
    return Rule.NO_FILTER.says if found.by_order else only


def _by_text(condition: Condition, path: AccessPath, reading: TableReading) -> list[Rule]:
    """What the path makes of a condition that the statement rewriter hands over, if it does."""
    predicate = condition.predicate
    if predicate is None or condition.role not in {"pushed", "narrowed"}:
        return []
    refused = refusal(predicate, path)
    if refused is not None:
        return [refused]
    taken = handed_over(predicate, path)
    asked = _asked(reading.reached)
    if asked is not None and asked.isdisjoint(fields_of(taken)):
        return [Rule.VALUE]
    terms = list(conjuncts(taken))
    columns = [next(fields_of(one), Field("")).column for one in terms]
    ordered = {column for column in columns if is_by_order(path, column)}
    met = ordered & {reading.stops.partition(" ")[0]}
    if not met and ordered.issuperset(columns):
        return [Rule.OTHER_ORDER]
    whole = condition.role == "pushed" and terms == list(conjuncts(predicate)) and met == ordered
    handed = [Rule.TEXT if whole else Rule.PART] if not whole or ordered < set(columns) else []
    return [*handed, Rule.ORDER] if met else handed


def _offers_of(condition: Condition, offers: Sequence[Decided]) -> list[Decided]:
    """The offers that SQLite makes of a condition: of several alike, those with its values."""
    mine = [one for one in offers if _is_of(one, condition)]
    text = condition.text.lower()
    return [one for one in mine if one.value.lower() in text] or mine


def _is_of(one: Decided, condition: Condition) -> bool:
    """Whether an offer of SQLite comes from a condition of the text."""
    predicate = condition.predicate
    if predicate is None:  # On a parameter, or in a form that is not read.
        return re.search(rf"\b{re.escape(one.column)}\b", condition.text, re.IGNORECASE) is not None
    return _offers(predicate, one)


def _offers(predicate: Predicate, one: Decided) -> bool:
    """Whether SQLite makes an offer of a condition."""
    match predicate:
        case AllOf(terms) | AnyOf(terms):
            return any(_offers(term, one) for term in terms)
        case Compare(field, op, _, collation):
            same = one.op == op or (op, one.op) == (Op.EQ, Op.IN)  # OR on one column becomes IN.
            # Of <> SQLite says no other collation than this one.
            alike = one.collation in {collation, BINARY if op is Op.NE else collation}
            return same and alike and one.column == field.column
        case Member(field, _, negated, collation):
            same = one.op in {Op.IN, Op.EQ} and not negated
            return same and (one.column, one.collation) == (field.column, collation)
        case Null(field, negated):
            return one.column == field.column and one.op == _NULL_TESTS[negated]
        case _:
            return False


def _with_values(one: Decided, reached: Sequence[Reached]) -> Rule:
    """The rule, seen with the values: one that may not be compared is not sent after all."""
    asked = _asked(reached)
    if one.rule not in {Rule.KEY, Rule.FILTER, Rule.EXACT_FILTER, Rule.ORDER} or asked is None:
        return one.rule
    return one.rule if one.column in {field.column for field in asked} else Rule.VALUE


def _asked(reached: Sequence[Reached]) -> set[Field] | None:
    """What the reads compare; None if they are not known, or there is nothing to be asked."""
    asked = [read.scan.where for read in reached]
    if not asked or any(isinstance(where, Nothing) for where in asked):
        return None
    return {field for where in asked for field in fields_of(where)}


# How many requests.


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
    requested = set[tuple[Request, ...]]()
    for number, reading in enumerate(readings):
        if reading.estimate is None:
            rows = None if reading.step.path else rows
            continue
        early = ends or (extreme and "order" in reading.step.clauses)
        if reading.estimate.each:
            asked = _expected_of_keys(reading, None if number > 1 else rows)
        else:
            # What another step has asked is not requested again.
            new = tuple(one for one in reading.reached if one.requests not in requested)
            asked, rows = _expected_of_reads(reading, new, early=early)
            requested.update(one.requests for one in new)
        total += replace(asked, exact=asked.exact and not early and not reading.partial)
    return total


def _expected_of_reads(
    reading: TableReading, reads: Sequence[Reached], *, early: bool
) -> tuple[Expected, int | None]:
    """Requests of reads whose conditions are known, and the rows that they give to a join."""
    path, known = reading.target.path, [one.pages for one in reads]
    requests = sum(len(one.requests) for one in reads)
    if path is None or not reading.reached:
        return Expected(0, exact=False), None
    if not reads:
        return Expected(0), None
    # LIMIT may end it at the first key, and one list may take the place of many reads.
    limited = not path.fans_out and (reading.estimate is None or reading.estimate.limited)
    if early or limited or not made_as_they_are(reads):
        return Expected(1, exact=False), None
    if path.unique:
        keys = sum(keys_asked(one.scan) for one in reads)
        return Expected(requests, exact=requests == keys), None
    if None in known or (requests != len(reads) and not path.fans_out):
        return Expected(1 if path.fans_out else requests, exact=False), None
    rows = sum(one.rows or 0 for one in reads)
    narrowed = path.fans_out or any(True for _ in checked_here(reading))
    return Expected(sum(filter(None, known)), about=True), None if narrowed else rows


def _expected_of_keys(reading: TableReading, rows: int | None) -> Expected:
    """Requests of the inner side of a join: one for each row, unless a list may be bought."""
    path = reading.target.path
    compared = {term.split(" ")[0] for term in reading.sent.split(" AND ") if term}
    if rows is None or path is None or path.within is not None or not compared <= set(path.keys):
        return Expected(0, exact=False)
    return Expected(rows, about=True)
