"""Topics of the help that are about no single table or function."""

from __future__ import annotations

from collections.abc import Mapping
from types import MappingProxyType
from typing import Final

from sessions_vtab.cli.pages import Code, Grid, Page, Prose
from sessions_vtab.spec.times import ACCEPTED

__all__ = ["RESUME", "TOPICS"]

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
                " schema of that name; those of the default source need no prefix."
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
                "Give it with --source [NAME=]URL, or in a file: --config FILE, else the"
                " environment variable SESSIONS_VTAB_CONFIG, else sessions-vtab/config.toml in your"
                " configuration folder; never a file in the working directory. Sources of the"
                " command line are added to those of the file; the first of them is the default."
            ),
            Code(
                'default = "prod"\n\n[sources.prod]\nbackend = "vertex"\n'
                'location = "my-project/us-central1/42"\nread_only = true\n'
                'scopes = {project = ["my-project"]}\nrate_limit = {write = 100}\n\n'
                "[views]\nrecent = \"SELECT session_id FROM sessions WHERE user_id = 'ann'\""
            ),
            Grid(
                ("setting", "of every source"),
                (
                    ("read_only", "true: no write and no function that changes something"),
                    (
                        "max_writes",
                        "rows one statement may write; 1000 unless set, local: any number",
                    ),
                    ("max_requests", "requests one statement may make; 10000 unless set"),
                    ("scopes", "values a scope column may have in WHERE: scopes.project=a,b"),
                    ("cache_ttl", "seconds an answer may be used again; 0 unless set"),
                    ("rate_limit", "requests a minute: rate_limit.read, .write, .append"),
                    ("timeout", "seconds to wait for an answer; 30 unless set"),
                    ("concurrency", "requests in flight at once; 16 unless set"),
                ),
            ),
            Prose(
                "A secret is never written in a URL or in the file: api_key_env names an"
                " environment variable, api_key_file a file."
            ),
        ),
    ),
    Page(
        "tables",
        (
            Prose(
                "Every source has its tables in the schema of its name: prod.sessions. Columns"
                " called hidden are not part of SELECT *; name them to read them, or give them a"
                " value in WHERE or INSERT. The help of a table lists its columns:"
            ),
            Code("sessions-vtab help sessions\nsessions-vtab help events"),
        ),
    ),
    Page(
        "functions",
        (
            Prose(
                "What is no INSERT, UPDATE or DELETE is a function in FROM. One that changes"
                " something acts at once and exactly once for each row of its arguments; it stands"
                " alone in FROM, or behind one other item, at the top of a SELECT or as the source"
                " of an INSERT. Parameters have names, so they can also be given in WHERE."
            ),
            Code(
                "SELECT event_id FROM append_event('tour-1', 'user', 'Hello');\n"
                "SELECT event_id FROM (SELECT session_id FROM sessions WHERE user_id = 'ann') AS s,"
                " append_event(s.session_id, 'user', 'Hello');"
            ),
            Prose("Bulk work belongs in INSERT INTO events SELECT .., which is sent concurrently."),
        ),
    ),
    Page(
        "times",
        (
            Prose(
                "Time columns hold UTC text, 2026-01-01 09:00:00.123456, and compare as instants,"
                f" whatever form the other side has: {ACCEPTED}. Milliseconds since 1970 are taken"
                " too. Relative times come from SQLite's own functions."
            ),
            Code(
                "SELECT * FROM sessions WHERE create_time > datetime('now', '-1 day');\n"
                "SELECT * FROM events WHERE timestamp BETWEEN '2026-01-01' AND"
                " '2026-02-01T00:00:00+01:00';"
            ),
            Prose("Joined with a table of your own, our column stands on the left of the = sign."),
        ),
    ),
    Page(
        "json",
        (
            Prose(
                "labels, state, content and the like are JSON texts; ->> takes a value out as text"
                " or number, -> as JSON. Labels in WHERE are sent to services that filter by them."
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
                "Outside BEGIN .. COMMIT each statement is a unit of its own. Inside, the local"
                " store sees its own writes and commits and rolls back with SQLite. Writes to a"
                " service are queued and sent at COMMIT, concurrently, those of one session in"
                " order; ROLLBACK before that sends nothing, and a statement that fails half-way"
                " takes its rows with it. Reading a table whose writes are still queued is an"
                " error, but UPDATE and DELETE find other rows by their keys. What was sent cannot"
                " be rolled back: the table writes has one row for each, with its outcome."
            ),
            Code("SELECT key, outcome, error FROM writes WHERE outcome <> 'sent';"),
            Prose(
                "A statement that would write more than max_writes rows is refused before the"
                " first is sent; on a terminal you are asked."
            ),
            Prose(
                "A bulk write that may stop half-way goes through a table of its own. INSERT and"
                " UPDATE in turns, until no row has sent IS NULL; a row of unknown outcome counts"
                " as sent: look for it before you repeat it."
            ),
            Code(RESUME),
            Prose(
                'audit = "FILE" in the configuration file, or --audit FILE, notes every write in a'
                " file that stays: a JSON line each, without values and bodies."
            ),
        ),
    ),
    Page(
        "returning",
        (
            Prose(
                "INSERT, UPDATE and DELETE .. RETURNING send first and answer with what the server"
                " returned; DELETE with the row as it was. No aggregates and no columns of other"
                " tables, as in SQLite."
            ),
            Code("INSERT INTO sessions(user_id) VALUES ('ann') RETURNING session_id, create_time;"),
        ),
    ),
    Page(
        "delete",
        (
            Prose(
                "local and eleanor: DELETE hides a session (soft delete); undelete_session brings"
                " it back, WHERE deleted = 1 shows it. local: deleting a hidden session removes it"
                " and its events for good. vertex: DELETE removes the session and its events at"
                " once and for good. Without WHERE, max_writes is the limit."
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
                "explain says what a SELECT would do and sends nothing: which conditions are sent"
                " to the service, which are checked here, and how many requests that takes. What"
                " was sent by the last statements is in http_requests; .requests in the shell."
            ),
            Code("sessions-vtab explain \"SELECT * FROM sessions WHERE user_id = 'ann'\""),
        ),
    ),
    Page(
        "output",
        (
            Prose(
                "query prints a table on a terminal and csv elsewhere; --format takes table, json"
                " (one array a statement), jsonl, csv, tsv and markdown. -o FILE writes a file that"
                " appears complete or not at all. NULL is null in JSON, NULL in tables, nothing in"
                " csv (an empty text is \"\"). A blob is x'..', in JSON base64. On a terminal,"
                " control characters in data are written out."
            ),
            Code(
                'sessions-vtab query "SELECT * FROM sessions" --format jsonl -o sessions.jsonl\n'
                'sessions-vtab query "SELECT * FROM events WHERE session_id = :id" -p id tour-1'
            ),
        ),
    ),
)

TOPICS: Final[Mapping[str, Page]] = MappingProxyType({page.title: page for page in _PAGES})
"""Pages by topic, in the order of the reference."""
