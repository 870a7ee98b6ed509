"""The one emulated deepset Cloud that the routes share: what it keeps, who calls, what it refuses.

Uploaded files get from a session into their workspace here. A seed gives deterministic upload
sessions and files of the workspace `demo`. The contract, section 6, knows four body shapes of
errors and promises none of them for a given status, so the emulator uses them all: a client has to
read any of them.
"""

from __future__ import annotations

import json
import random
from datetime import datetime, timedelta
from typing import Annotated, Any, Literal
from uuid import NAMESPACE_URL, uuid5

from fastapi import Depends, Header, Query
from pydantic import Field

from sessions_vtab.emulator.service import BytesModel, DrawnState, Draws, Refusal, Stateful

WriteMode = Literal["KEEP", "OVERWRITE", "FAIL", "TEMPORARY"]
Status = Literal["OPEN", "CLOSED", "EXPIRED"]
IngestionStatus = Literal["PENDING", "FAILED", "FINISHED"]

INGESTION_DELAY = timedelta(milliseconds=200)
"""Time from closing a session to its files being counted; under a second (contract, section 9)."""

META_SUFFIX = ".meta.json"
META_LIMIT = 32_766
"""Bytes of metadata that one file may have (contract, section 4)."""


def user_id(key: str) -> str:
    """Return the id of the user that a key belongs to; the key itself is never kept."""
    return str(uuid5(NAMESPACE_URL, f"deepset-user:{key}"))


class Upload(BytesModel):
    """An object in the bucket of a session: a file, or the metadata beside one.

    Attributes:
        upload_id: Its id; the file that it becomes has the same.
        content: Its bytes; empty once ingested.
        ingestion_status: Where it stands; metadata objects stay PENDING and are not listed.
    """

    upload_id: str
    name: str
    content: bytes
    created_at: datetime
    ingestion_status: IngestionStatus = "PENDING"

    @property
    def is_meta(self) -> bool:
        """Tell whether this is a `.meta.json` beside a file."""
        return self.name.endswith(META_SUFFIX)


class UploadSession(BytesModel):
    """One upload session (contract, section 2).

    Attributes:
        owner: Id of the user who opened it.
        closed_at: When it was closed by request; None if it was not.
        signature: What its presigned form carries as proof.
        uploads: Its objects by name, in the order of their first arrival.
    """

    session_id: str
    workspace: str
    owner: str
    write_mode: WriteMode
    parallel_processing_enabled: bool
    created_at: datetime
    expires_at: datetime
    signature: str
    closed_at: datetime | None = None
    ingested: bool = False
    uploads: dict[str, Upload] = Field(default_factory=dict)

    def status(self, now: datetime) -> Status:
        """Return its status; expiry wins over CLOSED, as the list's is_expired splits them."""
        if self.expires_at <= now:
            return "EXPIRED"
        return "OPEN" if self.closed_at is None else "CLOSED"

    @property
    def ingests_at(self) -> datetime:
        """When its files are counted. A session that nobody closes is closed by its expiry."""
        return (self.closed_at or self.expires_at) + INGESTION_DELAY

    def files(self) -> list[Upload]:
        """Return its uploads without the metadata objects, in order of arrival."""
        return [upload for upload in self.uploads.values() if not upload.is_meta]

    def count(self, status: IngestionStatus) -> int:
        """Return the number of its files of that ingestion status."""
        return sum(upload.ingestion_status == status for upload in self.files())


class StoredFile(BytesModel):
    """A file of a workspace (contract, section 7)."""

    file_id: str
    name: str
    content: bytes
    meta: dict[str, Any]
    created_at: datetime


class DeepsetState(BytesModel, DrawnState):
    """Everything: sessions by id in order of creation, files by workspace and id."""

    sessions: dict[str, UploadSession] = Field(default_factory=dict)
    files: dict[str, dict[str, StoredFile]] = Field(default_factory=dict)

    def workspace(self, name: str) -> dict[str, StoredFile]:
        """Return the files of a workspace; any workspace exists (contract, section 9)."""
        return self.files.setdefault(name, {})

    def open_sessions(self, owner: str, now: datetime) -> int:
        """Return how many sessions a user has open, over all workspaces; expired ones are not."""
        sessions = self.sessions.values()
        return sum(s.owner == owner and s.status(now) == "OPEN" for s in sessions)

    def settle(self, now: datetime) -> None:
        """Ingest every session whose time has come, in the order in which it came."""
        due = [s for s in self.sessions.values() if not s.ingested and s.ingests_at <= now]
        for session in sorted(due, key=lambda session: session.ingests_at):
            self._ingest(session)

    def _ingest(self, session: UploadSession) -> None:
        for upload in session.files():
            meta = _metadata(session.uploads.get(upload.name + META_SUFFIX))
            stored = meta is not None and self.store(
                session.workspace,
                StoredFile(
                    file_id=upload.upload_id,
                    name=upload.name,
                    content=upload.content,
                    meta=meta,
                    created_at=session.ingests_at,
                ),
                session.write_mode,
            )
            upload.ingestion_status = "FINISHED" if stored else "FAILED"
        for upload in session.uploads.values():
            upload.content = b""
        session.ingested = True

    def store(self, workspace: str, file: StoredFile, write_mode: WriteMode) -> bool:
        """Put a file into a workspace; False if FAIL forbids it because the name is taken.

        KEEP and TEMPORARY keep both files, OVERWRITE replaces all files of that name.
        """
        files = self.workspace(workspace)
        same = [file_id for file_id, other in files.items() if other.name == file.name]
        if same and write_mode == "FAIL":
            return False
        if write_mode == "OVERWRITE":
            for file_id in same:
                del files[file_id]
        files[file.file_id] = file
        return True


def _metadata(upload: Upload | None) -> dict[str, Any] | None:
    """Return the metadata in an upload, {} if there is none, None if it is not acceptable."""
    if upload is None:
        return {}
    if len(upload.content) > META_LIMIT:
        return None
    try:
        value = json.loads(upload.content)
    except ValueError:
        return None
    return value if isinstance(value, dict) else None


WORKSPACE = "demo"
SESSIONS = 24
LIVES = timedelta(days=1)
MODES: tuple[WriteMode, ...] = ("KEEP", "KEEP", "OVERWRITE", "FAIL")
CATEGORIES = ("news", "report", "manual")
SUBJECTS = ("delivery", "invoice", "refund", "warranty")


def _session(source: random.Random, draws: Draws, start: datetime) -> UploadSession:
    session = UploadSession(
        session_id=draws.uuid(),
        workspace=WORKSPACE,
        owner=user_id(source.choice(("ann", "bob"))),
        write_mode=source.choice(MODES),
        parallel_processing_enabled=source.random() < 0.5,  # noqa: PLR2004  (every second one)
        created_at=start,
        expires_at=start + LIVES,
        signature=draws.hexadecimal(64),
        closed_at=start + timedelta(minutes=1),
    )
    for subject in source.sample(SUBJECTS, k=source.randint(1, len(SUBJECTS))):
        name = f"{subject}.txt"
        meta = {"category": source.choice(CATEGORIES), "year": source.randint(2018, 2026)}
        contents = {name: f"All about {subject}.", name + META_SUFFIX: json.dumps(meta)}
        session.uploads |= {
            name: Upload(upload_id=draws.uuid(), name=name, content=text.encode(), created_at=start)
            for name, text in contents.items()
        }
    return session


def not_found(text: str) -> Refusal:
    """404 with a text."""
    return Refusal.json(404, {"errors": [text]})


def conflict(text: str) -> Refusal:
    """409 with a text: already closed, or a file of this name exists."""
    return Refusal.json(409, {"errors": [{"msg": text, "type": "conflict"}]})


def invalid(loc: list[str], msg: str, kind: str = "value_error") -> Refusal:
    """422 for the value at `loc`, in the shape of the spec."""
    return Refusal.json(422, {"detail": [{"loc": loc, "msg": msg, "type": kind}]})


async def caller(authorization: Annotated[str | None, Header()] = None) -> str:
    """Return the API key of a request: any is taken, unless it starts with `invalid` (401)."""
    scheme, _, key = (authorization or "").partition(" ")
    if scheme.lower() != "bearer":
        raise Refusal.json(403, {"detail": "Not authenticated"})
    if not key.strip() or key.strip().startswith("invalid"):
        raise Refusal.json(401, {"errors": ["Invalid API key."]})
    return key.strip()


Key = Annotated[str, Depends(caller)]
Limit = Annotated[int, Query(ge=1, le=100)]


class Cloud(Stateful[DeepsetState]):
    """State, ids and time of one emulated deepset Cloud."""

    name = "deepset"
    model = DeepsetState

    def now(self) -> datetime:
        """Return the time, after everything that was due by then has happened."""
        now = self.clock()
        self.state.settle(now)
        return now

    def fill(self, seed: int) -> None:
        """Add closed sessions of the last two days, one every two hours; the older are expired."""
        source, now = random.Random(f"deepset-data:{seed}"), self.clock()
        for number in range(SESSIONS, 0, -1):
            session = _session(source, self.draws, now - timedelta(hours=2 * number))
            self.state.sessions[session.session_id] = session
        self.state.settle(now)

    def counts(self) -> dict[str, int]:
        """Return how many upload sessions and files there are."""
        files = sum(map(len, self.state.files.values()))
        return {"upload sessions": len(self.state.sessions), "files": files}
