"""Help on what people ask of agents' conversations: tested SQL, an eval set, a dashboard."""

from __future__ import annotations

from dataclasses import dataclass
from importlib.resources import files
from typing import Final

from sessions_vtab.cli.pages import Block, Code, Heading, Page, Prose, document

__all__ = ["DASHBOARD", "EVAL_SET", "PAGES", "QUESTIONS", "Question"]


@dataclass(frozen=True, slots=True)
class Question:
    """A question and the SELECT that answers it.

    Attributes:
        asks: the question.
        sql: the SELECT, without prefixes: for the default source, or a snapshot.
        note: what to know about the rows; "" for nothing.
    """

    asks: str
    sql: str
    note: str = ""


QUESTIONS: Final = (
    Question(
        "How many turns does each user have per day?",
        """\
SELECT s.user_id, date(e.timestamp) AS day, count(DISTINCT e.session_name) AS sessions,
  count(DISTINCT e.session_name || ' ' || e.invocation_id) AS turns
FROM sessions s JOIN events e ON e.session_name = s.name
GROUP BY 1, 2 ORDER BY 1, 2""",
    ),
    Question(
        "What was said in a session?",
        """\
SELECT author, text FROM live_events
WHERE session_id = :session AND text IS NOT NULL AND partial IS NULL
ORDER BY timestamp, sequence""",
        "Without thoughts, chunks of streamed answers, and turns that were taken back. In ADK's own"
        " files the id of a session is unique only per app and user: use session_name there.",
    ),
    Question(
        "How many tokens did each session use, and what did they cost?",
        """\
SELECT session_id, input_tokens, output_tokens, cached_tokens,
  round((input_tokens * 0.30 + output_tokens * 2.50) / 1e6, 6) AS usd, models
FROM usage_by_session WHERE model_calls > 0 ORDER BY session_name""",
        "The prices are an example: US dollars per million tokens. NULL means that the writer of"
        " the events did not store it.",
    ),
    Question(
        "Which tools are called, and which calls fail or have no answer?",
        """\
SELECT tool, count(*) AS calls, count(error) AS failed, sum(answered IS NULL) AS unanswered
FROM tool_calls GROUP BY tool ORDER BY tool""",
        "A call has failed if the body of its answer has a field error.",
    ),
    Question(
        "How long do tools take (median, 95th percentile, longest)?",
        """\
WITH ranked AS (
  SELECT tool, latency_ms, row_number() OVER (PARTITION BY tool ORDER BY latency_ms) AS place,
    count(*) OVER (PARTITION BY tool) AS calls
  FROM tool_calls WHERE latency_ms IS NOT NULL)
SELECT tool, calls, min(latency_ms) FILTER (WHERE place >= 0.5 * calls) AS p50,
  min(latency_ms) FILTER (WHERE place >= 0.95 * calls) AS p95, max(latency_ms) AS longest
FROM ranked GROUP BY tool ORDER BY tool""",
        "Milliseconds between the events of call and answer.",
    ),
    Question(
        "Which calls wait for a human?",
        """\
SELECT e.session_id, e.author, j.value AS call_id, e.timestamp AS since
FROM events e, json_each(e.long_running_tool_ids) j
WHERE NOT EXISTS (SELECT 1 FROM event_parts p WHERE p.session_name = e.session_name
  AND p.call_id = j.value AND p.kind = 'functionResponse')
ORDER BY since, e.session_name""",
    ),
    Question(
        "Which errors do agents meet?",
        """\
SELECT error_code, author, count(*) AS events, count(DISTINCT session_name) AS sessions
FROM events WHERE error_code IS NOT NULL GROUP BY 1, 2 ORDER BY 1, 2""",
    ),
    Question(
        "Who hands over to whom, and who hands back?",
        """\
SELECT author AS from_agent, transfer_to AS to_agent, count(*) AS events, sum(escalate) AS back
FROM events WHERE transfer_to IS NOT NULL OR escalate = 1 GROUP BY 1, 2 ORDER BY 1, 2""",
    ),
    Question(
        "How did a key of the state change?",
        """\
SELECT e.session_id, e.timestamp, e.author, j.value
FROM events e, json_each(e.actions, '$.stateDelta') j
WHERE j.key = :key ORDER BY e.session_name, e.timestamp, e.sequence""",
    ),
    Question(
        "Which sessions are idle, and which are empty?",
        """\
SELECT s.session_id, s.update_time < datetime('now', '-30 days') AS idle, count(e.name) AS events
FROM sessions s LEFT JOIN events e ON e.session_name = s.name
GROUP BY s.name ORDER BY s.name""",
        "The time of the last change is the server's; in ADK's own files it is the last event's.",
    ),
    Question(
        "Where was something said?",
        """\
SELECT session_id, author, text FROM events
WHERE text LIKE '%' || :words || '%' AND partial IS NULL ORDER BY timestamp, session_name""",
    ),
    Question(
        "How long do users wait for the first answer of a turn?",
        """\
SELECT session_id, invocation_id, asked, first_answer_ms
FROM turns WHERE first_answer_ms IS NOT NULL ORDER BY session_name, invocation_id""",
    ),
)
"""Twelve questions; each SELECT has the same rows on every source of agents' events."""

EVAL_SET: Final = """\
SELECT json_object('eval_set_id', 'production', 'eval_cases', json_group_array(json(eval_case)))
  AS eval_set FROM (
  SELECT json_object('eval_id', t.session_id, 'conversation', json_group_array(json(t.turn)),
    'session_input', json_object('app_name', 'my_app', 'user_id', s.user_id)) AS eval_case
  FROM (
    SELECT session_name, session_id, json_object('invocation_id', invocation_id,
      'user_content', json_object('role', 'user', 'parts',
        json_array(json_object('text', max(text) FILTER (WHERE author = 'user')))),
      'final_response', json_object('role', 'model', 'parts', json_array(json_object('text',
        (SELECT a.text FROM events a WHERE a.session_name = e.session_name
         AND a.invocation_id = e.invocation_id AND a.author <> 'user' AND a.text IS NOT NULL
         AND a.partial IS NULL ORDER BY a.timestamp DESC, a.sequence DESC LIMIT 1)))),
      'intermediate_data', json_object('tool_uses', (
        SELECT json_group_array(json_object('id', call_id, 'name', function_name,
          'args', json(coalesce(args, '{}')))) FROM event_parts p
        WHERE p.session_name = e.session_name AND p.invocation_id = e.invocation_id
          AND p.kind = 'functionCall'))) AS turn
    FROM live_events e WHERE e.session_id = :session AND partial IS NULL
    GROUP BY session_name, session_id, invocation_id
    HAVING max(text) FILTER (WHERE author = 'user') IS NOT NULL ORDER BY min(timestamp)) t
  JOIN sessions s ON s.name = t.session_name GROUP BY t.session_name)"""
"""One row: the JSON of an ADK eval set with the turns of a session."""

DASHBOARD: Final = files("sessions_vtab").joinpath("docs", "dashboard.yml").read_text("utf-8")
"""A dashboard for Datasette's plugin datasette-dashboards, over a snapshot."""


def _page_of_questions() -> Page:
    blocks: list[Block] = [
        Prose(
            "Questions that people ask of agents' conversations. Each SELECT is for the default"
            " source and for a snapshot; give a parameter such as :session with -p session ID."
        )
    ]
    for number, question in enumerate(QUESTIONS, 1):
        blocks += [Heading(f"{number}. {question.asks}"), Code(f"{question.sql};")]
        if question.note:
            blocks.append(Prose(question.note))
    blocks += [
        Heading("From a conversation to an eval set of ADK"),
        Code(f"{EVAL_SET};"),
        Prose(
            "app_name is your agent's folder. Save the text as production.evalset.json, in"
            " Python: pathlib.Path('production.evalset.json').write_text(connection.execute(sql,"
            " {'session': 's1'}).fetchall()[0][0])"
        ),
        Heading("What no session has"),
        Prose(
            "Latency of the model, time to the first token, prompts and trace ids are in none of"
            " these services' events."
        ),
    ]
    return Page("questions", tuple(blocks))


PAGES: Final = (
    _page_of_questions(),
    document("help/dashboards", {"dashboard": DASHBOARD.rstrip()}),
)
"""Pages of the reference."""
