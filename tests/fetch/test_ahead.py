"""What is requested ahead of its use, and how it ends."""

from __future__ import annotations

import threading
import time
from contextlib import closing

import httpx
import pytest

from sessions_vtab.errors import TransientError, UnavailableError
from sessions_vtab.fetch import (
    Client,
    Endpoint,
    Reader,
    TokenPages,
)
from sessions_vtab.fetch.scope import scope_of
from tests.fetch.conftest import LIST, Service, lists, settle


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
    pending = reader.shared.start(LIST, reader.context)
    settle(service, 1, 0.04)
    reader.shared.release(pending, reader.context)

    reader.get(LIST)

    assert service.total == 1


def test_a_response_that_is_given_back_unread_is_kept(client_for, context):
    service = Service(1)
    reader = Reader(client_for(service, real_time=True), context)
    pending = reader.shared.start(LIST, reader.context)
    pending.future.result(5)
    reader.shared.release(pending, reader.context)

    reader.get(LIST)

    assert service.total == 1


def test_a_repetition_that_was_given_up_is_asked_for_anew_when_it_is_wanted(client_for, context):
    asked = []

    def handle(request):
        asked.append(request)
        status = 503 if len(asked) == 1 else 200
        return httpx.Response(status, json={}, headers={"Retry-After": "0.05"})

    reader = Reader(client_for(handle, real_time=True), context)
    pending = reader.shared.start(LIST, reader.context)
    while not asked:
        time.sleep(0.005)
    reader.shared.release(pending, reader.context)

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
    with closing(Reader(client, context).fan_out(lists(40), TokenPages())) as responses:
        next(responses)
    sent = service.total
    time.sleep(0.15)
    assert service.total <= sent + 2


def test_a_repetition_that_waits_is_ended_by_closing(client_for, context):
    asked = []

    def handle(request):
        asked.append(request)
        return httpx.Response(503, json={}, headers={"Retry-After": "0.2"})

    client = client_for(handle, real_time=True)
    pending = scope_of(client, context).start(LIST, context)
    while not asked:
        time.sleep(0.005)
    scope_of(client, context).release(pending, context)
    time.sleep(0.8)
    assert len(asked) == 1


def test_a_closed_client_is_an_error(context):
    client = Client(
        Endpoint("prod", "http://127.0.0.1:9"), transport=httpx.MockTransport(Service())
    )
    client.close()
    with pytest.raises(UnavailableError, match="closed"):
        Reader(client, context).get(LIST)
