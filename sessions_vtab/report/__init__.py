"""A report on agents' conversations: one HTML file without scripts and without network.

A private copy of the source is read, and asked: every number is a SELECT over the views of a
snapshot, that the report can show. `page` writes the answers as HTML.
"""

from __future__ import annotations

import tempfile
from collections.abc import Callable, Mapping, Sequence
from contextlib import closing
from dataclasses import dataclass, replace
from pathlib import Path
from typing import TYPE_CHECKING, Any, Final

import apsw

from sessions_vtab.contract import times
from sessions_vtab.contract.agent_views import views_of
from sessions_vtab.contract.predicate import literal
from sessions_vtab.errors import UnsupportedError
from sessions_vtab.report.page import Facts, page
from sessions_vtab.snapshot import Estimate, SnapshotProgress, snapshot

if TYPE_CHECKING:
    from sessions_vtab.connection import Connection

__all__ = ["Report", "report"]


MOST_ROWS: Final = 20
"""Rows of a table that are shown; the report says how many there are."""

_DAYS: Final = 92
_TURNS: Final = 6
_EVENTS: Final = 60


@dataclass(frozen=True, slots=True)
class Number:
    """One SELECT of a report.

    Attributes:
        title: what it shows.
        sql: the SELECT; its rows are ordered.
        most: rows that are shown.
    """

    title: str
    sql: str
    most: int = MOST_ROWS


@dataclass(frozen=True, slots=True)
class QueryRows:
    """The rows of a SELECT.

    Attributes:
        number: what was asked.
        columns: their names.
        rows: the first ``number.most`` of them.
        total: how many there are.
    """

    number: Number
    columns: tuple[str, ...]
    rows: tuple[tuple[Any, ...], ...]
    total: int


NUMBERS: Final[Mapping[str, Number]] = {
    "sessions": Number(
        "Sessions", "SELECT count(*) AS sessions, count(DISTINCT user_id) AS users FROM sessions"
    ),
    "turns": Number(
        "Turns",
        "SELECT count(*) AS turns, count(CASE WHEN errors > 0 THEN 1 END) AS with_errors,\n"
        "  sum(input_tokens) AS tokens_in, sum(output_tokens) AS tokens_out FROM turns",
    ),
    "first_answer": Number(
        "First answer, 95th percentile",
        "SELECT first_answer_ms FROM turns WHERE first_answer_ms IS NOT NULL\n"
        "ORDER BY first_answer_ms LIMIT 1 OFFSET max(0,\n"
        "  (SELECT (count(first_answer_ms) * 95 + 99) / 100 FROM turns) - 1)",
    ),
    "errors": Number(
        "Errors",
        "SELECT count(*) AS errors FROM events WHERE error_code IS NOT NULL AND partial IS NULL",
    ),
    "span": Number("Time", "SELECT min(timestamp) AS first, max(timestamp) AS last FROM events"),
    "turns_per_day": Number(
        "Turns per day",
        "SELECT date(started) AS day, count(*) AS turns FROM turns GROUP BY 1 ORDER BY 1 DESC",
        _DAYS,
    ),
    "tokens": Number(
        "Tokens by model",
        "SELECT coalesce(model_version, 'unknown') AS model, count(*) AS answers,\n"
        "  sum(input_tokens) AS tokens_in, sum(cached_tokens) AS cached,\n"
        "  sum(output_tokens) AS tokens_out, sum(reasoning_tokens) AS reasoning\n"
        "FROM events WHERE partial IS NULL AND (input_tokens IS NOT NULL OR output_tokens IS NOT"
        " NULL)\nGROUP BY 1 ORDER BY 3 DESC, 1",
    ),
    "tools": Number(
        "Tools",
        "WITH ranked AS (SELECT *, row_number() OVER (PARTITION BY tool\n"
        "    ORDER BY latency_ms IS NULL, latency_ms) AS place,\n"
        "  count(latency_ms) OVER (PARTITION BY tool) AS timed FROM tool_calls)\n"
        "SELECT tool, count(*) AS calls, count(error) AS failed,\n"
        "  round(100.0 * count(error) / count(*), 1) AS failed_percent,\n"
        "  count(CASE WHEN answered IS NULL THEN 1 END) AS unanswered,\n"
        "  min(latency_ms) FILTER (WHERE place >= 0.5 * timed) AS p50_ms,\n"
        "  min(latency_ms) FILTER (WHERE place >= 0.95 * timed) AS p95_ms\n"
        "FROM ranked GROUP BY tool ORDER BY calls DESC, tool",
    ),
    "error_codes": Number(
        "Errors by code",
        "SELECT error_code AS code, author AS agent, count(*) AS events,\n"
        "  count(DISTINCT session_name) AS sessions\n"
        "FROM events WHERE error_code IS NOT NULL AND partial IS NULL\n"
        "GROUP BY 1, 2 ORDER BY 3 DESC, 1, 2",
    ),
    "handovers": Number(
        "Handovers",
        "SELECT author AS from_agent, transfer_to AS to_agent, count(transfer_to) AS handovers,\n"
        "  count(escalate) AS back\n"
        "FROM events WHERE transfer_to IS NOT NULL OR escalate = 1\n"
        "GROUP BY 1, 2 ORDER BY 3 DESC, 1, 2",
    ),
    "look_at": Number(
        "Turns to look at",
        "SELECT t.session_name, t.session_id, s.user_id, t.invocation_id, t.started, t.asked,\n"
        "  t.duration_ms, t.events, t.errors\n"
        "FROM turns t JOIN sessions s ON s.name = t.session_name\n"
        "ORDER BY t.errors DESC, t.duration_ms DESC, t.session_name, t.started",
        _TURNS,
    ),
}
"""By key, in the order of the page."""

CONVERSATION: Final = Number(
    "Conversation",
    "SELECT author, timestamp, text, error_code, error_message, transfer_to, event_id, name\n"
    "FROM events WHERE session_name = :session AND invocation_id IS :turn AND partial IS NULL\n"
    "ORDER BY timestamp, sequence",
    _EVENTS,
)

_CALLS: Final = (
    "SELECT p.event_name, p.kind, p.function_name, p.args, p.response FROM event_parts p"
    " WHERE p.session_name = :session AND p.invocation_id IS :turn"
    " AND p.kind IN ('functionCall', 'functionResponse') ORDER BY p.event_name, p.part"
)


@dataclass(frozen=True, slots=True)
class Report:
    """A report and what it cost.

    Attributes:
        html: the file's text.
        sessions: sessions that were read.
        events: events that were read.
        requests: HTTP requests made.
    """

    html: str
    sessions: int
    events: int
    requests: int


def report(  # Each is an option of the command line too.
    connection: Connection,
    *,
    texts: bool = True,
    since: str | None = None,
    users: Sequence[str] = (),
    sql: bool = False,
    max_requests: int | None = None,
    progress: Callable[[SnapshotProgress], None] | None = None,
    confirm: Callable[[Estimate], bool] | None = None,
) -> Report:
    """Reads a source of agents' events and writes the report on it.

    The source is read once, into a private file that is removed; the numbers are asked of that.

    Args:
        connection: with the source as its default.
        texts: with what users and agents said; a report is often passed on.
        since: only events from this time on, in a form of ``contract.times``.
        users: only sessions of these; all unless given.
        sql: with the SELECT of every number.
        max_requests: most HTTP requests; ``snapshot.DEFAULT_BUDGET`` unless given.
        progress: called now and then.
        confirm: asked before requests are made; false ends it.

    Raises:
        UnsupportedError: the source has no events of agents.
        InvalidValueError: ``since`` is not a time.
        BudgetError: it takes more requests than it may make, or ``confirm`` said no.
        SessionsError: what the source raises.
    """
    opened = connection.sources[connection.default]
    if not {"turns", "tool_calls"} <= {view.name for view in views_of(opened.backend)}:
        raise UnsupportedError(
            f"Source {opened.name} ({opened.backend.name}) has no events of agents, so there is"
            " nothing to report on."
        )
    start = None if since is None else times.canonical(since, "since")
    with tempfile.TemporaryDirectory(prefix="sessions-vtab-report-") as folder:
        file = Path(folder) / "copy.db"
        taken = snapshot(
            connection,
            file,
            tables=["sessions", "events"],
            where=_condition(start, users),
            max_requests=max_requests,
            progress=progress,
            confirm=confirm,
        )
        facts = Facts(
            source=f"{opened.name} ({opened.backend.name})",
            made=times.to_text(times.now()),
            limits=_limits(start, users, texts=texts),
            requests=taken.requests,
            answers={},
            talks=(),
            texts=texts,
            sql=sql,
        )
        with closing(apsw.Connection(str(file))) as database:
            html = page(_asked(database, facts, start))
    return Report(html, taken.rows["sessions"], taken.rows["events"], taken.requests)


def _asked(database: apsw.Connection, facts: Facts, start: str | None) -> Facts:
    if start is not None:
        database.execute("DELETE FROM events WHERE timestamp < ?", (start,))
    answers = {key: ask(database, number) for key, number in NUMBERS.items()}
    turns = answers["look_at"].rows if facts.texts else ()
    talks = tuple(conversation(database, str(session), turn) for session, _, _, turn, *_ in turns)
    return replace(facts, answers=answers, talks=talks)


def _condition(start: str | None, users: Sequence[str]) -> str | None:
    """Sessions of which something can be in the report."""
    terms = []
    if start is not None:
        terms.append(f"update_time >= {literal(start)}")
    if users:
        terms.append(f"user_id IN ({', '.join(map(literal, users))})")
    return " AND ".join(terms) or None


def _limits(start: str | None, users: Sequence[str], *, texts: bool) -> tuple[str, ...]:
    return (
        *(() if start is None else (f"Only events since {start} UTC.",)),
        *((f"Only users {', '.join(users)}.",) if users else ()),
        *(() if texts else ("Without texts.",)),
    )


def ask(database: apsw.Connection, number: Number, bindings: Any = None) -> QueryRows:
    """Runs a SELECT on a snapshot."""
    cursor = database.execute(number.sql, bindings)
    rows: list[tuple[Any, ...]] = []
    total = 0
    columns: tuple[str, ...] = ()
    for row in cursor:
        columns = columns or tuple(name for name, *_ in cursor.get_description())
        total += 1
        if total <= number.most:
            rows.append(tuple(row))
    return QueryRows(number, columns, tuple(rows), total)


def conversation(
    database: apsw.Connection, session: str, turn: str | None
) -> tuple[QueryRows, Mapping[str, list[tuple[Any, ...]]]]:
    """The events of a turn, and the calls and answers of tools by event."""
    bindings = {"session": session, "turn": turn}
    calls: dict[str, list[tuple[Any, ...]]] = {}
    for event, *call in database.execute(_CALLS, bindings):
        calls.setdefault(event, []).append(tuple(call))
    return ask(database, CONVERSATION, bindings), calls
