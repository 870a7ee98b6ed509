"""Answers that are kept: how many, where, and for how long."""

from __future__ import annotations

import gc
import io

import pytest

from sessions_vtab.fetch import RequestSpec, Response
from sessions_vtab.fetch.cache import TimedCache, fingerprint
from sessions_vtab.fetch.scope import ResponseCache, scope_of

JSON = {"content-type": "application/json"}


def response(text: str) -> Response:
    return Response(RequestSpec("GET"), "http://h/", 200, JSON, f'"{text}"'.encode())


def key(name):
    return (name, "")


@pytest.fixture(autouse=True)
def _written_at_once(monkeypatch):
    monkeypatch.setattr("sessions_vtab.fetch.cache._BUFFER", 1)


@pytest.fixture
def cache():
    made = ResponseCache(cap=100, in_memory=30)
    yield made
    made.clear()


def test_responses_are_returned_unchanged_from_memory_and_from_the_file(cache):
    for name in "abcdefgh":
        cache.put(key(name), response(name * 8))
    assert [cache.get(key(name)).json for name in "abcdefgh"] == [name * 8 for name in "abcdefgh"]
    assert cache._spool._file is not None


def test_beyond_the_cap_the_first_ones_stay(cache):
    for name in "abcdefghijklmno":
        cache.put(key(name), response(name * 8))
    assert [name for name in "abcdefghijklmno" if cache.get(key(name))] == list("abcdefghij")


def test_one_answer_larger_than_the_cap_is_not_kept(cache):
    cache.put(key("a"), response("x" * 200))
    assert len(cache) == 0


def test_a_parsed_form_is_not_kept(cache):
    first = response("a")
    assert first.json == "a"
    cache.put(key("a"), first)
    assert "json" not in vars(cache.get(key("a")))


def test_a_full_disk_only_costs_a_request(cache, monkeypatch):
    def fail(**_):
        raise OSError(28, "No space left on device")

    monkeypatch.setattr("tempfile.TemporaryFile", fail)
    for name in "abcdef":
        cache.put(key(name), response(name * 8))
    assert [name for name in "abcdef" if cache.get(key(name))] == list("abc")


@pytest.mark.parametrize("buffer", [1, 11, 40, 1_000])
def test_the_file_is_written_when_enough_has_come(cache, buffer, monkeypatch):
    monkeypatch.setattr("sessions_vtab.fetch.cache._BUFFER", buffer)
    for name in "abcdefgh":
        cache.put(key(name), response(name * 8))
        assert cache.get(key("a")).json == "a" * 8
        assert cache.get(key(name)).json == name * 8
    assert [cache.get(key(name)).json for name in "abcdefgh"] == [name * 8 for name in "abcdefgh"]
    assert (cache._spool._file is None) == (buffer == 1_000)


def test_a_disk_that_becomes_full_loses_no_answer_that_was_kept(cache, monkeypatch):
    class Full(io.BytesIO):
        def write(self, data):
            if self.tell() + len(data) > 30:
                raise OSError(28, "No space left on device")
            return super().write(data)

    monkeypatch.setattr("tempfile.TemporaryFile", lambda **_: Full())
    monkeypatch.setattr("sessions_vtab.fetch.cache._BUFFER", 20)
    for name in "abcdefgh":
        cache.put(key(name), response(name * 8))
    kept = [name for name in "abcdefgh" if cache.get(key(name))]
    assert [cache.get(key(name)).json for name in kept] == [name * 8 for name in kept]
    assert kept == list("abcdef")


def test_the_file_is_removed_with_the_statement(client_for, context):
    gc.freeze()  # What other tests hold is not looked through.
    scope = scope_of(client_for(lambda _: None), context)
    responses = scope._responses = ResponseCache(in_memory=0)
    responses.put(key("a"), response("a"))
    held = responses._spool._file
    assert not held.closed
    del scope
    context.memory.clear()
    gc.collect()
    assert held.closed


def test_a_timed_answer_is_good_for_its_time(clock):
    cache = TimedCache(10.0, clock)
    cache.put(key("a"), response("a"), cache.epoch)
    clock.time += 9
    assert cache.get(key("a")).json == "a"
    clock.time += 2
    assert cache.get(key("a")) is None


def test_expired_responses_are_dropped(clock):
    cache = TimedCache(10.0, clock)
    for name in "abc":
        cache.put(key(name), response(name), cache.epoch)
        clock.time += 6
    assert len(cache._kept) == 2


def test_a_newer_answer_replaces_the_one_that_is_kept(clock):
    cache = TimedCache(10.0, clock)
    for text in ("old", "new"):
        cache.put(key("a"), response(text), cache.epoch)
    assert cache.get(key("a")).json == "new"


def test_a_response_requested_before_a_write_is_not_cached_after_it(clock):
    cache = TimedCache(10.0, clock)
    asked = cache.epoch
    cache.clear()
    cache.put(key("a"), response("a"), asked)
    assert cache.get(key("a")) is None


def test_a_fingerprint_tells_credentials_apart_without_holding_them():
    one, other = fingerprint({"a": "secret-1"}), fingerprint({"a": "secret-2"})
    assert one != other
    assert "secret" not in one + other
