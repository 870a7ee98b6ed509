"""Requests a minute: nothing is slowed down before the service asks for it."""

from __future__ import annotations

import threading

import httpx

from sessions_vtab.fetch import Call
from sessions_vtab.fetch.limits import RateLimiter


def pause(limiter, clock, kind="append"):
    before = clock.time
    limiter.admit(kind, threading.Event())
    return round(clock.time - before, 3)


def test_nothing_is_paced_until_the_first_429(clock):
    limiter = RateLimiter({}, {"append": 300}, clock)
    assert [pause(limiter, clock) for _ in range(5)] == [0] * 5


def test_after_a_429_requests_keep_the_documented_distance(clock):
    limiter = RateLimiter({}, {"append": 300}, clock)
    pause(limiter, clock)
    limiter.throttled("append")
    assert [pause(limiter, clock) for _ in range(3)] == [0.2, 0.2, 0.2]
    assert pause(limiter, clock, "read") == 0


def test_a_minute_that_is_used_up_is_waited_for(clock):
    limiter = RateLimiter({}, {"append": 300}, clock)
    for _ in range(300):
        pause(limiter, clock)
    limiter.throttled("append")
    assert pause(limiter, clock) == 60


def test_a_limit_of_the_source_holds_from_the_start(clock):
    limiter = RateLimiter({"read": 60}, {}, clock)
    assert [pause(limiter, clock, "read") for _ in range(3)] == [0, 1, 1]


def test_an_undocumented_kind_stays_unlimited(clock):
    limiter = RateLimiter({}, {"append": 300}, clock)
    limiter.throttled("read")
    assert [pause(limiter, clock, "read") for _ in range(3)] == [0, 0, 0]


def test_a_429_slows_the_client_down(line_for, clock):
    statuses = [429, 200, 200, 200]
    line = line_for(
        lambda _: httpx.Response(statuses.pop(0), json={}), documented=(("append", 60),)
    )
    for _ in range(3):
        line.send(Call("POST", json={}, kind="append"))
    assert clock.waits == [0.5, 0.5, 1.0, 1.0]
