"""How a small service answers in its own voice on an application that it shares with others.

The application has one set of exception handlers, but every API has its own error bodies; and the
server hands over a path whose `%2F` is already a slash. Both are mended in the route itself.
"""

from __future__ import annotations

from types import NoneType
from typing import TYPE_CHECKING, Any
from urllib.parse import unquote
from xml.sax.saxutils import escape

from fastapi import Response
from fastapi.exceptions import RequestValidationError
from fastapi.responses import JSONResponse
from fastapi.routing import APIRoute

if TYPE_CHECKING:
    from collections.abc import Callable, Coroutine

    from fastapi import Request
    from starlette.routing import Match
    from starlette.types import Scope


class Refusal(Exception):  # noqa: N818  (an answer that ends a request, not a fault of the server)
    """Ends a request with an error response; raised anywhere below an endpoint.

    Attributes:
        response: What the client gets, status and body.
    """

    def __init__(self, response: Response) -> None:
        super().__init__(response.status_code)
        self.response = response

    @classmethod
    def json(cls, status: int, body: object, headers: dict[str, str] | None = None) -> Refusal:
        """Make a refusal with a JSON body."""
        return cls(JSONResponse(body, status, headers))

    @classmethod
    def storage(cls, status: int, code: str, message: str) -> Refusal:
        """Make a refusal of an object store, in the XML of S3."""
        text = f"<Error><Code>{escape(code)}</Code><Message>{escape(message)}</Message></Error>"
        body = f'<?xml version="1.0" encoding="UTF-8"?>\n{text}'
        return cls(Response(body, status, media_type="application/xml"))


def detail(error: RequestValidationError) -> list[dict[str, Any]]:
    """Return the rows of FastAPI's `{"detail": [...]}` for a request that breaks its schema.

    A row has type, loc, msg, input and, for some types, ctx; all are JSON.
    """
    return [_plain(dict(row)) for row in error.errors()]


def _plain(row: dict[str, Any]) -> dict[str, Any]:
    """Return the row without what JSON cannot say: bytes as text, exceptions as their message."""
    row.pop("url", None)
    row["loc"] = list(row["loc"])
    row["input"] = _text(row.get("input"))
    if "ctx" in row:
        row["ctx"] = {key: _text(value) for key, value in row["ctx"].items()}
    return row


def _text(value: object) -> object:
    if isinstance(value, bytes):
        return value.decode(errors="replace")
    plain = (dict, list, str, int, float, bool, NoneType)
    return value if isinstance(value, plain) else str(value)


class Route(APIRoute):
    """A route that matches the path as it was sent and answers its refusals itself.

    Segments are split before they are decoded, so an id may hold any text, `/` too (`%2F`).
    """

    def invalid(self, error: RequestValidationError) -> Response:
        """Answer a request that breaks the schema: 422 with FastAPI's standard body."""
        return JSONResponse({"detail": detail(error)}, 422)

    def matches(self, scope: Scope) -> tuple[Match, Scope]:
        """Match the raw path of a request; see the class."""
        raw = (scope.get("raw_path") or b"").decode("ascii", "replace")
        # A path that differs is no longer the one that was sent: the try without trailing slash.
        if "%2f" not in raw.lower() or unquote(raw) != scope["path"]:
            return super().matches(scope)
        match, child = super().matches({**scope, "path": raw})
        parameters = child.get("path_params", {})
        decoded = {k: unquote(v) if isinstance(v, str) else v for k, v in parameters.items()}
        return match, {**child, "path_params": decoded} if child else child

    def get_route_handler(self) -> Callable[[Request], Coroutine[Any, Any, Response]]:
        """Return FastAPI's handler with refusals and schema errors turned into answers."""
        handle = super().get_route_handler()

        async def answer(request: Request) -> Response:
            try:
                return await handle(request)
            except Refusal as refusal:
                return refusal.response
            except RequestValidationError as error:
                return self.invalid(error)

        return answer
