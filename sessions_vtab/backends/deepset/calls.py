"""The calls of the API, as pure functions: what would be sent can be shown without sending it."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from sessions_vtab.backends.deepset.names import SessionRef
from sessions_vtab.backends.deepset.tables import PAGE_CAP
from sessions_vtab.errors import ProtocolError
from sessions_vtab.fetch import WRITE, Answer, Call, Form, NumberedPages, Reply, path

__all__ = [
    "FilePages",
    "SessionPages",
    "close_session",
    "create_session",
    "get_session",
    "list_files",
    "list_session_files",
    "list_sessions",
    "post_file",
    "total_of",
]

# "There's no session with the ID '..' in the workspace .." (contract, section 2). The text for a
# missing workspace differs, and is an error.
_NO_SESSION = (Answer(404, r"(?i)\bno (?:upload )?session\b|\bsession\b.*\bnot (?:found|exist)"),)


_RETRY = "The response was discarded. Try again."


def total_of(reply: Reply) -> int:
    """The total number of rows of a list.

    Raises:
        ProtocolError: it does not say.
    """
    total = reply.object().get("total")
    if not isinstance(total, int) or isinstance(total, bool) or total < 0:
        raise ProtocolError(f"{reply.what}: total should be a number.")
    return total


def list_sessions(workspace: str, size: int, *, expired: bool) -> Call:
    """A page of upload sessions: the active ones (including closed ones), or the expired ones."""
    # The SDK omits "false". If it is sent, the two lists certainly have no row in common.
    query = (("limit", size), ("page_number", 1), ("is_expired", "true" if expired else "false"))
    return Call("GET", _of(workspace, "upload_sessions"), query, items="data", listing=True)


def get_session(session: SessionRef) -> Call:
    """Gets the counters of one upload session; a missing session gives no row."""
    return Call("GET", _session(session), missing=_NO_SESSION)


def list_session_files(session: SessionRef, size: int, status: str = "") -> Call:
    """A page of an upload session's files; a missing session has none."""
    return Call(
        "GET",
        f"{_session(session)}/files",
        (("limit", size), ("page_number", 1), ("ingestion_status", status or None)),
        items="data",
        listing=True,
        missing=_NO_SESSION,
    )


def list_files(workspace: str, size: int, name: str = "", text: str = "") -> Call:
    """A page of a workspace's ingested files.

    Args:
        workspace: the workspace whose files are listed.
        size: number of rows per page.
        name: a part of the wanted file names, '' for any name.
        text: OData filter, '' for no filter.
    """
    query = (("limit", size), ("name", name or None), ("filter", text or None))
    return Call("GET", _of(workspace, "files"), query, items="data", listing=True)


def create_session(workspace: str, body: Mapping[str, Any]) -> Call:
    """Opens an upload session."""
    return Call("POST", _of(workspace, "upload_sessions"), json=dict(body), kind=WRITE)


def close_session(session: SessionRef) -> Call:
    """Closes an upload session, which starts the ingestion of its files."""
    return Call(
        "PUT",
        _session(session),
        json={"status": "CLOSED"},
        kind=WRITE,
        done=(Answer(409),),
        expects_json=False,
    )


def post_file(url: str, fields: Mapping[str, str], wire_name: str, content: bytes) -> Call:
    """Uploads a file to a presigned target: the form's fields, then the file, as the SDK does.

    Uploading an object twice has the effect of uploading it once, so the call can be repeated.
    """
    return Call(
        "POST",
        target=url,
        form=Form(fields, "file", wire_name, content, "text/plain"),
        kind=WRITE,
        repeatable=True,
        expects_json=False,
        secrets=tuple(value for name, value in fields.items() if name != "key"),
    )


@dataclass(frozen=True, slots=True)
class SessionPages:
    """Numbered pages. The first page may be small, as LIMIT suggests; the others have full size.

    The number of a page depends on the page size, so the first page is requested again in full
    size. The reader must therefore recognise rows that it has already seen.

    Attributes:
        grows: whether a small first page is followed by pages of full size.
    """

    grows: bool = True

    def following(self, reply: Reply) -> Call | None:
        """Returns the next numbered page, or the first page in full size."""
        first = int(reply.call.parameter("page_number") or 1) - 1
        _check(reply, first * int(reply.call.parameter("limit") or PAGE_CAP))
        call = NumberedPages().following(reply)
        if call is None or not self.grows or reply.call.parameter("limit") == PAGE_CAP:
            return call
        return call.with_query(limit=PAGE_CAP, page_number=1)


@dataclass(frozen=True, slots=True)
class FilePages:
    """Pages of which each starts after the last file of the previous one, by its time and id.

    Attributes:
        size: number of rows of the pages after the first.
    """

    size: int = PAGE_CAP

    def following(self, reply: Reply) -> Call | None:
        """Returns the page that starts after the last row."""
        call, rows = reply.call, reply.items()
        # How many rows lie before a cursor is not known: at least one.
        if not _check(reply, None if call.parameter("after_file_id") else 0):
            return None
        last = rows[-1]
        if not (isinstance(last.get("created_at"), str) and isinstance(last.get("file_id"), str)):
            raise ProtocolError(f"{reply.what}: the last row lacks created_at or file_id.")
        if last["file_id"] == call.parameter("after_file_id"):
            raise ProtocolError(f"{reply.what}: the page ends where it should begin. {_RETRY}")
        return call.with_query(
            limit=self.size, after_value=last["created_at"], after_file_id=last["file_id"]
        )


def _check(reply: Reply, before: int | None) -> bool:
    """Whether another page follows; the three things that a page says of that have to agree.

    Args:
        reply: the page.
        before: rows of the list on the pages before it; None if that is not known.

    Raises:
        ProtocolError: they do not, so that rows would be missing, or pages would never end.
    """
    rows, more, total = len(reply.items()), reply.object().get("has_more"), total_of(reply)
    if not isinstance(more, bool):
        raise ProtocolError(f"{reply.what}: has_more should be true or false.")
    if more and not rows:
        raise ProtocolError(f"{reply.what} has no rows, but says that more follow. {_RETRY}")
    if before is not None and not rows and total > before:
        raise ProtocolError(
            f"{reply.what} has no rows, but its total is {total} and only {before} rows came"
            f" before it. {_RETRY}"
        )
    if before is not None and more and before + rows >= total:
        raise ProtocolError(
            f"{reply.what} says that more rows follow, but has the last of {total}. {_RETRY}"
        )
    return more


def _of(workspace: str, what: str) -> str:
    return path("api", "v1", "workspaces", workspace, what)


def _session(session: SessionRef) -> str:
    return path("api", "v1", "workspaces", session.workspace, "upload_sessions", session.session_id)
