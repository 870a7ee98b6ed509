"""The body of an answer as JSON: read fast, and as the standard library reads it."""

from __future__ import annotations

import json

import pytest
from hypothesis import given
from hypothesis import strategies as st

from sessions_vtab.errors import ProtocolError
from sessions_vtab.fetch import RequestSpec, Response
from sessions_vtab.fetch.scope import ResponseCache

BODIES = [
    b'{"a": [1, -0, 0.1, 1e5, 1E+2, 12345678901234567890123, 1.5e300, true, null]}',
    b'{"a": 1, "a": 2}',
    b'["\\u00e9\\ud83d\\ude00\\u0000\\/", "\xc3\xa9"]',
    b"[NaN, Infinity, -Infinity, 1e999]",
    b' \t\r\n"x"\n',
    b"0.00001",
    b"[" * 500 + b"]" * 500,
    b'\xef\xbb\xbf{"a": 1}',
    '{"a": "é"}'.encode("utf-16"),
]
BROKEN = [b"{", b"[1,]", b"{'a': 1}", b"[01]", b'["\x01"]', b"nul", b"[1] x", b"\xff", b'"\\x"']


def reply(content: bytes) -> Response:
    return Response(
        RequestSpec("GET", "/a"), "http://h/a", 200, {"content-type": "application/json"}, content
    )


@pytest.mark.parametrize("body", BODIES, ids=lambda body: repr(body[:20]))
def test_a_body_is_what_the_standard_library_reads(body):
    # By text, because NaN is not equal to itself, and 1 is to 1.0.
    assert repr(reply(body).json) == repr(json.loads(body))


@pytest.mark.parametrize("body", BROKEN)
def test_what_the_standard_library_does_not_read_is_an_error(body):
    with pytest.raises(ValueError):  # noqa: PT011  # UnicodeDecodeError is one, too.
        json.loads(body)
    with pytest.raises(ProtocolError, match="is not JSON"):
        _ = reply(body).json


@given(st.text() | st.binary() | st.floats().map(str) | st.integers().map(str))
def test_any_body_is_read_alike_or_refused_by_both(body):
    content = body if isinstance(body, bytes) else body.encode("utf-8", "surrogatepass")
    try:
        expected = None if not content.strip() else json.loads(content)
    except (ValueError, RecursionError):
        with pytest.raises(ProtocolError):
            _ = reply(content).json
    else:
        assert repr(reply(content).json) == repr(expected)


@pytest.mark.parametrize("body", [b"", b" \n"])
def test_no_body_is_none(body):
    assert reply(body).json is None


def test_half_a_surrogate_pair_is_replaced():
    assert reply(b'["\\ud83d", "\\ude00a"]').json == ["\ufffd", "\ufffda"]


def test_a_response_is_kept_without_its_parsed_form():
    first, cache = reply(b"[1]"), ResponseCache()
    assert first.json == [1]
    cache.put(("/a", ""), first)
    copy = cache.get(("/a", ""))
    assert copy == first
    assert "json" not in vars(copy)
    assert copy.json == [1]
