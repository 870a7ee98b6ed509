"""From answers to rows: JSON objects of the API as tuples of SQLite values.

Each field is checked when it is read; one of the wrong type raises ProtocolError that names field
and answer. Unknown fields are ignored.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass, field
from typing import Any, Generic, TypeAlias, TypeVar

from sessions_vtab.backends.deepset.names import (
    SessionRef,
    session_file_name,
    workspace_file_name,
)
from sessions_vtab.errors import ProtocolError
from sessions_vtab.fetch import Item, Reply
from sessions_vtab.schema.model import Table
from sessions_vtab.spec import times
from sessions_vtab.spec.predicate import Value
from sessions_vtab.spec.scan import Row
from sessions_vtab.spec.values import dump_json

__all__ = [
    "DETAILED",
    "LISTED",
    "File",
    "RowMaker",
    "Session",
    "SessionFile",
    "Target",
    "file_fields",
    "session_fields",
    "session_file_fields",
    "target_of",
    "text_at",
    "total_of",
]

T = TypeVar("T")

LISTED = frozenset(("status", "write_mode", "create_time", "is_expired", "created_by"))
"""Columns of ``upload_sessions`` that only the list has."""

DETAILED = frozenset(("failed_files", "finished_files", "documentation_url"))
"""Columns of ``upload_sessions`` that only the single session has."""


@dataclass(frozen=True, slots=True)
class Target:
    """Where files of an upload session go.

    Attributes:
        url: of the presigned POST.
        fields: of its form, in order; they are the permission.
    """

    url: str = field(repr=False)
    fields: Mapping[str, str] = field(repr=False)


@dataclass(frozen=True, slots=True)
class Session:
    """What is known of one upload session.

    Attributes:
        ref: which one.
        what: the answer it is from, for errors.
        listed: its row of a list.
        detail: its own answer.
        expired: it was in the list of the expired ones.
        target: where its files go, if this connection opened it.
    """

    ref: SessionRef
    what: str
    listed: Item = field(default_factory=dict)
    detail: Item = field(default_factory=dict)
    expired: bool = False
    target: Target | None = None


@dataclass(frozen=True, slots=True)
class SessionFile:
    """One file of an upload session."""

    session: SessionRef
    what: str
    item: Item


@dataclass(frozen=True, slots=True)
class File:
    """One ingested file."""

    workspace: str
    what: str
    item: Item


class RowMaker(Generic[T]):
    """Makes rows of one table with the columns that a scan uses.

    Args:
        table: gives the order of columns.
        fields: how each column is built; columns without an entry are NULL.
        columns: the ones to build.
    """

    def __init__(
        self,
        table: Table,
        fields: Mapping[str, Callable[[T], Value]],
        columns: Iterable[str] | None = None,
    ) -> None:
        used = set(table.names if columns is None else columns)
        self._getters = tuple(
            fields.get(name, _null) if name in used else _null for name in table.names
        )

    def __call__(self, subject: T) -> Row:
        """One row."""
        return tuple([getter(subject) for getter in self._getters])


def text_at(item: Item, name: str, what: str) -> str:
    """A text field that has to be there."""
    value = item.get(name)
    if not isinstance(value, str) or not value:
        raise _wrong(what, name, "text")
    return value


def total_of(reply: Reply) -> int:
    """How many rows a list has in all."""
    total = reply.object().get("total")
    if not isinstance(total, int) or isinstance(total, bool) or total < 0:
        raise _wrong(reply.what, "total", "a number")
    return total


def target_of(body: Mapping[str, Any], what: str) -> Target:
    """The upload target in the answer of a create call."""
    config = body.get("aws_prefixed_request_config")
    if not isinstance(config, dict):
        raise _wrong(what, "aws_prefixed_request_config", "an object")
    fields = config.get("fields")
    texts = isinstance(fields, dict) and all(isinstance(value, str) for value in fields.values())
    if not isinstance(fields, dict) or not texts:
        raise _wrong(what, "aws_prefixed_request_config.fields", "an object of texts")
    return Target(text_at(config, "url", what), fields)


def _null(_: object) -> Value:
    return None


def _wrong(what: str, name: str, expected: str) -> ProtocolError:
    return ProtocolError(f"{what}: the field {name} should be {expected}.")


def _text(item: Item, name: str, what: str) -> Value:
    value = item.get(name)
    if value is None or isinstance(value, str):
        return value or None
    raise _wrong(what, name, "text")


def _integer(item: Item, name: str, what: str) -> Value:
    value = item.get(name)
    if value is None or (isinstance(value, int) and not isinstance(value, bool)):
        return value
    raise _wrong(what, name, "a number")


def _time(item: Item, name: str, what: str) -> Value:
    value = item.get(name)
    if value is None:
        return None
    instant = times.parse(value) if isinstance(value, str) else None
    if instant is None:
        raise _wrong(what, name, "a time")
    return times.to_text(instant)


def _object(item: Item, name: str, what: str) -> Value:
    value = item.get(name)
    if value is None:
        return None
    if not isinstance(value, dict):
        raise _wrong(what, name, "an object")
    try:
        return dump_json(value)
    except ValueError:
        raise _wrong(what, name, "JSON without infinite numbers") from None


_Get: TypeAlias = Callable[[Item, str, str], Value]


def _listed(name: str, get: _Get) -> Callable[[Session], Value]:
    return lambda session: get(session.listed, name, session.what)


def _counter(name: str) -> Callable[[Session], Value]:
    def get(session: Session) -> Value:
        counters = session.detail.get("ingestion_status")
        if counters is None:
            return None
        if not isinstance(counters, dict):
            raise _wrong(session.what, "ingestion_status", "an object")
        return _integer(counters, name, session.what)

    return get


def _is_expired(session: Session) -> Value:
    if not session.listed:
        return None
    return int(session.expired or session.listed.get("status") == "EXPIRED")


session_fields: Mapping[str, Callable[[Session], Value]] = {
    "name": lambda session: session.ref.name,
    "session_id": lambda session: session.ref.session_id,
    "workspace": lambda session: session.ref.workspace,
    "status": _listed("status", _text),
    "write_mode": _listed("write_mode", _text),
    "create_time": _listed("created_at", _time),
    "expire_time": lambda session: _time(
        session.listed or session.detail, "expires_at", session.what
    ),
    "is_expired": _is_expired,
    "failed_files": _counter("failed_files"),
    "finished_files": _counter("finished_files"),
    "created_by": _listed("created_by", _object),
    "documentation_url": lambda session: _text(session.detail, "documentation_url", session.what),
    "upload_url": lambda session: session.target.url if session.target else None,
    "upload_fields": lambda session: (
        dump_json(dict(session.target.fields)) if session.target else None
    ),
}
"""Columns of ``upload_sessions``."""

session_file_fields: Mapping[str, Callable[[SessionFile], Value]] = {
    "name": lambda file: session_file_name(file.session, text_at(file.item, "name", file.what)),
    "session_name": lambda file: file.session.name,
    "session_id": lambda file: file.session.session_id,
    "workspace": lambda file: file.session.workspace,
    "file_name": lambda file: text_at(file.item, "name", file.what),
    "ingestion_status": lambda file: _text(file.item, "ingestion_status", file.what),
}
"""Columns of ``upload_session_files``."""

file_fields: Mapping[str, Callable[[File], Value]] = {
    "name": lambda file: workspace_file_name(
        file.workspace, text_at(file.item, "file_id", file.what)
    ),
    "workspace": lambda file: file.workspace,
    "file_id": lambda file: text_at(file.item, "file_id", file.what),
    "file_name": lambda file: _text(file.item, "name", file.what),
    "size": lambda file: _integer(file.item, "size", file.what),
    "create_time": lambda file: _time(file.item, "created_at", file.what),
    "meta": lambda file: _object(file.item, "meta", file.what),
    "url": lambda file: _text(file.item, "url", file.what),
}
"""Columns of ``files``."""
