"""``live_events`` keeps the events that ADK keeps, also after rewinds of rewinds."""

from __future__ import annotations

import random
from typing import NamedTuple

import apsw
import pytest

from sessions_vtab.contract.agent_views import VIEWS
from sessions_vtab.contract.model import Column, ColumnType

HISTORIES = 600


class Event(NamedTuple):
    invocation_id: str
    rewind_before: str | None


def kept(events: list[Event]) -> list[int]:
    """What google-adk 2.13.0 keeps (``_apply_rewinds`` in events/_rewind_events.py).

    From the end: a rewind skips back to before the first event of its invocation, if that is
    earlier; it is itself never kept.
    """
    live: list[int] = []
    place = len(events) - 1
    while place >= 0:
        target = events[place].rewind_before
        if target is None:
            live.append(place)
        else:
            ids = [event.invocation_id for event in events[:place]]
            if target in ids:
                place = ids.index(target)
        place -= 1
    return live[::-1]


def history(chance: random.Random) -> list[Event]:
    events, turn = [], 0
    for _ in range(chance.randint(1, 25)):
        turn += chance.random() < 0.4
        target = f"e{chance.randint(0, turn + 1)}" if chance.random() < 0.2 else None
        events.append(Event(f"e{turn}", target))
    return events


@pytest.mark.parametrize("numbered", [True, False], ids=["by sequence", "by time alone"])
def test_random_histories(numbered: bool) -> None:
    chance = random.Random(3)
    histories = [history(chance) for _ in range(HISTORIES)]
    database = apsw.Connection(":memory:")
    database.execute(
        "CREATE TABLE sessions(name PRIMARY KEY, session_id);"
        "CREATE TABLE events(session_name, session_id, timestamp, sequence, invocation_id,"
        " rewind_before); CREATE INDEX by_session ON events(session_name)"
    )
    (view,) = (one for one in VIEWS if one.name == "live_events")
    names = ("session_name", "timestamp", "sequence")
    columns = tuple(Column(name, ColumnType.TEXT, "") for name in names)
    database.execute(view._replace(columns=columns).create("main"))
    for number, events in enumerate(histories):
        name = f"s{number}"
        database.execute("INSERT INTO sessions VALUES (?1, ?1)", (name,))
        for place, event in enumerate(events):
            # Numbers decide where times are equal.
            second = place // 3 if numbered else place
            sequence = place if numbered else None
            time = f"2026-01-01 00:00:{second:02d}.000000"
            row = (name, name, time, sequence, *event)
            database.execute("INSERT INTO events VALUES (?, ?, ?, ?, ?, ?)", row)

    found: dict[str, list[int]] = {f"s{number}": [] for number in range(HISTORIES)}
    for name, time, sequence in database.execute(
        "SELECT session_name, timestamp, sequence FROM live_events ORDER BY timestamp, sequence"
    ):
        found[str(name)].append(int(str(time)[17:19]) if sequence is None else int(str(sequence)))

    assert sum(any(event.rewind_before for event in events) for events in histories) > 400
    assert list(found.values()) == [kept(events) for events in histories]
