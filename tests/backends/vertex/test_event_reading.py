"""Events: of one session, of many, of all; and the lists that are fetched ahead."""

from __future__ import annotations

import json
from contextlib import closing

import pytest

from sessions_vtab.contract import times
from sessions_vtab.contract.predicate import Op
from sessions_vtab.contract.scan import Order
from tests.backends.vertex.conftest import among, eq, time
from tests.clocks import delays_end_together


@pytest.fixture
def talk(vertex):
    """A session with 250 events a second apart."""
    vertex.insert("sessions", user_id="zoe", session_id="talk")
    start = times.require("2026-03-01 10:00:00", "")
    writes = [
        vertex.write(
            "events",
            "insert",
            session_id="talk",
            author="user" if n % 2 else "model",
            content=f"line {n}",
            timestamp=times.to_text(start + n * 1_000_000_000),
            returning=False,
        )
        for n in range(250)
    ]
    assert {outcome.state.value for outcome in vertex.send(*writes)} == {"sent"}
    vertex.control.reset_log()
    return vertex


def test_events_of_a_session_are_its_pages(talk):
    rows = talk.rows("events", "list", eq("session_id", "talk"))
    assert sorted(row.text for row in rows) == sorted(f"line {n}" for n in range(250))
    assert len(talk.requests()) == 3


def test_events_of_a_long_session_come_from_both_ends(talk):
    rows = talk.rows(
        "events", "list", eq("session_id", "talk"), columns=("name",), parameters={"page_size": 20}
    )
    assert len({row.name for row in rows}) == 250


def test_the_last_five_are_one_page_of_five(talk):
    order = (Order("timestamp", True),)
    with closing(
        talk.pages("events", "list", eq("session_id", "talk"), order=order, limit=5)
    ) as pages:
        rows = talk.as_objects("events", next(pages))
    assert [row.text for row in rows] == [f"line {n}" for n in range(249, 244, -1)]
    (request,) = talk.requests()
    assert request["query"] == {"pageSize": "5", "orderBy": "timestamp desc"}


def test_a_time_range_is_a_filter(talk):
    rows = talk.rows(
        "events",
        "list",
        eq("session_id", "talk"),
        time("timestamp", Op.GE, "2026-03-01T11:00:10+01:00"),
        time("timestamp", Op.LT, "2026-03-01 10:00:20"),
    )
    assert {f"line {n}" for n in range(10, 20)} <= {row.text for row in rows}
    assert len(rows) <= 11
    assert talk.filters() == [
        'timestamp>="2026-03-01T10:00:10Z" AND timestamp<="2026-03-01T10:00:20Z"'
    ]


def test_events_of_many_sessions_are_one_concurrent_list_per_session(
    vertex, everything, monkeypatch
):
    delays_end_together(monkeypatch, 9)
    vertex.control.delay(1)
    ids = [row.session_id for row in everything[:60]]
    scan = vertex.scan_of("events", "list", among("session_id", *ids, "missing"))
    # In the statement that has read these sessions.
    pages = list(vertex.backend.resources["events"].scan(scan, vertex.context))
    log = vertex.control.log()
    vertex.control.delay(0)
    rows = vertex.as_objects("events", [row for page in pages for row in page])
    assert {row.session_id for row in rows} <= set(ids)
    assert len({row.name for row in rows}) == len(rows) > 60
    assert len(log["requests"]) <= 61 + 4
    assert 8 < log["max_in_flight"] <= 16


def test_events_of_many_sessions_are_sorted_if_an_order_is_requested(vertex, everything):
    ids = [row.session_id for row in everything[:40]]
    rows = vertex.rows("events", "list", among("session_id", *ids), order=(Order("timestamp"),))
    stamps = [row.timestamp for row in rows]
    assert stamps == sorted(stamps)
    assert len({row.name for row in rows}) == len(rows) > 40
    assert len(vertex.requests()) <= 40 + 4


def test_events_of_all_sessions_fan_out(vertex, everything):
    rows = vertex.rows("events", "fan-out")
    assert len({row.name for row in rows}) == len(rows) == 3000
    lists = vertex.requests(contains="/events")
    assert len(lists) >= 320
    assert len(vertex.requests()) == len(lists) + 4
    assert len({entry["path"] + str(entry["query"]) for entry in lists}) == len(lists)


def test_a_few_events_of_any_session_are_read_from_the_newest_sessions(vertex, everything):
    with closing(vertex.pages("events", "fan-out", limit=3)) as pages:
        rows = vertex.as_objects("events", next(pages))
    newest = max(everything, key=lambda row: row.create_time)
    assert {row.session_name for row in rows} == {newest.name}
    assert len(vertex.requests()) <= 3


def test_a_session_that_vanishes_during_a_fan_out_has_no_rows(vertex, everything):
    gone = everything[3]
    vertex.control.fault(
        "status",
        path=f"sessions/{gone.session_id}/events",
        status=404,
        body={
            "error": {
                "code": 404,
                "status": "NOT_FOUND",
                "message": f"Session {gone.name} not found.",
            }
        },
        count=None,
    )
    rows = vertex.rows("events", "fan-out")
    assert gone.session_id not in {row.session_id for row in rows}
    assert len({row.session_id for row in rows}) > 200


def test_an_event_is_found_by_its_name(talk):
    wanted = talk.rows("events", "list", eq("session_id", "talk"))[5]
    (row,) = talk.rows("events", "list by name", eq("name", wanted.name))
    assert row == wanted


def test_parts_come_from_the_same_requests(vertex, everything):
    events = vertex.rows("events", "fan-out")
    asked = len(vertex.requests())
    vertex.control.reset_log()
    parts = vertex.rows("event_parts", "fan-out")
    assert len(vertex.requests()) == asked
    contents = [json.loads(row.content) for row in events if row.content]
    expected = [part for content in contents for part in content.get("parts", [])]
    assert len(parts) == len(expected)
    assert len({part.name for part in parts}) == len(parts)
    assert {part.kind for part in parts} >= {"text", "functionCall", "functionResponse"}
    call = next(part for part in parts if part.kind == "functionCall")
    assert call.function_name
    assert isinstance(json.loads(call.args), dict)


# Look-ahead


def test_prefetched_lists_are_not_requested_again(vertex, everything):
    ids = [row.session_id for row in everything[:16]]
    scans = [vertex.scan_of("events", "list", eq("session_id", one), limit=5) for one in ids]
    resource = vertex.backend.resources["events"]
    resource.prefetch(scans, vertex.context)
    for scan in scans:
        with closing(resource.scan(scan, vertex.context)) as pages:
            next(pages, None)
    assert len(vertex.requests()) == 16


def test_prefetch_leaves_an_invalid_scan_to_the_scan_itself(vertex):
    resource = vertex.backend.resources["events"]
    scan = vertex.scan_of("events", "list", eq("session_id", "x"), eq("location", "evil.example/"))
    resource.prefetch([scan], vertex.context)
    assert vertex.requests() == []
