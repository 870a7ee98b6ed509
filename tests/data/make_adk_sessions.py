# /// script
# requires-python = ">=3.11"
# dependencies = ["google-adk==2.13.0", "aiosqlite==0.22.1"]
# ///
"""Write `adk_sessions.db`, a real session database of Google's Agent Development Kit.

The file beside this script was written by `SqliteSessionService` of google-adk 2.13.0 (the class
behind `adk web` and `adk run`, which keep sessions in an agent's `.adk/session.db`), with
google-genai 2.34.0, pydantic 2.14.3 and aiosqlite 0.22.1, on Python 3.11.7 with SQLite 3.40.1.
Every row went through `create_session` and `append_event`; only the closing VACUUM is ours.

The project itself does not need google-adk. To make the file again, in any throwaway environment:

    python -m venv adk-env
    adk-env/bin/pip install google-adk==2.13.0 aiosqlite==0.22.1
    adk-env/bin/python tests/data/make_adk_sessions.py

Session ids, event ids, invocation ids and event times are fixed here, and ADK's own clock
(`google.adk.platform.time`) supplies the creation times, so a second run with the same versions
writes the same bytes. Another SQLite changes the version number in the file's header.

What the file holds (the comment at each conversation says what it is for):

    app           user             session     events
    trip_planner  alice            chat-plain  4       plain text
    trip_planner  alice            trip-oslo   7       tool calls, two of them in parallel
    trip_planner  bob@example.com  shared-id   5       state changes
    trip_planner  carol            shared-id   3       an error; session and event ids as bob's
    trip_planner  carol            unicode     4       emoji, right-to-left, CJK, quotes, controls
    trip_planner  bob@example.com  no-events   0       a session never used
    support_desk  alice            chat-plain  5       another app; transfer, files, confirmation
"""

from __future__ import annotations

import asyncio
import contextlib
import itertools
import sqlite3
from pathlib import Path
from typing import Any

from google.adk.events.event import Event
from google.adk.events.event_actions import EventActions
from google.adk.platform import time as adk_time
from google.adk.sessions.sqlite_session_service import SqliteSessionService
from google.adk.tools.tool_confirmation import ToolConfirmation
from google.genai import types

TARGET = Path(__file__).with_name("adk_sessions.db")
START = 1767603600.0  # 2026-01-05T09:00:00Z
DAY = 86400.0


def text(role: str, *texts: str) -> types.Content:
    return types.Content(role=role, parts=[types.Part(text=item) for item in texts])


def calls(*items: tuple[str, str, dict[str, Any]]) -> types.Content:
    parts = [
        types.Part(function_call=types.FunctionCall(id=call_id, name=name, args=args))
        for call_id, name, args in items
    ]
    return types.Content(role="model", parts=parts)


def answers(*items: tuple[str, str, dict[str, Any]]) -> types.Content:
    parts = [
        types.Part(function_response=types.FunctionResponse(id=call_id, name=name, response=result))
        for call_id, name, result in items
    ]
    return types.Content(role="user", parts=parts)


class Conversation:
    """One session, with event ids counted from one prefix and times given as offsets."""

    def __init__(self, service: SqliteSessionService, prefix: str, start: float) -> None:
        self.service = service
        self.prefix = prefix
        self.start = start
        self.numbers = itertools.count(1)

    async def create(
        self, app_name: str, user_id: str, session_id: str, state: dict[str, Any] | None = None
    ) -> None:
        adk_time.set_time_provider(lambda: self.start)
        self.session = await self.service.create_session(
            app_name=app_name, user_id=user_id, session_id=session_id, state=state
        )

    async def add(self, offset: float, turn: int, author: str, **fields: Any) -> None:
        event = Event(
            id=f"{self.prefix}-0000-4000-8000-{next(self.numbers):012d}",
            invocation_id=f"e-{self.prefix}-0000-4000-9000-{turn:012d}",
            timestamp=self.start + offset,
            author=author,
            **fields,
        )
        await self.service.append_event(self.session, event)


async def plain_text(service: SqliteSessionService) -> None:
    talk = Conversation(service, "a1a1a1a1", START)
    await talk.create("trip_planner", "alice", "chat-plain")
    await talk.add(1.25, 1, "user", content=text("user", "Where should I go in May?"))
    await talk.add(
        2.718281,
        1,
        "planner",
        content=text("model", "Oslo is light until ten.", "Pack a raincoat."),
        model_version="gemini-2.5-flash",
        finish_reason=types.FinishReason.STOP,
        usage_metadata=types.GenerateContentResponseUsageMetadata(
            prompt_token_count=12, candidates_token_count=9, total_token_count=21
        ),
    )
    await talk.add(60.0, 2, "user", content=text("user", "Thanks!"))
    # A whole second: SQLite still stores a REAL.
    await talk.add(61.0, 2, "planner", content=text("model", "You're welcome."), turn_complete=True)


async def tool_calls(service: SqliteSessionService) -> None:
    talk = Conversation(service, "a2a2a2a2", START + DAY)
    await talk.create("trip_planner", "alice", "trip-oslo")
    await talk.add(0.5, 1, "user", content=text("user", "Find me a flight and the weather."))
    await talk.add(
        1.5,
        1,
        "planner",
        content=calls(
            (
                "adk-call-1",
                "search_flights",
                {
                    "origin": "LHR",
                    "destination": "OSL",
                    "dates": {"out": "2026-05-01", "back": "2026-05-08"},
                    "passengers": [{"type": "adult", "bags": 1}, {"type": "child", "bags": 0}],
                    "max_price": 249.99,
                    "direct_only": True,
                },
            ),
            ("adk-call-2", "get_weather", {"city": "Oslo", "days": 3, "units": None}),
        ),
    )
    # Two events at one time: ADK orders them by rowid. Bytes are base64 in the JSON.
    await talk.add(
        3.0,
        1,
        "planner",
        content=answers(
            (
                "adk-call-1",
                "search_flights",
                {
                    "status": "ok",
                    "result": {
                        "flights": [
                            {
                                "id": "SK806",
                                "price": {"amount": 189.5, "currency": "GBP"},
                                "legs": [{"from": "LHR", "to": "OSL", "minutes": 130}],
                            },
                            {
                                "id": "BA766",
                                "price": {"amount": 210, "currency": "GBP"},
                                "legs": [],
                            },
                        ],
                        "next_page": None,
                    },
                },
            ),
            ("adk-call-2", "get_weather", {"result": [11.5, 13, 9.25]}),
        ),
        actions=EventActions(state_delta={"last_tool": "search_flights"}),
    )
    await talk.add(
        3.0,
        1,
        "planner",
        content=types.Content(
            role="model",
            parts=[
                types.Part(text="Weighing price against time.", thought=True),
                types.Part(
                    text="SK806 at £189.50 is the best.", thought_signature=b"\x00\xfb\xff\xfe"
                ),
            ],
        ),
    )
    await talk.add(
        30.0,
        2,
        "user",
        content=types.Content(
            role="user",
            parts=[
                types.Part(text="Book it, here is my passport."),
                types.Part(
                    inline_data=types.Blob(mime_type="image/png", data=b"\x89PNG\r\n\x1a\n\xff\xfe")
                ),
            ],
        ),
    )
    await talk.add(
        31.125,
        2,
        "planner",
        content=calls(("adk-call-3", "book_flight", {"flight_id": "SK806"})),
        long_running_tool_ids={"adk-call-3"},
    )
    await talk.add(
        32.0,
        2,
        "planner",
        content=answers(("adk-call-3", "book_flight", {"status": "error", "code": 409})),
        actions=EventActions(skip_summarization=True),
    )


async def state_changes(service: SqliteSessionService) -> None:
    talk = Conversation(service, "b1b1b1b1", START + 2 * DAY)
    # Each prefix goes to its own table without it; `temp:` is not stored.
    await talk.create(
        "trip_planner",
        "bob@example.com",
        "shared-id",
        state={
            "step": 0,
            "cart": {"items": [], "note": 'say "hi"'},
            "app:currency": "GBP",
            "user:tier": "silver",
            "temp:nonce": "never stored",
        },
    )
    await talk.add(1.0, 1, "user", content=text("user", "Add two museum tickets."))
    await talk.add(
        2.0,
        1,
        "planner",
        content=text("model", "Added."),
        actions=EventActions(
            state_delta={
                "step": 1,
                "cart": {"items": [{"sku": "museum", "count": 2, "price": 17.5}], "note": None},
                "greeting": "Grüße, 世界 👋",
                "ratio": 0.1 + 0.2,
                "big": 2**53 + 1,
                "flag": False,
                "nothing": None,
                "dotted.key": 1,
                'quoted "key"': [True, None, "x"],
                "user:tier": "gold",
                "user:name": "Bob 🚲",
                "app:visits": 1,
                "temp:scratch": [1, 2, 3],
            }
        ),
    )
    # App and user state only: the session's own state stays as it was.
    await talk.add(
        3.0,
        1,
        "planner",
        actions=EventActions(state_delta={"app:visits": 2, "user:seen": ["museum"]}),
    )
    # Temporary state only: an event without content whose delta comes out empty.
    await talk.add(4.0, 1, "planner", actions=EventActions(state_delta={"temp:only": True}))
    await talk.add(
        5.5,
        2,
        "planner",
        content=text("model", "All set."),
        actions=EventActions(state_delta={"step": 2, "cart": {"items": []}}),
    )


async def error_with_shared_ids(service: SqliteSessionService) -> None:
    # The session id, the event ids and the invocation ids are those of bob's session.
    talk = Conversation(service, "b1b1b1b1", START + 3 * DAY)
    await talk.create("trip_planner", "carol", "shared-id", state={"step": 7})
    await talk.add(1.0, 1, "user", content=text("user", "Plan everything at once."))
    await talk.add(
        9.75,
        1,
        "planner",
        error_code="RESOURCE_EXHAUSTED",
        error_message='429 Quota exceeded for "gemini-2.5-flash": retry in 30 s.',
    )
    await talk.add(
        45.0,
        2,
        "planner",
        content=text("model", "Let me try ag"),
        error_code="MAX_TOKENS",
        finish_reason=types.FinishReason.MAX_TOKENS,
        interrupted=True,
        custom_metadata={"retry": {"attempt": 2}},
    )


async def unicode_text(service: SqliteSessionService) -> None:
    talk = Conversation(service, "c2c2c2c2", START + 4 * DAY)
    await talk.create(
        "trip_planner", "carol", "unicode", state={"naïve": "café", "user:city": "Zürich"}
    )
    await talk.add(
        1.0, 1, "user", content=text("user", "👩\u200d👩\u200d👧 \U0001f1f3\U0001f1f4 e\u0301 ≠ é")
    )
    await talk.add(2.0, 1, "planner", content=text("model", "שלום עולם — مرحبا بالعالم"))
    await talk.add(3.0, 2, "user", content=text("user", "東京と서울と北京、𠮷野家"))
    await talk.add(
        4.0,
        2,
        "planner",
        content=text("model", "It's \"quoted\", 'single', `tick`, back\\slash,\n\ttab; --%_ \x01"),
    )


async def never_used(service: SqliteSessionService) -> None:
    talk = Conversation(service, "b2b2b2b2", START + 5 * DAY + 0.123456)
    await talk.create("trip_planner", "bob@example.com", "no-events")


async def other_app(service: SqliteSessionService) -> None:
    # The user id and the session id are those of the first conversation.
    talk = Conversation(service, "d1d1d1d1", START + 6 * DAY)
    await talk.create("support_desk", "alice", "chat-plain", state={"app:open": True})
    await talk.add(1.0, 1, "user", content=text("user", "Refund my ticket, please."))
    await talk.add(
        2.0,
        1,
        "front_desk",
        content=calls(("adk-call-9", "transfer_to_agent", {"agent_name": "refunds"})),
    )
    await talk.add(
        2.5,
        1,
        "front_desk",
        content=answers(("adk-call-9", "transfer_to_agent", {"result": None})),
        actions=EventActions(transfer_to_agent="refunds"),
    )
    await talk.add(
        4.0,
        1,
        "refunds",
        branch="front_desk.refunds",
        content=text("model", "Refund 189.50?"),
        actions=EventActions(
            artifact_delta={"refund-form.pdf": 0},
            requested_tool_confirmations={
                "adk-call-10": ToolConfirmation(hint="Refund £189.50?", payload={"amount": 189.5})
            },
        ),
    )
    await talk.add(
        5.0,
        1,
        "refunds",
        branch="front_desk.refunds",
        content=text("model", "A human takes over."),
        actions=EventActions(escalate=True, state_delta={"status": "escalated"}),
    )


async def write(path: Path) -> None:
    service = SqliteSessionService(str(path))
    for conversation in (
        plain_text,
        tool_calls,
        state_changes,
        error_with_shared_ids,
        unicode_text,
        never_used,
        other_app,
    ):
        await conversation(service)
    await service.close()


def main() -> None:
    for suffix in ("", "-wal", "-shm", "-journal"):
        TARGET.with_name(TARGET.name + suffix).unlink(missing_ok=True)
    asyncio.run(write(TARGET))
    with contextlib.closing(sqlite3.connect(TARGET, isolation_level=None)) as database:
        database.execute("PRAGMA wal_checkpoint(TRUNCATE)")
        database.execute("PRAGMA journal_mode = DELETE")
        database.execute("VACUUM")


if __name__ == "__main__":
    main()
