"""Files that google-adk wrote, and what its own ``get_session`` and ``list_sessions`` say of them.

``NAME.db`` is named after the version, the service and the time zone of the writer;
``NAME.own.json`` has the answers of the same version. ``expected`` turns such an answer into rows,
by the contract of Vertex AI's events and without code of the backend.
"""

from __future__ import annotations

import base64
import json
import re
import shutil
from collections.abc import Mapping
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

DATA = Path(__file__).parents[2] / "data" / "adk"
NAMES = sorted(path.stem for path in DATA.glob("*.db"))
ZONES = {"ny": "America/New_York", "utc": "UTC"}

_RENAMED = {"transfer_to_agent": "transferAgent"}
_METADATA = (
    "partial",
    "turn_complete",
    "interrupted",
    "branch",
    "custom_metadata",
    "long_running_tool_ids",
    "grounding_metadata",
)
_FREE = {"args", "response", "state_delta", "custom_metadata", "artifact_delta"}


@dataclass(frozen=True)
class Written:
    """One file.

    Attributes:
        name: the file's, without its ending.
        path: where it is.
        zone: time zone of the writer.
        own: the answers of ADK, by ``app|user|session``.
    """

    name: str
    path: Path
    zone: str
    own: Mapping[str, Any]

    @property
    def url(self) -> str:
        """The source."""
        return f"adk=adk://{self.path}?timezone={self.zone}"


def written(name: str, folder: Path, data: Path = DATA) -> Written:
    """A copy of a file."""
    path = Path(shutil.copy(data / f"{name}.db", folder))
    own = json.loads((data / f"{name}.own.json").read_text("utf-8"))
    for key, session in own.items():
        session["events"] = [one for one in session["events"] if _is_in(one["id"], key)]
    return Written(name, path, ZONES.get(name.rpartition("_")[2], "UTC"), own)


def _is_in(event_id: str, key: str) -> bool:
    """Whether an event was appended to a session; the writer put three initials into its id.

    ``get_session`` of 0.5.0 also returns the events of other users and apps whose session has the
    same id.
    """
    return event_id.startswith(("tie-", "".join(one[0] for one in key.split("|"))))


def session_name(key: str) -> str:
    """The resource name of a session whose answer has this key."""
    app, user, session = (one.replace("%", "%25").replace("/", "%2F") for one in key.split("|"))
    return f"apps/{app}/users/{user}/sessions/{session}"


def utc(epoch: float) -> str:
    """Epoch seconds as a time column has them."""
    return datetime.fromtimestamp(epoch, UTC).strftime("%Y-%m-%d %H:%M:%S.%f")


def expected(event: Mapping[str, Any]) -> dict[str, Any]:
    """The columns of an event as ADK answered it; JSON columns as values."""
    content = _camel(event.get("content")) or None
    parts = (content or {}).get("parts", ())
    texts = [one["text"] for one in parts if "text" in one and not one.get("thought")]
    metadata = {one: event.get(one) for one in _METADATA if event.get(one) not in (None, [])}
    actions = {
        key: value
        for key, value in event.get("actions", {}).items()
        if value not in (None, {}, False, "")
    }
    return {
        "event_id": event["id"],
        "timestamp": utc(event["timestamp"]),
        "author": event["author"],
        "content": content,
        "text": "".join(texts) if texts else None,
        "invocation_id": event["invocation_id"],
        "actions": _camel(actions) or None,
        "error_code": event.get("error_code"),
        "error_message": event.get("error_message"),
        "event_metadata": _camel(metadata) or None,
        "raw_event": compared(event),
        **_facts(event),
    }


def _facts(event: Mapping[str, Any]) -> dict[str, Any]:
    """What the event says about itself, by the fields of ADK's own model."""
    actions = event.get("actions", {})
    usage = event.get("usage_metadata") or {}

    def tokens(*names: str) -> int | None:
        counts = [usage.get(f"{name}_token_count") for name in names]
        return sum(one or 0 for one in counts) if any(one is not None for one in counts) else None

    return {
        "branch": event.get("branch"),
        "partial": 1 if event.get("partial") else None,
        "transfer_to": actions.get("transfer_to_agent"),
        "escalate": 1 if actions.get("escalate") else None,
        "long_running_tool_ids": event.get("long_running_tool_ids") or None,
        "model_version": event.get("model_version"),
        "finish_reason": event.get("finish_reason"),
        "input_tokens": tokens("prompt", "tool_use_prompt"),
        "output_tokens": tokens("candidates", "thoughts"),
        "cached_tokens": tokens("cached_content"),
        "reasoning_tokens": tokens("thoughts"),
        "total_tokens": tokens("total"),
        "rewind_before": actions.get("rewind_before_invocation_id"),
        "compaction": _camel(actions.get("compaction")),
    }


def compared(value: Any, key: str = "") -> Any:
    """JSON without fields that are null or [], and bytes of a picture in one alphabet."""
    if isinstance(value, dict):
        if key in _FREE:
            return value
        kept = {name: compared(one, name) for name, one in value.items()}
        return {name: one for name, one in kept.items() if one is not None and one != []}
    if isinstance(value, list):
        return [compared(one) for one in value]
    return base64.urlsafe_b64decode(_urlsafe(value)) if key == "data" else value


def _urlsafe(text: str) -> str:
    return text.replace("+", "-").replace("/", "_")


def _camel(value: Any, free: bool = False) -> Any:
    """JSON with the API's names of fields."""
    if isinstance(value, list):
        return [_camel(one) for one in value]
    if not isinstance(value, dict):
        return value
    return {
        _RENAMED.get(key) or re.sub("_([a-z])", lambda match: match[1].upper(), key): one
        if key in _FREE
        else _camel(one)
        for key, one in value.items()
    }
