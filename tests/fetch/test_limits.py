"""Requests per minute: nothing is slowed down before the service asks for it."""

from __future__ import annotations

import threading
from itertools import pairwise

import httpx
import pytest

from sessions_vtab.fetch import RequestSpec
from sessions_vtab.fetch.limits import RateLimiter


def pause(limiter, clock, kind="append"):
    before = clock.time
    limiter.admit(kind, threading.Event())
    return round(clock.time - before, 3)


def throttled(limiter, clock, kind="append"):
    limiter.throttled(kind, clock.time)


def per_minute(limiter, clock, minutes, kind="append"):
    """How many requests are sent in each of the next minutes."""
    begin, sent = clock.time, [0] * minutes
    while clock.time - begin < minutes * 60:
        sent[int((clock.time - begin) // 60)] += 1
        limiter.admit(kind, threading.Event())
    return sent


def test_nothing_is_paced_until_the_first_429(clock):
    limiter = RateLimiter({}, ["append"], clock)
    assert [pause(limiter, clock) for _ in range(5)] == [0] * 5


def test_after_a_429_a_process_halves_its_own_rate_whatever_the_quota_of_the_project(clock):
    """Eight processes that each took the documented 300 would send 2 400 per minute."""
    limiter = RateLimiter({}, {"append": 300}, clock)
    for _ in range(80):
        pause(limiter, clock)
    clock.time += 30
    throttled(limiter, clock)
    assert pause(limiter, clock) == 30  # The minute is used up: 40 of its 80 are too many.
    assert 1.3 < pause(limiter, clock) < 1.5  # 44 per minute by now.
    assert pause(limiter, clock, "read") == 0


def test_the_rate_is_given_back_by_equal_steps(clock):
    """A tenth of the rate that was refused per minute: it is there again after five."""
    limiter = RateLimiter({}, ["append"], clock)
    for _ in range(200):
        pause(limiter, clock)
    clock.time += 60
    for _ in range(200):
        limiter.admit("append", threading.Event())
    throttled(limiter, clock)
    clock.time += 60
    sent = per_minute(limiter, clock, 5)
    assert all(15 <= later - earlier <= 25 for earlier, later in pairwise(sent))
    assert 110 <= sent[0] <= 140


def test_requests_that_were_under_way_together_halve_the_rate_once(clock):
    limiter = RateLimiter({}, ["append"], clock)
    for _ in range(160):
        pause(limiter, clock)
    began = clock.time
    clock.time += 1
    for _ in range(16):
        limiter.throttled("append", began)
    clock.time += 60
    pause(limiter, clock)
    assert 0.6 < pause(limiter, clock) < 0.75  # 88 per minute by now, not 80 / 2 ** 15.


@pytest.mark.parametrize(("documented", "least"), [(["append"], 6.0), ([], 0.5)])
def test_no_refusal_stops_a_process(clock, documented, least):
    limiter = RateLimiter({}, documented, clock)
    pause(limiter, clock)
    for _ in range(20):
        clock.time += 0.01
        throttled(limiter, clock)
    clock.time += 60
    pause(limiter, clock)
    assert pause(limiter, clock) <= least


def test_a_kind_without_a_known_quota_is_counted_by_the_second(clock):
    """50 requests in a second, then a refusal: 25 per second, not nothing for a minute."""
    limiter = RateLimiter({}, {"append": 300}, clock)
    for _ in range(50):
        pause(limiter, clock, "read")
    throttled(limiter, clock, "read")
    assert pause(limiter, clock, "read") == 1
    assert round(pause(limiter, clock, "read"), 3) < 0.04


def test_a_limit_of_the_source_holds_from_the_start_and_is_never_exceeded(clock):
    limiter = RateLimiter({"read": 60}, [], clock)
    assert [pause(limiter, clock, "read") for _ in range(3)] == [0, 1, 1]
    throttled(limiter, clock, "read")
    clock.time += 3600
    assert [pause(limiter, clock, "read") for _ in range(3)] == [0, 1, 1]


def test_a_429_slows_the_client_down(sender_for, clock):
    statuses = [200] * 60 + [429] + [200] * 2
    sender = sender_for(
        lambda _: httpx.Response(statuses.pop(0), json={}), documented=(("append", 60),)
    )
    for _ in range(60):
        sender.send(RequestSpec("POST", json={}, kind="append"))
    assert clock.waits == []
    for _ in range(2):
        sender.send(RequestSpec("POST", json={}, kind="append"))
    backoff, used_up, spaced = clock.waits
    assert (backoff, 59 < used_up < 60, 1.5 < spaced < 2) == (0.5, True, True)
