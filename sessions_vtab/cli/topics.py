"""Topics of the help that are about no single table or function."""

from __future__ import annotations

from collections.abc import Mapping
from types import MappingProxyType
from typing import Final

from sessions_vtab.cli import questions
from sessions_vtab.cli.pages import Code, Grid, Page, Prose
from sessions_vtab.scanning.estimate import APPENDS, QUOTA, QUOTA_ROWS
from sessions_vtab.spec.times import ACCEPTED

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

MCP_CLIENTS: Final = """\
{
  "mcpServers": {
    "sessions": {
      "command": "sessions-vtab",
      "args": ["mcp", "--source", "prod=vertex://PROJECT/LOCATION/ENGINE"]
    }
  }
}"""
"""The configuration of a client that starts the server; a test starts what it names."""

MCP_HTTP: Final = """\
{
  "mcpServers": {
    "sessions": {
      "type": "http",
      "url": "http://127.0.0.1:8808/mcp",
      "headers": {"Authorization": "Bearer ${SESSIONS_VTAB_MCP_TOKEN}"}
    }
  }
}"""
"""The configuration of a client for a server that runs already."""

ADK: Final = """\
CREATE TEMP TABLE chosen AS
SELECT replace(substr(name, instr(name, '/users/') + 7), '/sessions/', ':') AS id, *
FROM adk.sessions WHERE app_name = 'trip_planner';

INSERT INTO sessions(session_id, user_id, state, create_time)
SELECT id, user_id, state, create_time FROM chosen;

INSERT INTO events(session_id, event_id, timestamp, author, content, invocation_id, actions,
                   error_code, error_message, event_metadata, raw_event)
SELECT c.id, e.event_id, e.timestamp, e.author, e.content, e.invocation_id, e.actions,
       e.error_code, e.error_message, e.event_metadata, e.raw_event
FROM chosen AS c JOIN adk.events AS e ON e.session_name = c.name ORDER BY e.timestamp, e.sequence;

UPDATE sessions SET state = (SELECT c.state FROM chosen AS c WHERE c.id = sessions.session_id)
WHERE session_id IN (SELECT id FROM chosen);"""
"""Copies one app's sessions from ADK's file into the store; a test runs it."""

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
        ),
    ),
    Page(
        "mcp",
        (
            Prose(
                "mcp serves the sources to AI agents through the Model Context Protocol, on"
                " standard input and output: pip install 'sessions_vtab[mcp]'. The tools are"
                " query, explain, describe and sources; the resources are the schema, recipes and"
                " 30 questions with SQL. Sources are given as for every command."
            ),
            Code(MCP_CLIENTS),
            Prose(
                "This block is for Claude Desktop (claude_desktop_config.json), Claude Code"
                " (.mcp.json) and Gemini CLI (.gemini/settings.json). In VS Code"
                " (.vscode/mcp.json), mcpServers is called servers. A client may start programs"
                " without your PATH: give the full path of sessions-vtab if it is not found."
            ),
            Prose(
                "--http PORT serves HTTP on the loopback address instead, at /mcp. Each request"
                " must carry the token of the environment variable SESSIONS_VTAB_MCP_TOKEN; if"
                " it is not set, a new token is printed at the start. Requests with the Host or"
                " Origin of another place are refused."
            ),
            Code(MCP_HTTP),
            Grid(
                ("limit of a call", "meaning"),
                (
                    ("--max-requests", "HTTP requests; default 200"),
                    ("--max-rows", "rows, whatever the call asks for; default 1000"),
                    ("--max-bytes", "size of the rows as JSON; default 100000"),
                    ("--statement-timeout", "seconds of a statement; default 60"),
                ),
            ),
            Prose(
                "A query whose plan expects more than max_requests is refused before it starts,"
                " with the text of explain. A long value is cut with a mark that says how to"
                " select the rest."
            ),
            Prose(
                "Security: the server only reads, unless it is started with --writable. The tool"
                " write then asks the user to confirm each statement, if the client supports"
                " elicitation; other clients should ask before they call the tool. What a model"
                " reads in events was written by users, models and tools. It is data, but a"
                " model may follow instructions in it. Do not give one agent events that"
                " strangers write together with --writable or with tools that send data out."
            ),
        ),
    ),
    Page(
        "output",
        (
            Prose(
                "On a terminal, query prints a table that fits it, with long values cut, or one"
                " value a line where a row does not fit; elsewhere it prints csv. --format"
                " accepts table, json (one array per statement), jsonl, csv, tsv, markdown,"
                " box, grid, column, line, list, quote, insert and html; --json, --csv and so"
                " on are the same. --noheader leaves out the names of columns. -o FILE writes"
                " a file that appears complete or not at all. Files and pipes are UTF-8. NULL"
                ' is null in JSON, NULL in tables and empty in csv (an empty text is ""). A'
                " blob is printed as x'..', in JSON as base64. On a terminal, control"
                " characters in data are escaped."
            ),
            Code(
                'sessions-vtab query "SELECT * FROM sessions" --format jsonl -o sessions.jsonl\n'
                'sessions-vtab query "SELECT * FROM events WHERE session_id = :id" -p id tour-1'
            ),
        ),
    ),
    Page(
        "shell",
        (
            Prose(
                "The shell understands what the sqlite3 shell does, and exit, help, show tables,"
                " describe sessions, \\d and \\q of other shells. Long results go through"
                " $PAGER, or less. Tables that you create are kept in memory until the shell"
                " ends; ATTACH 'file.db' AS f and CREATE TABLE f.notes(..) keep them."
            ),
            Grid(
                ("command", "what it does"),
                (
                    (".mode json", "sets how rows are written; .mode auto goes back"),
                    (".once FILE", "sends the next result to a file, .output all that follow"),
                    (".import FILE TABLE", "inserts the rows of a CSV file, --null '' for NULL"),
                    (".parameter set :u 'ann'", "sets the parameter :u"),
                    (".eqp on, .stats on", "shows what each query will send, and has sent"),
                    (".set max_writes N", "sets a limit for each statement"),
                    (".pager off", "prints long results without a pager"),
                    (".help all", "lists all commands"),
                ),
            ),
            Prose("The same without the shell, and completion for bash (or zsh):"),
            Code(
                "sessions-vtab 'select count(*) from sessions'\n"
                "sessions-vtab -json local:///path/to/file.db 'select * from sessions'\n"
                'eval "$(sessions-vtab completion bash)"'
            ),
        ),
    ),
    Page(
        "schedule",
        (
            Prose(
                "A snapshot that runs again reads only what has changed. A line of a crontab,"
                " or a timer of systemd, keeps a copy up to date; --yes is for runs that"
                " nobody watches."
            ),
            Code(
                "0 * * * *  sessions-vtab --source prod=URL snapshot prod.db --yes\n"
                "systemd-run --user --on-calendar=hourly sessions-vtab --source prod=URL"
                " snapshot prod.db --yes"
            ),
            Prose(
                "For alerts, query --fail-if-rows exits with 1 if there is a row, as it does"
                " after an error:"
            ),
            Code(
                'sessions-vtab query --fail-if-rows "SELECT session_id, error_code FROM events'
                " WHERE error_code IS NOT NULL AND timestamp > datetime('now', '-1 hour')\""
                " || echo alert"
            ),
        ),
    ),
    Page(
        "adk",
        (
            Prose(
                "Google's Agent Development Kit (ADK) can keep its sessions in an SQLite file. The"
                " file is a source as it is, whichever version of ADK wrote it, and also while"
                " the agent runs:"
            ),
            Code("sessions-vtab --source adk=adk:///path/to/adk_sessions.db"),
            Code(
                "SELECT s.user_id, count(*) AS events FROM adk.sessions AS s"
                " JOIN adk.events AS e ON e.session_name = s.name\n"
                "WHERE s.app_name = 'trip_planner' GROUP BY s.user_id;"
            ),
            Prose(
                "A session_id is unique only within an app and a user, so join by session_name."
                " scopes.app_name=trip_planner in the URL shows that app alone. In files that"
                " google-adk 1.17 or older wrote, events have the local time of the agent: give"
                " its time zone as ?timezone=America/New_York. sessions-vtab sources --check"
                " says when the times look shifted. The process that runs the agent must not"
                " read the file with sessions_vtab, because closing it would release the locks"
                " of the other SQLite library."
            ),
            Prose(
                "The source is read-only. To write, copy one app per source, because app: keys"
                " of the state are shared by all sessions of a source. Events change the state"
                " when they are inserted, so it is set again at the end. raw_event keeps each"
                " event as ADK wrote it. With --source local and --source adk=..:"
            ),
            Code(ADK),
        ),
    ),
    Page(
        "scale",
        (
            Prose(
                "Reading is limited by the requests per minute that a service allows, not by this"
                f" machine. At {QUOTA} requests per minute, the general quota of Vertex AI for a"
                " project and region, sessions of 100 events take:"
            ),
            Grid(
                ("sessions", "requests", "all of them", "1 % changed"),
                tuple(
                    (
                        f"{sessions} sessions",
                        f"{requests} requests",
                        every,
                        f"next snapshot, if 1 % changed: {changed}; stream: {stream}",
                    )
                    for sessions, requests, every, changed, stream in QUOTA_ROWS
                ),
            ),
            Prose(
                "These times hold for any number of machines. Before it starts, snapshot reports"
                " how long it will take. Run it regularly: it then reads only what changed. For"
                " questions over many events, query its Parquet files with DuckDB, which is about"
                " a hundred times faster than the local store:"
            ),
            Code(
                "sessions-vtab --source 'prod=vertex://PROJECT/LOCATION/ENGINE' snapshot out.db"
                " --parquet lake\n"
                "duckdb -c \"SELECT author, count(*) FROM 'lake/events.parquet' GROUP BY 1\""
            ),
            Prose(
                "Spark (extra spark, Java 17) and Daft (extra daft) read many projects, regions or"
                " engines at the same time, and are for what comes after reading:"
            ),
            Code(
                "from sessions_vtab.spark import register\n"
                'register(spark).read.format("sessions").option("url", "vertex://..").load("events")'
                "\n\n"
                "from sessions_vtab.daft import read_sessions\n"
                'read_sessions("vertex://..", "events", where="author = \'user\'")'
            ),
            Prose(
                "For other engines, sessions_vtab.scanning has schema_of, split and read: parts"
                " that can be pickled, as Arrow batches of the declared schema."
            ),
            Grid(
                ("", "what each cannot do"),
                (
                    ("snapshot", "shows no single instant; is one process, so one quota"),
                    ("Parquet", "has times in microseconds, and is as old as the snapshot"),
                    (
                        "Spark",
                        (
                            "has no filter pushdown, because Spark 4.3 would return wrong rows: use"
                            " the options where and sessionsWhere; does not write; a stream repeats"
                            " rows, so MERGE them by name; deleted rows stay until an anti-join"
                        ),
                    ),
                    ("Daft", "pushes down columns, LIMIT and equality with an id; does not write"),
                    (
                        "all",
                        (
                            "do not read one project and region faster than its quota allows; bulk"
                            f" appends are limited to {APPENDS} per minute there, so use INSERT"
                            " INTO events SELECT .. on one machine"
                        ),
                    ),
                ),
            ),
            Prose("Options, measurements and a recipe for a lake: sessions_vtab/docs/scale.md."),
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
