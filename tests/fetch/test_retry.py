"""What is sent again: what is safe, and nothing else."""

from __future__ import annotations

import math

import httpx
import pytest

from sessions_vtab.errors import (
    BudgetError,
    NotFoundError,
    ThrottledError,
    UnavailableError,
    UnknownOutcomeError,
)
from sessions_vtab.fetch import RequestSpec, ResponseMatcher
from sessions_vtab.fetch.retry import RETRIES, Failure, backoff, may_retry, retry_after

READS_AND_IDEMPOTENT = ["GET", "PUT", "PATCH", "DELETE"]


@pytest.mark.parametrize("method", READS_AND_IDEMPOTENT)
@pytest.mark.parametrize("outcome", [Failure.NOT_SENT, Failure.LOST, 408, 429, 500, 502, 503, 504])
def test_idempotent_methods_are_repeated_after_every_passing_trouble(method, outcome):
    assert may_retry(RequestSpec(method), outcome)


@pytest.mark.parametrize(
    ("outcome", "repeated"),
    [
        (Failure.NOT_SENT, True),
        (429, True),
        (Failure.LOST, False),
        (408, False),
        (500, False),
        (503, False),
        (504, False),
    ],
)
def test_a_post_is_repeated_only_if_the_server_cannot_have_acted(outcome, repeated):
    assert may_retry(RequestSpec("POST"), outcome) is repeated


@pytest.mark.parametrize("status", [200, 301, 400, 401, 403, 404, 409, 412, 422])
def test_other_statuses_are_not_retried(status):
    assert not may_retry(RequestSpec("GET"), status)


def test_a_backend_can_declare_a_post_repeatable_and_a_put_not():
    assert may_retry(RequestSpec("POST", repeatable=True), 503)
    assert not may_retry(RequestSpec("PUT", repeatable=False), 503)


def test_waits_double_up_to_a_limit_and_spread_by_half():
    assert [backoff(RETRIES, n, None, 1.0) for n in range(1, 8)] == [0.5, 1, 2, 4, 8, 16, 16]
    assert backoff(RETRIES, 3, None, 0.0) == 1.0


def test_the_server_s_wish_replaces_our_wait():
    assert backoff(RETRIES, 1, 7.0, 0.3) == 7.0


@pytest.mark.parametrize(
    ("header", "seconds"),
    [
        (None, None),
        ("", None),
        ("3", 3.0),
        (" 12 ", 12.0),
        ("Tue, 14 Nov 2023 22:13:25 GMT", 5.0),
        ("Tue, 14 Nov 2023 22:13:00 GMT", 0.0),
        ("soon", None),
    ],
)
def test_retry_after_is_seconds_or_a_date(header, seconds):
    assert retry_after(header, 1_700_000_000.0) == seconds


def answers(*statuses: int, headers: dict[str, str] | None = None):
    """A handler that goes through the statuses; and the list of requests it got."""
    left, got = list(statuses), []

    def handle(request: httpx.Request) -> httpx.Response:
        got.append(request)
        status = left.pop(0)
        if status == 0:
            raise httpx.ReadError("dropped", request=request)
        if status == -1:
            raise httpx.ConnectError("refused", request=request)
        return httpx.Response(status, json={"ok": status}, headers=headers if status >= 400 else {})

    return handle, got


@pytest.mark.parametrize("trouble", [0, -1, 408, 429, 500, 503])
def test_a_get_recovers(sender_for, clock, trouble):
    handle, got = answers(trouble, trouble, 200)
    assert sender_for(handle).send(RequestSpec("GET")).json == {"ok": 200}
    assert len(got) == 3
    assert clock.waits == [0.5, 1.0]


def test_retry_after_is_honoured(sender_for, clock):
    handle, _ = answers(503, 200, headers={"Retry-After": "9"})
    sender_for(handle).send(RequestSpec("GET"))
    assert clock.waits == [9.0]


def test_five_attempts_are_made(sender_for):
    handle, got = answers(*[503] * 9)
    with pytest.raises(UnavailableError, match="after 5 attempts"):
        sender_for(handle).send(RequestSpec("GET"))
    assert len(got) == 5


def test_no_attempt_begins_after_sixty_seconds(sender_for, clock):
    handle, got = answers(*[429] * 9, headers={"Retry-After": "25"})
    with pytest.raises(ThrottledError, match="25 seconds"):
        sender_for(handle).send(RequestSpec("GET"))
    assert len(got) == 3
    assert sum(clock.waits) == 50


@pytest.mark.parametrize("trouble", [0, 408, 500, 503])
def test_a_post_with_an_unknown_outcome_is_sent_once(sender_for, trouble):
    handle, got = answers(trouble, 200)
    with pytest.raises(
        UnknownOutcomeError, match=r"^prod[.]sessions: POST http.*may or may not have acted"
    ):
        sender_for(handle).send(RequestSpec("POST", json={}))
    assert len(got) == 1


@pytest.mark.parametrize("trouble", [-1, 429])
def test_a_post_that_cannot_have_acted_is_repeated(sender_for, trouble):
    handle, got = answers(trouble, 200)
    sender_for(handle).send(RequestSpec("POST", json={}))
    assert len(got) == 2


def test_a_refused_connection_of_a_post_is_not_an_unknown_outcome(sender_for):
    handle, _ = answers(*[-1] * 5)
    with pytest.raises(UnavailableError, match="refused"):
        sender_for(handle).send(RequestSpec("POST", json={}))


def gone(status: int) -> httpx.Response:
    return httpx.Response(status, json={"error": {"message": "Session x not found."}})


def test_already_done_is_success_only_after_a_repetition(sender_for):
    delete = RequestSpec("DELETE", done=(ResponseMatcher(404, "not found"),))
    statuses = [503, 404]
    reply = sender_for(lambda _: gone(statuses.pop(0))).send(delete)
    assert reply.already
    with pytest.raises(NotFoundError):
        sender_for(lambda _: gone(404)).send(delete)


def test_every_attempt_is_logged_and_spent(sender_for, context):
    handle, _ = answers(503, 0, 200)
    sender_for(handle).send(RequestSpec("GET", "/a"))
    assert [(r["attempt"], r["status"]) for r in context.requests] == [
        (1, 503),
        (2, None),
        (3, 200),
    ]
    assert [bool(r["error"]) for r in context.requests] == [False, True, False]
    assert context.left == 1_000_000 - 3


def test_a_used_up_budget_stops_before_sending(sender_for, context):
    context.left = 1
    handle, got = answers(503, 200)
    with pytest.raises(BudgetError):
        sender_for(handle).send(RequestSpec("GET"))
    assert len(got) == 1


@pytest.mark.parametrize(
    ("header", "seconds"),
    [
        ("9" * 400, math.inf),
        ("Fri, 31 Dec 9999 23:59:59 -2359", 251702387139.0),
        ("Mon, 01 Jan 2024 00:00:00 +99999999999999999999", None),
        ("Tue, 14 Nov 2023 22:13:30 -0000", 10.0),
        ("Tue, 14 Nov 2023 22:13:30 GMT", 10.0),
        ("\u0663", None),
        ("-5", None),
    ],
)
def test_a_retry_after_without_sense_is_no_error(header, seconds):
    assert retry_after(header, 1_700_000_000.0) == seconds
