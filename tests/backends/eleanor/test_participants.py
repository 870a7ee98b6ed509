"""The table ``participants``: INSERT binds, DELETE unbinds."""

from __future__ import annotations

import pytest

from sessions_vtab.errors import (
    ConflictError,
    ForbiddenError,
    InvalidValueError,
    MissingParameterError,
    NotFoundError,
    ProtocolError,
    UnknownOutcomeError,
    UnsupportedError,
)

ANN = (
    "namespaces/demo/sessions/s/participants/ann",
    "namespaces/demo/sessions/s",
    "s",
    "ann",
    "user",
)


@pytest.fixture
def bound(sql):
    """Sessions s and t; ann is bound to s, an agent to both."""
    sql.add("s", participants=["ann", "agent-iris"])
    sql.add("t", participants=["agent-iris"])
    return sql


def test_a_row_is_one_participant_of_one_session(bound):
    assert bound("SELECT * FROM participants WHERE session_id = 's' AND participant = 'ann'") == [
        ANN
    ]


@pytest.mark.parametrize(
    ("where", "path", "rows"),
    [
        ("1", "demo", 3),
        ("session_id = 's'", "demo/s", 2),
        ("session_name = 'namespaces/demo/sessions/s'", "demo/s", 2),
        ("name = 'namespaces/demo/sessions/s/participants/ann'", "demo/s", 1),
        ("participant = 'ann'", "demo", 1),
        ("namespace = 'demo' AND participant_type = 'agent'", "demo", 2),
        ("namespace = 'other'", "other", 0),
    ],
)
def test_participants_come_with_their_sessions(bound, where, path, rows):
    assert bound(f"SELECT count(*) FROM participants WHERE {where}") == [(rows,)]
    assert bound.sent() == [("GET", path, None)]


@pytest.mark.parametrize(
    ("sql", "rows"),
    [
        ("participants a JOIN participants b USING (name)", 40),
        ("participants a LEFT JOIN participants b USING (name)", 40),
        ("participants a WHERE NOT EXISTS (SELECT 1 FROM participants b WHERE b.name = a.name)", 0),
        ("sessions s JOIN participants p ON p.session_name = s.name", 40),
        ("participants p JOIN sessions s ON p.session_name = s.name", 40),
    ],
)
def test_participants_of_many_sessions_are_read_with_one_list(source, sql, rows):
    eleanor = source()
    for number in range(20):
        eleanor.add(f"s{number}", participants=["ann", "agent-iris"])
    assert eleanor(f"SELECT count(*) FROM {sql}") == [(rows,)]
    assert eleanor.sent() == [("GET", "demo", None)]


@pytest.mark.parametrize(
    "text",
    [
        "SELECT count(*) FROM sessions s JOIN participants p USING (session_id)",
        "SELECT count(*) FROM sessions s LEFT JOIN participants p ON p.session_name = s.name",
        (
            "SELECT sum((SELECT count(*) FROM participants p WHERE p.session_id = s.session_id"
            " AND p.participant <> 'x')) FROM sessions s"
        ),
    ],
)
def test_sessions_and_their_participants_are_one_list(bound, text):
    """The list of sessions has their participants: no session is read by itself."""
    for number in range(20):
        bound.add(f"s-{number}", participants=["ann"])

    assert bound(text) == [(23,)]
    assert len(bound.sent()) == 1


def test_participants_of_deleted_sessions_do_not_show(bound):
    bound.remove("s")
    assert bound("SELECT session_id FROM participants") == [("t",)]


@pytest.mark.parametrize(
    ("listed", "rows"),
    [
        (["ann"], [("ann", None)]),
        ([{"name": "ann"}], [("ann", None)]),
        (None, []),
    ],
)
def test_names_alone_are_participants_too(sql, listed, rows):
    body = {"sessions": [{"name": "s", "participants": listed}]}
    sql.control.fault("body", method="GET", body=body)
    assert sql("SELECT participant, participant_type FROM participants") == rows


@pytest.mark.parametrize("listed", ["ann", [7], [{"pkid": "p"}]])
def test_a_list_of_participants_that_is_none_is_an_error(sql, listed):
    body = {"sessions": [{"name": "s", "participants": listed}]}
    sql.control.fault("body", method="GET", body=body)
    with pytest.raises(ProtocolError, match=r"the field (participants|name) should be"):
        sql("SELECT participant FROM participants")


@pytest.mark.parametrize(
    ("columns", "values"),
    [
        ("session_id, participant", "'t', 'ann'"),
        ("session_name, participant", "'namespaces/demo/sessions/t', 'ann'"),
        ("namespace, session_id, participant", "'demo', 't', 'ann'"),
        ("name, participant", "'namespaces/demo/sessions/t/participants/ann', 'ann'"),
    ],
)
def test_an_insert_binds(bound, columns, values):
    rows = bound(
        f"INSERT INTO participants({columns}) VALUES ({values}) RETURNING session_id, participant_type"
    )
    assert rows == [("t", "user")]
    assert bound.sent() == [("PUT", "demo/t/participants/ann", None)]


@pytest.mark.parametrize(
    ("columns", "values", "error", "words"),
    [
        ("participant", "'ann'", MissingParameterError, "session_id .or session_name. is required"),
        ("session_id", "'s'", MissingParameterError, "participant is required"),
        ("session_name, participant", "'s', 'ann'", InvalidValueError, "not a valid session name"),
        ("name, participant", "'x', 'ann'", InvalidValueError, "not a valid participant name"),
        (
            "name, participant",
            "'namespaces/demo/sessions/t/participants/ann', 'bob'",
            InvalidValueError,
            "participant = 'bob' contradicts the name",
        ),
        (
            "session_name, session_id, participant",
            "'namespaces/demo/sessions/t', 's', 'ann'",
            InvalidValueError,
            "session_id = 's' contradicts the name",
        ),
        ("session_id, participant", "'s', '..'", InvalidValueError, "cannot be part of"),
        (
            "session_id, participant, participant_type",
            "'s', 'ann', 'user'",
            UnsupportedError,
            "the type of the user or agent",
        ),
    ],
)
def test_what_cannot_be_bound_is_refused_before_it_is_sent(bound, columns, values, error, words):
    with pytest.raises(error, match=words):
        bound(f"INSERT INTO participants({columns}) VALUES ({values})")
    assert bound.sent() == []


def test_binding_twice_is_a_conflict(bound):
    with pytest.raises(ConflictError, match="'ann' is already bound to namespaces/demo/sessions/s"):
        bound("INSERT INTO participants(session_id, participant) VALUES ('s', 'ann')")


def test_or_ignore_skips_who_is_bound(bound):
    bound(
        "INSERT OR IGNORE INTO participants(session_id, participant) VALUES ('s','ann'),('s','bob')"
    )
    assert bound("SELECT outcome FROM writes ORDER BY number") == [("skipped",), ("sent",)]
    assert bound("SELECT count(*) FROM participants WHERE session_id = 's'") == [(3,)]


@pytest.mark.parametrize(
    ("session", "participant", "error"),
    [
        ("nope", "ann", NotFoundError),
        ("s", "unknown", NotFoundError),
        ("s", "{pkid}", ForbiddenError),
    ],
)
def test_what_the_service_refuses_is_an_error(bound, session, participant, error):
    stranger = bound.admin("PUT", "participants/stranger", {"participant_type": "user"})
    other = stranger["pkid"]
    bound.namespace = "demo"
    state = bound.control.dump()
    state["eleanor"]["participants"][other]["namespace"] = "other"
    bound.control.load(state)
    with pytest.raises(error):
        bound(
            "INSERT INTO participants(session_id, participant) VALUES (?, ?)",
            session,
            participant.format(pkid=other),
        )


def test_a_session_is_made_before_it_gets_participants(sql):
    with sql.connection:
        sql("INSERT INTO participants(session_id, participant) VALUES ('new', 'ann')")
        sql("INSERT INTO sessions(session_id) VALUES ('new')")
    assert [method for method, _, _ in sql.sent()] == ["POST", "PUT"]


def test_a_binding_that_the_service_does_not_list_is_of_unknown_outcome(sql):
    sql.add("s")
    sql.control.fault("body", method="PUT", body={"session": {"name": "s", "participants": []}})
    with pytest.raises(UnknownOutcomeError, match="does not list it"):
        sql("INSERT INTO participants(session_id, participant) VALUES ('s', 'ann') RETURNING name")


def test_a_binding_whose_answer_was_lost_is_not_an_error(sql):
    sql.add("s")
    sql.control.fault("drop", method="PUT", act=True)
    rows = sql(
        "INSERT INTO participants(session_id, participant) VALUES ('s', 'ann') RETURNING participant"
    )
    assert rows == [("ann",)]


def test_delete_unbinds(bound):
    bound("DELETE FROM participants WHERE session_id = 's' AND participant = 'ann'")
    assert bound.sent() == [("GET", "demo/s", None), ("DELETE", "demo/s/participants/ann", None)]
    assert bound("SELECT participant FROM participants WHERE session_id = 's'") == [("agent-iris",)]


def test_bindings_do_not_change(bound):
    with pytest.raises(UnsupportedError, match="DELETE the binding and INSERT another"):
        bound("UPDATE participants SET participant = 'bob' WHERE session_id = 's'")
