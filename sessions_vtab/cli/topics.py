"""Topics of the help that are about no single table or function."""

from __future__ import annotations

from collections.abc import Mapping
from types import MappingProxyType
from typing import Final

from sessions_vtab.cli import questions
from sessions_vtab.cli.pages import Code, Grid, Page, Prose
from sessions_vtab.spec.times import ACCEPTED

__all__ = ["ADK", "RESUME", "TOPICS"]

RESUME: Final = """\
CREATE TEMP TABLE todo AS SELECT *, NULL AS sent FROM mine ORDER BY id;

INSERT INTO prod.events(session_id, author, content)
SELECT session, 'user', message FROM todo WHERE sent IS NULL ORDER BY rowid;

UPDATE todo SET sent = w.statement
FROM writes AS w, (SELECT rowid AS id, row_number() OVER (ORDER BY rowid) AS row FROM todo
                   WHERE sent IS NULL OR sent = (SELECT max(statement) FROM writes)) AS t
WHERE todo.rowid = t.id AND w.row = t.row AND w.outcome NOT IN ('failed', 'not sent')
  AND w.statement = (SELECT max(statement) FROM writes);"""
"""A bulk write that goes on where it stopped, in three statements; a test runs it."""

ADK: Final = """\
ATTACH 'adk_sessions.db' AS adk;

INSERT INTO sessions(session_id, user_id, state, create_time)
SELECT user_id || ':' || id, user_id, state, create_time
FROM adk.sessions WHERE app_name = 'trip_planner';

INSERT INTO events(session_id, event_id, timestamp, author, content, invocation_id, actions,
                   error_code, error_message, raw_event)
SELECT user_id || ':' || session_id, id, event_data->>'timestamp', event_data->>'author',
       event_data->'content', invocation_id, event_data->'actions',
       event_data->>'error_code', event_data->>'error_message', event_data
FROM adk.events WHERE app_name = 'trip_planner' ORDER BY event_data->>'timestamp', rowid;

SELECT s.user_id, count(*) AS turns FROM sessions AS s JOIN events AS e USING (session_id)
GROUP BY s.user_id ORDER BY s.user_id;

SELECT function_name, count(*) AS calls FROM event_parts WHERE kind = 'functionCall' GROUP BY 1;"""
"""Copies one app's sessions from a file that ADK wrote; a test runs it."""

_PAGES: Final = (
    Page(
        "sources",
        (
            Prose(
                "A source is a configured service or store with a name. Its tables are in the"
                " schema of the same name; the tables of the default source need no prefix."
            ),
            Code(
                "local:///path/to/sessions.db\n"
                "prod=vertex://PROJECT/LOCATION/ENGINE\n"
                "deepset://WORKSPACE\n"
                "whylabs://?base_url=..\n"
                "eleanor://NAMESPACE?base_url=..\n"
                "embedding_studio://?base_url=.."
            ),
            Prose(
                "Give sources with --source [NAME=]URL or in a configuration file: the one"
                " given with --config, else the one named by the environment variable"
                " SESSIONS_VTAB_CONFIG, else sessions-vtab/config.toml in your"
                " configuration folder. The working directory is never searched. Sources on"
                " the command line are added to those in the file, and the first of them"
                " becomes the default."
            ),
            Code(
                'default = "prod"\n\n[sources.prod]\nbackend = "vertex"\n'
                'location = "my-project/us-central1/42"\nread_only = true\n'
                'scopes = {project = ["my-project"]}\nrate_limit = {write = 100}\n\n'
                "[views]\nrecent = \"SELECT session_id FROM sessions WHERE user_id = 'ann'\""
            ),
            Grid(
                ("setting", "for every source"),
                (
                    ("read_only", "true: refuses writes and functions with side effects"),
                    (
                        "max_writes",
                        "rows one statement may write; default 1000, for local unlimited",
                    ),
                    ("max_requests", "requests one statement may make; default 10000"),
                    ("scopes", ("values allowed for a scope column in WHERE: scopes.project=a,b")),
                    ("cache_ttl", "seconds for which a response may be reused; default 0"),
                    ("rate_limit", "requests per minute: rate_limit.read, .write, .append"),
                    ("timeout", "seconds for a whole response to arrive; default 30"),
                    ("concurrency", "maximum number of concurrent requests; default 16"),
                    ("max_response_mb", "maximum size of one response in megabytes; default 64"),
                ),
            ),
            Prose(
                "Secrets are never written in a URL or in the configuration file. Instead,"
                " api_key_env names an environment variable, and api_key_file names a file."
            ),
        ),
    ),
    Page(
        "tables",
        (
            Prose(
                "The tables of each source are in the schema of the same name: prod.sessions."
                " Hidden columns are not part of SELECT *; name one to read it, or give it"
                " a value in WHERE or INSERT. The help page of a table lists its columns:"
            ),
            Code("sessions-vtab help sessions\nsessions-vtab help events"),
        ),
    ),
    Page(
        "functions",
        (
            Prose(
                "Operations other than INSERT, UPDATE and DELETE are table-valued functions,"
                " called in FROM. A function with side effects runs at once, exactly once"
                " for each row of its arguments. It must be alone in FROM or follow exactly"
                " one other item, at the top level of a SELECT or in the source of an"
                " INSERT. Its parameters cannot be used in WHERE. In a transaction, the"
                " local store undoes it with ROLLBACK; a service cannot. The parameters of"
                " a function without side effects can also be given in WHERE."
            ),
            Code(
                "SELECT event_id FROM append_event('tour-1', 'user', 'Hello');\n"
                "SELECT event_id FROM (SELECT session_id FROM sessions WHERE user_id = 'ann') AS s,"
                " append_event(s.session_id, 'user', 'Hello');"
            ),
            Prose("For bulk work, use INSERT INTO events SELECT .., which is sent concurrently."),
        ),
    ),
    Page(
        "times",
        (
            Prose(
                "Time columns hold UTC text such as 2026-01-01 09:00:00.123456 and compare as"
                f" instants, whatever the format of the other side: {ACCEPTED}."
                " Milliseconds since 1970 are accepted too. For relative times, use"
                " SQLite's own functions."
            ),
            Code(
                "SELECT * FROM sessions WHERE create_time > datetime('now', '-1 day');\n"
                "SELECT * FROM events WHERE timestamp BETWEEN '2026-01-01' AND"
                " '2026-02-01T00:00:00+01:00';"
            ),
            Prose(
                "In a join with a table of your own, put the sessions_vtab column on the"
                " left of the = sign."
            ),
        ),
    ),
    Page(
        "json",
        (
            Prose(
                "labels, state, content and similar columns hold JSON as text; ->> extracts a"
                " value as text or a number, -> as JSON. Conditions on labels in WHERE are"
                " sent to services that can filter by them."
            ),
            Code(
                "SELECT session_id, state->>'cart' FROM sessions WHERE labels->>'env' = 'prod';\n"
                "UPDATE sessions SET state = json_set(state, '$.cart', 3) WHERE session_id = 's1';"
            ),
        ),
    ),
    Page(
        "transactions",
        (
            Prose(
                "Outside BEGIN .. COMMIT, each statement is a unit of work of its own. Inside"
                " a transaction, the local store sees its own writes, and commits and rolls"
                " back with SQLite. Writes to a service are queued and sent at COMMIT,"
                " concurrently, but in order within one session. ROLLBACK before that sends"
                " nothing, and if a statement fails half-way, its rows are discarded."
                " Reading a table whose writes are still queued is an error, but UPDATE and"
                " DELETE can find other rows by key. For the same reason, a trigger cannot"
                " read rows that its statement has written. What has been sent cannot be rolled"
                " back; the table writes has one row for each write, with its outcome."
            ),
            Code("SELECT key, outcome, error FROM writes WHERE outcome <> 'sent';"),
            Prose(
                "changes() and total_changes() also count rows that OR IGNORE or ON CONFLICT"
                " DO NOTHING has skipped, because a service reports them only when they are"
                " sent. The table writes shows them with the outcome 'skipped'."
            ),
            Prose(
                "A statement that would write more than max_writes rows is refused before the"
                " first row is sent; on a terminal, you are asked for confirmation."
            ),
            Prose(
                "To make a bulk write resumable, copy its rows into a table of your own. Then"
                " run INSERT and UPDATE in turn until no row has sent IS NULL. A row with"
                " an unknown outcome counts as sent; check whether it exists before you"
                " repeat it."
            ),
            Code(RESUME),
            Prose(
                'audit = "FILE" in the configuration file, or --audit FILE, records every'
                " write permanently in a file: one JSON line per write, without values or"
                " bodies."
            ),
        ),
    ),
    Page(
        "returning",
        (
            Prose(
                "INSERT, UPDATE and DELETE .. RETURNING send the rows first and then return"
                " what the server returned; DELETE returns each row as it was. As in"
                " SQLite, aggregates and columns of other tables are not allowed."
            ),
            Code("INSERT INTO sessions(user_id) VALUES ('ann') RETURNING session_id, create_time;"),
        ),
    ),
    Page(
        "delete",
        (
            Prose(
                "local and eleanor: DELETE hides a session (soft delete); undelete_session"
                " restores it, and WHERE deleted = 1 shows it. local: deleting a hidden"
                " or expired session removes it and its events permanently. vertex: DELETE"
                " removes the session and its events immediately and permanently. A DELETE without"
                " WHERE is limited by max_writes."
            ),
            Code(
                "DELETE FROM sessions WHERE session_id = 's1';\n"
                "SELECT session_id FROM undelete_session('s1');\n"
                "DELETE FROM sessions WHERE session_id = 's1' AND deleted = 1;"
            ),
        ),
    ),
    Page(
        "explain",
        (
            Prose(
                "explain shows what a SELECT would do and sends nothing: which conditions are"
                " sent to the service, which are checked here, and how many requests are"
                " needed. The table http_requests lists the requests that were sent; in the"
                " shell, .requests shows those of the last statement."
            ),
            Code("sessions-vtab explain \"SELECT * FROM sessions WHERE user_id = 'ann'\""),
        ),
    ),
    Page(
        "output",
        (
            Prose(
                "query prints a table on a terminal and csv otherwise. --format accepts"
                " table, json (one array per statement), jsonl, csv, tsv and markdown. -o"
                " FILE writes a file that appears complete or not at all. NULL is null in"
                ' JSON, NULL in tables and empty in csv (an empty text is ""). A blob is'
                " printed as x'..', in JSON as base64. On a terminal, control characters in"
                " data are escaped."
            ),
            Code(
                'sessions-vtab query "SELECT * FROM sessions" --format jsonl -o sessions.jsonl\n'
                'sessions-vtab query "SELECT * FROM events WHERE session_id = :id" -p id tour-1'
            ),
        ),
    ),
    Page(
        "adk",
        (
            Prose(
                "Google's Agent Development Kit (ADK) can keep its sessions in an SQLite file."
                " Copy one app per source: ids are unique only within an app and a user, and"
                " app: keys of the state are shared by all sessions of a source. raw_event"
                " keeps each event as ADK wrote it."
            ),
            Code(ADK),
        ),
    ),
    Page(
        "emulator",
        (
            Prose(
                "sessions-vtab emulator serves the five session APIs on 127.0.0.1; it needs"
                " the extra emulator. Without --data, its state is lost when it stops. The"
                " services' own SDKs can use it too:"
            ),
            Grid(
                ("SDK", "setting"),
                (
                    ("google-genai, ADK", 'http_options={"base_url": "http://127.0.0.1:8787"}'),
                    ("GAPIC over REST", 'client_options={"api_endpoint": "http://127.0.0.1:8787"}'),
                    ("deepset", 'api_url="http://127.0.0.1:8787/api/v1"'),
                    ("WhyLabs", 'Configuration(host="http://127.0.0.1:8787")'),
                ),
            ),
            Code(
                "sessions-vtab emulator --seed 7\n"
                "sessions-vtab --source"
                " 'prod=vertex://demo/us-central1/42?base_url=http://127.0.0.1:8787'"
            ),
        ),
    ),
)

TOPICS: Final[Mapping[str, Page]] = MappingProxyType(
    {page.title: page for page in (*_PAGES, *questions.PAGES)}
)
"""Pages by topic, in the order of the reference."""
