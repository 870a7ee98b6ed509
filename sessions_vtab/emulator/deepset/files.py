"""The routes of workspace files (contract, section 7)."""

from __future__ import annotations

import json
import re
from collections.abc import Callable
from datetime import datetime
from functools import partial
from typing import TYPE_CHECKING, Annotated, Any
from urllib.parse import quote
from uuid import UUID

from fastapi import Depends, File, Form, Query, Request, Response, UploadFile
from pydantic import AwareDatetime

from sessions_vtab.emulator.deepset import odata, refusals
from sessions_vtab.emulator.deepset.cloud import caller
from sessions_vtab.emulator.deepset.paging import Limit
from sessions_vtab.emulator.deepset.state import StoredFile, WriteMode

if TYPE_CHECKING:
    from fastapi import APIRouter

    from sessions_vtab.emulator.deepset.cloud import Cloud

Test = Callable[[StoredFile], bool]
Position = tuple[datetime, str]


def wanted(
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


def cursor(
    after_value: AwareDatetime | None = None, after_file_id: UUID | None = None
) -> Position | None:
    """Read the cursor: creation time and id of the last row of the page before, both or none."""
    if after_value is None and after_file_id is None:
        return None
    if after_value is None or after_file_id is None:
        missing = "after_value" if after_value is None else "after_file_id"
        raise refusals.invalid(["query", missing], "both parts of the cursor are needed", "missing")
    return after_value, str(after_file_id)


class FileRoutes:
    """The operations on the files of a workspace."""

    def __init__(self, cloud: Cloud) -> None:
        self._cloud = cloud

    def mount(self, router: APIRouter) -> None:
        """Add the routes to a router."""
        base = "/api/v1/workspaces/{workspace}/files"
        one = base + "/{file_id}"
        add = partial(router.add_api_route, dependencies=[Depends(caller)], response_model=None)
        add(base, self.list, methods=["GET"])
        add(base, self.upload, methods=["POST"], status_code=201)
        add(one, self.get, methods=["GET"])
        add(one, self.delete, methods=["DELETE"])
        add(one + "/meta", self.meta, methods=["GET"])

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
            raise refusals.invalid(["query", "write_mode"], "not a mode of this route", "enum")
        stored = StoredFile(
            file_id=self._cloud.draws.uuid(),
            name=file.filename or "",
            content=await file.read(),
            meta=_metadata(meta),
            created_at=self._cloud.now(),
        )
        if not self._cloud.state.store(workspace, stored, write_mode):
            raise refusals.conflict(f"A file with the name '{stored.name}' already exists.")
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
            raise refusals.not_found(f"There's no file with the ID '{file_id}'.")
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


def _conditions(text: str | None) -> list[odata.Condition]:
    if not text:
        return []
    try:
        return odata.parse(text)
    except ValueError as error:
        raise refusals.invalid(["query", "filter"], str(error)) from None


def _has(meta: dict[str, Any], key: str, value: str | None) -> bool:
    return key in meta and (value is None or meta[key] == value)


def _metadata(text: str | None) -> dict[str, Any]:
    """Return the metadata in a form field: a JSON object; `null` and no field are {}."""
    try:
        value = json.loads(text or "null")
    except ValueError:
        raise refusals.invalid(["body", "meta"], "not JSON", "json_invalid") from None
    if value is not None and not isinstance(value, dict):
        raise refusals.invalid(["body", "meta"], "not a JSON object", "dict_type")
    return value or {}
