"""Topics of the help that are about no single table or function."""

from __future__ import annotations

from collections.abc import Mapping
from types import MappingProxyType
from typing import Final

from sessions_vtab.cli import questions
from sessions_vtab.cli.guide import document
from sessions_vtab.cli.pages import Code, Grid, Page, Prose
from sessions_vtab.cli.tool_topics import ADK, MCP_CLIENTS, MCP_HTTP, TOOLS
from sessions_vtab.contract.times import ACCEPTED

__all__ = ["ADK", "IDLE", "MCP_CLIENTS", "MCP_HTTP", "RESUME", "TOPICS"]

IDLE: Final = """\
SELECT count(*), min(update_time) FROM prod.sessions
WHERE update_time < datetime('now', '-30 days');

DELETE FROM prod.sessions WHERE update_time < datetime('now', '-30 days');"""
"""Finds and deletes sessions that nobody has used for a month; a test runs it."""

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
                "adk:///path/to/adk_sessions.db\n"
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
            Prose(
                "SQLite also looks up a hidden column where a name can mean several tables. Where"
                " a table of yours has a column of the same name, write the table in front of it,"
                " and ON a.description = b.description instead of USING (description) in or after"
                " a RIGHT or FULL JOIN; otherwise the reference is ambiguous."
            ),
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
            Prose(
                "Agents that stop half-way leave sessions behind, which a service keeps for up to a"
                " year. To delete all that were idle for a month, count them, look at the plan and"
                " at the requests of a dry run, then delete:"
            ),
            Code(IDLE),
            Code(
                'sessions-vtab explain "DELETE .."\n'
                'sessions-vtab --dry-run query "DELETE .."\n'
                'sessions-vtab --max-writes 5000 query "DELETE .. RETURNING session_id"'
            ),
            Prose(
                "explain shows the service's quota. More than max_writes rows (default 1000) are"
                " refused, or on a terminal asked about with the time they take. If it is stopped,"
                " run it again: the rest is found by the same condition. The table writes has the"
                " outcome of each row."
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
            Prose(
                "explain --why also names, for each condition, the rule by which it is sent or"
                " checked here, and the module that decides it; help pushdown lists the rules."
            ),
        ),
    ),
    *TOOLS,
)

TOPICS: Final[Mapping[str, Page]] = MappingProxyType(
    {
        page.title: page
        for page in (*_PAGES, *questions.PAGES, document("pushdown"), document("backends"))
    }
)
"""Pages by topic, in the order of the reference."""
