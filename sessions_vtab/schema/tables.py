"""The tables: core columns that every backend shares, and the columns that some add.

A backend's table is a core table ``extended`` with columns from here, so that one name has one
meaning and one piece of documentation wherever it appears.
"""

from __future__ import annotations

from sessions_vtab.schema.model import Column, ColumnType, Table

__all__ = [
    "DRY_RUN",
    "EVENTS",
    "EVENT_COLUMNS",
    "EVENT_PARTS",
    "FILES",
    "HTTP_REQUESTS",
    "PARTICIPANTS",
    "SCOPE_COLUMNS",
    "SESSIONS",
    "SESSION_COLUMNS",
    "UPLOAD_SESSIONS",
    "UPLOAD_SESSION_COLUMNS",
    "UPLOAD_SESSION_FILES",
    "WRITES",
    "event_columns",
    "session_columns",
]

_TEXT, _INTEGER, _REAL = ColumnType.TEXT, ColumnType.INTEGER, ColumnType.REAL
_BOOLEAN, _TIME, _JSON = ColumnType.BOOLEAN, ColumnType.TIME, ColumnType.JSON


def _by_name(*columns: Column) -> dict[str, Column]:
    return {column.name: column for column in columns}


SESSIONS = Table(
    "sessions",
    (
        Column("name", _TEXT, "Full resource name, in the source's own spelling."),
        Column(
            "session_id", _TEXT, "Id of the session; made by the server unless given on INSERT."
        ),
        Column("user_id", _TEXT, "Whose session it is; cannot change after creation."),
        Column("display_name", _TEXT, "Name shown to people."),
        Column("labels", _JSON, "JSON object of text labels: labels->>'env'."),
        Column("state", _JSON, "JSON object the conversation remembers."),
        Column("create_time", _TIME, "When it was created."),
        Column("update_time", _TIME, "When it was last written, by the server's clock."),
        Column("expire_time", _TIME, "When it expires; NULL if it does not."),
    ),
    "One row is one session: a conversation, a search, a guest's visit.",
    example="SELECT session_id, user_id FROM sessions ORDER BY update_time DESC LIMIT 5",
)

SCOPE_COLUMNS = _by_name(
    Column("project", _TEXT, "Cloud project; the source's own unless given in WHERE."),
    Column("location", _TEXT, "Cloud region; the source's own unless given in WHERE."),
    Column("reasoning_engine", _TEXT, "Agent engine id; the source's own unless given in WHERE."),
    Column("namespace", _TEXT, "Namespace; the source's own unless given in WHERE."),
    Column("workspace", _TEXT, "Workspace; the source's own unless given in WHERE."),
)

_LISTING = (
    Column(
        "filter", _TEXT, "Filter text sent to the API as it is, AND-ed with ours.", parameter=True
    ),
    Column(
        "order_by", _TEXT, "Order text sent to the API as it is; claims no order.", parameter=True
    ),
    Column("page_size", _INTEGER, "Rows a request; at most the API's cap.", parameter=True),
    Column("page_token", _TEXT, "Start at this page and go on.", parameter=True),
    Column(
        "next_page_token",
        _TEXT,
        "Token behind this row's page; NULL on the last page.",
        transient=True,
    ),
)

SESSION_COLUMNS = SCOPE_COLUMNS | _by_name(
    *_LISTING,
    Column("ttl", _TEXT, "Time to live on INSERT or UPDATE: '172800s' or seconds; reads as NULL."),
    Column("update_mask", _TEXT, "Fields an UPDATE sets, in place of those that changed."),
    Column("pkid", _TEXT, "The service's primary key."),
    Column("description", _TEXT, "What the session is about."),
    Column("enabled", _BOOLEAN, "1 while the session may be used."),
    Column("managed", _BOOLEAN, "1 if the system manages it."),
    Column("auto_created", _BOOLEAN, "1 if a chat request created it."),
    Column("deleted", _BOOLEAN, "1 if soft-deleted; such rows show only when asked for."),
    Column("settings", _JSON, "JSON object of settings."),
    Column("include_deleted", _BOOLEAN, "= 1 shows soft-deleted rows too.", parameter=True),
    Column("org_id", _TEXT, "Organisation that owns the session's data."),
    Column("model_id", _TEXT, "Model the session's profiles belong to."),
    Column("search_query", _TEXT, "What was searched for."),
    Column("search_results", _JSON, "JSON array of {object_id, rank, meta}, in the order shown."),
    Column("search_meta", _JSON, "JSON object about the search."),
    Column("payload_filter", _JSON, "JSON object: the filter the search ran with."),
    Column("sort_by", _JSON, "JSON object {field, order}."),
    Column("is_irrelevant", _BOOLEAN, "1 once the results were marked as irrelevant."),
    Column(
        "is_payload_search", _BOOLEAN, "1 for a search by payload only: no use for improvement."
    ),
    Column("batch_id", _TEXT, "Improvement batch the session is in."),
    Column(
        "session_number", _INTEGER, "Number within the batch, from 1, in order of registration."
    ),
    Column("events", _JSON, "JSON array of the session's events; fetched only if used."),
)

EVENTS = Table(
    "events",
    (
        Column("name", _TEXT, "Full resource name."),
        Column("session_name", _TEXT, "Full resource name of its session."),
        Column("session_id", _TEXT, "Id of its session."),
        Column("event_id", _TEXT, "Id of the event within its session."),
        Column("timestamp", _TIME, "When it happened, by the writer's clock."),
        Column("author", _TEXT, "Who spoke: 'user' or an agent's name."),
        Column("content", _JSON, "JSON {role, parts}; on INSERT also plain text.", or_text=True),
        Column("text", _TEXT, "The text parts of content, joined; NULL if there are none."),
    ),
    "One row is one event of a session: a turn, a tool call, a click. INSERT appends.",
    example="SELECT author, text FROM events WHERE session_id = 'tour-1' ORDER BY timestamp",
)

EVENT_COLUMNS = SCOPE_COLUMNS | _by_name(
    *_LISTING,
    Column("invocation_id", _TEXT, "Id shared by the events of one invocation of the agent."),
    Column("actions", _JSON, "JSON object; actions.stateDelta is merged into the session's state."),
    Column("error_code", _TEXT, "Code of the error that ended the turn."),
    Column("error_message", _TEXT, "Its message."),
    Column("event_metadata", _JSON, "JSON object of metadata."),
    Column("raw_event", _JSON, "JSON object: the event as the writing framework had it."),
    Column("object_id", _TEXT, "What was clicked."),
    Column("event_type", _TEXT, "Kind of event, such as 'click'."),
    Column("meta", _JSON, "JSON object about the event."),
    Column("batch_id", _TEXT, "Improvement batch of its session.", parameter=True),
)

EVENT_PARTS = Table(
    "event_parts",
    (
        Column("event_name", _TEXT, "Full resource name of the event."),
        Column("session_name", _TEXT, "Full resource name of its session."),
        Column("part", _INTEGER, "Number of the part within content, from 0."),
        Column(
            "kind", _TEXT, "The part's field: text, functionCall, functionResponse, inlineData, .."
        ),
        Column("text", _TEXT, "Text of a text part."),
        Column("function_name", _TEXT, "Function of a call or response."),
        Column("call_id", _TEXT, "Id that joins a call with its response."),
        Column("args", _JSON, "JSON arguments of a call."),
        Column("response", _JSON, "JSON answer of a response."),
    ),
    "One row is one part of an event's content: tool calls without taking JSON apart.",
    hidden=(
        Column("name", _TEXT, "Name of the event, '#' and the part's number: the row's key."),
        Column("session_id", _TEXT, "Id of its session."),
    ),
    example="SELECT function_name, args->>'city' FROM event_parts WHERE kind = 'functionCall'",
)

UPLOAD_SESSIONS = Table(
    "upload_sessions",
    (
        Column("name", _TEXT, "Full resource name."),
        Column("session_id", _TEXT, "Id of the upload session."),
        Column("status", _TEXT, "OPEN, CLOSED or EXPIRED; set it to 'CLOSED' to close."),
        Column("write_mode", _TEXT, "KEEP, OVERWRITE or FAIL for files that exist already."),
        Column("create_time", _TIME, "When it was opened."),
        Column("expire_time", _TIME, "When it closes by itself."),
        Column("is_expired", _BOOLEAN, "1 if expired; without a condition both kinds are listed."),
        Column("failed_files", _INTEGER, "Files whose ingestion failed."),
        Column("finished_files", _INTEGER, "Files ingested."),
        Column("created_by", _JSON, "JSON object: who opened it."),
        Column("documentation_url", _TEXT, "Where uploading is explained."),
        Column(
            "upload_url", _TEXT, "Where files go; known in the connection that opened the session."
        ),
        Column("upload_fields", _JSON, "JSON form fields for upload_url, likewise."),
    ),
    "One row is one upload session: open it, upload files, close it, and they are ingested.",
    example="SELECT session_id, finished_files FROM upload_sessions WHERE status = 'OPEN'",
)

UPLOAD_SESSION_COLUMNS = _by_name(
    SCOPE_COLUMNS["workspace"],
    Column("page_size", _INTEGER, "Rows a request; at most the API's cap.", parameter=True),
    Column("parallel_processing_enabled", _BOOLEAN, "On INSERT: 1 to ingest files in parallel."),
    Column("expires_in_seconds", _INTEGER, "On INSERT: lifetime, 1 to 86400 seconds."),
)

UPLOAD_SESSION_FILES = Table(
    "upload_session_files",
    (
        Column("session_name", _TEXT, "Full resource name of the upload session."),
        Column("session_id", _TEXT, "Id of the upload session."),
        Column("file_name", _TEXT, "Name of the file."),
        Column("ingestion_status", _TEXT, "PENDING, FAILED or FINISHED."),
    ),
    "One row is one file of an upload session.",
    hidden=(Column("name", _TEXT, "Full resource name."),),
    example="SELECT file_name FROM upload_session_files WHERE ingestion_status = 'FAILED'",
)

FILES = Table(
    "files",
    (
        Column("name", _TEXT, "Full resource name."),
        Column("file_id", _TEXT, "Id of the file."),
        Column("file_name", _TEXT, "Name of the file."),
        Column("size", _INTEGER, "Size in bytes."),
        Column("create_time", _TIME, "When it was ingested."),
        Column("meta", _JSON, "JSON object of metadata."),
        Column("url", _TEXT, "Where the service keeps it."),
    ),
    "One row is one ingested file.",
    example="SELECT file_name FROM files WHERE meta->>'category' = 'news'",
)

PARTICIPANTS = Table(
    "participants",
    (
        Column("name", _TEXT, "Full resource name of the binding."),
        Column("session_name", _TEXT, "Full resource name of the session."),
        Column("session_id", _TEXT, "Id of the session."),
        Column("participant", _TEXT, "Name of the user or agent."),
        Column("participant_type", _TEXT, "'user' or 'agent'."),
    ),
    "One row is one participant of a session. INSERT binds, DELETE unbinds.",
    example="SELECT participant FROM participants WHERE session_id = 'tour-1'",
)

HTTP_REQUESTS = Table(
    "http_requests",
    (
        Column("statement", _INTEGER, "Number of the statement, counted by the connection."),
        Column("source", _TEXT, "Source that sent it."),
        Column("table", _TEXT, "Table or function it was for."),
        Column("method", _TEXT, "HTTP method."),
        Column("url", _TEXT, "URL without secrets."),
        Column("status", _INTEGER, "HTTP status; NULL if there was no answer."),
        Column("attempt", _INTEGER, "1 for the first try."),
        Column("elapsed_ms", _REAL, "Milliseconds until the answer was read."),
        Column("bytes", _INTEGER, "Size of the answer's body."),
        Column("rows", _INTEGER, "Rows the answer held."),
        Column("error", _TEXT, "What went wrong."),
    ),
    "One row is one HTTP request of this connection; the last 10 000 are kept.",
    hidden=(Column("number", _INTEGER, "Order of sending: the row's key."),),
    key="number",
    example="SELECT method, url, status FROM http_requests ORDER BY number DESC LIMIT 5",
)

WRITES = Table(
    "writes",
    (
        Column("statement", _INTEGER, "Number of the statement, counted by the connection."),
        Column("row", _INTEGER, "Which of the statement's rows, in its own order, from 1."),
        Column("source", _TEXT, "Source it was for."),
        Column("table", _TEXT, "Table it was for."),
        Column("action", _TEXT, "insert, update or delete."),
        Column("key", _TEXT, "Name of the row, as far as the statement gave it."),
        Column(
            "outcome", _TEXT, "sent, failed, unknown, skipped, not sent, sent although rolled back."
        ),
        Column("http_status", _INTEGER, "HTTP status of the answer."),
        Column("error", _TEXT, "What went wrong."),
        Column("answer_key", _TEXT, "Name the server answered with."),
        Column("started", _TIME, "When sending began."),
        Column("elapsed_ms", _REAL, "Milliseconds until the answer was read."),
    ),
    "One row is one row written by this connection, with its outcome; the last 10 000 are kept, and"
    " all of the last transaction.",
    hidden=(Column("number", _INTEGER, "Order in which outcomes came: the row's key."),),
    key="number",
    example="SELECT key, outcome, error FROM writes WHERE outcome <> 'sent'",
)

DRY_RUN = Table(
    "dry_run",
    (
        Column("source", _TEXT, "Source it is for."),
        Column("table", _TEXT, "Table it is for."),
        Column("action", _TEXT, "insert, update or delete."),
        Column("method", _TEXT, "HTTP method, or what the store would do."),
        Column("url", _TEXT, "URL without secrets, or the row's name in the store."),
        Column("body", _JSON, "JSON body."),
    ),
    "One row is one request that a write would have sent.",
    key="url",
)


def session_columns(*names: str) -> tuple[Column, ...]:
    """Columns that a backend adds to ``sessions``; KeyError for one that is not documented here."""
    return tuple(SESSION_COLUMNS[name] for name in names)


def event_columns(*names: str) -> tuple[Column, ...]:
    """Columns that a backend adds to ``events``; KeyError for one that is not documented here."""
    return tuple(EVENT_COLUMNS[name] for name in names)
