"""Views over agents' sessions and events: turns, tool calls, usage, and what was not taken back.

One text serves the tables of a source and those of a snapshot. A snapshot is opened by other
programs, so it has only what SQLite 3.31 (2020) knows: one ``->`` (3.38) makes the whole file
"malformed" for an older library, and ``unixepoch(.., 'subsec')`` (3.42) is NULL there, silently.

Every aggregate is grouped by ``session_name`` and ``session_id``, so that SQLite can pass a
condition on them to the tables. A window function in a view would prevent that.

SQLite passes on values only, no subquery and no join. For these the statement rewriter writes the
view's text in place of its name, with the condition at ``{{where}}``. Beside the keys, each name
that can be seen there begins with ``_row_``: so every name in the condition means what it meant.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from typing import Final, NamedTuple

from sessions_vtab.contract.backend import Backend
from sessions_vtab.contract.model import Column, ColumnType, quoted

_TEXT, _INTEGER = ColumnType.TEXT, ColumnType.INTEGER
_TIME, _JSON = ColumnType.TIME, ColumnType.JSON


class View(NamedTuple):
    """A view that every source has whose tables have the columns.

    Attributes:
        name: as written in SQL.
        doc: what a row is.
        columns: its columns, in order; those of the table ``like`` once that is known.
        select: its SELECT; tables are in braces, so that a schema can be put before them. With
            keys, ``{where}`` is where a condition on them finds the rows that are grouped.
        needs: the columns it reads, by table.
        keys: columns that tell its groups, or sessions, apart, so that a condition on them may be
            checked before the rows are put together.
        like: the table whose visible columns it has, as ``{columns}``; "" for none.
        example: one statement that shows typical use.
    """

    name: str
    doc: str
    columns: tuple[Column, ...]
    select: str
    needs: Mapping[str, frozenset[str]]
    like: str = ""
    example: str = ""
    keys: tuple[str, ...] = ()

    def create(self, schema: str, source: str = "", prefix: str = "") -> str:
        """The CREATE VIEW statement.

        Args:
            schema: where the view is made.
            source: schema of the tables, where it is not the view's.
            prefix: what the names of view and tables begin with.
        """
        select = self.query(source, prefix)
        return (
            f"CREATE VIEW IF NOT EXISTS {quoted(schema)}.{quoted(prefix + self.name)} AS\n{select}"
        )

    def query(self, source: str = "", prefix: str = "", where: str = "") -> str:
        """The SELECT.

        Args:
            source: schema of the tables, where they are not to be looked up.
            prefix: what the names of tables begin with.
            where: a clause that begins with WHERE, or an alias and such a clause.
        """
        of = f"{quoted(source)}." if source else ""
        tables = {table: f"{of}{quoted(prefix + table)}" for table in self.needs}
        names = (column.name for column in self.columns)
        columns = ", ".join(_REPLACED.get(name, f"e.{quoted(name)}") for name in names)
        return self.select.format(**tables, columns=columns, where=where)


def views_for(tables: Mapping[str, Sequence[Column]]) -> tuple[View, ...]:
    """The views that can be made over tables, given as names with all their columns."""
    names = {table: {column.name for column in columns} for table, columns in tables.items()}
    return tuple(
        view._replace(columns=tuple(one for one in tables[view.like] if not one.hidden))
        if view.like
        else view
        for view in VIEWS
        if all(used <= names.get(table, set()) for table, used in view.needs.items())
    )


def views_of(backend: Backend) -> tuple[View, ...]:
    """The views over the tables of a backend; none without the columns of agents' events."""
    return views_for({name: one.table.columns for name, one in backend.resources.items()})


# Conditions on these two must reach the sessions: SQLite passes ``=`` on to the other side of a
# join, but not IN.
_REPLACED: Final = {"session_name": "d.session_name", "session_id": "d.session_id"}


_SESSION: Final = (
    Column("session_name", _TEXT, "Full resource name of the session."),
    Column("session_id", _TEXT, "Id of the session."),
)

# julianday() counts milliseconds.
_BETWEEN: Final = "CAST(round(({later} - {earlier}) * 86400000) AS INTEGER)"


def _elapsed(earlier: str, later: str) -> str:
    """Milliseconds between two moments in days."""
    return _BETWEEN.format(earlier=earlier, later=later)


_MOMENT: Final = "min(julianday(_row_timestamp)) FILTER (WHERE {})"


INTERNAL: Final = "_row_"
"""What the names begin with that can be seen where conditions are put, beside the keys."""


def _as_internal(columns: Iterable[str], of: str = "") -> str:
    """Columns under names that no condition uses."""
    return ", ".join(f"{of}{one} AS {INTERNAL}{one}" for one in columns)


_OF_SESSION: Final = ("session_name", "session_id")
_OF_TURNS: Final = (
    *("timestamp", "author", "text", "error_code", "transfer_to", "input_tokens", "output_tokens"),
)

_TURNS: Final = View(
    "turns",
    "One row per turn: what a user asked, and everything until the agents were done.",
    (
        *_SESSION,
        Column("invocation_id", _TEXT, "Id that the events of the turn share."),
        Column("started", _TIME, "Time of its first event."),
        Column("duration_ms", _INTEGER, "Milliseconds from its first event to its last."),
        Column(
            "first_answer_ms",
            _INTEGER,
            "Milliseconds from the user's message to the first event of an agent.",
        ),
        Column("events", _INTEGER, "Number of its events, without chunks."),
        Column("asked", _TEXT, "Text of the user."),
        Column("errors", _INTEGER, "Number of events with an error."),
        Column("transfers", _INTEGER, "Number of times an agent handed over to another."),
        Column("input_tokens", _INTEGER, "Tokens of all prompts; NULL if unknown."),
        Column("output_tokens", _INTEGER, "Tokens of all answers; NULL if unknown."),
    ),
    f"""\
SELECT session_name, session_id, invocation_id, min(_row_timestamp) AS started,
  {_elapsed("min(julianday(_row_timestamp))", "max(julianday(_row_timestamp))")} AS duration_ms,
  {_elapsed(_MOMENT.format("_row_author = 'user'"), _MOMENT.format("_row_author <> 'user'"))}
    AS first_answer_ms,
  count(*) AS events, max(_row_text) FILTER (WHERE _row_author = 'user') AS asked,
  count(_row_error_code) AS errors, count(_row_transfer_to) AS transfers,
  sum(_row_input_tokens) AS input_tokens, sum(_row_output_tokens) AS output_tokens
FROM (SELECT session_name, session_id, invocation_id, {_as_internal(_OF_TURNS)}
  FROM {{events}} WHERE partial IS NULL AND invocation_id IS NOT NULL){{where}}
GROUP BY session_name, session_id, invocation_id""",
    {"events": frozenset((*_OF_SESSION, "invocation_id", *_OF_TURNS, "partial"))},
    example="SELECT asked, duration_ms FROM turns WHERE errors > 0 ORDER BY duration_ms DESC",
    keys=(*_OF_SESSION, "invocation_id"),
)

_OF_CALLS: Final = (
    *("invocation_id", "author", "function_name", "timestamp", "kind", "args", "response"),
)
_CALL, _ANSWER = "_row_kind = 'functionCall'", "_row_kind = 'functionResponse'"


def _of_call(column: str) -> str:
    """A column of a call, from the JSON array of those that have no id."""
    own = f"json_extract(c.value, '$.{column}')"
    return f"CASE WHEN call_id IS NULL THEN {own} ELSE {column} END AS {column}"


# Grouped by columns alone, so that the rows of a session are a group after the other and LIMIT ends
# the reading early. What no id tells apart are calls of their own, in an array.
_TOOL_CALLS: Final = View(
    "tool_calls",
    "One row per call of a tool, with its answer.",
    (
        *_SESSION,
        Column("invocation_id", _TEXT, "Turn that the call is part of."),
        Column("agent", _TEXT, "Agent that called."),
        Column("tool", _TEXT, "Name of the tool."),
        Column("call_id", _TEXT, "Id that joins a call with its answer."),
        Column("called", _TIME, "Time of the call."),
        Column("answered", _TIME, "Time of the first answer; NULL if there is none."),
        Column("latency_ms", _INTEGER, "Milliseconds from the call to the first answer."),
        Column("answers", _INTEGER, "Number of answers."),
        Column("error", _TEXT, "Field error of the answer."),
        Column("args", _JSON, "JSON arguments of the call."),
        Column("response", _JSON, "JSON body of the answer."),
    ),
    f"""\
SELECT session_name, session_id, {_of_call("invocation_id")}, {_of_call("agent")},
  {_of_call("tool")}, call_id, {_of_call("called")}, answered, latency_ms, answers, error,
  {_of_call("args")}, response
FROM (
  SELECT session_name, session_id, call_id, min(_row_invocation_id) AS invocation_id,
    min(_row_author) FILTER (WHERE {_CALL}) AS agent, min(_row_function_name) AS tool,
    min(_row_timestamp) FILTER (WHERE {_CALL}) AS called,
    min(_row_timestamp) FILTER (WHERE {_ANSWER}) AS answered,
    {_elapsed(_MOMENT.format(_CALL), _MOMENT.format(_ANSWER))} AS latency_ms,
    count(*) FILTER (WHERE {_ANSWER}) AS answers,
    max(json_extract(_row_response, '$.error')) AS error, max(_row_args) AS args,
    max(_row_response) AS response,
    json_group_array(json_object('invocation_id', _row_invocation_id, 'agent', _row_author,
      'tool', _row_function_name, 'called', _row_timestamp, 'args', _row_args || ''))
      FILTER (WHERE call_id IS NULL AND {_CALL}) AS calls
  FROM (SELECT session_name, session_id, call_id, {_as_internal(_OF_CALLS)}
    FROM {{event_parts}}
    WHERE CASE kind WHEN 'functionCall' THEN 1
      WHEN 'functionResponse' THEN call_id IS NOT NULL END){{where}}
  GROUP BY session_name, session_id, call_id
  HAVING count(*) FILTER (WHERE {_CALL}) > 0) g
CROSS JOIN json_each(CASE WHEN g.call_id IS NULL THEN g.calls ELSE '[0]' END) c""",
    {"event_parts": frozenset((*_OF_SESSION, "call_id", *_OF_CALLS))},
    example="SELECT tool, count(*), count(error) AS failed FROM tool_calls GROUP BY tool",
    keys=(*_OF_SESSION, "call_id"),
)

_OF_USAGE: Final = (
    *("input_tokens", "cached_tokens", "output_tokens", "reasoning_tokens", "model_version"),
)

_USAGE: Final = View(
    "usage_by_session",
    "One row per session: the tokens that its models have used.",
    (
        *_SESSION,
        Column("user_id", _TEXT, "User of the session."),
        Column("model_calls", _INTEGER, "Number of answers with known usage."),
        Column("models", _TEXT, "The models, separated by commas."),
        Column("input_tokens", _INTEGER, "Tokens of all prompts; NULL if unknown."),
        Column("cached_tokens", _INTEGER, "Part of them that was cached."),
        Column("output_tokens", _INTEGER, "Tokens of all answers; NULL if unknown."),
        Column("reasoning_tokens", _INTEGER, "Part of them that are thoughts."),
    ),
    f"""\
SELECT session_name, session_id, user_id, count(_row_input_tokens) AS model_calls,
  group_concat(DISTINCT _row_model_version) AS models, sum(_row_input_tokens) AS input_tokens,
  sum(_row_cached_tokens) AS cached_tokens, sum(_row_output_tokens) AS output_tokens,
  sum(_row_reasoning_tokens) AS reasoning_tokens
FROM (SELECT s.name AS session_name, s.session_id AS session_id, s.user_id AS user_id,
    {_as_internal(_OF_USAGE, "e.")}
  FROM {{sessions}} s LEFT JOIN {{events}} e
    ON e.session_name = s.name AND e.partial IS NULL){{where}}
GROUP BY session_name, session_id, user_id""",
    {
        "sessions": frozenset(("name", "session_id", "user_id")),
        "events": frozenset(("session_name", "partial", *_OF_USAGE)),
    },
    example="SELECT user_id, sum(input_tokens) FROM usage_by_session GROUP BY user_id",
    keys=(*_OF_SESSION, "user_id"),
)

# The place of an event in its session, as text that sorts: ADK's order is time, then order of
# writing, which not every service tells.
_PLACE: Final = "{0}.timestamp || printf('#%016d', coalesce({0}.sequence, 0))"

_LIVE: Final = View(
    "live_events",
    "One row per event that is still part of its conversation: without those that a rewind took"
    " back, and without the rewinds.",
    (),
    # As _apply_rewinds of google-adk 2.13.0: from the end, a rewind takes back everything from the
    # first event of its invocation; a rewind in what is taken back counts no more. DISTINCT makes
    # SQLite find what is taken back once for each session, and still pass conditions on.
    f"""\
SELECT {{columns}} FROM (
  SELECT DISTINCT session_name, session_id, (
    SELECT json_group_array(json_array(first, last)) FROM (
      WITH RECURSIVE rewinds(last, first) AS (
        SELECT {_PLACE.format("r")}, (SELECT min({_PLACE.format("f")}) FROM {{events}} f
            WHERE f.session_name = _row_name AND f.invocation_id = r.rewind_before)
        FROM {{events}} r WHERE r.session_name = _row_name AND r.rewind_before IS NOT NULL),
      active(last, first) AS (
        SELECT max(last), first FROM rewinds WHERE first < last
        UNION ALL
        SELECT r.last, r.first FROM active a JOIN rewinds r ON r.last =
          (SELECT max(w.last) FROM rewinds w WHERE w.first < w.last AND w.last < a.first))
      SELECT first, last FROM active WHERE last IS NOT NULL)) AS taken_back
  FROM (SELECT name AS session_name, session_id, name AS _row_name FROM {{sessions}}){{where}}) d
JOIN {{events}} e ON e.session_name = d.session_name
WHERE e.rewind_before IS NULL AND NOT EXISTS (SELECT 1 FROM json_each(d.taken_back) t
  WHERE {_PLACE.format("e")}
    BETWEEN json_extract(t.value, '$[0]') AND json_extract(t.value, '$[1]'))""",
    {
        "sessions": frozenset(("name", "session_id")),
        "events": frozenset(
            (*_OF_SESSION, "timestamp", "sequence", "invocation_id", "rewind_before")
        ),
    },
    like="events",
    example="SELECT author, text FROM live_events WHERE session_id = 's1' ORDER BY timestamp",
    keys=_OF_SESSION,
)

VIEWS: Final = (_TURNS, _TOOL_CALLS, _USAGE, _LIVE)
"""All views, in the order in which help shows them."""
