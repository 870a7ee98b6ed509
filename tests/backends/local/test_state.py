"""Session state and its scopes: session, user and store."""

from __future__ import annotations

import json

import pytest

from sessions_vtab.errors import InvalidValueError, UnsupportedError


def actions(delta, spelling="stateDelta"):
    return json.dumps({spelling: delta})


def test_a_delta_is_merged_key_by_key(local):
    local.create(state='{"a":1,"b":{"x":1}}')
    local.append(actions=actions({"b": {"y": 2}, "c": None}))
    assert local.state() == {"a": 1, "b": {"y": 2}, "c": None}


@pytest.mark.parametrize("spelling", ["stateDelta", "state_delta"])
def test_both_spellings_of_a_delta_count(local, spelling):
    local.create()
    local.append(actions=actions({"k": 1}, spelling))
    assert local.state() == {"k": 1}


def test_app_keys_are_shown_in_every_session(local):
    local.create("a", user_id="ann")
    local.create("b", user_id="bob", state='{"own":1}')
    local.append("a", actions=actions({"app:x": [1]}))
    assert local.state("a") == {"app:x": [1]}
    assert local.state("b") == {"app:x": [1], "own": 1}


def test_user_keys_are_shown_in_every_session_of_the_user(local):
    local.create("a", user_id="ann")
    local.create("a2", user_id="ann")
    local.create("b", user_id="bob")
    local.append("a", actions=actions({"user:lang": "de"}))
    assert local.state("a2") == {"user:lang": "de"}
    assert local.state("b") is None


def test_user_keys_of_a_session_without_user_stay_its_own(local):
    local.create("a", state='{"user:x":1}')
    local.create("b")
    assert local.state("a") == {"user:x": 1}
    assert local.state("b") is None


def test_temp_keys_stay_in_the_event_only(local):
    local.create(state='{"temp:a":1,"k":1}')
    event = local.append(actions=actions({"temp:b": 1}))
    assert json.loads(event["actions"]) == {"stateDelta": {"temp:b": 1}}
    assert local.state() == {"k": 1}


def test_shared_keys_of_a_new_session_are_shared_too(local):
    local.create("a", user_id="ann", state='{"app:x":1,"user:y":2,"temp:z":3,"k":4}')
    local.create("b", user_id="ann")
    assert local.state("a") == {"app:x": 1, "user:y": 2, "k": 4}
    assert local.state("b") == {"app:x": 1, "user:y": 2}


def test_shared_keys_outlive_their_session(local):
    local.create("a", user_id="ann", state='{"app:x":1,"user:y":2}')
    local.delete("sessions", "sessions/a")
    local.delete("sessions", "sessions/a")
    local.create("b", user_id="ann")
    assert local.state("b") == {"app:x": 1, "user:y": 2}


def test_update_replaces_own_keys_and_merges_shared_ones(local):
    local.create("a", user_id="ann", state='{"app:x":1,"app:y":1,"k":1,"l":1}')
    local.create("b")
    local.update("sessions", "sessions/a", state='{"app:x":2,"app:y":1,"k":2}')
    assert local.state("a") == {"app:x": 2, "app:y": 1, "k": 2}
    assert local.state("b") == {"app:x": 2, "app:y": 1}


@pytest.mark.parametrize(
    ("state", "lacking"),
    [
        ('{"user:y":2,"k":3}', "app:x"),
        ('{"app:x":1,"k":3}', "user:y"),
        ('{"k":3}', "app:x, user:y"),
        ("{}", "app:x, user:y"),
        (None, "app:x, user:y"),
    ],
)
def test_update_cannot_remove_a_shared_key_and_says_so(local, state, lacking):
    shown = {"app:x": 1, "user:y": 2, "k": 3}
    local.create("a", user_id="ann", state=json.dumps(shown))
    with pytest.raises(UnsupportedError, match=f"state lacks {lacking}. UPDATE cannot remove"):
        local.update("sessions", "sessions/a", state=state)
    assert local.state("a") == shown
    local.update("sessions", "sessions/a", state='{"app:x":null,"user:y":null}')
    assert local.state("a") == {"app:x": None, "user:y": None}


def test_an_empty_state_differs_from_null(local):
    local.create("empty", state="{}")
    local.create("none")
    assert local.state("empty") == {}
    assert local.state("none") is None


def test_keys_that_only_look_like_a_scope_are_plain(local):
    state = {"application": 1, "a": {"app:x": 1}, "x:app:": 2}
    local.create("a", state=json.dumps(state))
    local.create("b")
    assert local.state("a") == state
    assert local.state("b") is None


def test_a_delta_that_is_not_an_object_is_refused_and_nothing_is_appended(local):
    local.create()
    with pytest.raises(InvalidValueError, match="stateDelta must be a JSON object"):
        local.append(actions='{"stateDelta":[1]}')
    assert local.rows("events") == []


def test_a_rollback_restores_shared_state(local):
    local.create(user_id="ann", state='{"app:x":1,"user:y":1}')
    local.begin()
    local.append(actions=actions({"app:x": 2, "user:y": 2, "k": 2}))
    assert local.state() == {"app:x": 2, "user:y": 2, "k": 2}
    local.rollback()
    assert local.state() == {"app:x": 1, "user:y": 1}
