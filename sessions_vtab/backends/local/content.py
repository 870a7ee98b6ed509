"""An event's content: JSON as it came, or plain text made into it; and the text in it."""

from __future__ import annotations

import json
from typing import Any, Final

from sessions_vtab.errors import InvalidValueError

_encode: Final = json.JSONEncoder(ensure_ascii=False).encode

__all__ = ["read_content", "require_object"]


def read_content(value: str, author: str, where: str) -> tuple[str, str | None]:
    """The content as it is stored, and its text.

    Args:
        value: a JSON object if it starts with ``{``, otherwise plain text: one text part.
        author: of the event; decides the role of plain text.
        where: ``source.table.column``, for errors.

    Raises:
        InvalidValueError: it starts with ``{`` and is not JSON.
    """
    if value.startswith("{"):
        try:
            return value, _text_of(json.loads(value))
        except ValueError as error:
            raise InvalidValueError(
                f"{where} must be JSON or plain text; {value!r:.60} starts with '{{' but is"
                f" not valid JSON ({error}). Nothing was written."
            ) from None
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
    """Text parts that are not thoughts, joined as the SDK's ``.text`` does; else None."""
    parts = content.get("parts")
    if not isinstance(parts, list):
        return None
    texts = [
        part["text"]
        for part in parts
        if isinstance(part, dict) and isinstance(part.get("text"), str) and not part.get("thought")
    ]
    return "".join(texts) if texts else None
