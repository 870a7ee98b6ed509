from __future__ import annotations

import json

import pytest

from sessions_vtab.contract.backend import OutcomeState
from sessions_vtab.contract.predicate import Compare, Field, Op
from sessions_vtab.errors import (
    ConflictError,
    InvalidValueError,
    NotFoundError,
    UnsupportedError,
)


def equals(column, value):
    return Compare(Field(column), Op.EQ, value)


def test_insert_returns_the_whole_row(local):
    row = local.create("tour-1", user_id="ann", labels='{"env":"prod"}')
    assert row == local.one("sessions")
    assert row == dict.fromkeys(row) | {
        "name": "sessions/tour-1",
        "session_id": "tour-1",
        "user_id": "ann",
        "labels": '{"env":"prod"}',
        "create_time": row["create_time"],
        "update_time": row["create_time"],
        "enabled": 1,
        "deleted": 0,
        "is_irrelevant": 0,
        "is_payload_search": 0,
    }
    assert row["create_time"].startswith("2026-01-01 09:00:00.")


def test_the_store_generates_an_id_unless_one_is_given(local):
    ids = {local.as_dict("sessions", local.insert("sessions"))["session_id"] for _ in range(20)}
    assert len(ids) == 20
    assert all(len(one) == 12 for one in ids)


@pytest.mark.parametrize(
    ("session_id", "name"),
    [
        ("a", "sessions/a"),
        ("A.b-c_d~1", "sessions/A.b-c_d~1"),
        ("a b", "sessions/a%20b"),
        ("100%", "sessions/100%25"),
        ("a%20b", "sessions/a%2520b"),
        ("naïve 日本", "sessions/na%C3%AFve%20%E6%97%A5%E6%9C%AC"),
        ("'; DROP TABLE sessions; --", "sessions/%27%3B%20DROP%20TABLE%20sessions%3B%20--"),
        ("..", "sessions/.."),
        ("x" * 255, "sessions/" + "x" * 255),
    ],
)
def test_any_id_survives_in_the_name(local, session_id, name):
    assert local.create(session_id)["name"] == name
    assert local.values("sessions", "session_id", equals("name", name)) == [session_id]
    assert local.values("sessions", "name", equals("session_id", session_id)) == [name]


@pytest.mark.parametrize("bad", ["", "a/b", "a\nb", "a\0b", "a\x7fb", "a\x85b", "x" * 256])
def test_invalid_ids_are_refused(local, bad):
    with pytest.raises(InvalidValueError, match=r"local\.sessions\.session_id must have 1 to 255"):
        local.create(bad)
    assert local.rows("sessions") == []


@pytest.mark.parametrize(
    "name",
    ["sessions/a%20b", "a%20b", "projects/p/locations/l/reasoningEngines/1/sessions/a%20b"],
)
def test_the_id_may_come_from_a_name_of_any_source(local, name):
    assert local.as_dict("sessions", local.insert("sessions", name=name))["session_id"] == "a b"


def test_id_and_name_may_agree(local):
    assert local.create("b", name="namespaces/n/sessions/b")["name"] == "sessions/b"


def test_id_and_name_that_differ_are_refused(local):
    with pytest.raises(
        InvalidValueError, match="session_id 'a' does not match the last part of name"
    ):
        local.create("a", name="sessions/b")


def test_an_id_that_exists_is_a_conflict(local):
    local.create("a", user_id="ann")
    with pytest.raises(ConflictError, match="session 'a' already exists"):
        local.create("a", user_id="bob")
    assert local.values("sessions", "user_id") == ["ann"]


def test_insert_or_ignore_skips_an_id_that_exists(local):
    local.create("a", user_id="ann")
    outcome = local.insert("sessions", session_id="a", user_id="bob", ignore=True)
    assert outcome.state is OutcomeState.SKIPPED
    assert local.values("sessions", "user_id") == ["ann"]


@pytest.mark.parametrize(
    "labels",
    [
        "{}",
        '{"env":"prod","team-1":"a_b"}',
        '{"größe":"日本","ключ":"значение","हिन्दी":"ß"}',
        '{"k":""}',
        json.dumps({"k" * 64: "v" * 64}),
        json.dumps({"ü" * 64: "日" * 64}),
    ],
)
def test_labels_of_any_script_are_kept(local, labels):
    assert json.loads(local.create(labels=labels)["labels"]) == json.loads(labels)


@pytest.mark.parametrize(
    "labels",
    [
        "[]",
        "1",
        '"x"',
        '{"Env":"prod"}',
        '{"env":"Prod"}',
        '{"env":1}',
        '{"env":null}',
        '{"env":{}}',
        '{"":"x"}',
        '{"a b":"x"}',
        '{"a":"x.y"}',
        '{"Ä":"x"}',
        '{"a":"😀"}',
        json.dumps({"k" * 65: "v"}),
        json.dumps({"k": "v" * 65}),
    ],
)
def test_labels_against_the_rules_are_refused(local, labels):
    with pytest.raises(InvalidValueError, match=r"local\.sessions\.labels"):
        local.create(labels=labels)
    assert local.rows("sessions") == []


@pytest.mark.parametrize(
    ("column", "bad"),
    [
        ("state", "[]"),
        ("state", "1"),
        ("settings", "[]"),
        ("search_meta", '"x"'),
        ("payload_filter", "null"),
        ("sort_by", "[]"),
        ("search_results", "{}"),
    ],
)
def test_json_of_the_wrong_shape_is_refused(local, column, bad):
    with pytest.raises(InvalidValueError, match=rf"local\.sessions\.{column} must be a JSON"):
        local.create(**{column: bad})
    local.create()
    with pytest.raises(InvalidValueError, match=rf"local\.sessions\.{column} must be a JSON"):
        local.update("sessions", "sessions/s", **{column: bad})


# Times.


def test_an_insert_can_set_create_time_and_update_time(local):
    row = local.create(create_time="2024-05-06T07:08:09Z", update_time=1_700_000_000)
    assert row["create_time"] == "2024-05-06 07:08:09.000000"
    assert row["update_time"] == "2023-11-14 22:13:20.000000"


@pytest.mark.parametrize(
    ("ttl", "seconds"), [("172800s", 172_800), ("1.5s", 1.5), (3600, 3600), ("60", 60)]
)
def test_a_ttl_sets_the_expiry(local, ttl, seconds):
    row = local.create(ttl=ttl)
    before = local.clock.instant
    assert row["ttl"] is None
    local.clock.forward(seconds - 1)
    assert len(local.rows("sessions")) == 1
    local.clock.instant = before + int(seconds * 1e9)
    assert local.rows("sessions") == []


@pytest.mark.parametrize("ttl", ["0", "0s", "-5s", "1h", "soon", "", "s", "9" * 12])
def test_an_invalid_ttl_is_refused(local, ttl):
    with pytest.raises(InvalidValueError, match=r"local\.sessions\.ttl must be a duration"):
        local.create(ttl=ttl)


def test_ttl_with_expire_time_is_refused(local):
    with pytest.raises(InvalidValueError, match="ttl or expire_time, not both"):
        local.create(ttl="60s", expire_time="2030-01-01")


def test_without_ttl_a_session_does_not_expire(local):
    assert local.create()["expire_time"] is None
    local.clock.forward(1e9)
    assert len(local.rows("sessions")) == 1


def test_an_expired_session_is_gone_with_everything_in_it(local):
    local.create(ttl="60s")
    local.append(content="hello")
    local.call("bind_participant", "s", "ann")
    local.clock.forward(61)
    for table in ("sessions", "events", "event_parts", "participants"):
        assert local.rows(table) == [], table
    assert local.rows("sessions", equals("name", "sessions/s"), path="get") == []
    with pytest.raises(NotFoundError, match="session 's' has expired"):
        local.append()


def test_the_id_of_an_expired_session_is_free_again(local):
    local.create(ttl="60s", user_id="old")
    local.append(content="old")
    local.clock.forward(61)
    local.create(user_id="new")
    assert local.values("sessions", "user_id") == ["new"]
    assert local.rows("events") == []


def test_an_update_can_set_extend_and_end_the_expiry(local):
    local.create(ttl="60s")
    local.update("sessions", "sessions/s", ttl="3600s")
    local.clock.forward(100)
    assert len(local.rows("sessions")) == 1
    local.update("sessions", "sessions/s", expire_time=None)
    local.clock.forward(10_000)
    assert local.one("sessions")["expire_time"] is None


# UPDATE.


@pytest.mark.parametrize(
    ("column", "value"),
    [
        ("display_name", "Ann's trip"),
        ("labels", '{"env":"dev"}'),
        ("state", '{"k":[1,{"ü":null}]}'),
        ("description", "x"),
        ("enabled", 0),
        ("settings", '{"a":1}'),
        ("search_query", "shoes"),
        ("search_results", '[{"object_id":"1"}]'),
        ("search_meta", "{}"),
        ("payload_filter", '{"query":{}}'),
        ("sort_by", '{"field":"f"}'),
        ("is_irrelevant", 1),
        ("is_payload_search", 1),
        ("expire_time", "2030-01-01 00:00:00.000000"),
    ],
)
def test_each_mutable_column_can_be_updated(local, column, value):
    before = local.create()
    after = local.as_dict("sessions", local.update("sessions", "sessions/s", **{column: value}))
    assert after == before | {column: value, "update_time": after["update_time"]}
    assert after["update_time"] > before["update_time"]
    assert local.one("sessions") == after


@pytest.mark.parametrize("column", ["display_name", "labels", "state", "description", "settings"])
def test_null_clears_a_column(local, column):
    local.create(display_name="x", labels="{}", state="{}", description="x", settings="{}")
    local.update("sessions", "sessions/s", **{column: None})
    assert local.one("sessions")[column] is None


@pytest.mark.parametrize("column", ["user_id", "session_id", "create_time"])
def test_a_fixed_column_can_be_set_only_to_its_current_value(local, column):
    row = local.create(user_id="ann")
    local.update("sessions", "sessions/s", **{column: row[column]})
    other = "2020-01-01" if column == "create_time" else "bob"
    with pytest.raises(UnsupportedError, match=rf"local\.sessions\.{column} cannot be changed"):
        local.update("sessions", "sessions/s", **{column: other, "display_name": "new"})
    assert local.one("sessions")["display_name"] is None


@pytest.mark.parametrize("column", ["enabled", "deleted", "is_payload_search"])
def test_a_flag_cannot_be_null(local, column):
    local.create()
    with pytest.raises(InvalidValueError, match=rf"{column} must be 0 or 1"):
        local.update("sessions", "sessions/s", **{column: None})


def test_irrelevant_cannot_be_taken_back(local):
    local.create()
    local.update("sessions", "sessions/s", is_irrelevant=1)
    with pytest.raises(UnsupportedError, match="cannot be undone"):
        local.update("sessions", "sessions/s", is_irrelevant=0)


def test_update_of_a_missing_row_is_an_error(local):
    with pytest.raises(NotFoundError, match="sessions/x does not exist"):
        local.update("sessions", "sessions/x", display_name="y")


# Deleting.


def test_delete_hides_a_session_and_its_events(local):
    local.create()
    local.append(content="hello")
    local.call("bind_participant", "s", "ann")
    local.delete("sessions", "sessions/s")
    for table in ("sessions", "events", "event_parts", "participants"):
        assert local.rows(table) == [], table


def test_deleted_sessions_are_shown_on_request(local):
    local.create("kept")
    local.create("gone")
    local.delete("sessions", "sessions/gone")
    ids = ["gone", "kept"]
    assert local.values("sessions", "session_id", include_deleted=1, order="session_id") == ids
    assert local.values("sessions", "session_id", equals("deleted", 1)) == ["gone"]
    assert local.values("sessions", "session_id", equals("deleted", 0)) == ["kept"]
    both = Compare(Field("deleted"), Op.GE, 0)
    assert local.values("sessions", "session_id", both, order="session_id") == ids
    assert local.values("sessions", "session_id", include_deleted=0) == ["kept"]


def test_a_deleted_session_accepts_no_writes(local):
    local.create()
    local.delete("sessions", "sessions/s")
    with pytest.raises(ConflictError, match=r"undelete_session\('s'\)"):
        local.append()
    with pytest.raises(ConflictError, match=r"undelete_session\('s'\)"):
        local.update("sessions", "sessions/s", display_name="x")


@pytest.mark.parametrize("way", ["function", "update"])
def test_undelete_restores_everything(local, way):
    local.create(state='{"k":1}')
    local.append(content="hello")
    local.delete("sessions", "sessions/s")
    if way == "function":
        (row,) = local.call("undelete_session", "s")
        assert row["name"] == "sessions/s"
        assert json.loads(row["response"])["state"] == {"k": 1}
    else:
        local.update("sessions", "sessions/s", deleted=0)
    assert local.state() == {"k": 1}
    assert local.values("events", "text") == ["hello"]


def test_undelete_of_a_session_that_is_not_deleted_is_refused(local):
    local.create()
    with pytest.raises(ConflictError, match="'s' is not deleted"):
        local.call("undelete_session", "s")
    with pytest.raises(NotFoundError, match="session 'x' does not exist or has expired"):
        local.call("undelete_session", "x")


def test_an_insert_of_a_deleted_id_is_an_error_with_the_possible_hints(local):
    local.create("it's")
    local.delete("sessions", "sessions/it%27s")
    with pytest.raises(ConflictError) as caught:
        local.create("it's")
    assert "SELECT * FROM undelete_session('it''s')" in str(caught.value)
    assert "DELETE FROM sessions WHERE session_id = 'it''s' AND deleted = 1" in str(caught.value)


def test_deleting_a_deleted_session_removes_it_permanently(local):
    local.create(search_query="q")
    local.append(content="secret")
    local.call("bind_participant", "s", "ann")
    local.call("use_session_for_improvement", "s")
    local.delete("sessions", "sessions/s")
    local.delete("sessions", "sessions/s")
    for table in ("sessions", "events", "participants", "sessions_for_improvement"):
        assert local.sql(f"SELECT * FROM {table}") == [], table
    local.create()
    assert local.rows("events") == []


def test_deleted_content_does_not_remain_in_the_file(open_store, path):
    store = open_store()
    store.create()
    store.append(content="secret-4711")
    store.delete("sessions", "sessions/s")
    store.delete("sessions", "sessions/s")
    store.close()
    assert b"secret-4711" not in path.read_bytes()


# Functions about a session.


@pytest.mark.parametrize("session", ["a b", "sessions/a%20b"])
@pytest.mark.parametrize(
    "function", ["truncate_session", "integrate_session", "mark_session_irrelevant"]
)
def test_a_session_may_be_given_by_id_or_name(local, function, session):
    local.create("a b")
    assert local.call(function, session)[0]["session_id"] == "a b"


@pytest.mark.parametrize(
    "function",
    [
        "truncate_session",
        "integrate_session",
        "mark_session_irrelevant",
        "use_session_for_improvement",
    ],
)
def test_functions_refuse_a_missing_session(local, function):
    local.create("gone")
    local.delete("sessions", "sessions/gone")
    with pytest.raises(NotFoundError, match=f"{function}: session 'x' does not exist"):
        local.call(function, "x")
    with pytest.raises(ConflictError, match="is deleted"):
        local.call(function, "gone")


def test_truncate_clears_the_state_and_keeps_the_log(local):
    local.create(display_name="x", state='{"k":1}')
    local.append(content="hello")
    (row,) = local.call("truncate_session", "s")
    assert (row["state"], row["display_name"]) == (None, "x")
    assert local.state() is None
    assert local.values("events", "text") == ["hello"]
