"""An event in a response is recognised as the one that was sent, in whatever spelling."""

from __future__ import annotations

import pytest

from sessions_vtab.backends.vertex.writing import is_event

SENT = {"author": "user", "invocationId": "e-1", "timestamp": "2026-01-02T03:04:05.100000Z"}

SAME = [
    ({}, {"content": {}, "actions": {}, "eventMetadata": {}}),
    ({"timestamp": "2026-01-02T04:04:05.1+01:00"}, {}),
    (
        {"content": {"parts": [{"function_call": {"name": "f", "args": {"a_b": 3}}}]}},
        {"content": {"parts": [{"functionCall": {"name": "f", "args": {"a_b": 3.0}}}]}},
    ),
    (
        {"content": {"parts": [{"inline_data": {"mime_type": "x", "data": "-_8="}}]}},
        {"content": {"parts": [{"inlineData": {"mimeType": "x", "data": "+/8="}}]}},
    ),
    (
        {"eventMetadata": {"partial": False, "branch": "", "turnComplete": True}},
        {"eventMetadata": {"turn_complete": True}},
    ),
]

OTHER = [
    ({"author": "bot"}, {}),
    ({"invocationId": "e-2"}, {}),
    ({"timestamp": "2026-01-02T03:04:05.100001Z"}, {}),
    ({"errorCode": "E"}, {}),
    ({}, {"content": {"parts": [{"text": "hi"}]}}),
    ({"content": {"parts": [{"text": "hi"}]}}, {"content": {"parts": [{"text": "ho"}]}}),
    ({"actions": {"stateDelta": {"a": 1}}}, {"actions": {"stateDelta": {"a": 2}}}),
    ({"rawEvent": {"id": "1"}}, {"rawEvent": {"id": "2"}}),
]


@pytest.mark.parametrize(("sent", "answered"), SAME)
def test_the_same_event_in_another_spelling_is_equal(sent, answered):
    assert is_event({**SENT, **answered}, {**SENT, **sent})


@pytest.mark.parametrize(("sent", "answered"), OTHER)
def test_a_different_event_is_not_equal(sent, answered):
    assert not is_event({**SENT, **answered}, {**SENT, **sent})
