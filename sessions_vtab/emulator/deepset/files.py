"""Files: the presigned form of a session with the bucket that takes it, and the workspace's files.

deepset contract, sections 4 and 7. Of OData, the reference promises exact match and AND only; the
comparisons are used in its examples (section 7). Whatever else OData has is refused.
"""

from __future__ import annotations

import base64
import json
import operator
import re
from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass
from datetime import datetime
from typing import Annotated, Any
from urllib.parse import quote, unquote
from uuid import UUID

from fastapi import Depends, File, Form, Query, Request, Response, UploadFile
from pydantic import AwareDatetime
from starlette.datastructures import UploadFile as FormFile

from sessions_vtab.emulator.deepset.state import (
    Cloud,
    Limit,
    StoredFile,
    Upload,
    UploadSession,
    WriteMode,
    caller,
    conflict,
    invalid,
    not_found,
)
from sessions_vtab.emulator.service import Refusal

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


class Bucket:
    """The bucket: one object for each multipart POST."""

    def __init__(self, cloud: Cloud) -> None:
        self._cloud = cloud
        cloud.add_routes(("POST", TARGET + "/{session_id}", self.post))

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


def _split(parts: Iterable[tuple[str, FormFile | str]]) -> tuple[FormFile, dict[str, str]]:
    """Return the file and the fields before it: as S3 does, what follows the file is ignored."""
    fields: dict[str, str] = {}
    for name, part in parts:
        if isinstance(part, FormFile):
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


def _object_name(session: UploadSession, template: str, file: FormFile) -> str:
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


_CONDITION = re.compile(
    r"""\s*(?P<key>[^\W\d][\w./-]*)
        \s+(?P<operator>eq|ge|le|gt|lt)
        \s+(?P<value>'(?:[^']|'')*'|true|false|null|-?\d+(?:\.\d+)?(?:[eE][+-]?\d+)?)
        (?P<end>\s+and(?=\s)|\s*$)""",
    re.VERBOSE,
)

_OPERATORS: dict[str, Callable[[Any, Any], bool]] = {
    "eq": operator.eq,
    "ge": operator.ge,
    "le": operator.le,
    "gt": operator.gt,
    "lt": operator.lt,
}


@dataclass(frozen=True, slots=True)
class ODataComparison:
    """One comparison of a metadata key with a literal."""

    key: str
    operator: str
    value: str | float | bool | None

    def holds(self, meta: Mapping[str, Any]) -> bool:
        """Tell whether metadata meet it; a missing key, or a value of another type, does not."""
        if self.key not in meta:
            return False
        found = meta[self.key]
        kind = _kind(found)
        if kind != _kind(self.value) or kind is None:
            return False
        if kind in {"bool", "null"} and self.operator != "eq":
            return False
        return _OPERATORS[self.operator](found, self.value)


def _kind(value: object) -> str | None:
    """Return which values compare with this one; None for arrays and objects, which never do."""
    if value is None:
        return "null"
    if isinstance(value, bool):
        return "bool"
    if isinstance(value, (int, float)):
        return "number"
    return "text" if isinstance(value, str) else None


def parse_filter(text: str) -> list[ODataComparison]:
    """Read a filter such as `category eq 'news' and year ge 2020`.

    Raises:
        ValueError: The text is not of that form.
    """
    conditions = []
    position, more = 0, True
    while more:
        match = _CONDITION.match(text, position)
        if match is None:
            raise ValueError(f"cannot read the filter at position {position}")
        written = match["value"]
        quoted = written.startswith("'")
        value = written[1:-1].replace("''", "'") if quoted else json.loads(written)
        conditions.append(ODataComparison(match["key"], match["operator"], value))
        position, more = match.end(), bool(match["end"].strip())
    return conditions


Test = Callable[[StoredFile], bool]
Position = tuple[datetime, str]


async def wanted(
    name: str | None = None,
    content: str | None = None,
    odata_filter: Annotated[str | None, Query(alias="filter")] = None,
    meta_key: str | None = None,
    meta_value: str | None = None,
) -> Test:
    """Read the search parameters into one test; 422 for a filter that cannot be read.

    `name` is a substring with its case, `content` is met by a file with all its words.
    """
    words = set(_words(content or ""))
    conditions = _conditions(odata_filter)

    def test(file: StoredFile) -> bool:
        if name and name not in file.name:
            return False
        if not words <= set(_words(file.content.decode(errors="replace")) if words else ()):
            return False
        if meta_key is not None and not _has(file.meta, meta_key, meta_value):
            return False
        return all(condition.holds(file.meta) for condition in conditions)

    return test


async def cursor(
    after_value: AwareDatetime | None = None, after_file_id: UUID | None = None
) -> Position | None:
    """Read the cursor: creation time and id of the last row of the page before, both or none."""
    if after_value is None and after_file_id is None:
        return None
    if after_value is None or after_file_id is None:
        missing = "after_value" if after_value is None else "after_file_id"
        raise invalid(["query", missing], "both parts of the cursor are needed", "missing")
    return after_value, str(after_file_id)


class FileRoutes:
    """The operations on the files of a workspace."""

    def __init__(self, cloud: Cloud) -> None:
        self._cloud = cloud
        base = "/api/v1/workspaces/{workspace}/files"
        one = base + "/{file_id}"
        known = [Depends(caller)]
        cloud.add_routes(("POST", base, self.upload), dependencies=known, status_code=201)
        cloud.add_routes(
            ("GET", base, self.list),
            ("GET", one, self.get),
            ("DELETE", one, self.delete),
            ("GET", one + "/meta", self.meta),
            dependencies=known,
        )

    async def list(
        self,
        request: Request,
        workspace: str,
        test: Annotated[Test, Depends(wanted)],
        after: Annotated[Position | None, Depends(cursor)],
        limit: Limit = 10,
    ) -> dict[str, Any]:
        """List the files, newest first; `total` counts all matches, not the rest."""
        self._cloud.now()
        files = [file for file in self._cloud.state.workspace(workspace).values() if test(file)]
        files.sort(key=_position, reverse=True)
        rest = [file for file in files if after is None or _position(file) < after]
        path = f"api/v1/workspaces/{quote(workspace, safe='')}/files"
        rows = [_row(file, f"{request.base_url}{path}") for file in rest[:limit]]
        return {"total": len(files), "has_more": len(rest) > limit, "data": rows}

    async def upload(
        self,
        workspace: str,
        file: Annotated[UploadFile, File()],
        meta: Annotated[str | None, Form()] = None,
        write_mode: Annotated[WriteMode, Query()] = "KEEP",
    ) -> dict[str, str]:
        """Store a file at once: 201 with its id, 409 if FAIL meets a file of its name."""
        if write_mode == "TEMPORARY":
            raise invalid(["query", "write_mode"], "not a mode of this route", "enum")
        stored = StoredFile(
            file_id=self._cloud.draws.uuid(),
            name=file.filename or "",
            content=await file.read(),
            meta=_metadata(meta),
            created_at=self._cloud.now(),
        )
        if not self._cloud.state.store(workspace, stored, write_mode):
            raise conflict(f"A file with the name '{stored.name}' already exists.")
        return {"file_id": stored.file_id}

    async def get(self, workspace: str, file_id: UUID) -> Response:
        """Return the bytes of a file."""
        content = self._find(workspace, file_id).content
        return Response(content, media_type="application/octet-stream")

    async def meta(self, workspace: str, file_id: UUID) -> dict[str, Any]:
        """Return the metadata of a file."""
        return self._find(workspace, file_id).meta

    async def delete(self, workspace: str, file_id: UUID) -> Response:
        """Delete a file: 204."""
        del self._cloud.state.workspace(workspace)[self._find(workspace, file_id).file_id]
        return Response(status_code=204)

    def _find(self, workspace: str, file_id: UUID) -> StoredFile:
        self._cloud.now()
        file = self._cloud.state.workspace(workspace).get(str(file_id))
        if file is None:
            raise not_found(f"There's no file with the ID '{file_id}'.")
        return file


def _position(file: StoredFile) -> Position:
    return file.created_at, file.file_id


def _row(file: StoredFile, url: str) -> dict[str, Any]:
    return {
        "file_id": file.file_id,
        "url": f"{url}/{file.file_id}",
        "name": file.name,
        "size": len(file.content),
        "created_at": file.created_at.isoformat(),
        "meta": file.meta,
    }


def _words(text: str) -> list[str]:
    return re.findall(r"\w+", text.casefold())


def _conditions(text: str | None) -> list[ODataComparison]:
    if not text:
        return []
    try:
        return parse_filter(text)
    except ValueError as error:
        raise invalid(["query", "filter"], str(error)) from None


def _has(meta: dict[str, Any], key: str, value: str | None) -> bool:
    return key in meta and (value is None or meta[key] == value)


def _metadata(text: str | None) -> dict[str, Any]:
    """Return the metadata in a form field: a JSON object; `null` and no field are {}."""
    try:
        value = json.loads(text or "null")
    except ValueError:
        raise invalid(["body", "meta"], "not JSON", "json_invalid") from None
    if value is not None and not isinstance(value, dict):
        raise invalid(["body", "meta"], "not a JSON object", "dict_type")
    return value or {}
