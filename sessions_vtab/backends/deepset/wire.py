"""From responses to rows: the API field that each column comes from."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from typing import Any

from sessions_vtab.backends.deepset.names import (
    SessionRef,
    session_file_name,
    workspace_file_name,
)
from sessions_vtab.contract.predicate import Value
from sessions_vtab.contract.values import dump_json
from sessions_vtab.fetch import Item
from sessions_vtab.fetch.rows import Frame, Getter, json_of, text_of, time_of

__all__ = [
    "DETAILED",
    "LISTED",
    "File",
    "Session",
    "SessionFile",
    "Target",
    "file_fields",
    "id_in",
    "session_fields",
    "session_file_fields",
    "target_of",
]

LISTED = frozenset(("status", "write_mode", "create_time", "is_expired", "created_by"))
"""Columns of ``upload_sessions`` that only the list contains."""

DETAILED = frozenset(("failed_files", "finished_files", "documentation_url"))
"""Columns of ``upload_sessions`` that only a GET of the session contains."""


@dataclass(frozen=True, slots=True)
class Target:
    """The upload target of an upload session.

    Attributes:
        url: URL of the presigned POST.
        fields: form fields of the POST, in order; whoever has them may upload.
    """

    url: str = field(repr=False)
    fields: Mapping[str, str] = field(repr=False)


@dataclass(frozen=True, slots=True)
class Session(Frame):
    """Decode context of one upload session; its item is its row in a list, or empty.

    Attributes:
        ref: the upload session.
        detail: the response to its GET, empty if it was not requested.
        expired: whether it was in the list of expired sessions.
        target: its upload target, if this connection opened it.
    """

    ref: SessionRef
    detail: Item = field(default_factory=dict)
    expired: bool = False
    target: Target | None = None


@dataclass(frozen=True, slots=True)
class SessionFile(Frame):
    """Decode context of a page of upload-session files: the session they belong to."""

    session: SessionRef


@dataclass(frozen=True, slots=True)
class File(Frame):
    """Decode context of a page of ingested files: the workspace they belong to."""

    workspace: str


def id_in(item: Item, name: str, frame: Frame) -> str:
    """A required text field."""
    value = item.get(name)
    if not isinstance(value, str) or not value:
        raise frame.wrong(name, "text")
    return value


def target_of(body: Mapping[str, Any], frame: Frame) -> Target:
    """The upload target in the response to a create call."""
    config = body.get("aws_prefixed_request_config")
    fields = config.get("fields") if isinstance(config, dict) else None
    if not isinstance(config, dict) or not isinstance(fields, dict):
        raise frame.wrong("aws_prefixed_request_config", "an object with url and fields")
    if not all(isinstance(value, str) for value in fields.values()):
        raise frame.wrong("aws_prefixed_request_config.fields", "an object with string values")
    return Target(id_in(config, "url", frame), fields)


def _integer(item: Item, name: str, frame: Frame) -> int | None:
    value = item.get(name)
    if value is None or (isinstance(value, int) and not isinstance(value, bool)):
        return value
    raise frame.wrong(name, "a whole number")


def _counter(name: str) -> Callable[[Item, Session], Value]:
    def get(item: Item, frame: Session) -> Value:  # noqa: ARG001
        counters = frame.detail.get("ingestion_status")
        if counters is None:
            return None
        if not isinstance(counters, dict):
            raise frame.wrong("ingestion_status", "an object")
        return _integer(counters, name, frame)

    return get


def _is_expired(item: Item, frame: Session) -> Value:
    return int(frame.expired or item.get("status") == "EXPIRED") if item else None


_expires = time_of("expires_at")
_documentation = text_of("documentation_url")

session_fields: Mapping[str, Getter[Session]] = {
    "name": lambda _, frame: frame.ref.name,
    "session_id": lambda _, frame: frame.ref.session_id,
    "workspace": lambda _, frame: frame.ref.workspace,
    "status": text_of("status"),
    "write_mode": text_of("write_mode"),
    "create_time": time_of("created_at"),
    "expire_time": lambda item, frame: _expires(item or frame.detail, frame),
    "is_expired": _is_expired,
    "failed_files": _counter("failed_files"),
    "finished_files": _counter("finished_files"),
    "created_by": json_of("created_by"),
    "documentation_url": lambda _, frame: _documentation(frame.detail, frame),
    "upload_url": lambda _, frame: frame.target.url if frame.target else None,
    "upload_fields": lambda _, frame: dump_json(frame.target.fields) if frame.target else None,
}
"""Columns of ``upload_sessions``."""

session_file_fields: Mapping[str, Getter[SessionFile]] = {
    "name": lambda item, frame: session_file_name(frame.session, id_in(item, "name", frame)),
    "session_name": lambda _, frame: frame.session.name,
    "session_id": lambda _, frame: frame.session.session_id,
    "workspace": lambda _, frame: frame.session.workspace,
    "file_name": lambda item, frame: id_in(item, "name", frame),
    "ingestion_status": text_of("ingestion_status"),
}
"""Columns of ``upload_session_files``; the contract, section 2, confirms only these two fields."""

file_fields: Mapping[str, Getter[File]] = {
    "name": lambda item, frame: workspace_file_name(frame.workspace, id_in(item, "file_id", frame)),
    "workspace": lambda _, frame: frame.workspace,
    "file_id": lambda item, frame: id_in(item, "file_id", frame),
    "file_name": text_of("name"),
    "size": lambda item, frame: _integer(item, "size", frame),
    "create_time": time_of("created_at"),
    "meta": json_of("meta"),
    "url": text_of("url"),
}
"""Columns of ``files``."""
