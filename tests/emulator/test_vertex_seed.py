"""The seeded data set: its size, its variety, and that it is the same each time."""

from __future__ import annotations

from collections import Counter
from datetime import UTC, datetime, timedelta

import pytest

from sessions_vtab.emulator.service import EmulatorSettings
from sessions_vtab.emulator.vertex import Vertex


@pytest.fixture(scope="module")
def clock():
    moment = datetime(2026, 3, 1, tzinfo=UTC)
    return lambda: moment


@pytest.fixture(scope="module")
def engine(clock):
    (engine,) = Vertex(EmulatorSettings(seed=7, clock=clock)).dump()["engines"]
    return engine


def test_it_is_deterministic(clock) -> None:
    def made(seed):
        few = EmulatorSettings(seed=seed, sessions=120, events=2_000, clock=clock)
        return Vertex(few).dump()["engines"]

    assert made(7) == made(7)
    assert made(7) != made(8)


def test_its_size(engine) -> None:
    sessions = engine["sessions"]
    assert len(sessions) == 1200
    assert len({session["id"] for session in sessions}) == 1200
    assert sum(len(session["events"]) for session in sessions) == 20_000
    assert len({session["user"] for session in sessions}) == 30
    assert Counter(s["labels"]["env"] for s in sessions) == {"prod": 400, "dev": 400, "test": 400}


def test_its_times_lie_within_60_days_before_now(engine, clock) -> None:
    now, start = clock(), clock() - timedelta(days=60)
    for session in engine["sessions"]:
        created = datetime.fromisoformat(session["createTime"])
        updated = datetime.fromisoformat(session["updateTime"])
        assert start <= created <= updated <= now
        moments = [event["timestamp"] for event in session["events"]]
        assert moments == sorted(moments, key=lambda text: text.rstrip("Z").ljust(30, "0"))


def test_it_has_what_queries_look_for(engine) -> None:
    events = [event for session in engine["sessions"] for event in session["events"]]
    parts = [part for event in events for part in event["content"].get("parts", [])]
    kinds = Counter(next(iter(part)) for part in parts)
    assert all(kinds[kind] > 1000 for kind in ("text", "functionCall", "functionResponse"))
    assert {"user", "model", "root_agent"} <= {event["author"] for event in events}
    assert 100 < sum("errorCode" in event for event in events) < 1000
    assert any(len(session["events"]) > 200 for session in engine["sessions"])
    assert any("注文" in part.get("text", "") for part in parts)
    assert any(not session["displayName"] for session in engine["sessions"])


def test_a_smaller_set(clock) -> None:
    made = Vertex(EmulatorSettings(seed=1, clock=clock, sessions=10, events=50))
    assert made.summary() == "10 sessions, 50 events"
    made.reset(None)
    assert made.summary() == ""
    assert Vertex(EmulatorSettings(seed=1, clock=clock, sessions=0, events=0)).summary() == ""
