"""What is requested ahead of its use, and how it ends."""

from __future__ import annotations

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
from tests.fetch.conftest import LIST, Service, idle, lists, settle
from tests.waiting import once, wait_for


def test_what_was_fetched_ahead_is_not_requested_again(client_for, context, service):
    client = client_for(service, real_time=True)
    Reader(client, context).prefetch(lists(10))
    assert settle(client, service) == 10
    for call in lists(10):
        Reader(client, context).get(call)
    assert service.total == 10


def test_ahead_is_bounded_and_the_oldest_that_was_not_sent_gives_way(client_for, context):
    service = Service(1)
    service.open.clear()
    client = client_for(service, real_time=True, concurrency=2)
    reader = Reader(client, context)
    reader.prefetch(lists(50))
    service.open.set()

    assert settle(client, service) <= 3 * 2 + 2


def test_what_was_sent_ahead_is_never_sent_again(client_for, context):
    service = Service(1)
    reader = Reader(client_for(service, real_time=True, concurrency=2), context)
    reader.prefetch(lists(50))

    for call in lists(50):
        reader.get(call)

    assert service.total == 50


def test_a_request_that_is_given_back_on_its_way_is_waited_for_by_the_next(client_for, context):
    service = Service(1)
    service.open.clear()
    reader = Reader(client_for(service, real_time=True), context)
    pending = reader.shared.start(LIST, reader.context)
    wait_for(lambda: service.total == 1)
    reader.shared.release(pending, reader.context)
    # Who waits looks at this now and then.
    context.interrupted = lambda: bool(service.open.set())

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
        return httpx.Response(status, json={}, headers={"Retry-After": "20"})

    reader = Reader(client_for(handle, real_time=True), context)
    pending = reader.shared.start(LIST, reader.context)
    wait_for(lambda: asked)
    reader.shared.release(pending, reader.context)

    assert reader.get(LIST).status == 200
    assert len(asked) == 2


def test_what_was_fetched_ahead_in_vain_is_given_up_with_the_statement(client_for, make_context):
    service = Service(1)
    service.open.clear()
    client = client_for(service, real_time=True, concurrency=1)
    context = make_context()
    Reader(client, context).prefetch(lists(2))
    wait_for(lambda: service.total == 1)
    context.memory.clear()
    service.open.set()
    assert settle(client, service) == 1


def test_an_interrupt_ends_a_wait_before_the_answer_comes(client_for, context):
    service = Service(1)
    service.open.clear()
    reader = Reader(client_for(service, real_time=True), context)
    with (
        once(lambda: service.total == 1, lambda: setattr(context, "stop", True)),
        pytest.raises(TransientError, match="interrupted"),
    ):
        reader.get(LIST)
    assert service.in_flight == 1
    service.open.set()


@pytest.mark.parametrize("limit", [None, 1])
def test_an_interrupt_ends_a_fan_out(client_for, context, limit):
    service = Service(1)
    service.open.clear()
    client = client_for(service, real_time=True, concurrency=2)
    context.stop = True
    with pytest.raises(TransientError, match="interrupted"):
        list(Reader(client, context).fan_out(lists(20), TokenPages(), limit=limit))
    service.open.set()
    assert settle(client, service) <= 2


def test_closing_an_iterator_sends_nothing_more(client_for, context):
    service = Service(1)
    client = client_for(service, real_time=True, concurrency=2)
    with closing(Reader(client, context).fan_out(lists(40), TokenPages())) as responses:
        next(responses)
    sent = service.total
    assert settle(client, service) <= sent + 2


def test_a_repetition_that_waits_is_ended_by_closing(client_for, context):
    asked = []

    def handle(request):
        asked.append(request)
        return httpx.Response(503, json={}, headers={"Retry-After": "20"})

    client = client_for(handle, real_time=True)
    pending = scope_of(client, context).start(LIST, context)
    wait_for(lambda: asked)
    scope_of(client, context).release(pending, context)
    idle(client)
    assert len(asked) == 1


def test_a_closed_client_is_an_error(context):
    client = Client(
        Endpoint("prod", "http://127.0.0.1:9"), transport=httpx.MockTransport(Service())
    )
    client.close()
    with pytest.raises(UnavailableError, match="closed"):
        Reader(client, context).get(LIST)
