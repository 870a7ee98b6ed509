"""An event's content, ``{role, parts}``: the text in it, and its parts as columns.

The form is Google's ``Content`` (https://ai.google.dev/api/caching#Content), which Vertex AI and
the Agent Development Kit share.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping
from functools import lru_cache
from typing import Any, Final

from sessions_vtab.contract.predicate import Value
from sessions_vtab.contract.values import dump_json

__all__ = ["camel", "in_api_names", "part_columns", "parts_of", "text_of"]

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
_OWN_KEYS: Final = frozenset(("args", "response", "partMetadata"))
"""Fields of a part that hold what the agent's tools made: their keys are left as they are."""


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
        said = data if isinstance(data, str) else None
        return {"kind": kind, "text": said, "thought": 1 if part.get("thought") is True else None}
    if not isinstance(data, dict):
        return {"kind": kind}
    return {"kind": kind, **_READERS[kind](data)}


def _text(value: Any) -> str | None:
    return value if isinstance(value, str) and value else None


def _json(value: Any) -> str | None:
    return None if value is None else dump_json(value)


def _call(data: Mapping[str, Any]) -> dict[str, Value]:
    """A call or a response; the API leaves out what a part does not have."""
    return {
        "function_name": _text(data.get("name")),
        "call_id": _text(data.get("id")),
        "args": _json(data.get("args")),
        "response": _json(data.get("response")),
    }


def _file(data: Mapping[str, Any]) -> dict[str, Value]:
    encoded = data.get("data")
    return {
        "mime_type": _text(data.get("mimeType")),
        "file_uri": _text(data.get("fileUri")),
        # Base64 and base64url alike: 4 characters are 3 bytes, without the padding.
        "size": len(encoded.rstrip("=")) * 3 // 4 if isinstance(encoded, str) else None,
    }


_READERS: Final[Mapping[str, Callable[[Mapping[str, Any]], dict[str, Value]]]] = {
    "functionCall": _call,
    "functionResponse": _call,
    "inlineData": _file,
    "fileData": _file,
    "executableCode": lambda data: {"args": _json(data)},
    "codeExecutionResult": lambda data: {"response": _json(data)},
}


def in_api_names(value: Any) -> Any:
    """A model of the API with the API's names of fields, and without those that are null.

    Args:
        value: JSON in either spelling: ADK for Python also writes ``function_call``.
    """
    if isinstance(value, dict):
        named = ((camel(key), one) for key, one in value.items() if one is not None)
        return {key: one if key in _OWN_KEYS else in_api_names(one) for key, one in named}
    return [in_api_names(one) for one in value] if isinstance(value, list) else value


@lru_cache(1_000)
def camel(key: str) -> str:
    """A field's name as the API spells it."""
    head, *rest = key.split("_")
    return head + "".join(map(str.capitalize, rest))
