"""The requests of writes, the stored rows, and the outcome if a response is lost."""

from __future__ import annotations

import json

import pytest

from sessions_vtab.contract.backend import OutcomeState
from sessions_vtab.errors import (
    ConflictError,
    InvalidValueError,
    MissingParameterError,
    NotFoundError,
    RefusedError,
    UnknownOutcomeError,
)
from tests.backends.vertex.conftest import FAILED, NOT_SENT, SENT, UNKNOWN, methods, row_of, session
from tests.clocks import delays_last
from tests.waiting import once

pytestmark = pytest.mark.usefixtures("no_seed")

# Creating


def test_an_insert_returns_the_session_as_stored(vertex):
    outcome = vertex.insert(
        "sessions",
        user_id='O"Neil\\ 🙂',
        session_id="new-1",
        display_name="Ä",
        labels='{"env":"prod"}',
        state='{"a":{"b":[1,null,2.5]},"user:seen":1}',
        ttl="172800s",
    )
    row = row_of(vertex, outcome)
    assert outcome.state is SENT
    assert (
        outcome.key
        == row.name
        == "projects/demo/locations/us-central1/reasoningEngines/42/sessions/new-1"
    )
    assert (row.user_id, row.display_name, row.labels) == ('O"Neil\\ 🙂', "Ä", '{"env":"prod"}')
    assert json.loads(row.state)["a"] == {"b": [1, None, 2.5]}
    assert row.expire_time > row.create_time
    create = vertex.requests("POST")[0]
    assert create["query"] == {"sessionId": "new-1"}
    assert create["body"]["ttl"] == "172800s"
    assert "expireTime" not in create["body"]
    assert session(vertex, "new-1") == row


def test_the_server_generates_an_id(vertex):
    outcome = vertex.insert("sessions", user_id="zoe")
    assert row_of(vertex, outcome).session_id.isdigit()
    assert vertex.requests("POST")[0]["query"] == {}


def test_a_full_name_determines_id_and_engine(vertex):
    name = "projects/demo/locations/us-central1/reasoningEngines/77/sessions/by-name"
    outcome = vertex.insert("sessions", user_id="zoe", name=name)
    assert outcome.key == name
    assert "/reasoningEngines/77/" in vertex.requests("POST")[0]["path"]


def test_an_insert_without_returning_is_one_request(vertex):
    outcome = vertex.insert("sessions", user_id="zoe", session_id="quick", returning=False)
    assert (outcome.state, outcome.row) == (SENT, None)
    assert methods(vertex) == ["POST"]


def test_slow_operations_and_invisible_sessions_are_waited_for(vertex):
    vertex.control.fault("operation", method="POST", plan={"polls": 3, "hidden_gets": 2})
    outcome = vertex.insert("sessions", user_id="zoe", session_id="slow")
    assert outcome.state is SENT
    assert row_of(vertex, outcome).session_id == "slow"
    polls = [e for e in vertex.requests("GET") if "/operations/" in e["path"]]
    assert len(polls) >= 3
    assert len(vertex.requests("GET")) - len(polls) == 3


def test_an_operation_that_ends_in_an_error_is_a_failed_write(vertex):
    plan = {"error": {"code": 13, "message": "Internal trouble."}}
    vertex.control.fault("operation", method="POST", plan=plan)
    outcome = vertex.insert("sessions", user_id="zoe", session_id="bad")
    assert outcome.state is FAILED
    assert "Internal trouble" in str(outcome.error)


def test_an_existing_id_is_a_conflict_and_can_be_ignored(vertex, made):
    outcome = vertex.insert("sessions", user_id="zoe", session_id="made")
    assert outcome.state is FAILED
    assert isinstance(outcome.error, ConflictError)
    assert outcome.http_status == 400
    ignored = vertex.insert("sessions", user_id="zoe", session_id="made", ignore=True)
    assert ignored.state is OutcomeState.SKIPPED


@pytest.mark.parametrize(
    ("values", "message"),
    [
        ({"ttl": "1d"}, "ttl must be a number of seconds"),
        ({"ttl": 172800, "expire_time": "2027-01-01"}, "not both"),
        ({"state": "[1]"}, r"sessions\.state must be a JSON object"),
        (
            {"state": '{"a": {"b": [0, 9007199254740993]}}'},
            r"integer at \$\.a\.b\[1\] is beyond 2\^53",
        ),
        ({"labels": '{"n": 5}'}, "label values must be text"),
        ({"session_id": "UPPER"}, "is not a valid session"),
        ({"session_id": "../../x"}, "is not a valid session"),
        ({"name": "x"}, "not a valid session name"),
        (
            {
                "name": "projects/demo/locations/us-central1/reasoningEngines/42/sessions/a",
                "session_id": "b",
            },
            "contradicts the name",
        ),
        ({"location": "evil.example/"}, "is not a valid location"),
    ],
)
def test_a_bad_value_is_named_and_nothing_is_sent(vertex, values, message):
    outcome = vertex.insert("sessions", user_id="zoe", **values)
    assert outcome.state is NOT_SENT
    assert isinstance(outcome.error, InvalidValueError)
    with pytest.raises(InvalidValueError, match=message):
        raise outcome.error
    assert vertex.requests() == []


@pytest.mark.parametrize("number", [9007199254740992, -9007199254740992, 1e300, 0.1])
def test_integers_that_a_double_can_represent_are_sent(vertex, number):
    state = json.dumps({"n": number})
    outcome = vertex.insert("sessions", user_id="zoe", state=state)
    assert json.loads(row_of(vertex, outcome).state)["n"] == number


@pytest.mark.parametrize(
    "values",
    [
        {"labels": '{"a":"b"}', "state": '{"n":null,"app:x":1}'},
        {"labels": "{}", "display_name": "", "state": '{"temp:draft":1}'},
    ],
    ids=["kept", "not kept"],
)
def test_a_create_with_an_id_whose_response_was_lost_is_looked_up(vertex, values):
    vertex.control.fault("drop", method="POST", act=True)
    outcome = vertex.insert("sessions", user_id="zoe", session_id="lost", **values)
    assert outcome.state is SENT
    assert row_of(vertex, outcome).session_id == "lost"
    assert methods(vertex).count("POST") == 1


@pytest.mark.parametrize(("hidden", "state"), [(3, SENT), (99, UNKNOWN)])
def test_a_lost_create_whose_session_is_hidden_at_first_is_waited_for(vertex, hidden, state):
    text = "Session projects/1/locations/l/reasoningEngines/42/sessions/late not found."
    body = {"error": {"code": 404, "message": text, "status": "NOT_FOUND"}}
    vertex.control.fault("status", path="sessions/late$", status=404, body=body, count=hidden)
    vertex.control.fault("drop", method="POST", act=True)
    outcome = vertex.insert("sessions", user_id="zoe", session_id="late")
    assert outcome.state is state
    assert state is SENT or "cannot be read yet" in str(outcome.error)
    assert methods(vertex).count("POST") == 2


@pytest.mark.parametrize("kind", [{"kind": "drop"}, {"kind": "status", "status": 503}])
def test_a_create_with_an_id_that_took_no_effect_is_sent_again(vertex, kind):
    vertex.control.fault(method="POST", **kind)
    outcome = vertex.insert("sessions", user_id="zoe", session_id="again")
    assert outcome.state is SENT
    assert methods(vertex).count("POST") == 2
    assert session(vertex, "again")


def test_a_lost_create_has_an_unknown_outcome_if_another_session_has_its_id(vertex, made):
    vertex.control.fault("drop", method="POST")
    outcome = vertex.insert("sessions", user_id="other", session_id="made")
    assert outcome.state is UNKNOWN
    assert "differs from the row" in str(outcome.error)


@pytest.mark.parametrize("state", ['{"n":1}', '{"n":null}'])
def test_a_session_without_a_key_of_the_row_s_state_is_another_one(vertex, state):
    vertex.insert("sessions", user_id="zoe", session_id="theirs", state='{"m":1}')
    vertex.control.fault("drop", method="POST")
    outcome = vertex.insert("sessions", user_id="zoe", session_id="theirs", state=state)
    assert outcome.state is UNKNOWN
    assert "differs from the row" in str(outcome.error)


def test_a_create_without_id_whose_response_was_lost_is_unknown_and_not_repeated(vertex):
    vertex.control.fault("drop", method="POST", act=True)
    outcome = vertex.insert("sessions", user_id="zoe")
    assert outcome.state is UNKNOWN
    assert isinstance(outcome.error, UnknownOutcomeError)
    assert "WHERE user_id" in str(outcome.error)
    assert methods(vertex) == ["POST"]


def test_an_accepted_create_with_a_broken_response_is_looked_up(vertex):
    vertex.control.fault("truncate", method="POST")
    outcome = vertex.insert("sessions", user_id="zoe", session_id="torn")
    assert outcome.state is SENT
    assert methods(vertex).count("POST") == 1


# Changing


def patch(vertex, key, **values):
    return vertex.send(vertex.write("sessions", "update", key, **values))[0]


def test_an_update_sends_the_changes_and_returns_the_row(vertex, made):
    outcome = patch(vertex, made, display_name="New")
    assert row_of(vertex, outcome).display_name == "New"
    request = vertex.requests("PATCH")[0]
    assert request["query"] == {"updateMask": "displayName"}
    assert request["body"] == {"displayName": "New"}
    assert row_of(vertex, outcome) == session(vertex, "made")


def test_null_clears(vertex, made):
    outcome = patch(vertex, made, display_name=None, labels=None)
    request = vertex.requests("PATCH")[0]
    assert request["query"] == {"updateMask": "displayName,labels"}
    assert request["body"] == {}
    row = row_of(vertex, outcome)
    assert (row.display_name, row.labels) == (None, None)


def test_shared_keys_of_the_state_are_not_sent_back(vertex, made):
    state = json.loads(session(vertex, "made").state)
    assert state["user:seen"] == 2
    state["a"] = 5
    vertex.control.reset_log()
    outcome = patch(vertex, made, state=json.dumps(state))
    assert vertex.requests("PATCH")[0]["body"] == {"sessionState": {"a": 5}}
    assert json.loads(row_of(vertex, outcome).state) == state


def test_changing_a_shared_state_key_is_refused(vertex, made):
    state = json.loads(session(vertex, "made").state) | {"user:seen": 99}
    outcome = patch(vertex, made, state=json.dumps(state))
    assert outcome.state is FAILED
    assert "without user:seen" in str(outcome.error)
    assert "INSERT INTO events" in str(outcome.error)
    assert "stateDelta" in str(outcome.error)


def test_a_given_mask_is_sent_verbatim(vertex, made):
    patch(vertex, made, display_name="X", update_mask="display_name,labels")
    assert vertex.requests("PATCH")[0]["query"] == {"updateMask": "display_name,labels"}


def test_an_expiry_is_set_by_time_or_ttl(vertex, made):
    patch(vertex, made, expire_time="2027-05-01 00:00:00.000001")
    assert session(vertex, "made").expire_time == "2027-05-01 00:00:00.000001"
    patch(vertex, made, ttl=172800)
    assert vertex.requests("PATCH")[1]["body"] == {"ttl": "172800s"}


def test_an_update_that_changes_nothing_writes_nothing(vertex, made):
    outcome = patch(vertex, made)
    assert row_of(vertex, outcome).display_name == "Made"
    assert methods(vertex) == ["GET"]


def test_the_user_of_a_session_cannot_be_changed(vertex, made):
    outcome = patch(vertex, made, user_id="other")
    assert (outcome.state, outcome.http_status) == (FAILED, 400)


def test_an_update_is_repeated_after_a_lost_response(vertex, made):
    vertex.control.fault("drop", method="PATCH", act=True)
    assert patch(vertex, made, display_name="New").state is SENT
    assert methods(vertex).count("PATCH") == 2


def test_an_update_of_a_missing_session_fails(vertex, made):
    outcome = patch(vertex, made.replace("made", "nobody"), display_name="x")
    assert isinstance(outcome.error, NotFoundError)


# Deleting


def test_a_delete_waits_for_its_operation(vertex, made):
    vertex.control.fault("operation", method="DELETE", plan={"polls": 2})
    (outcome,) = vertex.send(vertex.write("sessions", "delete", made))
    assert outcome.state is SENT
    assert len(vertex.requests("GET", "operations")) >= 2
    assert session(vertex, "made") is None


def test_a_repeated_delete_that_finds_nothing_succeeds(vertex, made):
    vertex.control.fault("drop", method="DELETE", act=True)
    (outcome,) = vertex.send(vertex.write("sessions", "delete", made))
    assert outcome.state is SENT
    assert [e["status"] for e in vertex.requests("DELETE")][-1] == 404


def test_the_first_delete_of_a_missing_session_fails(vertex, made):
    (outcome,) = vertex.send(vertex.write("sessions", "delete", made.replace("made", "nobody")))
    assert isinstance(outcome.error, NotFoundError)


def test_compact_session_requires_summarization_or_event_editing(vertex, made):
    with pytest.raises(MissingParameterError, match="summarization or event_editing"):
        vertex.call("compact_session", session="made")
    with pytest.raises(InvalidValueError, match="AUTO"):
        vertex.call("compact_session", session="made", summarization="NOW")


def test_compact_session_returns_its_operation(vertex, made):
    ((name, operation, done, response),) = vertex.call(
        "compact_session", session="made", summarization="AUTO"
    )
    assert (name, done) == (made, 1)
    assert operation == json.loads(response)["name"]
    assert vertex.requests("POST")[0]["body"] == {"compaction": {"summarization": {"mode": "AUTO"}}}


def test_a_dry_run_shows_the_call_and_sends_nothing(vertex):
    write = vertex.write("sessions", "insert", user_id="ann", session_id="dry", labels='{"a":"b"}')
    (request,) = vertex.backend.preview(write)
    engine = "/v1beta1/projects/demo/locations/us-central1/reasoningEngines/42"
    assert (request.method, request.url) == ("POST", f"{vertex.url}{engine}/sessions?sessionId=dry")
    assert json.loads(request.body) == {"userId": "ann", "labels": {"a": "b"}}
    assert vertex.requests() == []


def test_an_interrupt_leaves_the_rest_unsent(vertex, monkeypatch):
    go = delays_last(monkeypatch)
    vertex.control.delay(1)

    def stop():
        vertex.context.stop = True
        go()

    writes = [vertex.write("sessions", "insert", user_id="u", returning=False) for _ in range(400)]
    with once(lambda: vertex.control.log()["total"] == 16, stop):
        states = [outcome.state for outcome in vertex.send(*writes)]
    vertex.control.delay(0)
    assert states.count(SENT) == methods(vertex).count("POST") < 400
    assert set(states) == {SENT, NOT_SENT}


def test_an_error_contains_the_service_s_message(vertex):
    outcome = vertex.insert("sessions", user_id="zoe", ttl="7200s")
    assert isinstance(outcome.error, RefusedError)
    assert "ttl" in str(outcome.error).lower()
