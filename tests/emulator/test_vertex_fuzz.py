"""Whatever is sent, the service answers as Google would: never with an internal error."""

from __future__ import annotations

import json
from contextlib import suppress
from urllib.parse import quote

import httpx
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from sessions_vtab.emulator.vertex.filters import parse_filter
from sessions_vtab.emulator.vertex.messages import MESSAGES, ApiError, snake
from sessions_vtab.emulator.vertex.wire import read_body

FIELDS = sorted({name for fields in MESSAGES.values() for name in fields})
KEYS = st.sampled_from(FIELDS + [snake(name) for name in FIELDS]) | st.text(max_size=3)
LEAVES = (
    st.none()
    | st.booleans()
    | st.integers()
    | st.floats(allow_nan=False, allow_infinity=False)
    | st.text(max_size=5)
    | st.sampled_from(["2026-01-01T00:00:00Z", "1.5s", "YQ==", "PYTHON"])
)
VALUES = st.recursive(
    LEAVES,
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(KEYS, inner, max_size=5),
    max_leaves=25,
)
WORDS = st.sampled_from(
    [
        "user_id",
        "labels",
        ".",
        "=",
        ":",
        "!=",
        '"a"',
        "'b'",
        "*",
        "(",
        ")",
        " ",
        "AND",
        "OR",
        "NOT",
        "-",
        "timestamp",
        "\\",
    ]
)


@given(st.sampled_from(["Session", "SessionEvent"]), st.dictionaries(KEYS, VALUES, max_size=6))
@settings(max_examples=300, deadline=None)
def test_bodies_are_read_or_refused(message: str, body: dict) -> None:
    # Whatever else is raised fails the test.
    with suppress(ApiError):
        result = read_body(message, json.dumps(body).encode(), "v1", "x")
        assert set(result) <= set(MESSAGES[message])


@given(st.lists(WORDS, max_size=12).map("".join) | st.text(max_size=20))
@settings(max_examples=300, deadline=None)
def test_filters_are_parsed_or_refused(text: str) -> None:
    with suppress(ApiError):
        parse_filter(text)


@pytest.fixture(scope="module")
def base(server):
    base = f"{server.url}/v1/projects/p/locations/l/reasoningEngines/79/sessions"
    httpx.post(
        base, params={"sessionId": "s"}, json={"userId": "u"}, trust_env=False, verify=False
    ).raise_for_status()
    with httpx.Client(trust_env=False, verify=False) as client:
        yield client, base


@given(
    st.sampled_from(["GET", "POST", "PATCH", "DELETE"]),
    st.sampled_from(["", "/s", "/s/events", "/s:appendEvent", "/s/operations"])
    | st.text(max_size=6),
    st.dictionaries(
        st.sampled_from(["pageSize", "pageToken", "filter", "orderBy", "updateMask", "sessionId"]),
        st.text(max_size=8),
    ),
    VALUES,
)
@settings(
    max_examples=200, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture]
)
def test_requests_never_fail_inside(
    base, method: str, path: str, query: dict, body: object
) -> None:
    client, url = base
    if not path.startswith("/"):
        path = "/" + quote(path, safe="")
    content = None if method == "GET" else json.dumps(body).encode()
    response = client.request(method, url + path, params=query, content=content)
    assert response.status_code in {200, 400, 404}, response.text
