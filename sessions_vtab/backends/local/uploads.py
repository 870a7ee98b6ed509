"""Upload sessions: opening one, uploading files into it, and closing it, which ingests its files.

The content is kept in the store. The write mode determines what happens to a file whose name an
ingested file already has: KEEP keeps both, OVERWRITE replaces the older one, FAIL keeps the older
one and counts the new one as failed. Files are ingested in the order in which they were uploaded.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, Final

from sessions_vtab.backends.local.checks import (
    given_id,
    last_segment,
    new_id,
    require_object,
    session_id_of,
    upload_session_name,
)
from sessions_vtab.backends.local.store import Store
from sessions_vtab.contract import times
from sessions_vtab.contract.backend import Arguments, Outcome, OutcomeState, Write
from sessions_vtab.contract.predicate import literal
from sessions_vtab.contract.scan import Row
from sessions_vtab.contract.values import dump_json
from sessions_vtab.errors import ConflictError, InvalidValueError, NotFoundError, UnsupportedError

_MOST_OPEN: Final = 10
_LONGEST: Final = 86_400
_LONGEST_NAME: Final = 1_024
_SECOND: Final = 1_000_000_000
_SAME_NAME: Final = "ingestion_status = 'FINISHED' AND content IS NOT NULL AND file_name = ?"


def insert(store: Store, write: Write) -> Outcome:
    """INSERT INTO upload_sessions opens an upload session.

    Raises:
        InvalidValueError: a value is not valid for its column.
        ConflictError: ten upload sessions are already open, or the id is already taken.
    """
    where = f"{store.source}.upload_sessions"
    session_id = given_id(write.values, where) or new_id()
    values: Mapping[str, Any] = write.values
    mode, seconds = values.get("write_mode", "KEEP"), values.get("expires_in_seconds", _LONGEST)
    name = upload_session_name(session_id)
    if store.row("SELECT 1 FROM upload_sessions WHERE name = ?", (name,)):
        if write.ignore:
            return Outcome(write, OutcomeState.SKIPPED)
        raise ConflictError(
            f"{where}: upload session {session_id!r} already exists. Nothing was written."
        )
    _check_open(store, where)
    now = store.instant()
    store.run(
        "INSERT INTO upload_sessions(session_id, name, write_mode, create_time, expire_time,"
        " created_by, parallel_processing_enabled, expires_in_seconds)"
        " VALUES (?, ?, ?, ?, ?, ?, ?, ?)",
        (
            *(session_id, name, mode),
            *(times.to_text(now), times.to_text(now + seconds * _SECOND), _user()),
            *(values.get("parallel_processing_enabled", 0), seconds),
        ),
    )
    return Outcome(write, OutcomeState.SENT, key=name)


def update(store: Store, write: Write) -> Outcome:
    """UPDATE of an upload session: ``status = 'CLOSED'`` closes it; nothing else can be changed."""
    where = f"{store.source}.upload_sessions"
    for column in write.values.keys() - {"status"}:
        raise UnsupportedError(f"{where}.{column} cannot be changed. Nothing was written.")
    _close(store, last_segment(write.key or ""), "upload_sessions")
    return Outcome(write, OutcomeState.SENT, key=write.key)


def delete(store: Store, write: Write) -> Outcome:
    """DELETE permanently removes an upload session with its files, including the ingested ones."""
    store.run("DELETE FROM upload_sessions WHERE name = ?", (write.key,))
    store.erased = True
    return Outcome(write, OutcomeState.SENT, key=write.key)


def close(store: Store, arguments: Arguments) -> list[Row]:
    """``close_upload_session``: closes it and ingests its files.

    Raises:
        NotFoundError: the upload session does not exist.
        ConflictError: it is already closed or has expired.
    """
    session_id = session_id_of(str(arguments["session"]))
    finished, failed = _close(store, session_id, "close_upload_session")
    name = upload_session_name(session_id)
    body = {
        "session_id": session_id,
        "status": "CLOSED",
        "ingestion_status": {"failed_files": failed, "finished_files": finished},
    }
    return [(name, session_id, "CLOSED", dump_json(body))]


def upload(store: Store, arguments: Arguments) -> list[Row]:
    """``upload_file``: keeps the content until the session is closed.

    Raises:
        InvalidValueError: the name or the metadata is not valid.
        NotFoundError: the upload session does not exist.
        ConflictError: it is already closed or has expired.
    """
    where = f"{store.source}.upload_file"
    session_id = session_id_of(str(arguments["session"]))
    file_name = _file_name(str(arguments["file_name"]), where)
    meta = arguments.get("meta")
    if meta is not None:
        require_object(str(meta), f"{where}.meta")
    for name in ("upload_url", "upload_fields"):
        if name in arguments:
            raise UnsupportedError(f"{where}: the local store does not use {name}; leave it out.")
    _require_open(store, session_id, "upload_file")
    from hashlib import sha256  # noqa: PLC0415  # Slow to import, and loaded at every start.

    content = arguments["content"]
    data = content if isinstance(content, bytes) else str(content).encode()
    (number,) = store.row(
        "SELECT count(*) + 1 FROM upload_session_files WHERE session_id = ?", (session_id,)
    )
    session_name = upload_session_name(session_id)
    digest = sha256(data).hexdigest()
    store.run(
        "INSERT INTO upload_session_files(name, session_id, file_name, create_time, size, sha256,"
        " meta, content) VALUES (?, ?, ?, ?, ?, ?, ?, ?)",
        (
            *(f"{session_name}/files/{number}", session_id, file_name, store.now()),
            *(len(data), digest, meta, data),
        ),
    )
    body = {"file_name": file_name, "size": len(data), "sha256": digest}
    return [(session_name, file_name, len(data), dump_json(body))]


def _close(store: Store, session_id: str, what: str) -> tuple[int, int]:
    """Closes an open session; returns the number of ingested files and of failed files."""
    mode = _require_open(store, session_id, what)
    waiting = store.run(
        "SELECT id, file_name FROM upload_session_files WHERE session_id = ? ORDER BY id",
        (session_id,),
    )
    finished = sum(_ingest(store, number, file_name, mode) for number, file_name in waiting)
    failed = len(waiting) - finished
    store.run(
        "UPDATE upload_sessions SET status = 'CLOSED', finished_files = ?, failed_files = ?"
        " WHERE session_id = ?",
        (finished, failed, session_id),
    )
    return finished, failed


def _ingest(store: Store, number: int, file_name: str, mode: str) -> bool:
    """Ingests one file as the write mode determines; returns false if it failed."""
    if mode == "FAIL" and store.row(
        f"SELECT 1 FROM upload_session_files WHERE {_SAME_NAME} LIMIT 1", (file_name,)
    ):
        store.run(
            "UPDATE upload_session_files SET ingestion_status = 'FAILED', content = NULL"
            " WHERE id = ?",
            (number,),
        )
        return False
    if mode == "OVERWRITE":
        store.run(
            f"UPDATE upload_session_files SET content = NULL WHERE {_SAME_NAME}", (file_name,)
        )
    store.run(
        "UPDATE upload_session_files SET ingestion_status = 'FINISHED' WHERE id = ?", (number,)
    )
    return True


def _require_open(store: Store, session_id: str, what: str) -> str:
    """Returns the write mode of an open upload session."""
    row = store.row(
        "SELECT status, expire_time <= ?, write_mode FROM upload_sessions WHERE session_id = ?",
        (store.now(), session_id),
    )
    if row is None:
        raise NotFoundError(
            f"{store.source}.{what}: upload session {session_id!r} does not exist. Open one"
            " with INSERT INTO upload_sessions."
        )
    status, expired, mode = row
    if status != "OPEN" or expired:
        state = "has expired" if status == "OPEN" else "is already closed"
        raise ConflictError(
            f"{store.source}.{what}: upload session {session_id!r} {state}. Nothing was"
            " written. Open another one with INSERT INTO upload_sessions."
        )
    return str(mode)


def _check_open(store: Store, where: str) -> None:
    """Raises ConflictError if no more sessions can be opened; expired ones do not count."""
    rows = store.run(
        "SELECT session_id FROM upload_sessions WHERE status = 'OPEN' AND expire_time > ?"
        " ORDER BY create_time",
        (store.now(),),
    )
    if len(rows) >= _MOST_OPEN:
        oldest = literal(rows[0][0])
        raise ConflictError(
            f"{where}: {len(rows)} upload sessions are open, which is the maximum. Nothing"
            " was written. Close one, such as the oldest: SELECT * FROM"
            f" close_upload_session({oldest})"
        )


def _file_name(file_name: str, where: str) -> str:
    if not 0 < len(file_name) <= _LONGEST_NAME or not file_name.isprintable():
        raise InvalidValueError(
            f"{where}.file_name must have 1 to {_LONGEST_NAME} printable characters;"
            f" {file_name!r:.60} is not valid. Nothing was written."
        )
    return file_name


def _user() -> str | None:
    """Returns the local user as JSON; None if the system has no name for the user."""
    from getpass import getuser  # noqa: PLC0415  # As hashlib.

    try:
        return dump_json({"user_name": getuser()})
    except (ImportError, KeyError, OSError):
        return None
