"""Conversations as ADK's VertexAiSessionService sends them (google-adk 2.13.0).

Two users talk to the same agents: tools that fail, one that waits for a human, a handover, an
error, a chunk of a streamed answer, thoughts, files, code, and a turn that is taken back.
"""

from __future__ import annotations

import json
from typing import Any

from sessions_vtab import Connection

__all__ = ["CONVERSATIONS", "write"]

_DAY = "2026-01-05 09:00:0"


def _call(call_id: str, name: str, args: dict[str, Any]) -> dict[str, Any]:
    return {"functionCall": {"id": call_id, "name": name, "args": args}}


def _answer(call_id: str, name: str, response: dict[str, Any]) -> dict[str, Any]:
    return {"functionResponse": {"id": call_id, "name": name, "response": response}}


def _text(text: str, **more: Any) -> dict[str, Any]:
    return {"text": text, **more}


def _event(second: str, author: str, turn: str, *parts: Any, **more: Any) -> dict[str, Any]:
    """The columns of an event; what is in ``more`` is in both places, as ADK has it."""
    role = "user" if author == "user" or any("functionResponse" in part for part in parts) else None
    content = {"role": role or "model", "parts": list(parts)} if parts else None
    return {"timestamp": _DAY + second, "author": author, "invocation_id": turn} | {
        name: value if isinstance(value, str) else json.dumps(value)
        for name, value in {"content": content, **more}.items()
        if value is not None
    }


def _usage(prompt: int, answer: int, thoughts: int = 0, cached: int = 0) -> dict[str, Any]:
    """As ADK's custom metadata and raw event have it: snake_case and camelCase."""
    snake = {"prompt_token_count": prompt, "candidates_token_count": answer}
    camel = {"promptTokenCount": prompt, "candidatesTokenCount": answer}
    if thoughts:
        snake["thoughts_token_count"] = camel["thoughtsTokenCount"] = thoughts
    if cached:
        snake["cached_content_token_count"] = camel["cachedContentTokenCount"] = cached
    return {"snake": snake, "camel": camel}


def _answered(usage: dict[str, Any], *, waiting: list[str] | None = None) -> dict[str, Any]:
    metadata: dict[str, Any] = {"customMetadata": {"_usage_metadata": usage["snake"]}}
    raw = {"modelVersion": "gemini-2.5-flash", "finishReason": "STOP"}
    if waiting:
        metadata["longRunningToolIds"] = waiting
    return {
        "event_metadata": metadata,
        "raw_event": {**raw, "usageMetadata": usage["camel"]},
    }


_REFUNDS = {"event_metadata": {"branch": "desk.refunds"}}

_FULL = [
    _event("1.250000", "user", "e-1", _text("Refund my order, please.")),
    _event(
        "1.500000",
        "desk",
        "e-1",
        _text("Let"),
        event_metadata={
            "partial": True,
            "customMetadata": {"_usage_metadata": _usage(120, 1)["snake"]},
        },
    ),
    _event(
        "2.718281",
        "desk",
        "e-1",
        _text("Let me look."),
        _call("c1", "lookup", {"order": 17, "deep": {"a": [1, None, True]}}),
        _call("c2", "approve", {}),
        **_answered(_usage(120, 9, 30, 100), waiting=["c2"]),
    ),
    _event(
        "3.000000",
        "desk",
        "e-1",
        _answer("c1", "lookup", {"result": {"total": 18.5}}),
        actions={"stateDelta": {"step": 1}},
    ),
    _event(
        "3.100000",
        "desk",
        "e-1",
        _text("thinking", thought=True),
        _text("Total 18.50."),
        **_answered(_usage(200, 12)),
    ),
    _event(
        "4.000000",
        "user",
        "e-2",
        _text("photo"),
        {"inlineData": {"mimeType": "image/png", "data": "iVBORw0KGgo="}},
        {"fileData": {"mimeType": "application/pdf", "fileUri": "gs://b/x.pdf"}},
    ),
    _event(
        "4.500000",
        "desk",
        "e-2",
        {"executableCode": {"language": "PYTHON", "code": "1+1"}},
        {"codeExecutionResult": {"outcome": "OUTCOME_OK", "output": "2"}},
    ),
    _event("5.000000", "desk", "e-2", _call("c3", "transfer_to_agent", {"agent_name": "refunds"})),
    _event(
        "5.100000",
        "desk",
        "e-2",
        _answer("c3", "transfer_to_agent", {"result": None}),
        actions={"transferAgent": "refunds"},
    ),
    _event("5.500000", "refunds", "e-2", _call("c4", "lookup", {"order": 18}), **_REFUNDS),
    _event("5.900000", "refunds", "e-2", _answer("c4", "lookup", {"error": "timeout"}), **_REFUNDS),
    _event(
        "6.000000",
        "refunds",
        "e-2",
        error_code="RESOURCE_EXHAUSTED",
        error_message='429 quota "x"',
        **_REFUNDS,
    ),
    _event(
        "7.000000",
        "refunds",
        "e-2",
        _text("A human takes over. 😀"),
        actions={"escalate": True},
        **_REFUNDS,
    ),
    _event("8.000000", "user", "e-3", _text("never mind")),
    _event("8.500000", "desk", "e-3", _text("ok")),
    _event(
        "9.000000",
        "user",
        "e-4",
        actions={"stateDelta": {"step": 0}},
        raw_event={"actions": {"rewindBeforeInvocationId": "e-3", "stateDelta": {"step": 0}}},
    ),
]

CONVERSATIONS: dict[tuple[str, str], list[dict[str, Any]]] = {
    ("full", "alice"): _FULL,
    ("bobs", "bob@example.com"): _FULL,
    ("short", "alice"): [_event("2.000000", "user", "e-1", _text("go"))],
    ("empty", "carol"): [],
}
"""Events by id and user of the session."""


def write(connection: Connection) -> None:
    """Writes the conversations into the default source, as any program would."""
    for (session, user), events in CONVERSATIONS.items():
        connection.execute(
            "INSERT INTO sessions(session_id, user_id) VALUES (?, ?)", (session, user)
        )
        for event in events:
            columns = ", ".join(event)
            marks = ", ".join("?" * len(event))
            connection.execute(
                f"INSERT INTO events(session_id, {columns}) VALUES (?, {marks})",
                (session, *event.values()),
            )
