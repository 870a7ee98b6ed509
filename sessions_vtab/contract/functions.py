"""The table-valued functions: verbs that are not CRUD, with parameters and results as data."""

from __future__ import annotations

from sessions_vtab.contract.model import Column, ColumnType, Function
from sessions_vtab.contract.tables import CONTENT_FIELDS, SESSIONS

_TEXT, _INTEGER, _BOOLEAN = ColumnType.TEXT, ColumnType.INTEGER, ColumnType.BOOLEAN
_TIME, _JSON, _BLOB = ColumnType.TIME, ColumnType.JSON, ColumnType.BLOB

_SESSION = Column("session", _TEXT, "Id or full name of the session.")
_RESPONSE = Column("response", _JSON, "The answer's body as JSON, without secrets.")
_CORE = SESSIONS.visible
_UPLOAD_FIELDS = (
    Column(
        "upload_url",
        _TEXT,
        "URL to upload the file to; only needed if another connection opened the session.",
    ),
    Column("upload_fields", _JSON, "JSON form fields for upload_url; needed in the same case."),
)
_REFERENCE_RESULTS = (
    Column("reference_id", _TEXT, "Id of the reference profile."),
    Column("reference_alias", _TEXT, "Its alias."),
    Column("model_id", _TEXT, "Model that the profile belongs to."),
    Column("upload_url", _TEXT, "URL to PUT the profile to."),
    Column("observatory_url", _TEXT, "URL to view the profile at."),
    Column("upload_time", _TIME, "Time that the profile is filed under."),
)
_LINK_RESULTS = (
    Column("profile", _TEXT, "Reference id or batch time (milliseconds) the link is for."),
    Column("observatory_url", _TEXT, "Link to this profile."),
    Column("joint_observatory_url", _TEXT, "Joint link to the first three profiles."),
    Column("in_joint", _BOOLEAN, "1 if the joint link includes this profile."),
)


def _session_verb(name: str, doc: str, *extra: Column) -> Function:
    required = tuple(column.name for column in (_SESSION, *extra))
    arguments = ", ".join(["'tour-1'", *("'ann'" for _ in extra)])
    example = f"SELECT session_id, update_time FROM {name}({arguments})"
    return Function(name, (_SESSION, *extra), (*_CORE, _RESPONSE), doc, required, example=example)


_PARTICIPANT = Column("participant", _TEXT, "Name of the user or agent.")

_ALL = (
    Function(
        "append_event",
        (
            _SESSION,
            Column("author", _TEXT, "Author: 'user' or an agent's name."),
            Column(
                "content",
                _JSON,
                "JSON {role, parts}, or plain text.",
                or_text=True,
                fields=CONTENT_FIELDS,
            ),
            Column("invocation_id", _TEXT, "Id of the invocation; default: 'e-' and a UUID."),
            Column("timestamp", _TIME, "Time of the event; default: now."),
            Column("actions", _JSON, "JSON object; actions.stateDelta is merged into the state."),
            Column("error_code", _TEXT, "Code of the error that ended the turn."),
            Column("error_message", _TEXT, "Message of that error."),
            Column("event_metadata", _JSON, "JSON object of metadata."),
            Column("name", _TEXT, "Full resource name of the event, if the service accepts one."),
            Column(
                "raw_event",
                _JSON,
                "JSON object: the event in the format of the framework that wrote it.",
            ),
        ),
        (
            Column("event_name", _TEXT, "Full resource name of the new event."),
            Column("event_id", _TEXT, "Id of the new event."),
            Column("session_name", _TEXT, "Full resource name of its session."),
            _RESPONSE,
        ),
        "Appends one event to a session and merges its state changes.",
        ("session", "author"),
        example="SELECT event_id FROM append_event('tour-1', 'user', 'Where is my order?')",
    ),
    Function(
        "push_event",
        (
            _SESSION,
            Column("event", _TEXT, "Id of the event; default: a UUID."),
            Column("object_id", _TEXT, "Id of the object that was clicked."),
            Column("event_type", _TEXT, "Kind of event; default: 'click'."),
            Column(
                "timestamp", _TIME, "Time of the event, within the last 12 hours; default: now."
            ),
            Column("meta", _JSON, "JSON object: metadata of the event."),
        ),
        (
            Column("event_name", _TEXT, "Full resource name of the event."),
            Column("event_id", _TEXT, "Id of the event."),
            Column("session_name", _TEXT, "Full resource name of its session."),
            _RESPONSE,
        ),
        "Records one click or other event of a search session.",
        ("session", "object_id"),
        example="SELECT event_id FROM push_event('s1', 'e1', 'doc-7')",
    ),
    Function(
        "compact_session",
        (
            _SESSION,
            Column("summarization", _TEXT, "'AUTO' to summarise old events."),
            Column("event_editing", _TEXT, "'AUTO' to edit old events."),
        ),
        (
            Column("session_name", _TEXT, "Full resource name of the session."),
            Column("operation", _TEXT, "Name of the operation."),
            Column("done", _BOOLEAN, "1 if the operation has finished."),
            _RESPONSE,
        ),
        "Compacts a session's history; at least one of the two parameters is required.",
        ("session",),
        example="SELECT operation, done FROM compact_session('s1', 'AUTO')",
    ),
    _session_verb("undelete_session", "Restores a soft-deleted session."),
    _session_verb(
        "truncate_session", "Clears a session's state and each participant's turns and insights."
    ),
    Function(
        "integrate_session",
        (_SESSION,),
        (
            *_CORE,
            Column("task_id", _TEXT, "Id of the integration task."),
            _RESPONSE,
        ),
        "Runs memory integration for the agents of a session.",
        ("session",),
        example="SELECT session_id, task_id FROM integrate_session('tour-1')",
    ),
    _session_verb("bind_participant", "Binds a participant to a session.", _PARTICIPANT),
    _session_verb("unbind_participant", "Unbinds a participant from a session.", _PARTICIPANT),
    Function(
        "close_upload_session",
        (_SESSION,),
        (
            Column("session_name", _TEXT, "Full resource name of the upload session."),
            Column("session_id", _TEXT, "Id of the upload session."),
            Column("status", _TEXT, "CLOSED."),
            _RESPONSE,
        ),
        "Closes an upload session, which starts the ingestion of its files.",
        ("session",),
        example="SELECT status FROM close_upload_session('4f1c')",
    ),
    Function(
        "upload_file",
        (
            _SESSION,
            Column("file_name", _TEXT, "Name to store the file under."),
            Column("content", _BLOB, "TEXT or BLOB; in the shell, readfile('path')."),
            Column("meta", _JSON, "JSON object of metadata, stored beside the file."),
            *_UPLOAD_FIELDS,
        ),
        (
            Column("session_name", _TEXT, "Full resource name of the upload session."),
            Column("stored_name", _TEXT, "Name the file was stored under."),
            Column("size", _INTEGER, "Size in bytes."),
            _RESPONSE,
        ),
        "Uploads one file into an open upload session.",
        ("session", "file_name", "content"),
        example="SELECT stored_name, size FROM upload_file('4f1c', 'a.txt', 'hello')",
    ),
    Function(
        "claim_guest_session",
        (
            _SESSION,
            Column(
                "org", _TEXT, "Organisation that takes over the data; default: the source's org_id."
            ),
        ),
        (
            Column("session_id", _TEXT, "The claimed session, which is then expired."),
            Column("org_id", _TEXT, "The organisation."),
            Column("claimed", _BOOLEAN, "1."),
            _RESPONSE,
        ),
        "Copies a guest session's data into an organisation and expires the session.",
        ("session",),
        example="SELECT claimed FROM claim_guest_session('session-6LpLjnAE', 'org-1')",
    ),
    Function(
        "create_dataset_profile_upload",
        (
            _SESSION,
            Column("dataset_timestamp", _TIME, "Time of the data."),
            Column("segment_tags", _JSON, "JSON object of tags, or an array of {key, value}."),
            Column("region", _TEXT, "Storage region."),
        ),
        (
            Column("log_id", _TEXT, "Id of the upload."),
            Column("upload_url", _TEXT, "URL to PUT the profile to."),
            Column("observatory_url", _TEXT, "URL to view the profile at."),
            Column("dataset_id", _TEXT, "Dataset that the profile belongs to."),
            Column("upload_time", _TIME, "Time that the profile is filed under."),
            _RESPONSE,
        ),
        "Requests an upload URL for a dataset profile.",
        ("session", "dataset_timestamp", "segment_tags"),
        example=(
            "SELECT log_id, upload_url FROM create_dataset_profile_upload("
            "'session-6LpLjnAE', '2026-01-01', '{\"region\":\"eu\"}')"
        ),
    ),
    Function(
        "create_reference_profile_upload",
        (
            _SESSION,
            Column("alias", _TEXT, "Name of the reference."),
            Column("dataset_timestamp", _TIME, "Time of the data."),
            Column("region", _TEXT, "Storage region."),
        ),
        (*_REFERENCE_RESULTS, _RESPONSE),
        "Requests an upload URL for a reference profile.",
        ("session",),
        example="SELECT reference_id FROM create_reference_profile_upload('session-6LpL', 'base')",
    ),
    Function(
        "batch_create_reference_profile_upload",
        (
            _SESSION,
            Column("reference_list", _JSON, "JSON array of {alias, dataset_timestamp, region}."),
        ),
        (
            *_REFERENCE_RESULTS,
            Column("joint_observatory_url", _TEXT, "Joint link to all of the profiles."),
            _RESPONSE,
        ),
        "Requests upload URLs for several reference profiles; one row each.",
        ("session", "reference_list"),
        example=(
            "SELECT reference_id FROM batch_create_reference_profile_upload("
            "'session-6LpLjnAE', '[{\"alias\":\"a\"}]')"
        ),
    ),
    Function(
        "session_profile_observatory_link",
        (
            _SESSION,
            Column("batch_profile_timestamps", _JSON, "JSON array of times or milliseconds."),
            Column("reference_profile_ids", _JSON, "JSON array of reference ids."),
        ),
        (*_LINK_RESULTS, _RESPONSE),
        "Returns links to profiles of a session; one row per profile.",
        ("session",),
        effect=False,
        example=(
            "SELECT observatory_url FROM"
            " session_profile_observatory_link('session-6LpLjnAE', '[]', '[\"ref-1\"]')"
        ),
    ),
    Function(
        "use_session_for_improvement",
        (_SESSION,),
        (
            Column("session_id", _TEXT, "The session."),
            Column("scheduled", _BOOLEAN, "1 or 0; NULL where the service does not say."),
            Column("reason", _TEXT, "Why it was not scheduled."),
            _RESPONSE,
        ),
        "Schedules a search session for model improvement.",
        ("session",),
        example="SELECT scheduled, reason FROM use_session_for_improvement('tour-search')",
    ),
    Function(
        "mark_session_irrelevant",
        (_SESSION,),
        (
            Column("session_id", _TEXT, "The session."),
            Column("is_irrelevant", _BOOLEAN, "1."),
            _RESPONSE,
        ),
        "Marks a session's search results as irrelevant; this cannot be undone.",
        ("session",),
        example="SELECT is_irrelevant FROM mark_session_irrelevant('tour-search')",
    ),
    Function(
        "batch_sessions",
        (
            Column("batch", _TEXT, "Id of the improvement batch."),
            Column(
                "after_number",
                _INTEGER,
                "Return only sessions with a larger number; default: 0.",
                least=0,
            ),
            Column(
                "events_limit", _INTEGER, "Events per session; default: 100, 0 for all.", least=0
            ),
        ),
        (
            *_CORE,
            Column("batch_id", _TEXT, "The batch."),
            Column("session_number", _INTEGER, "Number within the batch, from 1."),
            Column("search_query", _TEXT, "The search query."),
            Column("search_results", _JSON, "JSON array of {object_id, rank, meta}."),
            Column("is_irrelevant", _BOOLEAN, "1 if marked as irrelevant."),
            Column("events", _JSON, "JSON array of the session's events, up to events_limit."),
        ),
        "Returns the sessions of an improvement batch with their events, ordered by"
        " session_number.",
        ("batch",),
        effect=False,
        example="SELECT session_id, session_number, events FROM batch_sessions('b1', 0, 10)",
    ),
    Function(
        "release_batch",
        (
            Column(
                "release_id",
                _TEXT,
                "Id that you choose for the release; the same id returns the same result.",
            ),
        ),
        (
            Column("batch_id", _TEXT, "Id of the batch that was released."),
            Column("release_time", _TIME, "When it was released."),
            _RESPONSE,
        ),
        "Releases the batch that is collecting sessions.",
        ("release_id",),
        example="SELECT batch_id FROM release_batch('release-1')",
    ),
)

FUNCTIONS = {function.name: function for function in _ALL}
"""Every function by name, in the order of the reference."""
