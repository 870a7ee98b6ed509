"""Every number of a report: a SELECT over the views of a snapshot, that the report can show."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, Final

import apsw

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
