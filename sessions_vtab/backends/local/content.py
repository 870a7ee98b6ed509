"""An event's content, given as JSON or as plain text, and the text in it."""

from __future__ import annotations

import json
from typing import Final

from sessions_vtab.contract.content import text_of
from sessions_vtab.contract.values import is_object
from sessions_vtab.errors import InvalidValueError

_encode: Final = json.JSONEncoder(ensure_ascii=False).encode

__all__ = ["read_content", "require_object"]


def read_content(value: str, author: str) -> tuple[str, str | None]:
    """Returns the content as it is stored, and its text.

    Args:
        value: minified JSON of an object, or plain text, which is stored as one text part.
        author: author of the event, which determines the role of plain text.
    """
    if is_object(value):
        return value, text_of(json.loads(value))
    role = "user" if author == "user" else "model"
    return f'{{"role":"{role}","parts":[{{"text":{_encode(value)}}}]}}', value


def require_object(value: str, where: str) -> str:
    """Returns minified JSON text unchanged; raises InvalidValueError unless it is an object."""
    if not value.startswith("{"):
        raise InvalidValueError(
            f"{where} must be a JSON object, not {value!r:.60}. Nothing was written."
        )
    return value
