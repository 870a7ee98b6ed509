"""What faults do to an answer: pure functions from bytes to bytes."""

from __future__ import annotations

import gzip
import json
from http import HTTPStatus
from typing import TYPE_CHECKING, Any, NamedTuple
from urllib.parse import parse_qs

if TYPE_CHECKING:
    from sessions_vtab.emulator.faults import Fault

EMPTY_PAGE_TOKEN = "emulator-empty-page"  # noqa: S105 (a page token)
"""The token that the fault `empty_page` puts on a last page."""

_RPC_NAMES = {
    400: "INVALID_ARGUMENT",
    401: "UNAUTHENTICATED",
    403: "PERMISSION_DENIED",
    404: "NOT_FOUND",
    408: "DEADLINE_EXCEEDED",
    409: "ABORTED",
    429: "RESOURCE_EXHAUSTED",
    500: "INTERNAL",
    501: "UNIMPLEMENTED",
    503: "UNAVAILABLE",
    504: "DEADLINE_EXCEEDED",
}


class Answer(NamedTuple):
    """A whole HTTP answer."""

    status: int
    headers: list[tuple[bytes, bytes]]
    body: bytes


def encode(value: Any) -> bytes:
    """Return a text as it is, anything else as JSON."""
    return (value if isinstance(value, str) else json.dumps(value)).encode()


def json_answer(status: int, value: Any, headers: dict[str, str] | None = None) -> Answer:
    """Return an answer with a JSON (or given text) body."""
    named = {"content-type": "application/json; charset=UTF-8", **(headers or {})}
    encoded = [(name.lower().encode(), text.encode()) for name, text in named.items()]
    return Answer(status, encoded, encode(value))


def error_answer(fault: Fault) -> Answer:
    """Return the answer of the fault `status`."""
    body = fault.body
    if body is None:
        message = f"Injected by the emulator: {HTTPStatus(fault.status).phrase}."
        name = _RPC_NAMES.get(fault.status, "UNKNOWN")
        body = {"error": {"code": fault.status, "message": message, "status": name}}
    headers = dict(fault.headers)
    if fault.retry_after is not None:
        headers["retry-after"] = str(fault.retry_after)
    return json_answer(fault.status, body, headers)


def altered(fault: Fault, answer: Answer, query: str) -> Answer:
    """Return an answer as a fault changes it; kinds that change none return it unchanged."""
    if fault.kind == "truncate":
        return answer._replace(body=cut(answer.body, fault.fraction))
    if fault.kind == "body":
        return answer._replace(body=encode(fault.body))
    if fault.kind == "bomb":
        return bomb(answer, fault.size)
    if fault.kind == "wrong_types":
        return _changed(answer, lambda value: wrong_types(value, set(fault.fields)))
    if fault.kind == "repeat_token":
        token = parse_qs(query).get(fault.token_parameter, [""])[-1]
        return _changed(answer, lambda value: _with_token(value, fault.token_field, token, True))
    if fault.kind == "empty_page":
        name = fault.token_field
        return _changed(answer, lambda value: _with_token(value, name, EMPTY_PAGE_TOKEN, False))
    return answer


def bomb(answer: Answer, size: int) -> Answer:
    """Return an answer whose body is small on the wire, and blanks of this size to its reader."""
    kept = [pair for pair in answer.headers if pair[0].lower() != b"content-encoding"]
    return answer._replace(
        headers=[*kept, (b"content-encoding", b"gzip")], body=gzip.compress(b" " * size, 1)
    )


def cut(body: bytes, fraction: float) -> bytes:
    """Return the first part of a body, never all of it."""
    return body[: int(len(body) * fraction)]


def _changed(answer: Answer, change: Any) -> Answer:
    try:
        value = json.loads(answer.body)
    except ValueError:
        return answer
    return answer._replace(body=encode(change(value)))


def _with_token(value: Any, name: str, token: str, replace: bool) -> Any:
    if isinstance(value, dict) and token and (replace or not value.get(name)):
        return {**value, name: token}
    return value


def wrong_types(value: Any, fields: set[str]) -> Any:
    """Return JSON in which the leaves (or the values of `fields`) have another type."""
    if isinstance(value, list):
        return [wrong_types(item, fields) for item in value]
    if not isinstance(value, dict):
        return value if fields else _wrong(value)
    return {
        key: _wrong(item) if key in fields else wrong_types(item, fields)
        for key, item in value.items()
    }


def _wrong(value: Any) -> Any:
    return len(value) if isinstance(value, str) else json.dumps(value)
