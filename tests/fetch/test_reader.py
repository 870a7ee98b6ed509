"""How a statement reads: streaming, ahead, side by side, from both ends, never twice."""

from __future__ import annotations

from contextlib import closing
from dataclasses import replace

import httpx
import pytest

from sessions_vtab.errors import ProtocolError
from sessions_vtab.fetch import (
    AfterPages,
    Bearer,
    NumberedPages,
    Reader,
    RequestSpec,
    Secret,
    StopAfter,
    TokenPages,
    run_job,
)
from tests.fetch.conftest import LIST, numbers, settle


def test_pages_follow_each_other_and_each_is_requested_once(reader, service):
    assert numbers(reader.pages(LIST, TokenPages())) == list(range(10))
    assert service.total == 5


def test_the_next_page_is_requested_while_one_is_read(reader, service):
    with closing(reader.pages(LIST, TokenPages())) as pages:
        next(pages)
        assert settle(reader.client, service) == 2


def test_no_page_is_requested_ahead_once_the_limit_is_there(reader, service):
    with closing(reader.pages(LIST, TokenPages(), limit=2)) as pages:
        next(pages)
        assert settle(reader.client, service) == 1


def test_a_limit_is_only_a_hint(reader):
    assert numbers(reader.pages(LIST, TokenPages(), limit=2)) == list(range(10))


def test_nothing_is_sent_before_the_first_page_is_wanted(reader, service):
    reader.pages(LIST, TokenPages())
    assert settle(reader.client, service) == 0


def test_later_pages_can_be_larger_than_the_first(reader, service):
    assert numbers(reader.pages(LIST, TokenPages(cap=100))) == list(range(10))
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
    pending = [first.shared.start(LIST, first.context), second.shared.start(LIST, second.context)]
    first.shared.release(pending[0], first.context)
    assert second.shared.finish(pending[1], second.context).items()
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
    run_job(
        client, make_context(), lambda sender: sender.send(RequestSpec("POST", "/list", json={}))
    )
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
