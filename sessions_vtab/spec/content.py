"""An event's content, ``{role, parts}``: the text in it, and its parts as columns.

The form is Google's ``Content`` (https://ai.google.dev/api/caching#Content), which Vertex AI and
the Agent Development Kit share.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import Any, Final

from sessions_vtab.spec.predicate import Value
from sessions_vtab.spec.values import dump_json

__all__ = ["part_columns", "parts_of", "text_of"]

_KINDS: Final = (
    "text",
    "functionCall",
    "functionResponse",
    "inlineData",
    "fileData",
    "executableCode",
    "codeExecutionResult",
)
"""Which of these a part has is its kind: exactly one of them."""


def text_of(content: Any) -> str | None:
    """The text parts of a content, without thoughts, joined; None if there are none."""
    texts = [
        part["text"]
        for part in parts_of(content)
        if isinstance(part.get("text"), str) and not part.get("thought")
    ]
    return "".join(texts) if texts else None


def parts_of(content: Any) -> Iterator[Mapping[str, Any]]:
    """The parts of a content that are objects; none if it has no list of parts."""
    parts = content.get("parts") if isinstance(content, dict) else None
    if isinstance(parts, list):
        yield from (part for part in parts if isinstance(part, dict))


def part_columns(part: Mapping[str, Any]) -> dict[str, Value]:
    """A part as columns of ``event_parts``: its kind, and what a part of that kind has."""
    kind = next((kind for kind in _KINDS if kind in part), None)
    if kind is None:
        return {}
    data = part[kind]
    if kind == "text":
        return {"kind": kind, "text": data if isinstance(data, str) else None}
    if not isinstance(data, dict):
        return {"kind": kind}
    return {
        "kind": kind,
        "function_name": _text(data.get("name")) if kind.startswith("function") else None,
        "call_id": _text(data.get("id")),
        "args": _json(data.get("args")),
        "response": _json(data.get("response")),
    }


def _text(value: Any) -> str | None:
    return value if isinstance(value, str) and value else None


def _json(value: Any) -> str | None:
    return None if value is None else dump_json(value)
