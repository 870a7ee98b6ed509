"""An event's content: JSON as it came, or plain text made into it; and the text in it."""

from __future__ import annotations

import json
from typing import Any, Final

from sessions_vtab.errors import InvalidValueError
from sessions_vtab.spec.values import is_object

_encode: Final = json.JSONEncoder(ensure_ascii=False).encode

__all__ = ["read_content", "require_object"]


def read_content(value: str, author: str) -> tuple[str, str | None]:
    """The content as it is stored, and its text.

    Args:
        value: minified JSON of an object, otherwise plain text: one text part.
        author: of the event; decides the role of plain text.
    """
    if is_object(value):
        return value, _text_of(json.loads(value))
    role = "user" if author == "user" else "model"
    return f'{{"role":"{role}","parts":[{{"text":{_encode(value)}}}]}}', value


def require_object(value: str, where: str) -> str:
    """Minified JSON itself; raises InvalidValueError unless it is an object."""
    if not value.startswith("{"):
        raise InvalidValueError(
            f"{where} must be a JSON object, not {value!r:.60}. Nothing was written."
        )
    return value


def _text_of(content: Any) -> str | None:
    """Text parts that are no thoughts, joined as the SDK's ``.text`` does; else None."""
    parts = content.get("parts")
    if not isinstance(parts, list):
        return None
    texts = [
        part["text"]
        for part in parts
        if isinstance(part, dict) and isinstance(part.get("text"), str) and not part.get("thought")
    ]
    return "".join(texts) if texts else None
