"""Errors as the service words them (Vertex contract, section 7)."""

from __future__ import annotations

import json
from http import HTTPStatus
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from collections.abc import Iterable

BAD_ARGUMENT = "Request contains an invalid argument."
NO_ENGINE = "The ReasoningEngine does not exist."
BAD_SESSION_ID = (
    "Invalid session resource name. The user provided session ID can only contain lowercase"
    " letters, digits and hyphens. The first and last characters must be a letter or number."
)
UNAUTHENTICATED = (
    "Request had invalid authentication credentials. Expected OAuth 2 access token, login cookie"
    " or other valid authentication credential. See"
    " https://developers.google.com/identity/sign-in/web/devconsole-project."
)
BAD_API_KEY = "API key not valid. Please pass a valid API key."

HTML_NOT_FOUND = (
    "<!DOCTYPE html>\n<html lang=en>\n  <meta charset=utf-8>\n"
    "  <title>Error 404 (Not Found)!!1</title>\n"
    "  <p><b>404.</b> <ins>That\u2019s an error.</ins>\n"
    "  <p>The requested URL was not found on this server."
    "  <ins>That\u2019s all we know.</ins>\n"
).encode()
"""What a URL that matches no method is answered with: no JSON (section 7)."""


class ApiError(Exception):
    """An error answer of the service.

    Attributes:
        code: The HTTP status.
        status: The name of the RPC code, such as `NOT_FOUND`.
        message: The text for people.
        details: Typed details, each with its `@type`.
    """

    def __init__(
        self, code: int, status: str, message: str, details: list[dict[str, Any]] | None = None
    ) -> None:
        super().__init__(message)
        self.code = code
        self.status = status
        self.message = message
        self.details = details or []

    def body(self) -> bytes:
        """Return the JSON body of the answer."""
        error: dict[str, Any] = {"code": self.code, "message": self.message, "status": self.status}
        if self.details:
            error["details"] = self.details
        return json.dumps({"error": error}, ensure_ascii=False, indent=2).encode()


def bad_request(violations: Iterable[tuple[str, str]]) -> list[dict[str, Any]]:
    """Return details that name the wrong fields as (field, description)."""
    fields = [{"field": field, "description": text} for field, text in violations]
    return [{"@type": "type.googleapis.com/google.rpc.BadRequest", "fieldViolations": fields}]


def invalid(message: str, violations: Iterable[tuple[str, str]] = ()) -> ApiError:
    """Return a 400 INVALID_ARGUMENT with this message."""
    details = bad_request(violations) if violations else None
    return ApiError(HTTPStatus.BAD_REQUEST, "INVALID_ARGUMENT", message, details)


def found_errors(*problems: tuple[str, str]) -> ApiError:
    """Return a 400 that lists (field, message) pairs the way the service's validator does."""
    listed = "".join(
        f"{number}.Field: {field}; Message: {text}\t"
        for number, (field, text) in enumerate(problems, 1)
    )
    return invalid(f"List of found errors:\t{listed}", problems)


def not_found(message: str) -> ApiError:
    """Return a 404 NOT_FOUND with this message."""
    return ApiError(HTTPStatus.NOT_FOUND, "NOT_FOUND", message)


def failed_precondition(message: str) -> ApiError:
    """Return a 400 FAILED_PRECONDITION with this message."""
    return ApiError(HTTPStatus.BAD_REQUEST, "FAILED_PRECONDITION", message)


def unauthenticated(reason: str) -> ApiError:
    """Return a 401 UNAUTHENTICATED whose details give this reason."""
    details = [_error_info(reason)]
    return ApiError(HTTPStatus.UNAUTHORIZED, "UNAUTHENTICATED", UNAUTHENTICATED, details)


def bad_api_key() -> ApiError:
    """Return the 400 of an API key that is not one."""
    details = [_error_info("API_KEY_INVALID")]
    return ApiError(HTTPStatus.BAD_REQUEST, "INVALID_ARGUMENT", BAD_API_KEY, details)


def _error_info(reason: str) -> dict[str, Any]:
    return {
        "@type": "type.googleapis.com/google.rpc.ErrorInfo",
        "reason": reason,
        "domain": "googleapis.com",
        "metadata": {"service": "aiplatform.googleapis.com"},
    }
