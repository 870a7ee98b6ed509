"""The table ``sessions``: what is asked of the service, and the rows that come back."""

from __future__ import annotations

import json

import pytest

from sessions_vtab.errors import (
    ConflictError,
    InvalidValueError,
    MissingParameterError,
    NotFoundError,
    ProtocolError,
    UnknownOutcomeError,
    UnsupportedError,
)

# Reading


def test_a_row_has_the_core_columns_first_and_its_own_after_them(sql):
    made = sql.add("a/b", description="d", settings={"sync_chat": True})
    (row,) = sql("SELECT * FROM sessions")
    assert row[:6] == ("namespaces/demo/sessions/a%2Fb", "a/b", None, None, None, None)
    assert row[6].replace(" ", "T") + "Z" == made["create_ts"]
    assert row[7:] == (
        *(None, None),
        *("demo", made["pkid"], "d", 1, 0, 0, 0, '{"sync_chat":true}'),
    )


def test_a_list_is_one_request(sql):
    for number in range(30):
        sql.add(f"s{number:02}")
    assert len(sql("SELECT * FROM sessions")) == 30
    assert sql.sent() == [("GET", "demo", None)]


@pytest.mark.parametrize(
    ("where", "requests"),
    [
        ("session_id = 's'", ["demo/s"]),
        ("name = 'namespaces/demo/sessions/s'", ["demo/s"]),
        ("session_id IN ('s', 't')", ["demo/s", "demo/t"]),
        ("session_id IN ('s', 't', 'u', 'v')", ["demo"]),
        ("namespace = 'demo' AND session_id = 's'", ["demo/s"]),
        ("namespace IN ('demo', 'other')", ["demo", "other"]),
        ("description = 'd'", ["demo"]),
        ("pkid = 'x'", ["demo"]),
        ("session_id = NULL", []),
        ("name = 'sessions/s'", []),
        ("session_id = '..'", ["demo"]),
    ],
)
def test_conditions_decide_the_requests(sql, where, requests):
    for name in ("s", "t", "u", "v"):
        sql.add(name)
    sql(f"SELECT session_id FROM sessions WHERE {where}")
    assert sorted(path for _, path, _ in sql.sent()) == requests


def test_a_join_asks_for_each_session_once(sql):
    for name in ("s", "t"):
        sql.add(name, participants=["ann"])
    rows = sql(
        "SELECT s.session_id, participant FROM sessions s JOIN participants p"
        " ON p.session_id = s.session_id ORDER BY 1"
    )
    assert rows == [("s", "ann"), ("t", "ann")]
    assert len(sql.sent()) <= 3


def test_a_missing_session_gives_no_row(sql):
    assert sql("SELECT * FROM sessions WHERE session_id = 'nope'") == []


def test_whether_the_namespace_is_there_is_asked_once(sql):
    sql("SELECT * FROM sessions WHERE session_id = 'nope'")
    assert [path for _, path, _ in sql.sent()] == ["demo/nope", "demo"]
    sql("SELECT * FROM sessions WHERE session_id = 'nor-this'")
    assert [path for _, path, _ in sql.sent()] == ["demo/nor-this"]


@pytest.mark.parametrize(
    "where", ["session_id = 's'", "description = 'd'", "session_id IN ('a','b')"]
)
def test_a_missing_namespace_is_an_error(source, where):
    with pytest.raises(NotFoundError, match="There is no namespace 'unknown'"):
        source("unknown")(f"SELECT * FROM sessions WHERE {where}")


def test_without_a_namespace_where_has_to_name_it(source):
    eleanor = source("")
    with pytest.raises(MissingParameterError, match=r"has no namespace\. Add WHERE namespace"):
        eleanor("SELECT * FROM sessions")
    assert eleanor("SELECT * FROM sessions WHERE namespace = 'demo'") == []
    assert eleanor("SELECT * FROM sessions WHERE namespace = 'demo' AND session_id = 's'") == []


def test_scopes_limit_the_namespaces_that_may_be_named(source):
    eleanor = source(**{"scopes.namespace": "other"})
    assert eleanor("SELECT * FROM sessions WHERE namespace = 'other'") == []
    eleanor.sent()
    for statement in (
        "SELECT * FROM sessions WHERE namespace = 'third'",
        "SELECT * FROM sessions WHERE name = 'namespaces/third/sessions/s'",
        "INSERT INTO sessions(namespace, session_id) VALUES ('third', 's')",
        "SELECT * FROM truncate_session('namespaces/third/sessions/s')",
    ):
        with pytest.raises(
            InvalidValueError,
            match=r"namespace = 'third' is not allowed\. The source's scopes allow only",
        ):
            eleanor(statement)
    assert eleanor.sent() == []


# Deleted sessions


@pytest.mark.parametrize(
    ("where", "found"),
    [
        ("1", ["live"]),
        ("deleted = 0", ["live"]),
        ("deleted = 1", ["gone"]),
        ("deleted IN (0, 1)", ["gone", "live"]),
        ("deleted IS NOT NULL", ["gone", "live"]),
        ("deleted > 0", ["gone"]),
        ("include_deleted = 1", ["gone", "live"]),
        ("include_deleted = 0", ["live"]),
        ("include_deleted = 1 AND session_id = 'gone'", ["gone"]),
        ("session_id = 'gone'", []),
        ("session_id = 'gone' AND deleted = 1", ["gone"]),
        ("session_id = 'gone' AND deleted = 0", []),
        ("name = 'namespaces/demo/sessions/gone' AND deleted <> 0", ["gone"]),
    ],
)
def test_deleted_sessions_show_only_when_asked_for(sql, where, found):
    sql.add("live")
    sql.add("gone")
    sql.remove("gone")
    rows = sql(f"SELECT session_id FROM sessions WHERE {where} ORDER BY 1")
    assert [name for (name,) in rows] == found


def test_a_deleted_session_that_the_service_shows_by_its_name_is_no_row_all_the_same(sql):
    sql.add("gone")
    body = {"session": {"name": "gone", "namespace": "demo", "deleted": True}}
    sql.control.fault("body", method="GET", body=body)
    assert sql("SELECT session_id FROM sessions WHERE session_id = 'gone'") == []


def test_include_deleted_is_sent_only_where_it_is_needed(sql):
    sql("SELECT * FROM sessions")
    sql("SELECT * FROM sessions WHERE deleted = 0")
    sql("SELECT * FROM sessions WHERE deleted = 1")
    queries = [one["query"] for one in sql.control.requests()]
    assert queries == [{}, {}, {"include_deleted": "true"}]


def test_include_deleted_takes_0_or_1(sql):
    with pytest.raises(InvalidValueError, match="include_deleted must be 0 or 1"):
        sql("SELECT * FROM sessions WHERE include_deleted = 'yes'")


# INSERT


def test_an_insert_sends_what_is_given_and_answers_with_what_is_stored(sql):
    rows = sql(
        "INSERT INTO sessions(session_id, description, enabled, settings)"
        " VALUES ('s', 'd', 0, '{\"sync_chat\": true}')"
        " RETURNING name, enabled, settings, pkid IS NOT NULL"
    )
    assert rows == [("namespaces/demo/sessions/s", 0, '{"sync_chat":true}', 1)]
    body = {"name": "s", "description": "d", "enabled": False, "settings": {"sync_chat": True}}
    assert sql.sent() == [("POST", "demo", body)]


@pytest.mark.parametrize(
    ("columns", "values"),
    [
        ("name", "'namespaces/other/sessions/a%2Fb'"),
        ("name, session_id", "'namespaces/other/sessions/a%2Fb', 'a/b'"),
        ("namespace, session_id", "'other', 'a/b'"),
    ],
)
def test_a_new_session_is_named_by_name_or_by_id(sql, columns, values):
    rows = sql(f"INSERT INTO sessions({columns}) VALUES ({values}) RETURNING name, session_id")
    assert rows == [("namespaces/other/sessions/a%2Fb", "a/b")]
    assert sql.sent() == [("POST", "other", {"name": "a/b"})]


@pytest.mark.parametrize(
    ("columns", "values", "error", "words"),
    [
        ("description", "'d'", MissingParameterError, "session_id is required"),
        ("session_id", "''", InvalidValueError, "session_id is empty"),
        (
            "name, session_id",
            "'namespaces/a/sessions/b', 'c'",
            InvalidValueError,
            "contradicts the name",
        ),
        ("name", "'sessions/b'", InvalidValueError, "is not a valid session name"),
        ("session_id, settings", "'s', '[1]'", InvalidValueError, "settings must be a JSON object"),
        ("session_id, enabled", "'s', 2", InvalidValueError, "enabled must be 0 or 1"),
        ("session_id, namespace", "'s', '..'", InvalidValueError, "is not a valid namespace"),
        ("session_id, pkid", "'s', 'p'", UnsupportedError, "pkid cannot be given on INSERT"),
        ("session_id, user_id", "'s', 'ann'", UnsupportedError, "INSERT INTO participants"),
    ],
)
def test_what_cannot_be_stored_is_refused_before_anything_is_sent(
    sql, columns, values, error, words
):
    with pytest.raises(error, match=words):
        sql(f"INSERT INTO sessions({columns}) VALUES ({values})")
    assert sql.sent() == []


def test_a_taken_name_is_a_conflict_also_if_its_session_is_deleted(sql):
    sql.add("s")
    sql.remove("s")
    with pytest.raises(ConflictError, match=r"409 .* perhaps by a deleted session"):
        sql("INSERT INTO sessions(session_id) VALUES ('s')")


def test_or_ignore_skips_a_taken_name(sql):
    sql.add("s")
    sql("INSERT OR IGNORE INTO sessions(session_id) VALUES ('s'), ('t')")
    assert sql("SELECT answer_key, outcome FROM writes ORDER BY answer_key") == [
        (None, "skipped"),
        ("namespaces/demo/sessions/t", "sent"),
    ]


def test_a_create_whose_answer_was_lost_is_looked_for(sql):
    sql.control.fault("drop", method="POST", act=True)
    rows = sql("INSERT INTO sessions(session_id, description) VALUES ('s', 'd') RETURNING name")
    assert rows == [("namespaces/demo/sessions/s",)]
    assert [method for method, _, _ in sql.sent()] == ["POST", "GET"]


def test_a_create_that_did_not_arrive_is_sent_once_more(sql):
    sql.control.fault("drop", method="POST")
    sql("INSERT INTO sessions(session_id) VALUES ('s')")
    assert [method for method, _, _ in sql.sent()] == ["POST", "GET", "POST"]
    assert sql("SELECT session_id FROM sessions") == [("s",)]


def test_a_lost_create_beside_another_session_of_that_name_is_of_unknown_outcome(sql):
    sql.add("s", description="of somebody else")
    sql.control.fault("drop", method="POST")
    with pytest.raises(UnknownOutcomeError, match="exists, but differs from the row"):
        sql("INSERT INTO sessions(session_id, description) VALUES ('s', 'mine')")


# UPDATE


@pytest.mark.parametrize(
    ("change", "body"),
    [
        ("description = 'new'", {"description": "new"}),
        ("description = NULL", {"description": None}),
        ("enabled = 0", {"enabled": False}),
        ("settings = '{\"a\":1}'", {"settings": {"a": 1}}),
        ("session_id = 't'", {"name": "t"}),
        ("session_id = 't', enabled = 0", {"name": "t", "enabled": False}),
    ],
)
def test_an_update_sends_only_what_changes(sql, change, body):
    sql.add("s", description="old", settings={"x": 1})
    sql(f"UPDATE sessions SET {change} WHERE session_id = 's'")
    assert sql.sent() == [("GET", "demo/s", None), ("PUT", "demo/s", body)]


def test_an_update_that_changes_nothing_sends_nothing(sql):
    sql.add("s", description="old")
    sql("UPDATE sessions SET description = 'old' WHERE session_id = 's'")
    assert sql.sent() == [("GET", "demo/s", None)]


def test_settings_that_are_set_to_null_are_emptied(sql):
    sql.add("s", settings={"x": 1})
    sql("UPDATE sessions SET settings = NULL WHERE session_id = 's'")
    assert sql.sent()[-1][2] == {"settings": {}}


def test_a_renamed_session_answers_with_its_new_name(sql):
    sql.add("s")
    rows = sql("UPDATE sessions SET session_id = 'a/b' WHERE session_id = 's' RETURNING name")
    assert rows == [("namespaces/demo/sessions/a%2Fb",)]


def test_a_renaming_whose_answer_was_lost_is_not_an_error(sql):
    sql.add("s")
    sql.control.fault("drop", method="PUT", act=True)
    rows = sql("UPDATE sessions SET session_id = 't' WHERE session_id = 's' RETURNING session_id")
    assert rows == [("t",)]


def test_rows_of_a_unit_of_work_with_a_renaming_go_in_order(sql):
    sql.add("s")
    with sql.connection:
        sql("UPDATE sessions SET session_id = 't' WHERE session_id = 's'")
        sql("INSERT INTO participants(session_id, participant) VALUES ('t', 'ann')")
    assert sql("SELECT session_id, participant FROM participants") == [("t", "ann")]


@pytest.mark.parametrize(
    ("change", "error", "words"),
    [
        ("session_id = NULL", InvalidValueError, "session_id cannot be empty"),
        ("enabled = NULL", InvalidValueError, "enabled cannot be empty"),
        ("settings = '7'", InvalidValueError, "must be a JSON object"),
        ("managed = 1", UnsupportedError, "managed cannot be changed"),
        ("name = 'x'", UnsupportedError, "UPDATE session_id to rename"),
        ("managed = managed + 1, description = 'd'", UnsupportedError, "managed cannot be changed"),
        ("deleted = 1, description = 'd'", InvalidValueError, "set it in a separate UPDATE"),
    ],
)
def test_what_cannot_change_is_refused_before_it_is_sent(sql, change, error, words):
    sql.add("s", description="old")
    with pytest.raises(error, match=words):
        sql(f"UPDATE sessions SET {change} WHERE session_id = 's'")
    reads = [] if error is UnsupportedError else ["GET"]  # That needs no row.
    assert [method for method, _, _ in sql.sent()] == reads


def test_setting_deleted_deletes_and_restores(sql):
    sql.add("s")
    sql("UPDATE sessions SET deleted = 1 WHERE session_id = 's'")
    assert sql("SELECT session_id FROM sessions") == []
    sql("UPDATE sessions SET deleted = 0 WHERE session_id = 's' AND deleted = 1")
    assert sql("SELECT session_id FROM sessions") == [("s",)]
    assert [one for one in sql.sent() if one[0] != "GET"] == [
        ("DELETE", "demo/s", None),
        ("POST", "demo/s/undelete", None),
    ]


# DELETE


def test_delete_hides_the_session(sql):
    sql.add("s")
    assert sql("DELETE FROM sessions WHERE session_id = 's' RETURNING session_id") == [("s",)]
    assert sql("SELECT session_id, deleted FROM sessions WHERE include_deleted = 1") == [("s", 1)]


def test_a_delete_whose_answer_was_lost_is_not_an_error(sql):
    sql.add("s")
    sql.control.fault("drop", method="DELETE", act=True)
    sql("DELETE FROM sessions WHERE session_id = 's'")
    assert sql("SELECT outcome FROM writes") == [("sent",)]


# Answers


@pytest.mark.parametrize(
    ("session", "words"),
    [
        ({"name": 7}, "field name should be text"),
        ({}, "field name should be text"),
        ({"name": "s", "enabled": "yes"}, "field enabled should be true or false"),
        ({"name": "s", "settings": [1]}, "field settings should be an object"),
        ({"name": "s", "create_ts": "yesterday"}, "field create_ts should be a time"),
    ],
)
def test_a_field_of_the_wrong_type_is_an_error_that_names_it(sql, session, words):
    sql.control.fault("body", method="GET", body=json.dumps({"sessions": [session]}))
    with pytest.raises(ProtocolError, match=words):
        sql("SELECT * FROM sessions")


def test_unknown_and_missing_optional_fields_are_no_error(sql):
    sql.control.fault("body", method="GET", body={"sessions": [{"name": "s", "novel": [1]}]})
    assert sql("SELECT session_id, enabled, settings FROM sessions") == [("s", None, None)]


def test_only_columns_that_are_used_are_read(sql):
    sql.control.fault("body", method="GET", body={"sessions": [{"name": "s", "enabled": "yes"}]})
    assert sql("SELECT session_id FROM sessions") == [("s",)]


@pytest.mark.parametrize("status", [200, 201, 202])
def test_any_2xx_is_success(sql, status):
    body = {"status": {"code": 0, "message": "SUCCESS"}, "session": {"name": "s"}}
    sql.control.fault("status", method="POST", status=status, body=body)
    assert sql("INSERT INTO sessions(session_id) VALUES ('s') RETURNING session_id") == [("s",)]


def test_an_answer_without_the_session_is_completed_by_reading_it(sql):
    sql.add("s", description="old")
    body = {"status": {"code": 0, "message": "SUCCESS"}}
    sql.control.fault("body", method="PUT", body=body)
    rows = sql("UPDATE sessions SET description = 'd' WHERE session_id = 's' RETURNING description")
    assert rows == [("d",)]
