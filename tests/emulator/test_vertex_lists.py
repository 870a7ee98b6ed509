"""Pages, tokens and orders of lists."""

from __future__ import annotations

import random

import pytest


def fill(api):
    """Make 250 sessions, `s-000` the oldest."""
    for number in range(250):
        api.create(f"s-{number:03d}", user="ann" if number % 2 else "bob")
    return api


@pytest.fixture(scope="module")
def many(server, client, timed):
    return fill(type(timed[0])(server, client, "9001"))


@pytest.mark.parametrize(
    ("query", "size"),
    [
        ({}, 100),
        ({"pageSize": 0}, 100),
        ({"pageSize": ""}, 100),
        ({"pageSize": 7}, 7),
        ({"page_size": 7}, 7),
        ({"pageSize": 100}, 100),
        ({"pageSize": 101}, 100),
        ({"pageSize": 10**6}, 100),
    ],
)
def test_page_sizes(many, query: dict, size: int) -> None:
    page = many.ok(many.call("GET", "/sessions", **query))
    assert len(page["sessions"]) == size
    assert many.ids(**query) == [f"s-{number:03d}" for number in reversed(range(250))]


@pytest.mark.parametrize("size", ["-1", "x", "1.5", str(2**31), "1e2"])
def test_page_sizes_that_are_400(api, size: str) -> None:
    response = api.call("GET", "/sessions", pageSize=size)
    assert (response.status_code, response.json()["error"]["status"]) == (400, "INVALID_ARGUMENT")


def test_an_empty_list_is_an_empty_object(api) -> None:
    response = api.call("GET", "/sessions")
    assert (response.status_code, response.content) == (200, b"{}")


@pytest.mark.parametrize("count", [1, 2, 3, 4, 5, 6])
def test_a_token_never_leads_to_an_empty_page(api, count: int) -> None:
    session = api.create()
    for number in range(count):
        api.append(session, author=str(number))
    # Two a page: with an even number the last full page must not carry a token.
    authors = [event["author"] for event in api.events(session, pageSize=2)]
    assert authors == [str(number) for number in range(count)]
    wanted = 'timestamp>="2026-01-01T00:00:00Z" OR timestamp<"1990-01-01T00:00:00Z"'
    assert len(api.events(session, pageSize=2, filter=wanted)) == count


def test_tokens_outlive_rows_that_come_and_go(api) -> None:
    many = fill(api)
    page = many.ok(many.call("GET", "/sessions", pageSize=50))
    token, seen = page["nextPageToken"], [many.last(item) for item in page["sessions"]]
    many.create("s-new")
    for gone in ("s-200", "s-249", "s-199", "s-150"):
        many.ok(many.call("DELETE", f"/sessions/{gone}"))
    while token:
        page = many.ok(many.call("GET", "/sessions", pageSize=50, pageToken=token))
        seen += [many.last(item) for item in page["sessions"]]
        token = page.get("nextPageToken")
    expected = {f"s-{number:03d}" for number in range(250)} - {"s-199", "s-150"}
    assert len(seen) == len(set(seen))
    assert set(seen) == expected


def test_a_changed_page_size_is_honoured(many) -> None:
    page = many.ok(many.call("GET", "/sessions", pageSize=2))
    page = many.ok(many.call("GET", "/sessions", pageSize=3, pageToken=page["nextPageToken"]))
    assert [many.last(item) for item in page["sessions"]] == ["s-247", "s-246", "s-245"]


@pytest.mark.parametrize(
    "changed",
    [
        {"filter": 'user_id="ann"'},
        {"orderBy": "create_time"},
        {"pageToken": "x"},
        {"pageToken": "e30="},
    ],
)
def test_other_parameters_must_stay(many, changed: dict) -> None:
    token = many.call("GET", "/sessions").json()["nextPageToken"]
    response = many.call("GET", "/sessions", **{"pageToken": token, **changed})
    assert (response.status_code, response.json()["error"]["status"]) == (400, "INVALID_ARGUMENT")


def test_a_token_is_good_for_its_list_only(many) -> None:
    token = many.call("GET", "/sessions").json()["nextPageToken"]
    other = f"{many.location}/reasoningEngines/{many.engine}1/sessions"
    assert many.client.get(other, params={"pageToken": token}).status_code == 400
    assert many.call("GET", "/sessions/s-000/events", pageToken=token).status_code == 400


def test_a_filtered_list_is_paged_too(many) -> None:
    expected = [f"s-{number:03d}" for number in reversed(range(250)) if number % 2]
    for text in ('user_id="ann"', 'user_id!="bob"', 'user_id="ann" OR user_id="x"'):
        assert many.ids(filter=text, pageSize=25) == expected


@pytest.fixture(scope="module")
def touched(timed):
    """Sessions a to e, some created at one time, updated in another order."""
    api, clock = timed
    for name, seconds in (("a", 1), ("b", 0), ("c", 1), ("d", 0), ("e", 1)):
        clock.advance(seconds=seconds)
        api.create(name)
    for name in "dab":
        clock.advance(seconds=1)
        api.append(name)
    return api


@pytest.mark.parametrize(
    ("order", "expected"),
    [
        ("", "edcba"),
        ("create_time desc", "edcba"),
        ("createTime", "abcde"),
        ("create_time", "abcde"),
        ("  create_time   desc  ", "edcba"),
        ("update_time", "cedab"),
        ("updateTime desc", "badec"),
        ("create_time,update_time desc", "badce"),
        ("create_time desc, update_time", "ecdab"),
        ("update_time desc,create_time", "badec"),
    ],
)
@pytest.mark.parametrize("size", [1, 2, 100])
def test_orders_of_sessions(touched, order: str, expected: str, size: int) -> None:
    query = {"orderBy": order} if order else {}
    assert "".join(touched.ids(pageSize=size, **query)) == expected
    assert "".join(touched.ids(pageSize=size, filter='user_id="ann"', **query)) == expected


@pytest.mark.parametrize(
    "order",
    [
        "name",
        "user_id",
        "create_time asc",
        "create_time DESC",
        "create_time,",
        "create_time desc desc",
        "create_time,create_time desc",
        "timestamp",
    ],
)
def test_orders_that_are_400(api, order: str) -> None:
    assert api.call("GET", "/sessions", orderBy=order).status_code == 400


@pytest.mark.parametrize("order", ["create_time", "timestamp asc", "author", "timestamp,timestamp"])
def test_orders_of_events_that_are_400(api, order: str) -> None:
    session = api.create()
    assert api.call("GET", f"/sessions/{session}/events", orderBy=order).status_code == 400


@pytest.mark.parametrize("size", [1, 3, 100])
def test_pages_of_events_in_both_directions_with_bounds(api, size: int) -> None:
    session = api.create()
    numbers = list(range(20))
    random.Random(1).shuffle(numbers)
    for number in numbers:
        api.append(session, f"2026-01-01T00:00:{number // 2:02d}Z", author=str(number // 2))
    window = 'timestamp>="2026-01-01T00:00:03Z" AND timestamp<"2026-01-01T00:00:07Z"'
    up = api.events(session, pageSize=size, filter=window)
    down = api.events(session, pageSize=size, filter=window, orderBy="timestamp desc")
    assert [event["author"] for event in up] == list("33445566")
    assert down == up[::-1]


def test_unknown_query_parameters_are_ignored(api) -> None:
    api.create("s-1")
    query = {
        "$alt": "json;enum-encoding=int",
        "prettyPrint": "true",
        "fields": "x",
        "nonsense": "1",
    }
    assert api.ids(**query) == ["s-1"]
