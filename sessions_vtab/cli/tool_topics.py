"""Topics of the help about the tools around the sources: agents, output, the shell, copies."""

from __future__ import annotations

from typing import Final

from sessions_vtab.cli.extension import CLIENTS as EXTENSION_CLIENTS
from sessions_vtab.cli.pages import Code, Grid, Page, Prose
from sessions_vtab.scanning.estimate import APPENDS, QUOTA, QUOTA_ROWS

__all__ = ["ADK", "MCP_CLIENTS", "MCP_HTTP", "TOOLS"]

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

TOOLS: Final = (
    Page(
        "mcp",
        (
            Prose(
                "mcp serves the sources to AI agents through the Model Context Protocol, on"
                " standard input and output. It needs the extra mcp. The tools are"
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
                " file is a source as it is, whichever version of ADK wrote it, also if today's ADK"
                " cannot read it any more, and while the agent runs:"
            ),
            Code("sessions-vtab --source adk=adk:///path/to/adk_sessions.db"),
            Code(
                "SELECT s.user_id, count(*) AS events FROM adk.sessions AS s"
                " JOIN adk.events AS e ON e.session_name = s.name\n"
                "WHERE s.app_name = 'trip_planner' GROUP BY s.user_id;"
            ),
            Prose("Its views are turns, tool_calls, usage_by_session and live_events. A report:"),
            Code("sessions-vtab report --source adk=adk:///path/to/adk_sessions.db -o report.html"),
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
                " project and region, sessions of 100 events take as long as this, and the next"
                " time, if 1 % of them changed:"
            ),
            Grid(
                ("sessions", "requests", "all of them", "1 % changed"),
                tuple(
                    (
                        f"{sessions} sessions",
                        f"{requests} requests",
                        every,
                        f"snapshot {changed}, stream {stream}",
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
        "extension",
        (
            Prose(
                "The sqlite3 shell, DBeaver, Datasette and ODBC bring an SQLite of their own. There"
                " a loadable extension has the live tables, with the same requests, transactions"
                " and errors as here. sessions-vtab extension prints its PATH, and on a terminal"
                " what to type in each program:"
            ),
            Grid(
                ("program", "what to type"),
                tuple((name, form.format(path="PATH")) for name, form in EXTENSION_CLIENTS),
            ),
            Prose(
                "Sources are those of the configuration file (help sources); what is given with"
                " --source, or in a database file, is not used. Tables of the default source have"
                " their names, those of prod are prod.sessions and prod_sessions. Functions are"
                " called as here: append_event(..) or prod.append_event(..). Programs that list"
                " only the tables of a file need one that has them, FILE above:"
            ),
            Code("sessions-vtab extension --catalog live.db"),
            Prose(
                "Such a file holds names and nothing else; it cannot be read without the extension."
                " Other files are not changed. Statements can only read, because strangers may ask"
                " where a program publishes its tables. To write, set this in the configuration"
                " file, or SESSIONS_VTAB_WRITABLE=1 in the environment of the program:"
            ),
            Code("[extension]\nwritable = true"),
            Prose(
                "RETURNING, --dry-run and the commands of this shell are not available there, and"
                " EXPLAIN QUERY PLAN takes the place of explain. The extension starts a Python"
                " process that serves all connections of the program and ends with it; the variable"
                " SESSIONS_VTAB_PYTHON names another Python. SELECT * FROM sessions_vtab_info()"
                " shows versions and the process. It needs SQLite 3.31, and from 3.38 on IN and"
                " LIMIT cost fewer requests. It does not run on Windows. If the package was built"
                " without a C compiler, sessions-vtab extension says what to do."
            ),
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
