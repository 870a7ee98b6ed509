from __future__ import annotations

import json

import pytest

from sessions_vtab.contract.backend import OutcomeState
from sessions_vtab.errors import (
    ConflictError,
    InvalidValueError,
    MissingParameterError,
    NotFoundError,
)


def bound(local):
    return local.values("participants", "participant", order="name")


def in_response(row):
    return json.loads(row["response"])["participants"]


def test_insert_binds(local):
    before = local.create("a b")
    row = local.as_dict(
        "participants",
        local.insert(
            "participants", session_id="a b", participant="ann lee", participant_type="agent"
        ),
    )
    assert row == local.one("participants")
    assert row == dict.fromkeys(row) | {
        "name": "sessions/a%20b/participants/ann%20lee",
        "session_name": "sessions/a%20b",
        "session_id": "a b",
        "participant": "ann lee",
        "participant_type": "agent",
    }
    assert local.one("sessions")["update_time"] > before["update_time"]


def test_a_participant_is_a_user_unless_said_otherwise(local):
    local.create()
    local.call("bind_participant", "s", "ann")
    assert local.one("participants")["participant_type"] == "user"


def test_delete_unbinds(local):
    local.create()
    local.insert("participants", session_name="sessions/s", participant="ann")
    local.delete("participants", "sessions/s/participants/ann")
    assert bound(local) == []


def test_functions_bind_and_unbind(local):
    local.create()
    (row,) = local.call("bind_participant", "s", "ann")
    assert (row["session_id"], bound(local)) == ("s", ["ann"])
    assert in_response(row) == [{"participant": "ann", "participant_type": "user", "turns": 0}]
    (row,) = local.call("unbind_participant", "sessions/s", "ann")
    assert (in_response(row), bound(local)) == ([], [])


def test_binding_twice_is_a_conflict(local):
    local.create()
    local.call("bind_participant", "s", "ann")
    with pytest.raises(ConflictError, match="'ann' is already bound to session 's'"):
        local.call("bind_participant", "s", "ann")
    outcome = local.insert("participants", session_id="s", participant="ann", ignore=True)
    assert outcome.state is OutcomeState.SKIPPED


def test_unbinding_an_unbound_participant_is_an_error(local):
    local.create()
    with pytest.raises(NotFoundError, match="'ann' is not bound to session 's'"):
        local.call("unbind_participant", "s", "ann")


@pytest.mark.parametrize(
    ("values", "error", "message"),
    [
        ({"session_id": "x"}, NotFoundError, "session 'x' does not exist"),
        ({}, MissingParameterError, "needs session_id or session_name"),
        ({"session_id": "s", "participant_type": "bot"}, InvalidValueError, "'user' or 'agent'"),
        (
            {"session_id": "s", "participant": "a/b"},
            InvalidValueError,
            "participant must have 1 to",
        ),
        (
            {"session_id": "s", "name": "sessions/s/participants/bob"},
            InvalidValueError,
            "last part",
        ),
    ],
)
def test_invalid_bindings_are_refused(local, values, error, message):
    local.create()
    with pytest.raises(error, match=message):
        local.insert("participants", **({"participant": "ann"} | values))
    assert bound(local) == []


def test_integrate_moves_the_last_integration_turn(local):
    local.create()
    local.append()
    local.call("bind_participant", "s", "ann")
    local.append()
    local.append()
    local.call("bind_participant", "s", "bob")
    (row,) = local.call("integrate_session", "s")
    assert len(row["task_id"]) == 36
    assert json.loads(row["response"])["task_id"] == row["task_id"]
    assert {one["participant"]: one["last_integration_turn"] for one in in_response(row)} == {
        "ann": 2,
        "bob": 0,
    }


def test_truncate_forgets_turns_and_integration(local):
    local.create()
    local.call("bind_participant", "s", "ann")
    local.append()
    local.call("integrate_session", "s")
    (row,) = local.call("truncate_session", "s")
    assert in_response(row) == [{"participant": "ann", "participant_type": "user", "turns": 0}]
    local.append()
    (row,) = local.call("integrate_session", "s")
    assert in_response(row)[0]["last_integration_turn"] == 1


def test_a_disabled_session_is_not_integrated(local):
    local.create(enabled=0)
    with pytest.raises(ConflictError, match="'s' is disabled"):
        local.call("integrate_session", "s")
