"""The rows of reads, and their number of requests by the emulator's own log."""

from __future__ import annotations

import json
from contextlib import closing

import pytest

from sessions_vtab.contract.predicate import AnyOf, Compare, Field, Member, Not, Null, Op
from sessions_vtab.contract.scan import Order
from sessions_vtab.errors import (
    InvalidValueError,
    MissingParameterError,
    NotFoundError,
    RefusedError,
)
from tests.backends.vertex.conftest import among, eq, time
from tests.clocks import delays_end_together

USER, ENV = Field("user_id"), Field("labels", "env")


def label(row, key):
    return json.loads(row.labels or "{}").get(key)


# One session


def test_an_id_is_one_get(vertex, everything):
    wanted = everything[7]
    (row,) = vertex.rows("sessions", "get", eq("session_id", wanted.session_id))
    assert row == wanted
    (request,) = vertex.requests()
    assert request["method"] == "GET"
    assert request["path"].endswith(f"/reasoningEngines/42/sessions/{wanted.session_id}")


def test_a_name_is_one_get_and_returned_in_the_requested_spelling(vertex, everything):
    wanted = everything[0].name
    (row,) = vertex.rows("sessions", "get by name", eq("name", wanted))
    assert row.name == wanted
    served = vertex.requests()[0]
    assert "projects/demo/" in served["path"]
    number = wanted.replace("projects/demo/", "projects/496268734596/")
    (row,) = vertex.rows("sessions", "get by name", eq("name", number))
    assert (row.name, row.project) == (number, "496268734596")


def test_a_missing_session_gives_no_row(vertex):
    assert vertex.rows("sessions", "get", eq("session_id", "nobody")) == []
    assert len(vertex.requests()) == 1


@pytest.mark.parametrize(
    "value",
    [
        "",
        "..",
        "a/b",
        "a%2Fb",
        "UPPER",
        "-x",
        "x" * 64,
        "a b",
        "a\nb",
        "é",
        "🙂",
        'x" OR user_id!="',
        1.5,
        b"x",
    ],
)
def test_an_id_that_no_session_can_have_gives_no_row_and_no_request(vertex, value):
    assert vertex.rows("sessions", "get", eq("session_id", value)) == []
    assert vertex.rows("events", "list", eq("session_id", value)) == []
    assert vertex.requests() == []


@pytest.mark.parametrize(
    "name",
    [
        "",
        "sessions/x",
        "projects/demo/locations/us-central1/reasoningEngines/42/sessions/../../9",
        "projects/../locations/us-central1/reasoningEngines/42/sessions/x",
        "projects/demo/locations/evil.example/reasoningEngines/42/sessions/x",
        "projects/demo/locations/us-central1/reasoningEngines/42/sessions/x/events/1",
        "reasoningEngines/42/sessions/x",
    ],
)
def test_an_invalid_name_gives_no_row_and_no_request(vertex, name):
    assert vertex.rows("sessions", "get by name", eq("name", name)) == []
    assert vertex.rows("events", "list by session name", eq("session_name", name)) == []
    assert vertex.requests() == []


def test_many_ids_are_as_many_gets_side_by_side(vertex, everything, monkeypatch):
    delays_end_together(monkeypatch, 9)
    vertex.control.delay(1)
    ids = [row.session_id for row in everything[:15]]
    rows = vertex.rows("sessions", "get", among("session_id", *ids, "missing"))
    assert [row.session_id for row in rows] == ids
    log = vertex.control.log()
    assert len(log["requests"]) == 16
    assert log["max_in_flight"] > 8
    vertex.control.delay(0)


def test_more_than_four_ids_per_page_of_a_known_list_are_read_from_the_list(vertex, everything):
    ids = [row.session_id for row in everything[:40]]
    vertex.rows("sessions", "list")
    vertex.control.reset_log()
    rows = vertex.rows("sessions", "get", among("session_id", *ids))
    assert sorted(row.session_id for row in rows) == sorted(ids)
    assert len(vertex.requests(contains="/sessions/")) == 0
    assert len(vertex.requests()) <= 4 + 1


def test_two_engines_and_an_id_are_two_gets(vertex, everything):
    where = eq("session_id", everything[0].session_id), eq("reasoning_engine", "42")
    assert len(vertex.rows("sessions", "get", *where)) == 1


# Lists


def test_a_list_returns_every_row_once(vertex):
    rows = vertex.rows("sessions", "list")
    assert len({row.name for row in rows}) == len(rows) == 320
    assert len(vertex.requests()) <= 4 + 2


def test_a_filtered_list_requests_only_the_pages_it_needs(vertex, everything):
    rows = vertex.rows("sessions", "list", eq("user_id", "ann"))
    assert {row.name for row in rows} == {row.name for row in everything if row.user_id == "ann"}
    assert vertex.filters() == ['user_id="ann"']


def test_conditions_joined_by_and_are_one_filter(vertex, everything):
    rows = vertex.rows("sessions", "list", eq("user_id", "ann"), eq(ENV, "prod"))
    assert vertex.filters() == ['user_id="ann" AND labels.env="prod"']
    assert {row.session_id for row in rows} == {
        row.session_id for row in everything if row.user_id == "ann" and label(row, "env") == "prod"
    }


@pytest.mark.parametrize("strict", [False, True])
@pytest.mark.parametrize(
    ("condition", "keeps"),
    [
        (among("user_id", "ann", "bob"), lambda r: r.user_id in {"ann", "bob"}),
        (
            AnyOf((eq("user_id", "ann"), eq(ENV, "prod"))),
            lambda r: r.user_id == "ann" or label(r, "env") == "prod",
        ),
        (Member(USER, ("ann", "bob"), True), lambda r: r.user_id not in {"ann", "bob"}),
        (Compare(USER, Op.NE, "ann"), lambda r: r.user_id != "ann"),
        (Not(eq("user_id", "ann")), lambda r: r.user_id != "ann"),
        (Null(ENV), lambda r: label(r, "env") is None),
        (Null(ENV, True), lambda r: label(r, "env") is not None),
        (Compare(ENV, Op.NE, "prod"), lambda r: label(r, "env") not in {None, "prod"}),
    ],
    ids=["IN", "OR", "NOT IN", "<>", "NOT", "IS NULL", "IS NOT NULL", "label <>"],
)
def test_no_row_is_lost_or_duplicated_with_any_supported_grammar(sources, strict, condition, keeps):
    vertex = sources(strict=strict)
    everything = vertex.rows("sessions", "list")
    for _ in range(2):
        rows = vertex.rows("sessions", "list", condition)
        names = [row.name for row in rows]
        assert len(set(names)) == len(names)
        assert {row.name for row in everything if keeps(row)} <= set(names)


def test_in_is_one_filter_if_or_is_supported(vertex, everything):
    vertex.rows("sessions", "list", among("user_id", "ann", "bob"))
    assert vertex.filters() == ['(user_id="ann" OR user_id="bob")']


def test_in_is_one_list_per_value_if_or_is_rejected_which_is_tried_only_once(sources):
    vertex = sources(strict=True)
    vertex.rows("sessions", "list", among("user_id", "ann", "bob"))
    assert sorted(vertex.filters()) == [
        '(user_id="ann" OR user_id="bob")',
        'user_id="ann"',
        'user_id="bob"',
    ]
    vertex.control.reset_log()
    vertex.rows("sessions", "list", among("user_id", "ann", "bob"))
    assert sorted(vertex.filters()) == ['user_id="ann"', 'user_id="bob"']


def test_rejected_grammar_is_no_longer_declared(sources):
    vertex = sources(strict=True)
    before = vertex.path("sessions", "list").connectives
    vertex.rows("sessions", "list", AnyOf((eq("user_id", "ann"), eq("display_name", "x"))))
    assert vertex.path("sessions", "list").connectives == before - {"OR"}


def test_long_in_lists_are_several_lists_without_double_rows(vertex, everything):
    users = sorted({row.user_id for row in everything})
    rows = vertex.rows(
        "sessions", "list", among("user_id", *users, *(f"nobody{n}" for n in range(70)))
    )
    assert len({row.name for row in rows}) == len(rows) == len(everything)
    assert all(len(entry["raw_path"]) < 4000 for entry in vertex.requests())


def test_the_user_s_filter_is_sent_with_the_composed_one(vertex, everything):
    given = {"filter": 'user_id="ann" OR user_id="bob"'}
    rows = vertex.rows("sessions", "list", eq(ENV, "prod"), parameters=given)
    assert vertex.filters() == ['(user_id="ann" OR user_id="bob") AND labels.env="prod"']
    assert {row.user_id for row in rows} == {"ann", "bob"}


def test_an_invalid_user_filter_is_an_error_with_the_service_s_message(vertex):
    with pytest.raises(RefusedError, match="filter"):
        vertex.rows("sessions", "list", parameters={"filter": "nonsense ((("})


def test_ten_newest_are_one_page_of_ten(vertex, everything):
    order = (Order("create_time", True),)
    with closing(vertex.pages("sessions", "list", order=order, limit=10)) as pages:
        rows = vertex.as_objects("sessions", next(pages))
    (request,) = vertex.requests()
    assert request["query"] == {"pageSize": "10", "orderBy": "create_time desc"}
    newest = sorted(everything, key=lambda row: row.create_time, reverse=True)[:10]
    assert [row.create_time for row in rows] == [row.create_time for row in newest]


@pytest.mark.parametrize(("op", "order"), [(Op.GT, "create_time desc"), (Op.LT, "create_time")])
def test_a_range_that_cannot_be_filtered_ends_a_sorted_list_early(vertex, everything, op, order):
    stamps = sorted(row.create_time for row in everything)
    edge = stamps[-20] if op is Op.GT else stamps[20]
    rows = vertex.rows("sessions", "list", time("create_time", op, edge))
    wanted = {
        r.name
        for r in everything
        if (r.create_time > edge if op is Op.GT else r.create_time < edge)
    }
    assert wanted <= {row.name for row in rows}
    (request,) = vertex.requests()
    assert request["query"]["orderBy"] == order


@pytest.mark.parametrize("descending", [True, False])
def test_lists_of_several_users_are_merged_in_order(sources, descending):
    vertex = sources(strict=True)
    users = among("user_id", "ann", "bob", "chen")
    rows = vertex.rows("sessions", "list", users, order=(Order("create_time", descending),))
    stamps = [row.create_time for row in rows]
    assert stamps == sorted(stamps, reverse=descending)
    assert len({row.name for row in rows}) == len(rows) > 20


def test_a_page_token_sets_the_first_page_and_every_row_has_the_next_token(vertex, everything):
    columns = ("name", "next_page_token")
    given = {"page_size": 50}
    with closing(vertex.pages("sessions", "list", columns=columns, parameters=given)) as pages:
        first = vertex.as_objects("sessions", next(pages))
    token = first[0].next_page_token
    assert token
    rest = vertex.rows(
        "sessions", "list", columns=columns, parameters={**given, "page_token": token}
    )
    assert len(first) == 50
    assert {row.name for row in first} | {row.name for row in rest} == {r.name for r in everything}
    assert len(rest) == 270
    assert rest[-1].next_page_token is None


@pytest.mark.parametrize(("given", "sent"), [(7, "7"), (100, "100"), (5000, "100")])
def test_a_page_size_is_sent_up_to_the_cap(vertex, given, sent):
    with closing(vertex.pages("sessions", "list", parameters={"page_size": given})) as pages:
        next(pages)
    assert vertex.requests()[0]["query"]["pageSize"] == sent


@pytest.mark.parametrize("given", [0, -1, "many", 2.5])
def test_an_invalid_page_size_is_refused(vertex, given):
    with pytest.raises(InvalidValueError, match=r"prod\.sessions\.page_size"):
        vertex.rows("sessions", "list", parameters={"page_size": given})


def test_only_columns_that_are_used_are_built(vertex):
    row = vertex.rows("sessions", "list", columns=("user_id",))[0]
    assert row.user_id
    assert {value for name, value in vars(row).items() if name != "user_id"} == {None}


def test_nothing_is_requested_before_the_first_page_is_wanted(vertex):
    vertex.pages("sessions", "list")
    assert vertex.requests() == []


# Scope


def test_several_engines_are_one_list_each(vertex):
    vertex.insert("sessions", user_id="ann", session_id="other", reasoning_engine="77")
    vertex.control.reset_log()
    rows = vertex.rows(
        "sessions", "list", among("reasoning_engine", "42", "77"), eq("user_id", "ann")
    )
    assert {row.reasoning_engine for row in rows} == {"42", "77"}
    assert len(vertex.requests()) == 2


@pytest.mark.parametrize(
    ("column", "value"),
    [
        ("location", "evil.example/"),
        ("location", "us-central1.evil.example"),
        ("location", "US"),
        ("project", "a/b"),
        ("project", ".."),
        ("project", "a@b"),
        ("reasoning_engine", "4/sessions/x"),
        ("reasoning_engine", "%2e%2e"),
        ("reasoning_engine", ""),
    ],
)
@pytest.mark.parametrize("path", ["list", "get"])
def test_a_hostile_scope_is_refused_and_nothing_is_sent(vertex, column, value, path):
    with pytest.raises(InvalidValueError, match=f"is not a valid {column}. Nothing was sent"):
        vertex.rows("sessions", path, eq(column, value), eq("session_id", "x"))
    assert vertex.requests() == []


def test_scopes_limit_what_may_be_named(sources):
    vertex = sources(scopes={"project": ("demo",), "reasoning_engine": ("77",)})
    assert vertex.rows("sessions", "list", limit=1)
    assert vertex.rows("sessions", "list", eq("reasoning_engine", "77")) == []
    for column, value in (("project", "third"), ("reasoning_engine", "44")):
        with pytest.raises(
            InvalidValueError, match=r"is not allowed\. The source's scopes allow only"
        ):
            vertex.rows("sessions", "list", eq(column, value))
        name = "projects/third/locations/us-central1/reasoningEngines/42/sessions/x"
        with pytest.raises(
            InvalidValueError, match=r"is not allowed\. The source's scopes allow only"
        ):
            vertex.rows("sessions", "get by name", eq("name", name))


def test_a_source_without_engine_needs_one_in_where(sources):
    vertex = sources(location="demo/us-central1")
    assert vertex.path("sessions", "list").keys == ("reasoning_engine",)
    with pytest.raises(MissingParameterError, match="reasoning_engine"):
        vertex.rows("sessions", "list")
    assert len(vertex.rows("sessions", "list", eq("reasoning_engine", "42"))) == 320


@pytest.mark.parametrize(
    ("table", "path", "where"),
    [
        ("sessions", "list", ()),
        ("sessions", "get", (eq("session_id", "x"),)),
        ("events", "list", (eq("session_id", "x"),)),
        ("events", "fan-out", ()),
    ],
)
def test_a_missing_engine_is_an_error(one_engine, table, path, where):
    with pytest.raises(NotFoundError, match="The ReasoningEngine does not exist"):
        one_engine.rows(table, path, *where, eq("reasoning_engine", "404"))
