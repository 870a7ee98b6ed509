"""A shop's support agent on the emulator, seeded once; the server over it, and SDK clients."""

from __future__ import annotations

from collections.abc import Awaitable, Callable, Iterator
from contextlib import closing
from datetime import UTC, datetime
from typing import Any

import anyio
import pytest
from mcp import Client
from mcp_types import CallToolResult

from sessions_vtab import connect
from sessions_vtab.cli.arguments import parse
from sessions_vtab.emulator.serve import Running, running
from sessions_vtab.emulator.service import EmulatorSettings
from sessions_vtab.mcp import build
from sessions_vtab.mcp.statements import CallLimits

FAR = "2099-01-01T00:00:00Z"


def text(words: str) -> dict[str, Any]:
    return {"text": words}


def call(name: str, call_id: str, /, **args: Any) -> dict[str, Any]:
    return {"functionCall": {"id": call_id, "name": name, "args": args}}


def response(name: str, call_id: str, /, **body: Any) -> dict[str, Any]:
    return {"functionResponse": {"id": call_id, "name": name, "response": body}}


def event(time: str, author: str, *parts: dict[str, Any], turn: str, **fields: Any) -> dict:
    """An event at ``DD HH:MM:SS`` of November 2026."""
    role = "user" if author == "user" else "model"
    day, clock = time.split()
    return {
        "id": f"{day}{clock.replace(':', '')}",
        "timestamp": f"2026-11-{day}T{clock}Z",
        "author": author,
        "content": {"role": role, "parts": list(parts)},
        "invocationId": turn,
        "actions": {},
        "eventMetadata": {},
        **fields,
    }


def used(prompt: int, answer: int, model: str = "gemini-2.5-flash") -> dict[str, Any]:
    usage = {"promptTokenCount": prompt, "candidatesTokenCount": answer}
    return {"rawEvent": {"modelVersion": model, "usageMetadata": usage}}


def session(number: str, user: str, created: str, updated: str, **fields: Any) -> dict[str, Any]:
    """A session with the times ``DD HH:MM`` of November 2026."""
    times = [f"2026-11-{time.replace(' ', 'T')}:00Z" for time in (created, updated)]
    return {
        "id": number,
        "user": user,
        "createTime": times[0],
        "updateTime": times[1],
        "expireTime": FAR,
        "displayName": fields.get("title", ""),
        "labels": fields.get("labels", {}),
        "state": fields.get("state", {}),
        "events": fields.get("events", []),
    }


QUOTA = {"errorCode": "RESOURCE_EXHAUSTED", "errorMessage": "Quota exceeded."}
SAFETY = {"errorCode": "SAFETY", "errorMessage": "Blocked."}

SHOP = [
    session(
        "s1", "ann", "01 09:00", "01 09:02",
        title="Order 1001", labels={"env": "prod", "team": "billing"},
        state={"cart": {"items": 2, "total": 40.5}, "step": "paid"},
        events=[
            event("01 09:00:00", "user", text("Where is my order 1001?"), turn="t1"),
            event("01 09:00:02", "desk", call("lookup_order", "c1", number=1001), turn="t1",
                  **used(100, 10)),
            event("01 09:00:03", "desk", response("lookup_order", "c1", status="shipped"),
                  turn="t1"),
            event("01 09:00:05", "desk", text("It was shipped today."), turn="t1",
                  actions={"stateDelta": {"step": "answered"}}, **used(150, 20)),
            event("01 09:02:00", "user", text("Thank you!"), turn="t2"),
            event("01 09:02:01", "desk", text("You are welcome."), turn="t2",
                  actions={"stateDelta": {"step": "paid", "rating": 5}}, **used(160, 5)),
        ],
    ),
    session(
        "s2", "ann", "02 10:00", "02 10:05",
        title="Refund", labels={"env": "prod", "team": "refunds"}, state={"step": "asked"},
        events=[
            event("02 10:00:00", "user", text("I want a refund for order 1002."), turn="t3"),
            event("02 10:00:04", "desk", text("I hand you over."), turn="t3",
                  actions={"transferAgent": "refunds"}, **used(80, 8)),
            event("02 10:00:06", "refunds", call("pay_back", "c2", number=1002, amount=12), turn="t3",
                  **used(90, 9, "gemini-2.5-pro")),
            event("02 10:00:10", "refunds", response("pay_back", "c2", error="card expired"),
                  turn="t3"),
            event("02 10:05:00", "refunds", text("The card has expired."), turn="t3",
                  **used(95, 12, "gemini-2.5-pro")),
        ],
    ),
    session(
        "s3", "bob", "02 11:00", "02 11:00",
        labels={"env": "test"},
        events=[
            event("02 11:00:00", "user", text("Does order 1003 qualify for a refund?"), turn="t4"),
            event("02 11:00:01", "desk", turn="t4", **QUOTA),
        ],
    ),
    session(
        "s4", "bob", "02 12:00", "03 08:00",
        title="Shipping", labels={"env": "prod"},
        events=[
            event("02 12:00:00", "user", text("What does shipping to Oslo cost?"), turn="t5"),
            event("02 12:00:01", "desk", call("quote", "c3", to="Oslo"),
                  call("quote", "c4", to="Bergen"), turn="t5", **used(70, 14)),
            event("02 12:00:04", "desk", response("quote", "c3", price=9.5), turn="t5"),
            event("03 08:00:00", "user", text("And?"), turn="t6"),
            event("03 08:00:01", "desk", turn="t6", **QUOTA),
        ],
    ),
    session("s5", "bob", "03 09:00", "03 09:00", labels={"env": "prod"}),
    session(
        "s6", "carol", "03 10:00", "03 10:01",
        title="Insult",
        events=[
            event("03 10:00:00", "user", text("Say something rude."), turn="t7"),
            event("03 10:01:00", "desk", turn="t7", **SAFETY),
        ],
    ),
]  # fmt: skip


@pytest.fixture(scope="module")
def emulator() -> Iterator[Running]:
    settings = EmulatorSettings(clock=lambda: datetime(2026, 11, 3, 12, tzinfo=UTC))
    with running(settings) as started:
        with closing(connect(source_of(started))) as db:
            db.execute("SELECT count(*) FROM sessions").fetchall()  # The engine begins to exist.
        state = started.control.dump()
        state["vertex"]["engines"][0]["sessions"] = SHOP
        started.control.load(state)
        started.control.reset_log()
        yield started


def source_of(emulator: Running) -> str:
    return f"prod=vertex://demo/us-central1/42?base_url={emulator.url}"


@pytest.fixture(scope="module")
def source(emulator: Running) -> str:
    return source_of(emulator)


def flags(limits: CallLimits) -> list[str]:
    """The options that set limits, without those that are as usual."""
    given = {
        "--max-requests": (limits.max_requests, CallLimits().max_requests),
        "--max-rows": (limits.max_rows, CallLimits().max_rows),
        "--max-bytes": (limits.max_bytes, CallLimits().max_bytes),
        "--statement-timeout": (limits.timeout, CallLimits().timeout),
    }
    return [
        str(one) for name, (set_, usual) in given.items() if set_ != usual for one in (name, set_)
    ]


@pytest.fixture
def serve(source: str) -> Callable[..., Any]:
    """Runs an async function with an SDK client of a server in this process."""

    def run(
        work: Callable[[Client], Awaitable[Any]],
        *arguments: str,
        at: str = source,
        limits: CallLimits | None = None,
        **options: Any,
    ) -> Any:
        limited = () if limits is None else flags(limits)
        server = build(parse(["mcp", "--source", at, *limited, *arguments]))

        async def main() -> Any:
            async with Client(server, **options) as client:
                return await work(client)

        return anyio.run(main)

    return run


@pytest.fixture
def call_tool(serve: Callable[..., Any]) -> Callable[..., CallToolResult]:
    """Calls one tool of a server in this process."""

    def run(
        tool: str, options: dict[str, Any] | None = None, *given: str, **arguments: Any
    ) -> CallToolResult:
        return serve(lambda client: client.call_tool(tool, arguments), *given, **(options or {}))

    return run


@pytest.fixture
def sent(emulator: Running) -> Iterator[Callable[..., int]]:
    """The number of requests that reached the emulator in this test, of a method if given."""
    emulator.control.reset_log()
    yield lambda method=None: len(emulator.control.requests(method))
    emulator.control.clear_faults()
