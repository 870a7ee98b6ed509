"""The statements of StackQL's reference page, run as printed against the emulator."""

from __future__ import annotations

import json
from collections.abc import Iterator

import pytest

import sessions_vtab
from sessions_vtab.emulator.serve import Running, running
from sessions_vtab.emulator.service import EmulatorSettings
from sessions_vtab.errors import MissingParameterError, ReadOnlyError

_ENGINE = "projects/demo/locations/us-central1/reasoningEngines/42"
_WHERE = """projectsId = 'demo' --required
AND locationsId = 'us-central1' --required
AND reasoningEnginesId = '42' --required"""

_INSERT = """INSERT INTO google.aiplatform.sessions (
data__userId,
data__expireTime,
data__sessionState,
data__name,
data__displayName,
data__labels,
data__ttl,
projectsId,
locationsId,
reasoningEnginesId
)
SELECT
'ann',
'',
'{"step": 1}',
'NAME',
'Tour',
'{"env": "prod"}',
'172800s',
'demo',
'us-central1',
'42'
RETURNING
name,
done,
error,
metadata,
response
;"""

_EXEC = """EXEC google.aiplatform.sessions.append_event
@projectsId='demo' --required,
@locationsId='us-central1' --required,
@reasoningEnginesId='42' --required,
@sessionsId='s1' --required
@@json=
'{
"author": "user",
"content": "Where is my order?",
"invocationId": "e-1",
"timestamp": "2026-01-01T00:00:00Z",
"actions": "{\\"stateDelta\\": {\\"asked\\": true}}",
"errorCode": "",
"errorMessage": "",
"eventMetadata": "",
"name": ""
}'
;"""


@pytest.fixture(scope="module")
def emulator() -> Iterator[Running]:
    with running(EmulatorSettings(seed=7, sessions=3, events=6)) as served:
        yield served


@pytest.fixture
def db(emulator: Running) -> Iterator[sessions_vtab.Connection]:
    emulator.control.reset()
    base = f"base_url={emulator.url}"
    connection = sessions_vtab.connect(
        sources=["notes=local://:memory:", f"prod=vertex://demo/us-central1/42?{base}"]
    )
    yield connection
    connection.close()


def _create(db: sessions_vtab.Connection) -> tuple[object, ...]:
    text = _INSERT.replace("NAME", f"{_ENGINE}/sessions/s1")
    row: tuple[object, ...] = db.execute(text).fetchone()
    return row


def test_insert_returns_the_operation(db: sessions_vtab.Connection, emulator: Running) -> None:
    name, done, error, metadata, response = _create(db)

    assert "/sessions/s1/operations/" in str(name)
    assert (done, error) == (1, None)
    assert "genericMetadata" in json.loads(str(metadata))
    assert json.loads(str(response))["userId"] == "ann"
    (sent,) = emulator.control.requests("POST")
    assert sent["query"] == {"sessionId": "s1"}
    assert sent["body"] == {
        "userId": "ann",
        "sessionState": {"step": 1},
        "displayName": "Tour",
        "labels": {"env": "prod"},
        "ttl": "172800s",
    }


def test_insert_that_awaits_returns_the_session(db: sessions_vtab.Connection) -> None:
    text = _INSERT.replace("NAME", "").replace("INSERT INTO", "INSERT /*+ AWAIT */ INTO")
    text = text.replace("name,\ndone,\nerror,\nmetadata,\nresponse", "displayName, userId")

    cursor = db.execute(text)

    assert [one[0] for one in cursor.get_description()] == ["displayName", "userId"]
    assert cursor.fetchall() == [("Tour", "ann")]


def test_select_has_camel_case_columns(db: sessions_vtab.Connection) -> None:
    _create(db)

    cursor = db.execute(
        "SELECT name, createTime, displayName, labels, sessionState, ttl, userId"
        f" FROM google.aiplatform.sessions WHERE {_WHERE}\nAND sessionsId = 's1' -- required\n;"
    )

    headings = [one[0] for one in cursor.get_description()]
    row = dict(zip(headings, cursor.fetchone(), strict=True))
    assert row["name"] == f"{_ENGINE}/sessions/s1"
    assert (row["displayName"], row["userId"], row["ttl"]) == ("Tour", "ann", None)
    assert json.loads(row["labels"]) == {"env": "prod"}


def test_update_sends_the_mask_as_given(db: sessions_vtab.Connection, emulator: Running) -> None:
    _create(db)

    rows = db.execute(
        "UPDATE google.aiplatform.sessions SET data__displayName = 'New', data__labels = ''"
        f" WHERE {_WHERE}\nAND sessionsId = 's1' AND updateMask = 'displayName'"
        " RETURNING displayName, labels"
    ).fetchall()

    assert rows == [("New", '{"env":"prod"}')]
    (sent,) = emulator.control.requests("PATCH")
    assert "displayName" in str(sent["query"])


def test_exec_appends_an_event(db: sessions_vtab.Connection) -> None:
    _create(db)

    answer = db.execute(_EXEC).fetchall()

    assert answer == [("The operation was despatched successfully",)]
    assert db.execute(
        "SELECT author, text, invocation_id FROM prod.events WHERE session_id = 's1'"
    ).fetchall() == [("user", "Where is my order?", "e-1")]
    assert db.execute("SELECT state->>'asked' FROM prod.sessions WHERE session_id = 's1'").get == 1


def test_exec_takes_its_parameters_without_commas_too(db: sessions_vtab.Connection) -> None:
    _create(db)

    db.execute(_EXEC.replace(" --required,", " --required"))

    assert db.execute("SELECT count(*) FROM prod.events WHERE session_id = 's1'").get == 1


def test_exec_in_from_returns_the_event(db: sessions_vtab.Connection) -> None:
    _create(db)
    text = f"SELECT event_id, x.session_name FROM ({_EXEC.rstrip(';')}) AS x WHERE event_id <> ?"
    ((event, session),) = db.execute(text, ("",)).fetchall()
    assert session == f"{_ENGINE}/sessions/s1"
    found = db.execute("SELECT event_id FROM prod.events WHERE session_id = 's1'")
    assert found.fetchall() == [(event,)]


def test_exec_compacts_a_session(db: sessions_vtab.Connection, emulator: Running) -> None:
    _create(db)
    answer = db.execute(
        "EXEC google.aiplatform.sessions.compact @projectsId='demo', @locationsId='us-central1',"
        " @reasoningEnginesId='42', @sessionsId='s1'"
        """ @@json='{"compaction": {"summarization": {"mode": "AUTO"}}}'"""
    ).fetchall()
    assert answer == [("The operation was despatched successfully",)]
    sent = emulator.control.requests("POST")[-1]
    assert sent["path"].endswith("/sessions/s1:compact")
    assert sent["body"] == {"compaction": {"summarization": {"mode": "AUTO"}}}


@pytest.mark.parametrize(
    ("text", "bindings", "names"),
    [
        ("WHERE SQLVerb = 'EXEC' AND MethodName <> ?;", ("append_event",), ["compact"]),
        ("LIKE 'c%' WHERE RequiredParams LIKE :p -- all", {"p": "%sessionsId"}, ["compact"]),
        ("LIKE 'x%' WHERE MethodName IS NOT ?", ("y",), []),
    ],
)
def test_what_show_lists_can_be_narrowed(
    db: sessions_vtab.Connection, text: str, bindings: object, names: list[str]
) -> None:
    found = db.execute(f"SHOW METHODS IN google.aiplatform.sessions {text}", bindings)
    assert [row[0] for row in found] == names


def test_delete_removes_the_session(db: sessions_vtab.Connection) -> None:
    _create(db)

    db.execute(f"DELETE FROM google.aiplatform.sessions WHERE {_WHERE}\nAND sessionsId = 's1' ;")

    assert db.execute("SELECT count(*) FROM prod.sessions WHERE session_id = 's1'").get == 0


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("SHOW PROVIDERS", "google"),
        ("SHOW SERVICES IN google", "aiplatform"),
        ("SHOW RESOURCES IN google.aiplatform", "google.aiplatform.sessions"),
        ("SHOW METHODS IN google.aiplatform.sessions", "append_event"),
        ("DESCRIBE google.aiplatform.sessions", "createTime"),
        ("DESCRIBE EXTENDED google.aiplatform.sessions", "createTime"),
    ],
)
def test_show_and_describe_send_no_request(
    db: sessions_vtab.Connection, emulator: Running, text: str, expected: str
) -> None:
    rows = db.execute(text).fetchall()

    assert any(expected in row for row in rows)
    assert emulator.control.requests() == []


def test_in_on_a_scope_parameter_reads_several_engines(
    db: sessions_vtab.Connection, emulator: Running
) -> None:
    rows = db.execute(
        "SELECT name FROM google.aiplatform.sessions WHERE projectsId = 'demo'"
        " AND locationsId = 'us-central1' AND reasoningEnginesId IN ('42')"
    ).fetchall()

    assert len(rows) == 3


def test_a_missing_required_parameter_is_named(db: sessions_vtab.Connection) -> None:
    with pytest.raises(MissingParameterError, match="reasoningEnginesId"):
        db.execute(
            "SELECT name FROM google.aiplatform.sessions WHERE projectsId = 'demo'"
            " AND locationsId = 'us-central1'"
        )


def test_read_only_holds_for_stackql_too(emulator: Running) -> None:
    url = f"prod=vertex://demo/us-central1/42?base_url={emulator.url}"
    with sessions_vtab.connect(url, read_only=True) as db, pytest.raises(ReadOnlyError):
        _create(db)
    db.close()
