"""Many lists side by side, and one list from both ends: every row once."""

from __future__ import annotations

import threading
from contextlib import closing

import httpx
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from sessions_vtab.fetch import (
    Client,
    Endpoint,
    Reader,
    TokenPages,
)
from tests.fetch.conftest import LIST, Service, lists, settle
from tests.waiting import once


def test_a_fan_out_runs_side_by_side_up_to_the_source_s_concurrency(client_for, context):
    service = Service(3)
    service.open.clear()
    client = client_for(service, real_time=True, concurrency=8)
    with once(lambda: service.in_flight == 8, service.open.set):
        responses = list(Reader(client, context).fan_out(lists(40), TokenPages()))
    assert len(responses) == 40
    assert service.most == 8
    assert service.total == 40


def test_a_fan_out_gives_every_row_of_every_list_once(client_for, context):
    client = client_for(Service(10, delay=0.001), real_time=True, concurrency=4)
    responses = Reader(client, context).fan_out(lists(9), TokenPages())
    rows = [(row["at"], row["n"]) for response in responses for row in response.items()]
    assert rows == [(f"/l{at}", n) for at in range(9) for n in range(10)]


def test_a_fan_out_with_a_limit_starts_with_one_list_and_doubles(client_for, context):
    service = Service(1)
    client = client_for(service, real_time=True)
    with closing(
        Reader(client, context).fan_out(iter(lists(40)), TokenPages(), limit=1)
    ) as responses:
        next(responses)
        assert settle(client, service) == 1
        next(responses)
        assert settle(client, service) <= 3


def test_a_fan_out_holds_no_more_than_its_window(client_for, context):
    service = Service(1)
    client = client_for(service, real_time=True, concurrency=4)
    with closing(Reader(client, context).fan_out(lists(100), TokenPages())) as responses:
        next(responses)
        assert settle(client, service) <= 5


def test_responses_of_independent_requests_come_in_order(client_for, context):
    client = client_for(Service(1, delay=0.002), real_time=True)
    paths = [response.call.path for response in Reader(client, context).gather(lists(30))]
    assert paths == [f"/l{n}" for n in range(30)]


def both(reader, first=LIST):
    return reader.both_ends(
        first.with_query(orderBy="n"),
        first.with_query(orderBy="n desc"),
        TokenPages(),
        position=lambda row, _: row["n"],
        identity=lambda row: row["n"],
    )


@pytest.mark.parametrize("count", [0, 1, 2, 5, 6, 7, 8, 9, 20, 21, 60])
def test_a_list_read_from_both_ends_has_every_row_once(client_for, context, count):
    service = Service(count)
    rows = [row["n"] for _, items in both(Reader(client_for(service), context)) for row in items]
    assert sorted(rows) == list(range(count))
    pages = -(-count // 2) or 1
    assert service.total <= (pages if pages <= 3 else pages + 2)


def test_both_ends_are_read_at_the_same_time(client_for, context):
    """The first page from the far end, and that of the near one which is requested with it."""
    service, together, waited = Service(60), threading.Barrier(2, timeout=30), []

    def handle(request):
        query = request.url.params
        if (query["orderBy"], query.get("pageToken")) in {("n desc", None), ("n", "6")}:
            waited.append(together.wait())
        return service(request)

    list(both(Reader(client_for(handle, real_time=True), context)))
    assert sorted(waited) == [0, 1]


@settings(
    max_examples=150, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture]
)
@given(data=st.data())
def test_both_ends_lose_and_double_nothing_with_ties_and_rows_added_meanwhile(make_context, data):
    """Ties come in any order from either end; new rows are newer than all others."""
    keys = sorted(data.draw(st.lists(st.integers(0, 6), max_size=30)))
    rows = [{"n": key, "id": f"{index}"} for index, key in enumerate(keys)]
    size = data.draw(st.integers(1, 4))
    added = data.draw(st.lists(st.integers(0, 40), max_size=5))
    shuffles = {
        side: data.draw(st.permutations(range(len(rows) + len(added)))) for side in ("up", "down")
    }
    asked = 0

    def handle(request):
        nonlocal asked
        asked += 1
        now = rows + [{"n": 7, "id": f"+{i}"} for i, at in enumerate(sorted(added)) if at < asked]
        down = request.url.params["orderBy"] == "n desc"
        rank = dict(zip(range(len(now)), shuffles["down" if down else "up"], strict=False))
        order = sorted(
            range(len(now)), key=lambda i: (-now[i]["n"] if down else now[i]["n"], rank[i])
        )
        listed = [now[index] for index in order]
        token = request.url.params.get("pageToken")
        if token:
            at = next(i for i, row in enumerate(listed) if row["id"] == token) + 1
            listed = listed[at:]
        body = {"rows": listed[:size]}
        if len(listed) > size:
            body["nextPageToken"] = listed[size - 1]["id"]
        return httpx.Response(200, json=body)

    context = make_context()
    client = Client(Endpoint("prod", "http://127.0.0.1:9"), transport=httpx.MockTransport(handle))
    with closing(client):
        found = [
            row["id"]
            for _, items in Reader(client, context).both_ends(
                LIST.with_query(orderBy="n"),
                LIST.with_query(orderBy="n desc"),
                TokenPages(),
                position=lambda row, _: row["n"],
                identity=lambda row: row["id"],
            )
            for row in items
        ]
    assert len(found) == len(set(found))
    assert {row["id"] for row in rows} <= set(found)
