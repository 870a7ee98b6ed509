"""The emulated Embedding Studio: improvement requests and batches."""

from __future__ import annotations

import pytest

from tests.emulator.apis import NOW, StudioApi, is_null, of_each_test

api = of_each_test(StudioApi)


# Irrelevance and improvement


def test_irrelevance_cannot_be_undone(api):
    api.register()
    for _ in range(2):
        assert is_null(api("POST", "session/irrelevant", json={"session_id": "s"}))
    assert api.session()["is_irrelevant"] is True
    api.register()
    assert api.session()["is_irrelevant"] is True


@pytest.mark.parametrize("path", ["session/irrelevant", "internal/session/use-for-improvement"])
def test_verbs_need_a_session(api, path):
    answer = api("POST", path, json={"session_id": "x"})
    assert answer.status_code == 404
    assert answer.json() == {"detail": "Session with id=x not found"}
    assert api("POST", path, json={}).status_code == 422


@pytest.mark.parametrize(
    ("events", "irrelevant", "queued"),
    [(False, False, False), (True, False, True), (False, True, True), (True, True, True)],
)
def test_queued_improvements_are_not_shown_by_any_route(api, events, irrelevant, queued):
    api.register()
    if events:
        api.push("e")
    if irrelevant:
        api("POST", "session/irrelevant", json={"session_id": "s"})
    for _ in range(2):
        assert is_null(api.improve())
    assert api.queued() == ["s", "s"] * queued


# Batches


def test_a_batch_begins_with_the_first_registration(api):
    answer = api.release()
    assert (answer.status_code, answer.json()) == (404, {"detail": "There is no collecting batch"})
    api.register()
    body = api.release().json()
    assert list(body) == ["release_id", "batch_id", "released_at"]
    assert (body["release_id"], body["released_at"]) == ("r", NOW)
    assert len(bytes.fromhex(body["batch_id"])) == 12
    assert api.release("r2").status_code == 404


def test_a_release_is_idempotent_by_its_id(api):
    api.register("a")
    first = api.release("r").json()
    api.pass_time(seconds=9)
    assert api.release("r").json() == first
    api.register("b")
    assert api.release("r").json() == first
    second = api.release("r2").json()
    assert second["batch_id"] != first["batch_id"]
    assert api.numbers(second["batch_id"]) == {"b": 1}


def test_a_repeated_registration_burns_a_number(api):
    for session_id in ("a", "a", "b", "a", "c"):
        api.register(session_id)
    assert api.numbers(api.release().json()["batch_id"]) == {"a": 1, "b": 3, "c": 5}


def test_a_repeated_registration_opens_an_empty_batch(api):
    api.register("a")
    first = api.release("r1").json()["batch_id"]
    api.register("a")
    answer = api.release("r2")
    assert answer.status_code == 200
    empty = answer.json()["batch_id"]
    assert api.batch(empty) == {"batch_id": empty, "last_number": None, "sessions": []}
    assert api.numbers(first) == {"a": 1}


@pytest.fixture
def batch(api):
    """Id of a released batch of 12 sessions, s1 to s12."""
    for n in range(12):
        api.register(f"s{n + 1}")
    return api.release().json()["batch_id"]


def test_a_batch_is_read_in_pages(api, batch):
    seen, after = [], 0
    while True:
        page = api.batch(batch, after_number=after, limit=5)
        assert page["batch_id"] == batch
        if not page["sessions"]:
            break
        seen += [session["session_number"] for session in page["sessions"]]
        after = page["last_number"]
        assert after == seen[-1]
    assert page["last_number"] is None
    assert seen == list(range(1, 13))


@pytest.mark.parametrize(
    ("params", "numbers"),
    [
        ({}, range(1, 11)),
        ({"limit": 0}, range(1, 13)),
        ({"limit": -1}, range(1, 2)),
        ({"limit": 100, "after_number": 10}, range(11, 13)),
        ({"after_number": -5, "limit": 2}, range(1, 3)),
    ],
    ids=str,
)
def test_limits_of_a_batch(api, batch, params, numbers):
    assert list(api.numbers(batch, **params).values()) == list(numbers)


def test_a_batch_session_is_a_session_with_its_number_last(api, batch):
    (found,) = api.batch(batch, limit=1)["sessions"]
    assert list(found)[-1] == "session_number"
    assert {**api.session("s1"), "session_number": 1} == found


def test_a_collecting_batch_can_be_read(api):
    api.register("a")
    (batch,) = api.service.dump()["batches"]
    assert api.numbers(batch["batch_id"]) == {"a": 1}


def test_an_unknown_batch_is_empty(api, batch):
    page = api.batch("none")
    assert page == {"batch_id": "none", "last_number": None, "sessions": []}


@pytest.mark.parametrize(
    ("params", "status"),
    [
        ({}, 422),
        ({"batch_id": "b", "limit": "x"}, 422),
        ({"batch_id": "b", "after_number": "1.5"}, 422),
        ({"batch_id": "b", "after_number": 2**63 - 1}, 200),
        ({"batch_id": "b", "after_number": 2**63}, 500),
    ],
    ids=str,
)
def test_parameters_of_a_batch(api, params, status):
    answer = api("GET", "internal/batch/sessions", params=params)
    assert answer.status_code == status
    if status == 422:
        assert answer.json()["detail"][0]["loc"][0] == "query"


def test_a_refused_registration_takes_no_number(api):
    api.register("a")
    api.register("b", created_at=0)
    api.register("c")
    assert api.numbers(api.release().json()["batch_id"]) == {"a": 1, "c": 2}
