"""How a statement reads: streaming, ahead, side by side, from both ends, never twice."""

from __future__ import annotations

import threading
import time
from collections import Counter
from contextlib import closing
from dataclasses import replace

import httpx
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from sessions_vtab.errors import ProtocolError, TransientError, UnavailableError
from sessions_vtab.fetch import (
    AfterPages,
    Bearer,
    Client,
    Endpoint,
    NumberedPages,
    Reader,
    RequestSpec,
    Secret,
    StopAfter,
    TokenPages,
    run_job,
)

LIST = RequestSpec("GET", "/list", (("pageSize", 2),), items="rows", listing=True)


class Service:
    """Lists of numbers, cut into pages; counts what it is asked."""

    def __init__(self, count=10, delay=0.0):
        self.asked = Counter()
        self.order = []
        self.count = count
        self.delay = delay
        self.flying = self.most = 0
        self.lock = threading.Lock()

    def __call__(self, request):
        with self.lock:
            self.asked[str(request.url)] += 1
            self.order.append(request.url.path)
            self.flying += 1
            self.most = max(self.most, self.flying)
        time.sleep(self.delay)
        with self.lock:
            self.flying -= 1
        query = request.url.params
        numbers = list(range(self.count))
        if query.get("orderBy") == "n desc":
            numbers.reverse()
        at, size = int(query.get("pageToken", 0)), int(query.get("pageSize", 100))
        body = {"rows": [{"n": n, "at": request.url.path} for n in numbers[at : at + size]]}
        if at + size < self.count:
            body["nextPageToken"] = str(at + size)
        return httpx.Response(200, json=body)

    @property
    def total(self):
        return sum(self.asked.values())


@pytest.fixture
def service():
    return Service()


@pytest.fixture
def reader(client_for, context, service):
    return Reader(client_for(service, real_time=True), context)


def numbers(replies):
    return [row["n"] for reply in replies for row in reply.items()]


def settle(service, total, seconds=2.0):
    """Waits until the service was asked so often, and a little for one time too many."""
    until = time.monotonic() + seconds
    while service.total < total and time.monotonic() < until:
        time.sleep(0.005)
    time.sleep(0.03)
    return service.total


def test_pages_follow_each_other_and_each_is_requested_once(reader, service):
    assert numbers(reader.pages(LIST, TokenPages())) == list(range(10))
    assert service.total == 5


def test_the_next_page_is_requested_while_one_is_read(reader, service):
    with closing(reader.pages(LIST, TokenPages())) as pages:
        next(pages)
        assert settle(service, 2) == 2


def test_no_page_is_requested_ahead_once_the_limit_is_there(reader, service):
    with closing(reader.pages(LIST, TokenPages(), limit=2)) as pages:
        next(pages)
        assert settle(service, 2, 0.05) == 1


def test_a_limit_is_only_a_hint(reader):
    assert numbers(reader.pages(LIST, TokenPages(), limit=2)) == list(range(10))


def test_nothing_is_sent_before_the_first_page_is_wanted(reader, service):
    reader.pages(LIST, TokenPages())
    assert settle(service, 1, 0.05) == 0


def test_later_pages_can_be_larger_than_the_first(reader, service):
    assert numbers(reader.pages(LIST, TokenPages(full=100))) == list(range(10))
    assert service.total == 2


def test_the_same_url_is_requested_once_in_a_statement(client_for, context, make_context, service):
    client = client_for(service)
    for _ in range(3):
        numbers(Reader(client, context).pages(LIST, TokenPages()))
    assert service.total == 5
    numbers(Reader(client, make_context()).pages(LIST, TokenPages()))
    assert service.total == 10


def test_one_request_under_way_serves_two_readers(client_for, context, service):
    service.delay = 0.05
    client = client_for(service, real_time=True)
    first, second = Reader(client, context), Reader(client, context)
    flights = [first.start(LIST), second.start(LIST)]
    first.release(flights[0])
    assert second.finish(flights[1]).items()
    assert service.total == 1


def test_cache_ttl_reuses_responses_until_it_expires_or_something_is_written(
    client_for, make_context, clock, service
):
    client = client_for(service, cache_ttl=10.0)

    def ask():
        Reader(client, make_context()).get(LIST)
        return service.total

    assert [ask(), ask()] == [1, 1]
    clock.time += 11
    assert [ask(), ask()] == [2, 2]
    run_job(client, make_context(), lambda line: line.send(RequestSpec("POST", "/list", json={})))
    assert ask() == 4


def test_cache_ttl_counts_from_the_request_however_often_the_answer_is_read(
    client_for, make_context, clock, service
):
    client = client_for(service, cache_ttl=10.0)
    totals = []
    for _ in range(4):
        Reader(client, make_context()).get(LIST)
        totals.append(service.total)
        clock.time += 6
    assert totals == [1, 1, 2, 2]


def test_cache_ttl_is_kept_apart_by_credential(client_for, make_context, service, monkeypatch):
    auth = Bearer(Secret(variable="THE_KEY"))
    client = client_for(service, cache_ttl=10.0, auth=auth)
    monkeypatch.setenv("THE_KEY", "one")
    Reader(client, make_context()).get(LIST)
    monkeypatch.setenv("THE_KEY", "two")
    auth.refresh(auth.headers())
    Reader(client, make_context()).get(LIST)
    assert service.total == 2


def test_an_error_is_not_remembered(client_for, context):
    left = [404, 200]
    client = client_for(lambda _: httpx.Response(left.pop(0), json={}))
    with pytest.raises(Exception, match="404"):
        Reader(client, context).get(LIST)
    assert Reader(client, context).get(LIST).status == 200


def test_a_page_token_that_leads_back_is_a_loop(client_for, context):
    pages = {"": "a", "a": "b", "b": "a"}

    def handle(request):
        token = request.url.params.get("pageToken", "")
        return httpx.Response(200, json={"rows": [{"n": 1}], "nextPageToken": pages[token]})

    with pytest.raises(ProtocolError, match=r"^prod[.]sessions: the pages of GET .* form a loop"):
        numbers(Reader(client_for(handle), context).pages(LIST, TokenPages()))


SPARSE = replace(LIST, beside=frozenset(("nextPageToken",)))
"""A list whose pages lack the field of the rows where there are none."""


def test_a_token_that_leads_to_an_empty_page_ends_the_list(client_for, context):
    def handle(request):
        token = request.url.params.get("pageToken")
        body = {} if token else {"rows": [{"n": 1}], "nextPageToken": "x"}
        return httpx.Response(200, json=body)

    assert numbers(Reader(client_for(handle), context).pages(SPARSE, TokenPages())) == [1]


def test_the_pages_after_an_empty_page_with_a_token_are_read(client_for, context):
    bodies = [{"nextPageToken": "x"}, {"rows": [], "nextPageToken": "y"}, {"rows": [{"n": 1}]}]
    client = client_for(lambda _: httpx.Response(200, json=bodies.pop(0)))
    assert numbers(Reader(client, context).pages(SPARSE, TokenPages())) == [1]


@pytest.mark.parametrize("token", [5, ["x"], "a\nb", "x" * 5000])
def test_an_invalid_page_token_is_not_sent(client_for, context, token):
    body = {"rows": [], "nextPageToken": token}
    client = client_for(lambda _: httpx.Response(200, json=body))
    with pytest.raises(ProtocolError, match="nextPageToken is not a valid page token"):
        numbers(Reader(client, context).pages(LIST, TokenPages()))


def test_numbered_pages_end_where_the_response_says_so(client_for, context):
    def handle(request):
        page = int(request.url.params.get("page_number", 1))
        return httpx.Response(200, json={"rows": [{"n": page}], "has_more": page < 3})

    assert numbers(Reader(client_for(handle), context).pages(LIST, NumberedPages())) == [1, 2, 3]


def test_pages_by_last_row_end_with_a_short_page(client_for, context):
    def handle(request):
        after = int(request.url.params.get("after", 0))
        rows = [{"n": n} for n in range(after + 1, min(after + 3, 6))]
        return httpx.Response(200, json={"rows": rows})

    call = LIST.with_query(limit=2, after=0)
    pages = AfterPages("after", "n")
    assert numbers(Reader(client_for(handle), context).pages(call, pages)) == [1, 2, 3, 4, 5]


@pytest.mark.parametrize("last", [True, None, 1.5, [1]])
def test_pages_cannot_begin_after_a_value_that_is_not_a_key(client_for, context, last):
    body = {"rows": [{"n": 1}, {"n": last}]}
    client = client_for(lambda _: httpx.Response(200, json=body))
    pages = AfterPages("after", "n")
    with pytest.raises(ProtocolError, match="the last row has no usable field n"):
        numbers(Reader(client, context).pages(LIST.with_query(limit=2), pages))


def test_a_sorted_list_stops_after_its_range(reader, service):
    stop = StopAfter(TokenPages(), lambda row, _: row["n"] > 2)
    assert numbers(reader.pages(LIST, stop)) == [0, 1, 2, 3]
    assert service.total == 2


def lists(count):
    return [
        RequestSpec("GET", f"/l{n}", (("pageSize", 4),), items="rows", listing=True)
        for n in range(count)
    ]


def test_a_fan_out_runs_side_by_side_up_to_the_source_s_concurrency(client_for, context):
    service = Service(3, delay=0.02)
    client = client_for(service, real_time=True, concurrency=8)
    replies = list(Reader(client, context).fan_out(lists(40), TokenPages()))
    assert len(replies) == 40
    assert service.most == 8
    assert service.total == 40


def test_a_fan_out_gives_every_row_of_every_list_once(client_for, context):
    client = client_for(Service(10, delay=0.001), real_time=True, concurrency=4)
    replies = Reader(client, context).fan_out(lists(9), TokenPages())
    rows = [(row["at"], row["n"]) for reply in replies for row in reply.items()]
    assert rows == [(f"/l{at}", n) for at in range(9) for n in range(10)]


def test_a_fan_out_with_a_limit_starts_with_one_list_and_doubles(client_for, context):
    service = Service(1)
    client = client_for(service, real_time=True)
    with closing(
        Reader(client, context).fan_out(iter(lists(40)), TokenPages(), limit=1)
    ) as replies:
        next(replies)
        assert settle(service, 2, 0.05) == 1
        next(replies)
        assert settle(service, 3) <= 3


def test_a_fan_out_holds_no_more_than_its_window(client_for, context):
    service = Service(1)
    client = client_for(service, real_time=True, concurrency=4)
    with closing(Reader(client, context).fan_out(lists(100), TokenPages())) as replies:
        next(replies)
        assert settle(service, 99, 0.1) <= 5


def test_responses_of_independent_requests_come_in_order(client_for, context):
    client = client_for(Service(1, delay=0.002), real_time=True)
    paths = [reply.call.path for reply in Reader(client, context).gather(lists(30))]
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
    service = Service(60, delay=0.02)
    list(both(Reader(client_for(service, real_time=True), context)))
    assert service.most == 2


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


def test_what_was_fetched_ahead_is_not_requested_again(client_for, context, service):
    client = client_for(service, real_time=True)
    Reader(client, context).prefetch(lists(10))
    assert settle(service, 10) == 10
    for call in lists(10):
        Reader(client, context).get(call)
    assert service.total == 10


def test_ahead_is_bounded_and_the_oldest_that_was_not_sent_gives_way(client_for, context):
    service = Service(1, delay=0.05)
    client = client_for(service, real_time=True, concurrency=2)
    reader = Reader(client, context)
    reader.prefetch(lists(50))

    assert settle(service, 50, 0.4) <= 3 * 2 + 2


def test_what_was_sent_ahead_is_never_sent_again(client_for, context):
    service = Service(1)
    reader = Reader(client_for(service, real_time=True, concurrency=2), context)
    reader.prefetch(lists(50))

    for call in lists(50):
        reader.get(call)

    assert service.total == 50


def test_a_request_that_is_given_back_on_its_way_is_waited_for_by_the_next(client_for, context):
    service = Service(1, delay=0.05)
    reader = Reader(client_for(service, real_time=True), context)
    flight = reader.start(LIST)
    settle(service, 1, 0.04)
    reader.release(flight)

    reader.get(LIST)

    assert service.total == 1


def test_a_response_that_is_given_back_unread_is_kept(client_for, context):
    service = Service(1)
    reader = Reader(client_for(service, real_time=True), context)
    flight = reader.start(LIST)
    flight.future.result(5)
    reader.release(flight)

    reader.get(LIST)

    assert service.total == 1


def test_a_repetition_that_was_given_up_is_asked_for_anew_when_it_is_wanted(client_for, context):
    asked = []

    def handle(request):
        asked.append(request)
        status = 503 if len(asked) == 1 else 200
        return httpx.Response(status, json={}, headers={"Retry-After": "0.05"})

    reader = Reader(client_for(handle, real_time=True), context)
    flight = reader.start(LIST)
    while not asked:
        time.sleep(0.005)
    reader.release(flight)

    assert reader.get(LIST).status == 200
    assert len(asked) == 2


def test_what_was_fetched_ahead_in_vain_is_given_up_with_the_statement(client_for, make_context):
    service = Service(1, delay=0.05)
    client = client_for(service, real_time=True, concurrency=1)
    context = make_context()
    Reader(client, context).prefetch(lists(2))
    context.memory.clear()
    assert settle(service, 2, 0.2) <= 1


def test_an_interrupt_ends_a_wait_within_a_moment(client_for, context):
    service = Service(1, delay=2)
    reader = Reader(client_for(service, real_time=True), context)
    threading.Timer(0.05, lambda: setattr(context, "stop", True)).start()
    started = time.monotonic()
    with pytest.raises(TransientError, match="interrupted"):
        reader.get(LIST)
    assert time.monotonic() - started < 1.5


@pytest.mark.parametrize("limit", [None, 1])
def test_an_interrupt_ends_a_fan_out(client_for, context, limit):
    service = Service(1, delay=0.3)
    reader = Reader(client_for(service, real_time=True, concurrency=2), context)
    context.stop = True
    with pytest.raises(TransientError, match="interrupted"):
        list(reader.fan_out(lists(20), TokenPages(), limit=limit))
    time.sleep(0.4)
    assert service.total <= 2


def test_closing_an_iterator_sends_nothing_more(client_for, context):
    service = Service(1, delay=0.02)
    client = client_for(service, real_time=True, concurrency=2)
    with closing(Reader(client, context).fan_out(lists(40), TokenPages())) as replies:
        next(replies)
    sent = service.total
    time.sleep(0.15)
    assert service.total <= sent + 2


def test_a_repetition_that_waits_is_ended_by_closing(client_for, context):
    asked = []

    def handle(request):
        asked.append(request)
        return httpx.Response(503, json={}, headers={"Retry-After": "0.2"})

    client = client_for(handle, real_time=True)
    flight = Reader(client, context).start(LIST)
    while not asked:
        time.sleep(0.005)
    Reader(client, context).release(flight)
    time.sleep(0.8)
    assert len(asked) == 1


def test_a_closed_client_is_an_error(context):
    client = Client(
        Endpoint("prod", "http://127.0.0.1:9"), transport=httpx.MockTransport(Service())
    )
    client.close()
    with pytest.raises(UnavailableError, match="closed"):
        Reader(client, context).get(LIST)
