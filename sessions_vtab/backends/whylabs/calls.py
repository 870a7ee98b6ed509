"""The calls of the API, as pure functions: what would be sent can be shown without sending it."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import replace
from typing import Any
from urllib.parse import quote

from sessions_vtab.fetch import READ, WRITE, Answer, Call, path

__all__ = [
    "claim_session",
    "create_dataset_upload",
    "create_reference_upload",
    "create_reference_uploads",
    "create_session",
    "get_links",
    "get_session",
]

# "Resource session with ID .. not found." A server without these routes answers 404 without a
# body (contract, section 1), which is another thing.
_NO_SESSION = (Answer(404, r"^ResourceNotFound$", "type"),)

_JSON_TYPE = {"Content-Type": "application/json"}


def create_session(user_id: str) -> Call:
    """Creates a guest session."""
    body = {"userId": user_id}
    return Call("POST", path("v0", "sessions"), json=body, kind=WRITE, anonymous=True)


def get_session(session_id: str) -> Call:
    """Organisation, model and user of a session; needs the key."""
    return Call(
        "GET",
        path("v0", "sessions", session_id),
        missing=_NO_SESSION,
        secrets=_secrets(session_id),
    )


def claim_session(session_id: str, org_id: str) -> Call:
    """Hands a session's data to an organisation and ends the session; needs the key."""
    return Call(
        "POST",
        path("v0", "sessions", session_id, "claim"),
        query=(("org_id", org_id),),
        body=b"",
        headers=_JSON_TYPE,
        kind=WRITE,
        missing=_NO_SESSION,
        secrets=_secrets(session_id),
    )


def create_reference_upload(session_id: str, body: Mapping[str, Any]) -> Call:
    """A place for one reference profile."""
    return _post(session_id, body, "v0", "sessions", session_id, "reference")


def create_reference_uploads(session_id: str, body: Mapping[str, Any]) -> Call:
    """Places for several reference profiles."""
    return _post(session_id, body, "v0", "sessions", session_id, "references")


def create_dataset_upload(session_id: str, body: Mapping[str, Any]) -> Call:
    """A place for a dataset profile."""
    return _post(session_id, body, "v0", "sessions", session_id, "upload")


def get_links(session_id: str, body: Mapping[str, Any]) -> Call:
    """Links to profiles: a read, although it is a POST."""
    call = _post(session_id, body, "v0", "sessions", "observatory-link", session_id)
    return replace(call, kind=READ, asks=True)


def _post(session_id: str, body: Mapping[str, Any], *segments: str) -> Call:
    """A call of a guest, without the key."""
    return Call(
        "POST",
        path(*segments),
        json=dict(body),
        kind=WRITE,
        missing=_NO_SESSION,
        anonymous=True,
        secrets=_secrets(session_id),
    )


def _secrets(session_id: str) -> tuple[str, ...]:
    """A session's id as it stands in URLs and in texts."""
    return quote(session_id, safe=""), session_id
