"""deepset Cloud: upload sessions, presigned uploads and workspace files.

Written from the deepset contract, with its [INF] choices; where the contract leaves more open:

* any workspace exists; a key that starts with `invalid` gets 401, one that starts with `free`
  stands for the free plan (402 on opening a session), none at all 403
* error bodies come in all the shapes that the SDK's own parsing accepts (contract, section 6)
* session listings take two forms of paging (sections 2 and 7)
* an open session that nobody closes is closed, and so ingested, when it expires
* ingestion is done `INGESTION_DELAY` after the close by the clock of the settings

Here are the routes of upload sessions (contract, section 2); besides:

* `state`: what is kept, how files move from a session into a workspace, and error bodies
* `files`: the other routes, and the filter of the files listing
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Annotated, Any, Generic, Literal, TypeVar
from uuid import UUID

from fastapi import Body, Depends, Query, Request, Response
from pydantic import BaseModel, Field

from sessions_vtab.emulator.deepset.files import Bucket, FileRoutes, presigned_form
from sessions_vtab.emulator.deepset.state import (
    Cloud,
    IngestionStatus,
    Key,
    Limit,
    Upload,
    UploadSession,
    WriteMode,
    caller,
    conflict,
    invalid,
    not_found,
    user_id,
)
from sessions_vtab.emulator.service import EmulatorSettings, Refusal

__all__ = ["Deepset"]


DOCUMENTATION_URL = "https://docs.cloud.deepset.ai/docs/upload-files"
MAX_OPEN = 10
"""Open sessions that one user may have (contract, section 2)."""

DAY = 86_400
"""Seconds for which a session lives unless it says otherwise; also the longest it may."""


class CreateSession(BaseModel):
    """Body that opens a session; every field may be missing."""

    write_mode: WriteMode = "KEEP"
    parallel_processing_enabled: bool = False
    expires_in_seconds: Annotated[int, Field(ge=1, le=DAY)] | None = DAY


class CloseSession(BaseModel):
    """Body that closes a session."""

    status: Literal["CLOSED"] = "CLOSED"


T = TypeVar("T")


@dataclass(frozen=True, slots=True)
class ListingWindow:
    """Which rows of a listing a request asks for: a page by number, or those beside a cursor."""

    limit: int
    page_number: int
    before: str | None
    after: str | None


async def window(
    limit: Limit = 10,
    page_number: Annotated[int | None, Query(ge=1)] = None,
    before: UUID | None = None,
    after: UUID | None = None,
) -> ListingWindow:
    """Read the paging parameters; 422 if both forms, or both cursors, are used at once."""
    ids = {"before": before, "after": after}
    cursors = {name: None if one is None else str(one) for name, one in ids.items()}
    given = [name for name, value in {"page_number": page_number, **cursors}.items() if value]
    if len(given) > 1:
        raise invalid(["query", given[1]], f"{given[1]} excludes {given[0]}")
    return ListingWindow(limit, page_number or 1, **cursors)


Paging = Annotated[ListingWindow, Depends(window)]


@dataclass(frozen=True, slots=True)
class ListedRows(Generic[T]):
    """All rows of a listing in its order, of which a request's filter wants some.

    A cursor may name a row that the filter leaves out: a session can expire between two pages.
    """

    rows: list[T]
    identify: Callable[[T], str]
    wanted: Callable[[T], bool]
    show: Callable[[T], dict[str, Any]]

    def page(self, window: ListingWindow) -> dict[str, Any]:
        """Return `{total, has_more, data}`; total counts all rows wanted. 422 unknown cursor."""
        rows, more = self._slice(window)
        total = sum(map(self.wanted, self.rows))
        return {"total": total, "has_more": more, "data": [self.show(row) for row in rows]}

    def _slice(self, window: ListingWindow) -> tuple[list[T], bool]:
        limit = window.limit
        if window.before is not None:
            rows = self._filtered(self.rows[: self._position("before", window.before)])
            return rows[-limit:], len(rows) > limit
        if window.after is not None:
            rows = self._filtered(self.rows[self._position("after", window.after) + 1 :])
        else:
            rows = self._filtered(self.rows)[(window.page_number - 1) * limit :]
        return rows[:limit], len(rows) > limit

    def _filtered(self, rows: list[T]) -> list[T]:
        return [row for row in rows if self.wanted(row)]

    def _position(self, name: str, cursor: str) -> int:
        for position, row in enumerate(self.rows):
            if self.identify(row) == cursor:
                return position
        raise invalid(["query", name], f"no row with the id {cursor}")


class UploadSessionRoutes:
    """The five operations on upload sessions."""

    def __init__(self, cloud: Cloud) -> None:
        self._cloud = cloud
        base = "/api/v1/workspaces/{workspace}/upload_sessions"
        one = base + "/{session_id}"
        known = [Depends(caller)]
        cloud.add_routes(("POST", base, self.create), dependencies=known, status_code=201)
        cloud.add_routes(
            ("GET", base, self.list),
            ("GET", one, self.get),
            ("PUT", one, self.close),
            ("GET", one + "/files", self.files),
            dependencies=known,
        )

    async def create(
        self,
        request: Request,
        workspace: str,
        key: Key,
        body: Annotated[CreateSession | None, Body()] = None,
    ) -> dict[str, Any]:
        """Open a session: 201, 402 on the free plan, 406 with ten open ones."""
        if key.startswith("free"):
            message = "Upload sessions are not available on the free plan."
            details = [{"code": "payment_required", "message": message}]
            raise Refusal.json(402, {"details": details})
        now = self._cloud.now()
        if self._cloud.state.open_sessions(user_id(key), now) >= MAX_OPEN:
            message = "You reached the maximum number of upload sessions allowed per user."
            raise Refusal.json(406, {"details": [{"code": "max_sessions", "message": message}]})
        session = self._open(workspace, user_id(key), body or CreateSession(), now)
        form = presigned_form(session, str(request.base_url))
        return {
            "session_id": session.session_id,
            "documentation_url": DOCUMENTATION_URL,
            "expires_at": session.expires_at.isoformat(),
            "aws_prefixed_request_config": form,
        }

    def _open(
        self, workspace: str, owner: str, body: CreateSession, now: datetime
    ) -> UploadSession:
        # The SDK cannot read a session without expiry (contract, section 3), so null is a day.
        lifetime = timedelta(seconds=body.expires_in_seconds or DAY)
        session = UploadSession(
            session_id=self._cloud.draws.uuid(),
            workspace=workspace,
            owner=owner,
            write_mode=body.write_mode,
            parallel_processing_enabled=body.parallel_processing_enabled,
            created_at=now,
            expires_at=now + lifetime,
            signature=self._cloud.draws.hexadecimal(64),
        )
        self._cloud.state.sessions[session.session_id] = session
        return session

    async def list(
        self, workspace: str, paging: Paging, is_expired: Annotated[bool | None, Query()] = None
    ) -> dict[str, Any]:
        """List the workspace's sessions, newest first: live ones, or the expired ones alone."""
        now = self._cloud.now()
        sessions = [s for s in self._cloud.state.sessions.values() if s.workspace == workspace]
        sessions.sort(key=lambda s: s.created_at)
        listing = ListedRows(
            rows=sessions[::-1],
            identify=lambda s: s.session_id,
            wanted=lambda s: (s.status(now) == "EXPIRED") == bool(is_expired),
            show=lambda s: _row(s, now),
        )
        return listing.page(paging)

    async def get(self, workspace: str, session_id: UUID) -> dict[str, Any]:
        """Return a session's counters. Status, mode and creator are in the list alone."""
        self._cloud.now()
        session = self._find(workspace, session_id)
        counters = {
            "failed_files": session.count("FAILED"),
            "finished_files": session.count("FINISHED"),
        }
        return {
            "session_id": session.session_id,
            "expires_at": session.expires_at.isoformat(),
            "documentation_url": DOCUMENTATION_URL,
            "ingestion_status": counters,
        }

    async def close(
        self,
        workspace: str,
        session_id: UUID,
        body: CloseSession,  # noqa: ARG002  (its one value says it all)
    ) -> Response:
        """Close a session: 204, 409 if it is closed, by request or by its expiry."""
        now = self._cloud.now()
        session = self._find(workspace, session_id)
        if session.status(now) != "OPEN":
            raise conflict(f"The session with the ID '{session_id}' is already closed.")
        session.closed_at = now
        return Response(status_code=204)

    async def files(
        self,
        workspace: str,
        session_id: UUID,
        paging: Paging,
        ingestion_status: Annotated[IngestionStatus | None, Query()] = None,
    ) -> dict[str, Any]:
        """List a session's files in order of arrival; their row shape is our own ([INF])."""
        self._cloud.now()
        session = self._find(workspace, session_id)
        listing = ListedRows(
            rows=session.files(),
            identify=lambda upload: upload.upload_id,
            wanted=lambda upload: ingestion_status in {None, upload.ingestion_status},
            show=_file_row,
        )
        return listing.page(paging)

    def _find(self, workspace: str, session_id: UUID) -> UploadSession:
        session = self._cloud.state.sessions.get(str(session_id))
        if session is None or session.workspace != workspace:
            raise not_found(
                f"There's no session with the ID '{session_id}' in the workspace '{workspace}'."
            )
        return session


def _row(session: UploadSession, now: datetime) -> dict[str, Any]:
    creator = {"user_id": session.owner, "given_name": "Emulated", "family_name": "User"}
    return {
        "session_id": session.session_id,
        "created_by": creator,
        "created_at": session.created_at.isoformat(),
        "expires_at": session.expires_at.isoformat(),
        "write_mode": session.write_mode,
        "status": session.status(now),
    }


def _file_row(upload: Upload) -> dict[str, Any]:
    return {
        "file_id": upload.upload_id,
        "name": upload.name,
        "ingestion_status": upload.ingestion_status,
        "created_at": upload.created_at.isoformat(),
    }


class Deepset(Cloud):
    """One emulated deepset Cloud.

    Its paths are `/api/v1/workspaces/...` and, for the presigned uploads, `/deepset-uploads/...`.
    """

    def __init__(self, settings: EmulatorSettings) -> None:
        super().__init__(settings)
        UploadSessionRoutes(self)
        FileRoutes(self)
        Bucket(self)
