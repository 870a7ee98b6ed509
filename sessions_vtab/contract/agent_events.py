"""What an agent's event says about itself, whichever program wrote it.

ADK's versions for Python, Java, JavaScript and Go, and Vertex AI put the same facts into different
fields, some in camelCase and some in snake_case. One definition reads them all from the three
documents that every source of agent events has: actions, metadata, and the writer's own event.
The sums of tokens are those of ADK (``telemetry/_token_usage.py`` of google-adk 2.13.0).

An event's content, ``{role, parts}``, has Google's form (https://ai.google.dev/api/caching#Content),
which Vertex AI and the Agent Development Kit share: the text in it, and its parts as columns.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from functools import lru_cache
from types import MappingProxyType
from typing import Any, Final, NamedTuple, TypeAlias

from sessions_vtab.contract.predicate import Value
from sessions_vtab.contract.values import dump_json, well_formed


class Documents(NamedTuple):
    """The JSON values of an event that its facts are read from; None for one that is absent.

    Attributes:
        actions: such as a change of state, or a transfer to another agent.
        event_metadata: such as the branch and custom metadata.
        raw_event: the event in the format of the framework that wrote it.
    """

    actions: Any
    event_metadata: Any
    raw_event: Any


_Path: TypeAlias = tuple[int, tuple[tuple[str, str], ...]]
"""A document's place, and each key on the way in camelCase and in snake_case."""

_MAX_EXACT: Final = 2**53


def _path(text: str) -> _Path:
    document, *keys = text.split("/")
    snake = [re.sub("[A-Z]", lambda match: f"_{match[0].lower()}", key) for key in keys]
    return Documents._fields.index(document), tuple(zip(keys, snake, strict=True))


def _at(value: Any, keys: Sequence[tuple[str, str]]) -> Any:
    """What some keys of a JSON value lead to; None if one of them is missing."""
    for camel, snake in keys:
        if not isinstance(value, dict):
            return None
        inner = value.get(camel)
        value = value.get(snake) if inner is None and snake != camel else inner
    return value


def _first(*paths: str) -> Callable[[Documents], Any]:
    """The first value that says something: not null, false, zero or empty."""
    parsed = tuple(map(_path, paths))

    def first(documents: Documents) -> Any:
        for place, keys in parsed:
            document = documents[place]
            if document and (value := _at(document, keys)):
                return value
        return None

    return first


class Fact(NamedTuple):
    """Reads one column.

    Attributes:
        read: the value in an event's documents.
        documents: those that it looks at.
    """

    read: Callable[[Documents], Value]
    documents: frozenset[str]

    def __call__(self, documents: Documents) -> Value:
        """The value; None if the documents do not say."""
        return self.read(documents)


def _fact(read: Callable[[Documents], Value], paths: Iterable[str]) -> Fact:
    return Fact(read, frozenset(path.partition("/")[0] for path in paths))


def _text(*paths: str) -> Fact:
    find = _first(*paths)

    def read(documents: Documents) -> Value:
        value = find(documents)
        return well_formed(value) if isinstance(value, str) else None

    return _fact(read, paths)


def _flag(*paths: str) -> Fact:
    find = _first(*paths)
    return _fact(lambda documents: 1 if find(documents) is True else None, paths)


def _json(kind: type[Any], *paths: str) -> Fact:
    find = _first(*paths)

    def read(documents: Documents) -> Value:
        value = find(documents)
        if not isinstance(value, kind):
            return None
        try:
            return well_formed(dump_json(in_api_names(value)))
        except (ValueError, RecursionError):  # NaN, which is not JSON, or too deep.
            return None

    return _fact(read, paths)


_USAGE: Final = (
    "raw_event/usageMetadata",
    "event_metadata/customMetadata/_usage_metadata",
    "event_metadata/usageMetadata",
)
_usage: Final = _first(*_USAGE)


def _tokens(*fields: str) -> Fact:
    """The sum of counts; None if all of them are missing."""
    paths = tuple(_path(f"actions/{field}")[1] for field in fields)

    def read(documents: Documents) -> Value:
        usage = _usage(documents)
        if usage is None:
            return None
        counts = [_count(_at(usage, keys)) for keys in paths]
        present = [count for count in counts if count is not None]
        return sum(present) if present else None

    return _fact(read, _USAGE)


def _count(value: Any) -> int | None:
    """A whole number; a protobuf Struct, which Vertex AI keeps events in, has only floats."""
    if isinstance(value, bool) or not isinstance(value, int | float):
        return None
    return int(value) if abs(value) < _MAX_EXACT and value == int(value) else None


FACTS: Final[Mapping[str, Fact]] = MappingProxyType(
    {
        "branch": _text("event_metadata/branch", "raw_event/branch"),
        "partial": _flag("event_metadata/partial", "raw_event/partial"),
        "transfer_to": _text(
            "actions/transferAgent",
            "actions/transferToAgent",
            "raw_event/actions/transferToAgent",
        ),
        "escalate": _flag("actions/escalate", "raw_event/actions/escalate"),
        "long_running_tool_ids": _json(
            list, "event_metadata/longRunningToolIds", "raw_event/longRunningToolIds"
        ),
        "model_version": _text("raw_event/modelVersion"),
        "finish_reason": _text("raw_event/finishReason"),
        "input_tokens": _tokens("promptTokenCount", "toolUsePromptTokenCount"),
        "output_tokens": _tokens("candidatesTokenCount", "thoughtsTokenCount"),
        "cached_tokens": _tokens("cachedContentTokenCount"),
        "reasoning_tokens": _tokens("thoughtsTokenCount"),
        "total_tokens": _tokens("totalTokenCount"),
        "rewind_before": _text(
            "raw_event/actions/rewindBeforeInvocationId", "actions/rewindBeforeInvocationId"
        ),
        "compaction": _json(
            dict,
            "raw_event/actions/compaction",
            "actions/compaction",
            "event_metadata/customMetadata/_compaction",
        ),
    }
)
"""How each column of ``contract.tables.FACT_COLUMNS`` is read."""

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


def _filled(value: Any) -> str | None:
    return value if isinstance(value, str) and value else None


def _dumped(value: Any) -> str | None:
    return None if value is None else dump_json(value)


def _call(data: Mapping[str, Any]) -> dict[str, Value]:
    """A call or a response; the API leaves out what a part does not have."""
    return {
        "function_name": _filled(data.get("name")),
        "call_id": _filled(data.get("id")),
        "args": _dumped(data.get("args")),
        "response": _dumped(data.get("response")),
    }


def _file(data: Mapping[str, Any]) -> dict[str, Value]:
    encoded = data.get("data")
    return {
        "mime_type": _filled(data.get("mimeType")),
        "file_uri": _filled(data.get("fileUri")),
        # Base64 and base64url alike: 4 characters are 3 bytes, without the padding.
        "size": len(encoded.rstrip("=")) * 3 // 4 if isinstance(encoded, str) else None,
    }


_READERS: Final[Mapping[str, Callable[[Mapping[str, Any]], dict[str, Value]]]] = {
    "functionCall": _call,
    "functionResponse": _call,
    "inlineData": _file,
    "fileData": _file,
    "executableCode": lambda data: {"args": _dumped(data)},
    "codeExecutionResult": lambda data: {"response": _dumped(data)},
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
