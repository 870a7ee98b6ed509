"""The tables of the store's file, as migrations: entry N leads from schema version N to N + 1.

A published migration is never changed; a new version is a new entry. Columns for times and JSON
keep TEXT affinity; each time also has a column ``<name>_ms`` with the three fractional digits that
sqlite-jdbc reads. What is read from events' documents is a SQL function of the store.
"""

from __future__ import annotations

import json
from collections.abc import Callable, Iterable, Mapping
from functools import lru_cache
from typing import Any, Final

import apsw

from sessions_vtab.contract.agent_events import FACTS, Documents
from sessions_vtab.contract.model import Column
from sessions_vtab.contract.predicate import Value

APPLICATION_ID: Final = 0x5E551045
"""``PRAGMA application_id`` of a store: identifies the file (https://sqlite.org/fileformat2.html)."""

_VERSION_1: Final = """
CREATE TABLE sessions (
    session_id        TEXT NOT NULL PRIMARY KEY,
    name              TEXT NOT NULL UNIQUE,
    user_id           TEXT,
    display_name      TEXT,
    labels            TEXT,
    state             TEXT,
    create_time       TEXT NOT NULL,
    create_time_ms    DATETIME GENERATED ALWAYS AS (substr(create_time, 1, 23)) VIRTUAL,
    update_time       TEXT NOT NULL,
    update_time_ms    DATETIME GENERATED ALWAYS AS (substr(update_time, 1, 23)) VIRTUAL,
    expire_time       TEXT,
    expire_time_ms    DATETIME GENERATED ALWAYS AS (substr(expire_time, 1, 23)) VIRTUAL,
    description       TEXT,
    enabled           INTEGER NOT NULL DEFAULT 1,
    settings          TEXT,
    deleted           INTEGER NOT NULL DEFAULT 0,
    search_query      TEXT,
    search_results    TEXT,
    search_meta       TEXT,
    payload_filter    TEXT,
    sort_by           TEXT,
    is_irrelevant     INTEGER NOT NULL DEFAULT 0,
    is_payload_search INTEGER NOT NULL DEFAULT 0,
    batch_id          TEXT REFERENCES batches,
    session_number    INTEGER,
    last_event        INTEGER NOT NULL DEFAULT 0
);
CREATE INDEX sessions_by_user ON sessions(user_id, create_time);
CREATE INDEX sessions_by_create_time ON sessions(create_time);
CREATE INDEX sessions_by_update_time ON sessions(update_time);
CREATE INDEX sessions_by_batch ON sessions(batch_id, session_number) WHERE batch_id IS NOT NULL;
CREATE INDEX sessions_by_expire_time ON sessions(expire_time) WHERE expire_time IS NOT NULL;
-- The few sessions whose events may have to be hidden: scans of events look here, not at the table.
CREATE INDEX sessions_mortal ON sessions(session_id, deleted, expire_time)
    WHERE deleted = 1 OR expire_time IS NOT NULL;

CREATE TABLE events (
    id             INTEGER PRIMARY KEY,
    name           TEXT NOT NULL UNIQUE,
    session_name   TEXT GENERATED ALWAYS AS (substr(name, 1, instr(name, '/events/') - 1)) VIRTUAL,
    session_id     TEXT NOT NULL REFERENCES sessions ON DELETE CASCADE,
    event_id       TEXT NOT NULL,
    timestamp      TEXT NOT NULL,
    timestamp_ms   DATETIME GENERATED ALWAYS AS (substr(timestamp, 1, 23)) VIRTUAL,
    author         TEXT NOT NULL,
    content        TEXT,
    text           TEXT,
    invocation_id  TEXT,
    actions        TEXT,
    error_code     TEXT,
    error_message  TEXT,
    event_metadata TEXT,
    raw_event      TEXT
);
CREATE INDEX events_by_session ON events(session_id, timestamp);
CREATE INDEX events_by_timestamp ON events(timestamp);

CREATE TABLE app_state (
    id    INTEGER PRIMARY KEY CHECK (id = 1),
    state TEXT NOT NULL
);
CREATE TABLE user_states (
    user_id TEXT NOT NULL PRIMARY KEY,
    state   TEXT NOT NULL
) WITHOUT ROWID;

CREATE TABLE participants (
    name                  TEXT NOT NULL PRIMARY KEY,
    session_id            TEXT NOT NULL REFERENCES sessions ON DELETE CASCADE,
    participant           TEXT NOT NULL,
    participant_type      TEXT NOT NULL,
    turns_before          INTEGER NOT NULL DEFAULT 0,
    insights              TEXT,
    last_integration_turn INTEGER,
    UNIQUE (session_id, participant)
);

CREATE TABLE batches (
    batch_id        TEXT NOT NULL PRIMARY KEY,
    status          TEXT NOT NULL DEFAULT 'collecting',
    session_counter INTEGER NOT NULL DEFAULT 0,
    create_time     TEXT NOT NULL,
    create_time_ms  DATETIME GENERATED ALWAYS AS (substr(create_time, 1, 23)) VIRTUAL,
    release_id      TEXT UNIQUE,
    release_time    TEXT,
    release_time_ms DATETIME GENERATED ALWAYS AS (substr(release_time, 1, 23)) VIRTUAL
);
CREATE UNIQUE INDEX batches_collecting ON batches(status) WHERE status = 'collecting';
CREATE TABLE sessions_for_improvement (
    session_id     TEXT NOT NULL PRIMARY KEY REFERENCES sessions ON DELETE CASCADE,
    status         TEXT NOT NULL DEFAULT 'pending',
    create_time    TEXT NOT NULL,
    create_time_ms DATETIME GENERATED ALWAYS AS (substr(create_time, 1, 23)) VIRTUAL
);

CREATE TABLE upload_sessions (
    session_id                  TEXT NOT NULL PRIMARY KEY,
    name                        TEXT NOT NULL UNIQUE,
    status                      TEXT NOT NULL DEFAULT 'OPEN',
    write_mode                  TEXT NOT NULL DEFAULT 'KEEP',
    create_time                 TEXT NOT NULL,
    create_time_ms              DATETIME GENERATED ALWAYS AS (substr(create_time, 1, 23)) VIRTUAL,
    expire_time                 TEXT NOT NULL,
    expire_time_ms              DATETIME GENERATED ALWAYS AS (substr(expire_time, 1, 23)) VIRTUAL,
    failed_files                INTEGER NOT NULL DEFAULT 0,
    finished_files              INTEGER NOT NULL DEFAULT 0,
    created_by                  TEXT,
    parallel_processing_enabled INTEGER NOT NULL DEFAULT 0,
    expires_in_seconds          INTEGER NOT NULL
);
CREATE INDEX upload_sessions_open ON upload_sessions(expire_time) WHERE status = 'OPEN';
CREATE TABLE upload_session_files (
    id               INTEGER PRIMARY KEY,
    name             TEXT NOT NULL UNIQUE,
    session_name     TEXT GENERATED ALWAYS AS (substr(name, 1, instr(name, '/files/') - 1)) VIRTUAL,
    session_id       TEXT NOT NULL REFERENCES upload_sessions ON DELETE CASCADE,
    file_name        TEXT NOT NULL,
    ingestion_status TEXT NOT NULL DEFAULT 'PENDING',
    create_time      TEXT NOT NULL,
    create_time_ms   DATETIME GENERATED ALWAYS AS (substr(create_time, 1, 23)) VIRTUAL,
    size             INTEGER NOT NULL,
    sha256           TEXT NOT NULL,
    meta             TEXT,
    content          BLOB
);
CREATE INDEX upload_session_files_by_session ON upload_session_files(session_id);
CREATE INDEX upload_session_files_by_name ON upload_session_files(file_name);
CREATE VIEW files AS
    SELECT id, file_name, size, create_time, create_time_ms, sha256, meta, session_id, content
    FROM upload_session_files
    WHERE ingestion_status = 'FINISHED' AND content IS NOT NULL;
"""

# A part is an object with one field that determines its kind, in either spelling, and modifiers.
_MODIFIERS: Final = (
    "'thought', 'thoughtSignature', 'thought_signature', 'videoMetadata', 'video_metadata',"
    " 'mediaResolution', 'media_resolution', 'speechMetadata', 'speech_metadata',"
    " 'audioTranscription', 'audio_transcription', 'mediaProcessing', 'media_processing',"
    " 'partMetadata', 'part_metadata'"
)

_SPELLINGS: Final = {
    "function_call": "functionCall",
    "function_response": "functionResponse",
    "inline_data": "inlineData",
    "file_data": "fileData",
    "executable_code": "executableCode",
    "code_execution_result": "codeExecutionResult",
    "tool_call": "toolCall",
    "tool_response": "toolResponse",
}

PART_PATHS: Final[Mapping[str, tuple[str, ...]]] = {
    "text": ("text",),
    "args": ("functionCall.args", "function_call.args", "executableCode", "executable_code"),
    "response": (
        *("functionResponse.response", "function_response.response"),
        *("codeExecutionResult", "code_execution_result"),
    ),
    "mime_type": (
        *("inlineData.mimeType", "inline_data.mime_type"),
        *("fileData.mimeType", "file_data.mime_type"),
    ),
    "file_uri": ("fileData.fileUri", "file_data.file_uri"),
    "size": ("inlineData.data", "inline_data.data"),
}
"""Where a part has what a column of ``event_parts`` shows, in either spelling."""

_CASES: Final = " ".join(f"WHEN '{snake}' THEN '{camel}'" for snake, camel in _SPELLINGS.items())
CALLS: Final = ("functionCall", "function_call", "functionResponse", "function_response")


def kind_of(part: str) -> str:
    """SQL of the kind of a part, itself SQL of a JSON object: the name of its field in the API."""
    return f"""(SELECT CASE f.key {_CASES} ELSE f.key END FROM json_each({part}) f
        WHERE f.type <> 'null' AND f.key NOT IN ({_MODIFIERS}) LIMIT 1)"""


def of_call(part: str, field: str) -> str:
    """SQL of a text in a part's call or response, in either spelling: ``name``, ``id``."""
    paths = ", ".join(f"{part} ->> '$.{call}.{field}'" for call in CALLS)
    # Most parts are text: looking for the letters costs less than eight paths.
    return f"""iif(instr({part}, '"function'), coalesce({paths}), NULL)"""


def part_columns(document: str, place: Callable[[str], str], kind: str) -> dict[str, str]:
    """SQL of the columns of ``event_parts`` that a part itself has.

    Args:
        document: SQL of the JSON document that the part is in.
        place: SQL of the path of one of the part's fields there.
        kind: SQL of the part's kind.
    """

    def found(arrow: str, column: str) -> str:
        fields = (f"{document} {arrow} {place(path)}" for path in PART_PATHS[column])
        return f"(coalesce({', '.join(fields)}, NULL))"

    def of_file(column: str, form: str = "{}") -> str:
        texts = (
            f"iif(json_type({document}, {place(path)}) = 'text',"
            f" nullif({document} ->> {place(path)}, ''), NULL)"
            for path in PART_PATHS[column]
        )
        value = form.format(f"coalesce({', '.join(texts)}, NULL)")
        return f"(iif({kind} IN ('inlineData', 'fileData'), {value}, NULL))"

    return {
        "text": found("->>", "text"),
        "thought": f"(iif(json_type({document}, {place('thought')}) = 'true', 1, NULL))",
        "args": found("->", "args"),
        "response": found("->", "response"),
        "mime_type": of_file("mime_type"),
        "file_uri": of_file("file_uri"),
        # 4 characters of base64 or base64url are 3 bytes, without the padding.
        "size": of_file("size", "length(rtrim({}, '=')) * 3 / 4"),
    }


def parts_of(row: str, key: str, table: str = "") -> str:
    """A SELECT of the rows that ``parts`` has for the given events (used in version 2).

    Args:
        row: name or alias of the event in SQL.
        key: column of its row number.
        table: the FROM clause with the events; empty in a trigger, which has one row.
    """
    source = f"{table}, " if table else ""
    return f"""SELECT o.event AS event, o.number AS number, o.session_id AS session_id,
    {kind_of("o.object")} AS kind,
    {of_call("o.object", "name")} AS function_name,
    {of_call("o.object", "id")} AS call_id
    FROM (SELECT {row}.{key} AS event, {row}.session_id AS session_id, j.key AS number,
            iif(j.type = 'object', j.value, '{{}}') AS object
        FROM {source}json_each(
            iif(json_valid({row}.content), {row}.content, 'null'), '$.parts') j
        WHERE typeof(j.key) = 'integer') o"""


# The columns by which parts of events are found; their texts and arguments stay in the content.
# Triggers write them, so that they are right whichever program writes the events.
_VERSION_2: Final = f"""
CREATE TABLE parts (
    event         INTEGER NOT NULL,
    number        INTEGER NOT NULL,
    session_id    TEXT NOT NULL,
    kind          TEXT,
    function_name TEXT,
    call_id       TEXT,
    PRIMARY KEY (event, number)
) WITHOUT ROWID;
INSERT INTO parts {parts_of("e", "id", "events e")};
CREATE INDEX parts_by_call ON parts(call_id, session_id) WHERE call_id IS NOT NULL;
CREATE TRIGGER parts_of_new_event AFTER INSERT ON events WHEN new.content IS NOT NULL BEGIN
    INSERT INTO parts {parts_of("new", "id")};
END;
CREATE TRIGGER parts_of_changed_event AFTER UPDATE OF id, session_id, content ON events BEGIN
    DELETE FROM parts WHERE event = old.id;
    INSERT INTO parts {parts_of("new", "id")};
END;
CREATE TRIGGER parts_of_removed_event AFTER DELETE ON events BEGIN
    DELETE FROM parts WHERE event = old.id;
END;
"""

# The order in which a session's events were written, even if their times are equal. The triggers of
# version 2 stay: a new column does not rebuild the table, and they ignore its UPDATE. Another
# program need not know the column: a trigger numbers its events.
_VERSION_3: Final = """
ALTER TABLE sessions ADD COLUMN last_sequence INTEGER NOT NULL DEFAULT 0;
ALTER TABLE events ADD COLUMN sequence INTEGER;
UPDATE events SET sequence = numbered.number
    FROM (SELECT id, row_number() OVER (PARTITION BY session_id ORDER BY id) AS number FROM events)
        AS numbered
    WHERE numbered.id = events.id;
UPDATE sessions SET last_sequence =
    (SELECT count(*) FROM events WHERE events.session_id = sessions.session_id);
CREATE TRIGGER sequence_of_new_event AFTER INSERT ON events WHEN new.sequence IS NULL BEGIN
    UPDATE sessions SET last_sequence = last_sequence + 1 WHERE session_id = new.session_id;
    UPDATE events SET sequence =
        (SELECT last_sequence FROM sessions WHERE session_id = new.session_id)
        WHERE id = new.id;
END;
"""

MIGRATIONS: Final[tuple[str, ...]] = (_VERSION_1, _VERSION_2, _VERSION_3)
"""SQL scripts; their count is the schema version (``PRAGMA user_version``) of new stores."""


DOCUMENTS: Final = Documents._fields
"""The columns that the others are read from."""

_FUNCTION: Final = "event_fact"


def add_function(connection: apsw.Connection) -> None:
    """Adds ``event_fact(column, actions, event_metadata, raw_event)`` to a connection."""
    connection.create_scalar_function(_FUNCTION, _fact, 4, deterministic=True)


def expressions(alias: str) -> dict[str, str]:
    """The SQL of each column, for the events with an alias.

    Most events have few of the documents; asking for those that matter first costs no call.
    """
    documents = {name: f"{alias}.{name}" for name in DOCUMENTS}
    found = {}
    for name, call in calls(documents).items():
        looked_at = [one for one in DOCUMENTS if one in FACTS[name].documents]
        absent = " AND ".join(f"{alias}.{one} IS NULL" for one in looked_at)
        found[name] = f"(iif({absent}, NULL, {call}))"
    return found


def calls(documents: Mapping[str, str]) -> dict[str, str]:
    """The SQL of each column where events have their documents elsewhere.

    Args:
        documents: SQL of each document; one that no event has is left out.
    """
    found = {}
    for name, fact in FACTS.items():
        looked_at = fact.documents & documents.keys()
        given = ", ".join(documents[one] if one in looked_at else "NULL" for one in DOCUMENTS)
        found[name] = f"{_FUNCTION}('{name}', {given})" if looked_at else "NULL"
    return found


def facts_of(columns: Iterable[Column], row: Mapping[str, Value]) -> tuple[Value, ...]:
    """The values of such columns for an event that is being written."""
    documents = Documents(*(_loaded(row.get(name)) for name in DOCUMENTS))
    return tuple(FACTS[column.name](documents) for column in columns)


def _fact(*arguments: Any) -> Any:
    column, *documents = arguments
    return FACTS[column](Documents(*map(_loaded, documents)))


def _loaded(text: Any) -> Any:
    return _parsed(text) if isinstance(text, str) else None


# The columns of a row are built one after the other from the same texts.
@lru_cache(maxsize=8)
def _parsed(text: str) -> Any:
    """The JSON value of a text; None if another program wrote something else into the file."""
    try:
        return json.loads(text)
    except (ValueError, RecursionError):
        return None
