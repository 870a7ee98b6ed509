# /// script
# requires-python = ">=3.11"
# dependencies = ["google-adk[db]", "aiosqlite"]
# ///
"""Write a session file with google-adk, and what its own `get_session` says of it.

The files beside this script were written by it, with the versions in their names, in the time
zones America/New_York (`ny`) and UTC. To write one, in any throwaway environment:

    python -m venv adk-env
    adk-env/bin/pip install "google-adk[db]==2.13.0" aiosqlite
    TZ=UTC adk-env/bin/python tests/data/adk/write.py sqlite tests/data/adk/2.13.0_sqlite_utc

The first argument is the service: `sqlite` (SqliteSessionService) or `db` (DatabaseSessionService).
The second one is the path without its ending: `.db` and `.own.json` are made. Every row goes through
`create_session` and `append_event`. What a version does not know of an event is left out of it.

    app   user                session  events
    shop  alice               full     a refund: calls, thoughts, a picture, code, transfer, rewind
    shop  alice               ooo      out of the order of time
    shop  bob@example.com/x   full     as alice's, with the same session id
    shop  carol               ties     three events of one time
    shop  carol               empty    none
    bank  alice               full     as in the shop
"""

from __future__ import annotations

import asyncio
import inspect
import json
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any

from google.adk.events import Event, EventActions
from google.genai import types

START = 1767603600.0  # 2026-01-05T09:00:00Z
PICTURE = b"\x89PNG\r\n\xff\xfe" * 50
SESSIONS: tuple[tuple[str, str, str, dict[str, Any]], ...] = (
    (
        *("shop", "alice", "full"),
        {
            "step": 0,
            "big": 2**70,
            "f": 0.1 + 0.2,
            "n": None,
            "uni": "\u0436\u0434\U0001f600",
            "app:cur": "EUR",
            "user:tier": "gold",
            "temp:x": 1,
        },
    ),
    ("bank", "alice", "full", {"app:cur": "USD", "user:tier": "none"}),
    ("shop", "bob@example.com/x", "full", {}),
    ("shop", "alice", "ooo", {}),
    ("shop", "carol", "empty", {}),
    ("shop", "carol", "ties", {}),
)


def service(kind: str, path: Path) -> Any:
    if kind == "sqlite":
        from google.adk.sessions.sqlite_session_service import SqliteSessionService  # noqa: PLC0415

        return SqliteSessionService(str(path))
    from google.adk.sessions import DatabaseSessionService  # noqa: PLC0415

    module = sys.modules[DatabaseSessionService.__module__]
    driver = "+aiosqlite" if "create_async_engine" in inspect.getsource(module) else ""
    return DatabaseSessionService(db_url=f"sqlite{driver}:///{path}")


async def done(value: Any) -> Any:
    """The value; services of older versions are not asynchronous."""
    return await value if inspect.isawaitable(value) else value


def said(role: str, *parts: Any) -> types.Content:
    made = [types.Part(text=one) if isinstance(one, str) else one for one in parts]
    return types.Content(role=role, parts=made)


def call(call_id: str, name: str, **args: Any) -> types.Part:
    return types.Part(function_call=types.FunctionCall(id=call_id, name=name, args=args))


def answer(call_id: str, name: str, **response: Any) -> types.Part:
    made = types.FunctionResponse(id=call_id, name=name, response=response)
    return types.Part(function_response=made)


def usage(**counts: int) -> types.GenerateContentResponseUsageMetadata:
    named = {f"{name}_token_count": count for name, count in counts.items()}
    return types.GenerateContentResponseUsageMetadata(**named)


def refund() -> Iterator[tuple[float, str, dict[str, Any]]]:
    """Events: seconds after the start, author, fields."""
    yield 1.25, "user", {"content": said("user", "Refund my order, please.")}
    yield 1.5, "desk", {"partial": True, "content": said("model", "I w")}
    looks = call("c1", "lookup", order=17, deep={"a": [1, None, True]})
    yield (
        2.718281,
        "desk",
        {
            "content": said("model", "Let me look.", looks, call("c2", "approve")),
            "long_running_tool_ids": {"c2"},
            "model_version": "gemini-2.5-flash",
            "finish_reason": types.FinishReason.STOP,
            "usage_metadata": usage(
                prompt=120, candidates=9, thoughts=30, total=159, cached_content=100
            ),
        },
    )
    yield (
        3.0,
        "desk",
        {
            "content": said("user", answer("c1", "lookup", result={"total": 18.5})),
            "actions": {
                "state_delta": {
                    "step": 1,
                    "gone": None,
                    "temp:t": 2,
                    "app:cur": "USD",
                    "user:tier": "vip",
                },
                "artifact_delta": {"inv.pdf": 0},
            },
        },
    )
    yield (
        3.1,
        "desk",
        {
            "content": said("model", types.Part(text="thinking", thought=True), "Total 18.50."),
            "grounding_metadata": types.GroundingMetadata(web_search_queries=["refund policy"]),
            "custom_metadata": {"k": "v"},
            "usage_metadata": usage(prompt=200, candidates=12, total=212),
        },
    )
    picture = types.Part(inline_data=types.Blob(mime_type="image/png", data=PICTURE))
    paper = types.FileData(file_uri="gs://b/x.pdf", mime_type="application/pdf")
    content = said("user", "photo", picture, types.Part(file_data=paper))
    yield 4.0, "user", {"invocation_id": "e-2", "content": content}
    code = types.Part(executable_code=types.ExecutableCode(language="PYTHON", code="1+1"))
    result = types.CodeExecutionResult(outcome="OUTCOME_OK", output="2")
    content = said("model", code, types.Part(code_execution_result=result))
    yield 4.5, "desk", {"invocation_id": "e-2", "content": content}
    content = said("model", call("c3", "transfer_to_agent", agent_name="refunds"))
    yield 5.0, "desk", {"invocation_id": "e-2", "content": content}
    yield (
        5.1,
        "desk",
        {
            "invocation_id": "e-2",
            "content": said("user", answer("c3", "transfer_to_agent", result=None)),
            "actions": {"transfer_to_agent": "refunds"},
        },
    )
    branch = {"invocation_id": "e-2", "branch": "desk.refunds"}
    yield 5.5, "refunds", {**branch, "content": said("model", call("c4", "lookup", order=18))}
    content = said("user", answer("c4", "lookup", error="timeout"))
    yield 5.9, "refunds", {**branch, "content": content}
    error = {"error_code": "RESOURCE_EXHAUSTED", "error_message": '429 quota "x"'}
    yield 6.0, "refunds", {**branch, **error}
    yield (
        7.0,
        "refunds",
        {
            **branch,
            "content": said("model", "A human takes over. \U0001f600"),
            "actions": {"escalate": True, "skip_summarization": True},
            "turn_complete": True,
        },
    )
    yield 8.0, "user", {"invocation_id": "e-3", "content": said("user", "never mind")}
    yield 8.5, "desk", {"invocation_id": "e-3", "content": said("model", "ok")}
    if "rewind_before_invocation_id" in EventActions.model_fields:
        actions = {"rewind_before_invocation_id": "e-3", "state_delta": {"step": 0}}
        yield 9.0, "user", {"invocation_id": "e-4", "actions": actions}
    if "compaction" in EventActions.model_fields:
        from google.adk.events.event_actions import EventCompaction  # noqa: PLC0415

        summary = EventCompaction(
            start_timestamp=START + 1.25,
            end_timestamp=START + 3.1,
            compacted_content=said("model", "summary"),
        )
        yield 10.0, "user", {"invocation_id": "e-5", "actions": {"compaction": summary}}


def events_of(session: str) -> Iterator[tuple[float, str, dict[str, Any]]]:
    match session:
        case "full":
            yield from refund()
        case "ooo":
            yield 100, "bot", {"actions": {"state_delta": {"step": "first"}}}
            yield 90, "bot", {"actions": {"state_delta": {"step": "second"}}}
        case "ties":
            yield 1, "user", {"content": said("user", "go")}
            for number, letter in enumerate("zyx"):
                content = said("model", str(number))
                yield 2, "bot", {"id": f"tie-{letter}", "content": content}


def event_of(event_id: str, seconds: float, author: str, fields: dict[str, Any]) -> Event:
    """An event with the fields that this version of ADK has."""
    known = {name: one for name, one in fields.items() if name in Event.model_fields}
    if "actions" in known:
        given = known["actions"].items()
        known["actions"] = EventActions(
            **{name: one for name, one in given if name in EventActions.model_fields}
        )
    given = {"id": event_id, "invocation_id": "e-1", **known}
    return Event(**given, timestamp=START + seconds, author=author)


async def write(services: Any) -> None:
    for app, user, session_id, state in SESSIONS:
        session = await done(
            services.create_session(
                app_name=app, user_id=user, session_id=session_id, state=dict(state)
            )
        )
        for number, (seconds, author, fields) in enumerate(events_of(session_id), 1):
            event_id = f"{app[0]}{user[0]}{session_id[0]}-{number:03d}"
            try:
                event = event_of(event_id, seconds, author, fields)
                await done(services.append_event(session, event))
            except Exception as error:  # noqa: BLE001  # Older versions refuse some.
                print("not stored:", event_id, repr(error)[:100], file=sys.stderr)


async def own(services: Any) -> dict[str, Any]:
    answers = {}
    for app, user, session_id, _ in sorted(SESSIONS, key=lambda one: one[:3]):
        found = await done(services.get_session(app_name=app, user_id=user, session_id=session_id))
        answers[f"{app}|{user}|{session_id}"] = {
            "state": found.state,
            "last_update_time": found.last_update_time,
            "events": [
                json.loads(one.model_dump_json(exclude_none=True, by_alias=False))
                for one in found.events
            ],
        }
    return answers


async def main(kind: str, path: str) -> dict[str, Any]:
    services = service(kind, Path(f"{path}.db"))
    await write(services)
    answers = await own(services)
    if hasattr(services, "close"):
        await done(services.close())
    return answers


answers = asyncio.run(main(*sys.argv[1:]))
Path(f"{sys.argv[2]}.own.json").write_text(json.dumps(answers, default=str), "utf-8")
