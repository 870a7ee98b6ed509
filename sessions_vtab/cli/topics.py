"""Topics of the help about no single table or function, among them those that lead to a service."""

from __future__ import annotations

import re
from collections.abc import Mapping
from types import MappingProxyType
from typing import Final

from sessions_vtab.cli import questions
from sessions_vtab.cli.pages import Block, Code, Grid, Heading, Page, Prose, document
from sessions_vtab.cli.streams import program
from sessions_vtab.cli.tool_topics import ADK, MCP_CLIENTS, TOOLS
from sessions_vtab.contract.install import install_command, packages_of
from sessions_vtab.contract.times import ACCEPTED

__all__ = ["ADK", "ALIASES", "IDLE", "MCP_CLIENTS", "RESUME", "TOPICS", "service_pages"]

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


ALIASES: Final[Mapping[str, str]] = MappingProxyType(
    {
        **dict.fromkeys(("login", "credential", "credentials", "token"), "auth"),
        **dict.fromkeys(("pandas", "jupyter", "ipython", "harlequin", "sqlalchemy"), "notebooks"),
        **dict.fromkeys(("cron", "systemd", "alert", "alerts"), "schedule"),
        **dict.fromkeys(("superset", "bi"), "notebooks"),
    }
)
"""Other words for a topic."""

_VERTEX: Final = "sessions-vtab --source prod=vertex://PROJECT/LOCATION/ENGINE"
_FIRST: Final = "SELECT session_id, user_id, update_time FROM sessions ORDER BY update_time DESC"


def service_pages() -> tuple[Page, ...]:
    """The pages; commands name the environment that is running."""
    return (
        Page("vertex", tuple(_vertex())),
        Page("deepset", tuple(_deepset())),
        Page("whylabs", tuple(_whylabs())),
        Page("embedding_studio", tuple(_embedding_studio())),
        Page("eleanor", tuple(_eleanor())),
        Page("adk_api", tuple(_adk_api())),
        Page("auth", tuple(_auth())),
        Page("notebooks", tuple(_notebooks())),
    )


def _forms(backend: str) -> tuple[Block, ...]:
    """What a source's URL looks like, and what there is to know of the service."""
    from sessions_vtab import registry  # noqa: PLC0415  # Only these pages need the backends.

    found = registry.backend_class(backend)
    about = (Prose(found.about),) if found.about else ()
    return (*about, Heading("URL"), Code("\n".join(found.urls)))


def _steps(*lines: str) -> tuple[Block, ...]:
    """Commands, as they are typed in the environment that is running."""
    typed = (re.sub(r"\Asessions-vtab", lambda _: program(), line) for line in lines)
    return Heading("First steps"), Code("\n".join(typed))


def _vertex() -> tuple[Block, ...]:
    return (
        Prose(
            "Sessions and events of agents on Google Vertex AI Agent Engine. PROJECT is the id of"
            " your project, LOCATION a region such as us-central1, and ENGINE the id of the agent's"
            " reasoning engine: a number, which the third line below finds. The role"
            " roles/aiplatform.user on the project is sufficient."
        ),
        *_forms("vertex"),
        *_steps(
            install_command(*packages_of("vertex")),
            "gcloud auth application-default login",
            "sessions-vtab --source prod=vertex://PROJECT/LOCATION sources --check",
            f'{_VERTEX} query "{_FIRST} LIMIT 5"',
            f"{_VERTEX} --read-only",
        ),
        Prose(
            "The last line opens a shell that refuses writes. To keep the source in the"
            " configuration file, run sessions-vtab init. In express mode, the key is in"
            " GOOGLE_API_KEY, or in the variable that api_key_env names. Google limits writes to"
            " about 100 sessions and 300 events per minute for a project and region."
        ),
    )


def _deepset() -> tuple[Block, ...]:
    return (
        Prose(
            "Upload sessions and files of deepset Cloud. WORKSPACE is the name of a workspace. The"
            " API key is read from DEEPSET_API_KEY or API_KEY, or from the variable that"
            " api_key_env names. For the region US, add ?base_url=https://api.us.deepset.ai."
        ),
        *_forms("deepset"),
        *_steps(
            "export DEEPSET_API_KEY=..",
            "sessions-vtab --source docs=deepset://WORKSPACE sources --check",
            "sessions-vtab --source docs=deepset://WORKSPACE query"
            ' "SELECT session_id, status, finished_files FROM upload_sessions"',
        ),
        Prose("help upload_file shows how files are uploaded; help upload_sessions the table."),
    )


def _whylabs() -> tuple[Block, ...]:
    return (
        Prose(
            "Guest sessions and profile uploads of WhyLabs. The company's own hosts have been shut"
            " down; base_url is the address of your installation. Where it asks for a key, the key"
            " is read from WHYLABS_API_KEY. A session's id gives access to it: treat it as a"
            " password."
        ),
        *_forms("whylabs"),
        *_steps(
            "sessions-vtab --source why=whylabs://?base_url=https://HOST query"
            " \"INSERT INTO sessions(user_id) VALUES ('ann') RETURNING session_id, model_id\"",
        ),
    )


def _embedding_studio() -> tuple[Block, ...]:
    return (
        Prose(
            "Search sessions, clicks and improvement batches of Embedding Studio. No credential."
        ),
        *_forms("embedding_studio"),
        *_steps(
            "sessions-vtab --source es=embedding_studio://?base_url=https://HOST query"
            " \"SELECT search_query, events FROM sessions WHERE session_id = 'ID'\"",
        ),
    )


def _eleanor() -> tuple[Block, ...]:
    return (
        Prose("Activity sessions and participants of EleanorAI; NAMESPACE is where they are."),
        *_forms("eleanor"),
        *_steps(
            "sessions-vtab --source el=eleanor://NAMESPACE?base_url=https://HOST sources --check",
            "sessions-vtab --source el=eleanor://NAMESPACE?base_url=https://HOST query"
            ' "SELECT session_id, description, enabled FROM sessions"',
        ),
        Prose("If the service asks for a key, add &api_key_env=NAME: NAME is a variable with it."),
    )


def _adk_api() -> tuple[Block, ...]:
    return (
        Prose(
            "The server of Google's Agent Development Kit, started with adk api_server. It needs no"
            " credential. The topic adk is about the files that such a server writes."
        ),
        *_forms("adk_api"),
    )


def _auth() -> tuple[Block, ...]:
    return (
        Prose(
            "A credential is never part of a URL, of the configuration file or of SQL. A source"
            " names the place of its own with api_key_env (an environment variable) or"
            " api_key_file (a file, whose first line counts). Otherwise:"
        ),
        Code(
            "vertex            GOOGLE_OAUTH_ACCESS_TOKEN, else application-default credentials;\n"
            "                  without a project: GOOGLE_API_KEY\n"
            "deepset           DEEPSET_API_KEY or API_KEY\n"
            "whylabs           WHYLABS_API_KEY\n"
            "eleanor           only what the source names\n"
            "embedding_studio  none"
        ),
        Prose("To log in with Google, and to test what a source can read:"),
        Code("gcloud auth application-default login\nsessions-vtab sources --check"),
        Prose(
            "A credential goes only to the service's own hosts over https, to this machine, or to a"
            " base_url whose source names the credential itself."
        ),
    )


def _notebooks() -> tuple[Block, ...]:
    return (
        Prose(
            "A cursor shows its first rows as a table. Two ways to a DataFrame keep the types, with"
            " times as datetime64 in UTC. (pandas.read_sql() with a DB-API connection works with"
            " datetimes=True, but pandas warns that it has not tested the module; the warning is"
            " harmless.)"
        ),
        Code(
            "from sessions_vtab import dbapi\n"
            'db = dbapi.connect("local://:memory:", datetimes=True)\n'
            'db.execute("SELECT * FROM sessions").arrow().to_pandas()\n'
            "\n"
            "import pandas\n"
            "from sqlalchemy import create_engine\n"
            'engine = create_engine("sessions+local:///:memory:")\n'
            'pandas.read_sql_table("sessions", engine)'
        ),
        Prose(
            "JupySQL takes the same URLs; %sqlcmd explore reads page by page. Apache Superset takes"
            " them for a database of type Other. harlequin, an SQL IDE in the terminal, needs the"
            " extra harlequin:"
        ),
        Code(
            "%sql sessions+local:///:memory:\n"
            "harlequin -a sessions-vtab prod=vertex://PROJECT/LOCATION/ENGINE --read-only"
        ),
    )
