"""The kit's hostile rows in the emulator of Vertex, as far as the API can hold them."""

from __future__ import annotations

import json
from typing import Any

from sessions_vtab.emulator.control import Control
from sessions_vtab.testing import hostile

_SESSIONS = 41
_EXACT = 2**53


def engine_of(dump: Any) -> Any:
    return dump["vertex"]["engines"][0]


def fill(control: Control) -> None:
    """Puts them into the one engine that it has, in place of what it holds."""
    state = control.dump()["vertex"]
    engine = state["engines"][0]
    rows = {_id(str(row["session_id"])): row for row in hostile.session_rows()[:_SESSIONS]}
    engine["sessions"] = [_session(session_id, row) for session_id, row in rows.items()]
    engine["users"] = {one["user"]: {} for one in engine["sessions"]}
    by_session: dict[str, list[dict[str, Any]]] = {}
    for event in hostile.event_rows():
        by_session.setdefault(_id(str(event["session_id"])), []).append(_event(event))
    for one in engine["sessions"]:
        one["events"] = sorted(by_session.get(one["id"], []), key=lambda event: event["timestamp"])
    control.load({"vertex": state})


def _id(text: str) -> str:
    """A session id consists of lower-case letters, digits and hyphens."""
    return text.lower().replace("_", "-")


def _session(session_id: str, row: Any) -> dict[str, Any]:
    return {
        "id": session_id,
        "user": row["user_id"],
        "createTime": _time(row["create_time"]),
        "updateTime": _time(row["update_time"]),
        "expireTime": "9999-01-01T00:00:00Z",
        "displayName": row["display_name"] or "",
        "labels": json.loads(row["labels"] or "{}"),
        "state": _struct(row["state"]),
        "events": [],
    }


def _event(row: Any) -> dict[str, Any]:
    return {
        "id": row["event_id"],
        "author": row["author"],
        "invocationId": "e-1",
        "timestamp": _time(row["timestamp"]),
        "content": json.loads(row["content"] or "{}"),
        "actions": {},
        "eventMetadata": {},
    }


def _time(text: Any) -> str:
    return str(text).replace(" ", "T") + "Z"


def _struct(text: Any) -> Any:
    """Numbers of a Struct are doubles."""

    def number(digits: str) -> int | float:
        return int(digits) if abs(int(digits)) <= _EXACT else float(digits)

    return json.loads(text or "{}", parse_int=number)
