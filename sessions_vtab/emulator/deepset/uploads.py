"""The presigned form of a session and the bucket that takes it (contract, section 4)."""

from __future__ import annotations

import base64
import json
from typing import TYPE_CHECKING, Any
from urllib.parse import unquote

from fastapi import Request, Response
from starlette.datastructures import UploadFile

from sessions_vtab.emulator.deepset.state import Upload
from sessions_vtab.emulator.routing import Refusal

if TYPE_CHECKING:
    from collections.abc import Iterable
    from datetime import datetime

    from fastapi import APIRouter

    from sessions_vtab.emulator.deepset.cloud import Cloud
    from sessions_vtab.emulator.deepset.state import UploadSession

TARGET = "/deepset-uploads"
BUCKET = "emulated-user-files-upload"
MAX_BYTES = 200 * 1024 * 1024
"""Bytes that one file may have (contract, section 4)."""


def presigned_form(session: UploadSession, base_url: str) -> dict[str, Any]:
    """Return `{url, fields}` for a session; the url is on the emulator's own base URL."""
    url = f"{base_url.rstrip('/')}{TARGET}/{session.session_id}"
    return {"url": url, "fields": _fields(session)}


def _prefix(session: UploadSession) -> str:
    return f"uploads/{session.session_id}/"


def _fields(session: UploadSession) -> dict[str, str]:
    """Return the form's fields; `key` is a template that the bucket completes."""
    day = f"{session.created_at:%Y%m%d}"
    fields = {
        "key": _prefix(session) + "${filename}",
        "x-amz-algorithm": "AWS4-HMAC-SHA256",
        "x-amz-credential": f"EMULATOR/{day}/eu-central-1/s3/aws4_request",
        "x-amz-date": f"{session.created_at:%Y%m%dT%H%M%SZ}",
    }
    return fields | {"policy": _policy(session, fields), "x-amz-signature": session.signature}


def _policy(session: UploadSession, fields: dict[str, str]) -> str:
    conditions: list[Any] = [{"bucket": BUCKET}, ["starts-with", "$key", _prefix(session)]]
    conditions += [{name: value} for name, value in fields.items() if name != "key"]
    expiration = f"{session.expires_at:%Y-%m-%dT%H:%M:%SZ}"
    policy = {"expiration": expiration, "conditions": conditions}
    return base64.b64encode(json.dumps(policy).encode()).decode()


class UploadTarget:
    """The bucket: one object for each multipart POST."""

    def __init__(self, cloud: Cloud) -> None:
        self._cloud = cloud

    def mount(self, router: APIRouter) -> None:
        """Add the route to a router."""
        path = TARGET + "/{session_id}"
        router.add_api_route(path, self.post, methods=["POST"], response_model=None)

    async def post(self, request: Request, session_id: str) -> Response:
        """Store an object: 204; errors are XML, 403 for a wrong form or a closed session."""
        session = self._cloud.state.sessions.get(session_id)
        if session is None:
            raise Refusal.storage(404, "NoSuchBucket", "The specified bucket does not exist")
        async with request.form() as form:
            file, fields = _split(form.multi_items())
            _check_fields(_fields(session), fields)
            name = _object_name(session, fields["key"], file)
            content = await file.read()
        # The time is read after the body: what arrives after the close is late.
        now = self._cloud.now()
        _check_session(session, now)
        self._put(session, name, content, now)
        return Response(status_code=204)

    def _put(self, session: UploadSession, name: str, content: bytes, now: datetime) -> None:
        """Keep an object; one of the same name is replaced where it stands."""
        earlier = session.uploads.get(name)
        upload_id = earlier.upload_id if earlier else self._cloud.draws.uuid()
        session.uploads[name] = Upload(
            upload_id=upload_id, name=name, content=content, created_at=now
        )


def _split(parts: Iterable[tuple[str, UploadFile | str]]) -> tuple[UploadFile, dict[str, str]]:
    """Return the file and the fields before it: as S3 does, what follows the file is ignored."""
    fields: dict[str, str] = {}
    for name, part in parts:
        if isinstance(part, UploadFile):
            if name == "file" and part.filename:
                return part, fields
            break
        fields[name.lower()] = part
    message = "POST requires exactly one file upload per request."
    raise Refusal.storage(400, "InvalidArgument", message)


def _check_fields(issued: dict[str, str], sent: dict[str, str]) -> None:
    """Refuse a form whose fields are not those that were issued."""
    if "key" not in sent:
        message = "Bucket POST must contain a field named 'key' before the file."
        raise Refusal.storage(400, "InvalidArgument", message)
    for name, value in issued.items():
        if sent.get(name) != value:
            message = f"Invalid according to Policy: Policy Condition failed for '${name}'"
            raise Refusal.storage(403, "AccessDenied", message)
    if extra := sent.keys() - issued.keys():
        message = f"Invalid according to Policy: Extra input fields: {', '.join(sorted(extra))}"
        raise Refusal.storage(403, "AccessDenied", message)


def _object_name(session: UploadSession, template: str, file: UploadFile) -> str:
    """Return the object's name: the wire has it percent-encoded, once."""
    if (file.size or 0) > MAX_BYTES:
        message = "Your proposed upload exceeds the maximum allowed size"
        raise Refusal.storage(400, "EntityTooLarge", message)
    key = template.replace("${filename}", unquote(file.filename or ""))
    return key.removeprefix(_prefix(session))


def _check_session(session: UploadSession, now: datetime) -> None:
    status = session.status(now)
    if status == "EXPIRED":
        message = "Invalid according to Policy: Policy expired."
        raise Refusal.storage(403, "AccessDenied", message)
    if status == "CLOSED":
        raise Refusal.storage(403, "AccessDenied", "Access Denied")
