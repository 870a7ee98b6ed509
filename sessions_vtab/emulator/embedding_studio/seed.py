"""The deterministic data set of a seed: a released batch and a collecting one."""

from __future__ import annotations

import random
from typing import TYPE_CHECKING

from sessions_vtab.emulator.embedding_studio.models import (
    PushedEvent,
    PushEvents,
    RegisterSession,
    SearchResult,
)

if TYPE_CHECKING:
    from sessions_vtab.emulator.embedding_studio.clickstream import Clickstream

SESSIONS, RELEASED = 40, 25
HOURS_BACK = 10
MANY_EVENTS = 120
"""Events of one session: more than its route shows."""

WORDS = ("red", "blue", "cotton", "wool", "shirt", "coat", "boots", "scarf")


def fill(clickstream: Clickstream, seed: int) -> None:
    """Add sessions of the last hours with their clicks; the first ones in a released batch."""
    source = random.Random(f"embedding-studio-data:{seed}")
    start = clickstream.now() - HOURS_BACK * 3600
    for number in range(SESSIONS):
        at = start + number * HOURS_BACK * 3600 // SESSIONS
        clickstream.register(_session(source, number, at))
        events = _events(source, number, at)
        if events:
            clickstream.push(PushEvents(session_id=_name(number), events=events))
        if number + 1 == RELEASED:
            clickstream.release(f"seed-{seed}")
    clickstream.find(_name(1)).is_irrelevant = True


def _name(number: int) -> str:
    return f"seed-{number:02}"


def _session(source: random.Random, number: int, at: int) -> RegisterSession:
    found = [
        SearchResult(object_id=f"object-{n}", rank=round(source.random(), 3)) for n in range(5)
    ]
    return RegisterSession(
        session_id=_name(number),
        search_query=" ".join(source.sample(WORDS, k=2)),
        search_results=found,
        user_id=source.choice((None, "ann", "bob")),
        created_at=at,
    )


def _events(source: random.Random, number: int, at: int) -> list[PushedEvent]:
    count = MANY_EVENTS if number == 0 else source.randint(0, 4)
    return [
        PushedEvent(event_id=f"event-{n}", object_id=f"object-{n % 5}", created_at=at + n)
        for n in range(count)
    ]
