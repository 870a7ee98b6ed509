"""Page sizes and page tokens (Vertex contract, section 5; AIP-158).

A token names the last row that was read, not an offset: rows may come and go without a row being
skipped or repeated. It is handed out only if a row follows. Its text is standard base64, so
that a client has to encode the `=` at its end.
"""

from __future__ import annotations

import base64
import hashlib
import json
from typing import TYPE_CHECKING

from sessions_vtab.emulator.vertex.errors import invalid
from sessions_vtab.emulator.vertex.rows import Position

if TYPE_CHECKING:
    from collections.abc import Mapping

MAX_PAGE = 100
_INT32 = 2**31


def parameter(query: Mapping[str, str], name: str, proto_name: str) -> str:
    """Return a query parameter under either spelling, `""` if absent."""
    return query.get(name) or query.get(proto_name) or ""


def page_size(query: Mapping[str, str]) -> int:
    """Return the page size: 100 if unset, 0 or more than 100.

    Raises:
        ApiError: 400 INVALID_ARGUMENT: it is negative or no int32.
    """
    text = parameter(query, "pageSize", "page_size")
    try:
        size = int(text or 0)
    except ValueError:
        size = _INT32
    if size >= _INT32 or size < -_INT32:
        problem = f"Invalid value at 'page_size' (TYPE_INT32), \"{text}\""
        raise invalid(problem, [("page_size", problem)])
    if size < 0:
        raise invalid("Page size must not be negative.", [("page_size", "Must not be negative.")])
    return min(size or MAX_PAGE, MAX_PAGE)


def page_token(query: Mapping[str, str]) -> str:
    """Return the page token, `""` for a first page."""
    return parameter(query, "pageToken", "page_token")


def encode(position: Position, parameters: tuple[str, ...]) -> str:
    """Return a token for the page behind a position, good for these parameters only."""
    text = json.dumps([_digest(parameters), position.key, position.number])
    return base64.b64encode(text.encode()).decode()


def decode(token: str, parameters: tuple[str, ...]) -> Position | None:
    """Return the position that a token names, None for no token.

    Raises:
        ApiError: 400 INVALID_ARGUMENT: it is not a page token, or it belongs to another list.
    """
    if not token:
        return None
    try:
        digest, key, number = json.loads(base64.b64decode(token, validate=True))
        position = Position(_key(key), int(number))
    except (ValueError, TypeError) as error:
        raise invalid("The page token is invalid.") from error
    if digest != _digest(parameters):
        raise invalid("The page token does not match the other parameters of the request.")
    return position


def _key(value: object) -> int | tuple[int, ...]:
    return tuple(map(int, value)) if isinstance(value, list) else int(str(value))


def _digest(parameters: tuple[str, ...]) -> str:
    return hashlib.blake2b(repr(parameters).encode(), digest_size=9).hexdigest()
