from __future__ import annotations

import json
import os

import pytest

from sessions_vtab import connect
from sessions_vtab.contract.predicate import Compare, Field, Op
from sessions_vtab.errors import InvalidValueError, NotFoundError


def search(local, session_id, **values):
    return local.create(session_id, search_query="shoes", search_results="[]", **values)


def test_search_sessions_are_numbered_within_the_batch_that_collects(local):
    rows = [search(local, one) for one in ("a", "b", "c")]
    assert [row["session_number"] for row in rows] == [1, 2, 3]
    assert len({row["batch_id"] for row in rows}) == 1


def test_only_search_sessions_join_a_batch(local):
    row = local.create()
    assert (row["batch_id"], row["session_number"]) == (None, None)


def test_release_begins_a_new_batch_with_the_next_session(local):
    first = search(local, "a")
    (released,) = local.call("release_batch", "r1")
    assert released["batch_id"] == first["batch_id"]
    assert released["release_time"].startswith("2026-01-01 09:00:00")
    second = search(local, "b")
    assert second["session_number"] == 1
    assert second["batch_id"] != first["batch_id"]


def test_the_same_release_id_returns_the_same_result(local):
    search(local, "a")
    first = local.call("release_batch", "r1")
    search(local, "b")
    assert local.call("release_batch", "r1") == first
    assert local.call("release_batch", "r2") != first


def test_release_without_a_collecting_batch_is_an_error(local):
    with pytest.raises(NotFoundError, match="no batch is collecting"):
        local.call("release_batch", "r1")
    search(local, "a")
    local.call("release_batch", "r1")
    with pytest.raises(NotFoundError, match="no batch is collecting"):
        local.call("release_batch", "r2")


def test_the_sessions_of_a_batch_in_order_with_their_events(local):
    for one in ("b", "a"):
        batch = search(local, one)["batch_id"]
        for number in range(3):
            local.append(one, content=f"{one}{number}", timestamp=f"2026-01-01 00:00:0{9 - number}")
    rows = local.call("batch_sessions", batch)
    assert [(row["session_id"], row["session_number"]) for row in rows] == [("b", 1), ("a", 2)]
    assert rows[0]["search_query"] == "shoes"
    events = json.loads(rows[1]["events"])
    assert [one["text"] for one in events] == ["a2", "a1", "a0"]
    assert events[0]["content"] == {"role": "user", "parts": [{"text": "a2"}]}
    by_column = local.values(
        "sessions", "session_id", Compare(Field("batch_id"), Op.EQ, batch), order="session_number"
    )
    assert by_column == ["b", "a"]


@pytest.mark.parametrize(("after", "ids"), [(0, ["s1", "s2", "s3"]), (2, ["s3"]), (3, [])])
def test_paging_uses_the_session_number(local, after, ids):
    for one in ("s1", "s2", "s3"):
        batch = search(local, one)["batch_id"]
    assert [row["session_id"] for row in local.call("batch_sessions", batch, after)] == ids


@pytest.mark.parametrize(("limit", "count"), [(None, 100), (0, 120), (2, 2)])
def test_events_are_limited(local, limit, count):
    batch = search(local, "a")["batch_id"]
    local.begin()
    for _ in range(120):
        local.append("a")
    local.commit()
    (row,) = local.call("batch_sessions", batch, 0, limit)
    assert len(json.loads(row["events"])) == count


@pytest.mark.parametrize(("arguments", "name"), [("0, -1", "events_limit"), ("-1", "after_number")])
def test_a_negative_number_is_refused(arguments, name):
    with (
        connect(sources={"s": "local://:memory:"}, config=os.devnull) as db,
        pytest.raises(InvalidValueError, match=f"{name} must be an integer, at least 0, not -1"),
    ):
        db.execute(f"SELECT * FROM batch_sessions('b', {arguments})").fetchall()


def test_an_unknown_batch_is_empty(local):
    assert local.call("batch_sessions", "nope") == []


def test_a_session_with_events_is_scheduled_once(local):
    search(local, "a")
    local.append("a")
    for _ in range(2):
        (row,) = local.call("use_session_for_improvement", "a")
        assert (row["session_id"], row["scheduled"], row["reason"]) == ("a", 1, None)
    assert local.sql("SELECT session_id, status FROM sessions_for_improvement") == [
        ("a", "pending")
    ]


@pytest.mark.parametrize(
    ("values", "events", "scheduled", "reason"),
    [
        ({}, 0, 0, "the session has no events"),
        ({"is_payload_search": 1}, 1, 0, "a search by payload only is not suitable for training"),
        ({"is_irrelevant": 1}, 0, 1, None),
        ({"is_irrelevant": 1, "is_payload_search": 1}, 1, 0, "a search by payload only"),
    ],
)
def test_a_session_that_is_not_scheduled_has_a_reason(local, values, events, scheduled, reason):
    search(local, "a", **values)
    for _ in range(events):
        local.append("a")
    (row,) = local.call("use_session_for_improvement", "a")
    assert row["scheduled"] == scheduled
    assert (row["reason"] or "").startswith(reason or "")
    assert (row["reason"] is None) == (reason is None)
    assert len(local.sql("SELECT * FROM sessions_for_improvement")) == scheduled


def test_mark_irrelevant(local):
    search(local, "a")
    for _ in range(2):
        (row,) = local.call("mark_session_irrelevant", "a")
        assert (row["session_id"], row["is_irrelevant"]) == ("a", 1)
    assert local.one("sessions")["is_irrelevant"] == 1
