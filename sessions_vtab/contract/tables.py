"""The tables: core columns that every backend shares, and the columns that some add.

A backend's table is a core table ``extended`` with columns from here, so that one name has one
meaning and one piece of documentation wherever it appears.
"""

from __future__ import annotations

from sessions_vtab.contract.model import Column, ColumnType, Table

_TEXT, _INTEGER = ColumnType.TEXT, ColumnType.INTEGER
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
        Column(
            "user_id", _TEXT, "User that the session belongs to; cannot be changed after creation."
        ),
        Column("display_name", _TEXT, "Display name for people."),
        Column("labels", _JSON, "JSON object of text labels: labels->>'env'."),
        Column("state", _JSON, "JSON object: the state of the conversation."),
        Column("create_time", _TIME, "When it was created."),
        Column("update_time", _TIME, "Time of the last change, by the server's clock."),
        Column("expire_time", _TIME, "When it expires; NULL if it does not."),
    ),
    "One row per session: a conversation, a search, a guest's visit.",
    example="SELECT session_id, user_id FROM sessions ORDER BY update_time DESC LIMIT 5",
)

SCOPE_COLUMNS = _by_name(
    Column("project", _TEXT, "Cloud project; default: the source's own.", scope=True),
    Column("location", _TEXT, "Cloud region; default: the source's own.", scope=True),
    Column("reasoning_engine", _TEXT, "Agent engine id; default: the source's own.", scope=True),
    Column("namespace", _TEXT, "Namespace; default: the source's own.", scope=True),
    Column("workspace", _TEXT, "Workspace; default: the source's own.", scope=True),
)

_LISTING = (
    Column(
        "filter",
        _TEXT,
        "Filter text sent to the API unchanged, combined by AND with the generated conditions.",
        parameter=True,
    ),
    Column(
        "order_by",
        _TEXT,
        "Order text sent to the API unchanged; SQLite does not rely on this order.",
        parameter=True,
    ),
    Column("page_size", _INTEGER, "Rows per request, up to the API's maximum.", parameter=True),
    Column("page_token", _TEXT, "Token of the page to start from.", parameter=True),
    Column(
        "next_page_token",
        _TEXT,
        "Token of the page after this row's page; NULL on the last page.",
        transient=True,
    ),
)

SESSION_COLUMNS = SCOPE_COLUMNS | _by_name(
    *_LISTING,
    Column(
        "ttl",
        _TEXT,
        "Time to live for INSERT or UPDATE: '172800s' or seconds; always NULL when read.",
        write_only=True,
    ),
    Column(
        "update_mask",
        _TEXT,
        "Fields that an UPDATE sets, instead of those that changed.",
        write_only=True,
    ),
    Column("pkid", _TEXT, "The service's primary key."),
    Column("description", _TEXT, "Description of the session."),
    Column("enabled", _BOOLEAN, "1 if the session is enabled."),
    Column("managed", _BOOLEAN, "1 if the system manages it."),
    Column("auto_created", _BOOLEAN, "1 if a chat request created it."),
    Column("deleted", _BOOLEAN, "1 if soft-deleted; such rows are returned only on request."),
    Column("settings", _JSON, "JSON object of settings."),
    Column(
        "include_deleted",
        _BOOLEAN,
        "Set to 1 to include soft-deleted and expired rows.",
        parameter=True,
    ),
    Column("app_name", _TEXT, "App: the agent that the session belongs to.", scope=True),
    Column("org_id", _TEXT, "Organisation that owns the session's data."),
    Column("model_id", _TEXT, "Model the session's profiles belong to."),
    Column("search_query", _TEXT, "The search query."),
    Column("search_results", _JSON, "JSON array of {object_id, rank, meta}, in the order shown."),
    Column("search_meta", _JSON, "JSON object: metadata of the search."),
    Column("payload_filter", _JSON, "JSON object: the filter that the search used."),
    Column("sort_by", _JSON, "JSON object {field, order}."),
    Column("is_irrelevant", _BOOLEAN, "1 if the results were marked as irrelevant."),
    Column(
        "is_payload_search",
        _BOOLEAN,
        "1 for a search by payload only, which is not used for improvement.",
    ),
    Column("batch_id", _TEXT, "Improvement batch the session is in."),
    Column(
        "session_number", _INTEGER, "Number within the batch, from 1, in order of registration."
    ),
    Column(
        "events", _JSON, "JSON array of the session's events; fetched only if the column is used."
    ),
)

CONTENT_FIELDS = ("parts", "role")
"""The fields of a Content (https://ai.google.dev/api/caching#Content)."""

EVENTS = Table(
    "events",
    (
        Column("name", _TEXT, "Full resource name."),
        Column("session_name", _TEXT, "Full resource name of its session."),
        Column("session_id", _TEXT, "Id of its session."),
        Column("event_id", _TEXT, "Id of the event within its session."),
        Column("timestamp", _TIME, "Time of the event, by the clock of the client that wrote it."),
        Column("author", _TEXT, "Author: 'user' or an agent's name."),
        Column(
            "content",
            _JSON,
            "JSON {role, parts}; INSERT also accepts plain text.",
            or_text=True,
            fields=CONTENT_FIELDS,
        ),
        Column("text", _TEXT, "The text parts of content, joined; NULL if there are none."),
    ),
    "One row per event of a session: a turn, a tool call, a click. INSERT appends.",
    example="SELECT author, text FROM events WHERE session_id = 'tour-1' ORDER BY timestamp",
)


def _fact(name: str, kind: ColumnType, doc: str, *, hidden: bool = False) -> Column:
    return Column(name, kind, doc, hidden=hidden, derived=True)


FACT_COLUMNS = _by_name(
    _fact("branch", _TEXT, "Path of the agents that led to this one; NULL for the root."),
    _fact("partial", _BOOLEAN, "1 for a chunk of a streamed answer; otherwise NULL."),
    _fact("transfer_to", _TEXT, "Agent that the conversation is handed over to."),
    _fact("escalate", _BOOLEAN, "1 if the agent hands back to the one above; otherwise NULL."),
    _fact(
        "long_running_tool_ids",
        _JSON,
        "JSON array of the call_ids that wait for an answer from outside.",
    ),
    _fact("model_version", _TEXT, "Model that answered. OpenTelemetry: gen_ai.response.model."),
    _fact(
        "finish_reason",
        _TEXT,
        "Why the model stopped. OpenTelemetry: gen_ai.response.finish_reasons.",
    ),
    _fact(
        "input_tokens",
        _INTEGER,
        "Tokens of the prompt, with those of tools; NULL if unknown. Sums should have WHERE partial"
        " IS NULL: a chunk repeats the counts. OpenTelemetry: gen_ai.usage.input_tokens.",
    ),
    _fact(
        "output_tokens",
        _INTEGER,
        "Tokens of the answer, with those of thoughts; NULL if unknown. OpenTelemetry:"
        " gen_ai.usage.output_tokens.",
    ),
    _fact(
        "cached_tokens",
        _INTEGER,
        "Part of input_tokens that was cached. OpenTelemetry:"
        " gen_ai.usage.cache_read.input_tokens.",
    ),
    _fact(
        "reasoning_tokens",
        _INTEGER,
        "Part of output_tokens that are thoughts. OpenTelemetry:"
        " gen_ai.usage.reasoning.output_tokens.",
    ),
    _fact(
        "total_tokens", _INTEGER, "Total by the model's own count; not always the sum.", hidden=True
    ),
    _fact(
        "rewind_before",
        _TEXT,
        "The event takes back everything since this invocation; view live_events leaves that out.",
        hidden=True,
    ),
    _fact("compaction", _JSON, "JSON object: a summary of earlier events.", hidden=True),
)
"""What is read from actions, event_metadata and raw_event by ``contract.agent_events``."""

FACT_REMEDY = (
    "It is read from event_metadata, actions and raw_event. Put it there: branch and partial into"
    " event_metadata, transferAgent and escalate into actions, the model's usage into raw_event."
)
"""Why an INSERT cannot give such a column, and what to write instead."""

EVENT_COLUMNS = (
    SCOPE_COLUMNS
    | _by_name(
        *_LISTING,
        Column("invocation_id", _TEXT, "Id shared by the events of one invocation of the agent."),
        Column(
            "actions", _JSON, "JSON object; actions.stateDelta is merged into the session's state."
        ),
        Column("error_code", _TEXT, "Code of the error that ended the turn."),
        Column("error_message", _TEXT, "Message of that error."),
        Column("event_metadata", _JSON, "JSON object of metadata."),
        Column(
            "raw_event",
            _JSON,
            "JSON object: the event in the format of the framework that wrote it.",
        ),
        Column(
            "sequence",
            _INTEGER,
            "Place among the session's events in order of writing, from 1: sorts events of equal"
            " time; NULL where the service does not tell.",
        ),
        Column("object_id", _TEXT, "Id of the object that was clicked."),
        Column("event_type", _TEXT, "Kind of event, such as 'click'."),
        Column("meta", _JSON, "JSON object: metadata of the event."),
        Column("batch_id", _TEXT, "Improvement batch of its session.", parameter=True),
    )
    | FACT_COLUMNS
)

EVENT_PARTS = Table(
    "event_parts",
    (
        Column("event_name", _TEXT, "Full resource name of the event."),
        Column("session_name", _TEXT, "Full resource name of its session."),
        Column("session_id", _TEXT, "Id of its session."),
        Column("timestamp", _TIME, "Time of the event."),
        Column("author", _TEXT, "Author of the event."),
        Column("invocation_id", _TEXT, "Invocation that the event belongs to."),
        Column("part", _INTEGER, "Number of the part within content, from 0."),
        Column(
            "kind", _TEXT, "The part's field: text, functionCall, functionResponse, inlineData, .."
        ),
        Column("text", _TEXT, "Text of a text part."),
        Column("thought", _BOOLEAN, "1 for a thought of the model; otherwise NULL."),
        Column(
            "function_name",
            _TEXT,
            "Function of a call or response. OpenTelemetry: gen_ai.tool.name.",
        ),
        Column(
            "call_id",
            _TEXT,
            "Id that joins a call with its response. OpenTelemetry: gen_ai.tool.call.id.",
        ),
        Column(
            "args",
            _JSON,
            "JSON arguments of a call, or {language, code} of executable code. OpenTelemetry:"
            " gen_ai.tool.call.arguments.",
        ),
        Column(
            "response",
            _JSON,
            "JSON body of a response, or {outcome, output} of executed code. OpenTelemetry:"
            " gen_ai.tool.call.result.",
        ),
        Column("mime_type", _TEXT, "Media type of a file or of inline data."),
        Column("file_uri", _TEXT, "Address of a file."),
        Column("size", _INTEGER, "Size of inline data in bytes."),
    ),
    "One row per part of an event's content: tool calls without parsing JSON.",
    hidden=(Column("name", _TEXT, "Key of the row: the event's name, '#' and the part's number."),),
    example="SELECT function_name, args->>'city' FROM event_parts WHERE kind = 'functionCall'",
)

UPLOAD_SESSIONS = Table(
    "upload_sessions",
    (
        Column("name", _TEXT, "Full resource name."),
        Column("session_id", _TEXT, "Id of the upload session."),
        Column(
            "status",
            _TEXT,
            "OPEN, CLOSED or EXPIRED; set it to 'CLOSED' to close.",
            choices=("CLOSED",),
        ),
        # The service also takes TEMPORARY; deepset-cloud-sdk can then no longer list the sessions.
        Column(
            "write_mode",
            _TEXT,
            "How to treat files that already exist: KEEP, OVERWRITE or FAIL.",
            choices=("KEEP", "OVERWRITE", "FAIL"),
        ),
        Column("create_time", _TIME, "When it was opened."),
        Column("expire_time", _TIME, "Time at which it closes by itself."),
        Column(
            "is_expired", _BOOLEAN, "1 if expired; without a condition, both kinds are returned."
        ),
        Column("failed_files", _INTEGER, "Number of files whose ingestion failed."),
        Column("finished_files", _INTEGER, "Number of ingested files."),
        Column("created_by", _JSON, "JSON object: the user who opened it."),
        Column("documentation_url", _TEXT, "URL of the upload documentation."),
        Column(
            "upload_url",
            _TEXT,
            "URL to upload files to; known only to the connection that opened the session.",
        ),
        Column(
            "upload_fields",
            _JSON,
            "JSON form fields for upload_url; known only to that connection.",
        ),
    ),
    "One row per upload session: open it, upload files, then close it to ingest them.",
    example="SELECT session_id, finished_files FROM upload_sessions WHERE status = 'OPEN'",
)

UPLOAD_SESSION_COLUMNS = _by_name(
    SCOPE_COLUMNS["workspace"],
    Column("page_size", _INTEGER, "Rows per request, up to the API's maximum.", parameter=True),
    Column(
        "parallel_processing_enabled",
        _BOOLEAN,
        "On INSERT: set to 1 to ingest files in parallel.",
        write_only=True,
    ),
    Column(
        "expires_in_seconds",
        _INTEGER,
        "On INSERT: lifetime, 1 to 86400 seconds.",
        write_only=True,
        least=1,
        most=86_400,
    ),
)

UPLOAD_SESSION_FILES = Table(
    "upload_session_files",
    (
        Column("session_name", _TEXT, "Full resource name of the upload session."),
        Column("session_id", _TEXT, "Id of the upload session."),
        Column("file_name", _TEXT, "Name of the file."),
        Column("ingestion_status", _TEXT, "PENDING, FAILED or FINISHED."),
    ),
    "One row per file of an upload session.",
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
        Column("url", _TEXT, "Location of the file in the service."),
    ),
    "One row per ingested file.",
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
    "One row per participant of a session. INSERT binds, DELETE unbinds.",
    example="SELECT participant FROM participants WHERE session_id = 'tour-1'",
)

REASONING_ENGINES = Table(
    "reasoning_engines",
    (
        Column("name", _TEXT, "Full resource name."),
        Column("reasoning_engine", _TEXT, "Id of the engine: ENGINE in a source's URL."),
        Column("display_name", _TEXT, "Display name for people."),
        Column("create_time", _TIME, "When it was created."),
        Column("update_time", _TIME, "Time of the last change, by the server's clock."),
    ),
    "One row per agent engine of a project and location; engines hold the sessions.",
    example="SELECT reasoning_engine, display_name FROM reasoning_engines",
)


def session_columns(*names: str) -> tuple[Column, ...]:
    """Columns that a backend adds to ``sessions``; KeyError for one that is not documented here."""
    return tuple(SESSION_COLUMNS[name] for name in names)


def event_columns(*names: str) -> tuple[Column, ...]:
    """Columns that a backend adds to ``events``; KeyError for one that is not documented here."""
    return tuple(EVENT_COLUMNS[name] for name in names)


def fact_columns(*, hidden: bool = False) -> tuple[Column, ...]:
    """The columns of ``events`` that are read from the writers' documents.

    Args:
        hidden: those that are not part of ``SELECT *``, instead of the others.
    """
    return tuple(column for column in FACT_COLUMNS.values() if column.hidden == hidden)


AGENT_EVENTS = EVENTS.extended(
    *event_columns(
        "invocation_id",
        "actions",
        "error_code",
        "error_message",
        "event_metadata",
        "raw_event",
        "sequence",
    ),
    *fact_columns(),
    hidden=fact_columns(hidden=True),
)
"""``events`` of a source that keeps all that an agent's framework writes."""
