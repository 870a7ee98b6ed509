"""Keys and error bodies of Songbird, the service behind the API (contract, section 5)."""

from __future__ import annotations

import re
from typing import TYPE_CHECKING, Annotated
from uuid import uuid4

from fastapi import Cookie, Header

from sessions_vtab.emulator.routing import Refusal, Route, detail

if TYPE_CHECKING:
    from fastapi import Response
    from fastapi.exceptions import RequestValidationError

KEY_FORMAT = re.compile(r"[0-9A-Za-z]{10}\.[^\s:]{53}(?::(?P<org>org-\w+))?")
"""`<10 alphanumerics>.<53 characters>`, from version 2 with the org (contract, section 2)."""


def error(status: int, kind: str, message: str, parameter: str | None = None) -> Refusal:
    """Make an error answer; `kind` is the exception's class without "Exception"."""
    body = {"message": message, "requestId": str(uuid4()), "type": kind, "parameter": parameter}
    # Songbird leaves out what is null.
    return Refusal.json(status, {key: value for key, value in body.items() if value is not None})


def require_key(
    x_api_key: Annotated[str | None, Header()] = None,
    cookie: Annotated[str | None, Cookie(alias="X-API-Key")] = None,
) -> str | None:
    """Return the org that the request's key names, None if the key is older than that.

    Any key of the documented format is known. 401 without a key, 403 with any other; a cookie of
    the header's name does as well.
    """
    key = x_api_key or cookie
    if not key:
        raise error(401, "Unauthorized", "No API key was sent.")
    match = KEY_FORMAT.fullmatch(key)
    if match is None:
        raise error(403, "Forbidden", "The API key is not valid.")
    return match["org"]


class SongbirdRoute(Route):
    """A route whose requests that break the schema get Songbird's 400."""

    def invalid(self, error_: RequestValidationError) -> Response:
        """Answer with the first thing that is wrong."""
        first = detail(error_)[0]
        parameter = ".".join(str(part) for part in first["loc"][1:]) or None
        return error(400, "ArgumentValue", first["msg"], parameter).response
