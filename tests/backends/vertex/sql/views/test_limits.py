"""Statements with LIMIT: requests and rows, as in test_conditions."""

from __future__ import annotations

import pytest

from .conftest import VIEWS, same, texts

FIRST = {
    "IN": "SELECT 1 FROM {{sessions}} WHERE session_id IN (SELECT session_id FROM {v}) LIMIT 2",
    "NOT IN": (
        "SELECT 2 FROM {{sessions}} s WHERE s.user_id = 'ann' AND s.name NOT IN"
        " (SELECT session_name FROM {v} WHERE session_id = 'none') LIMIT 1"
    ),
    "IN, the newest": (
        "SELECT session_id FROM {{sessions}} WHERE session_id IN (SELECT v.session_id FROM {v} v)"
        " ORDER BY update_time DESC LIMIT 2"
    ),
}


@pytest.mark.parametrize("name", [*VIEWS, "events", "event_parts"])
@pytest.mark.parametrize("shape", FIRST)
def test_a_limit_ends_what_is_asked_for_the_rows_of_a_subquery(own, fresh, shape, name):
    ours, plain = texts(FIRST[shape].format(v=f"{{{name}}}"))

    rows = fresh.ask(ours)

    fewest = 3 if name != "tool_calls" else 5  # Some sessions have no calls.
    assert len(fresh.log) <= 2 * fewest + 3
    assert same(rows, own.connection.execute(plain).fetchall())


FIRST_ON_THE_LEFT = {
    "alone": (
        "SELECT s.name, v.session_name FROM {{sessions}} s"
        " LEFT JOIN {v} v ON v.session_id = s.session_id LIMIT 1"
    ),
    "sorted": (
        "SELECT s.name, v.session_name FROM {{sessions}} s LEFT JOIN {v} v USING (session_id)"
        " WHERE s.user_id = 'ann' ORDER BY s.update_time DESC LIMIT 1 OFFSET :few"
    ),
    "a query that groups": (
        "SELECT s.name, v.session_name FROM {{sessions}} s LEFT JOIN (SELECT session_id,"
        " session_name, count(*) AS n FROM {v} GROUP BY 1, 2) v USING (session_id) LIMIT 1"
    ),
    "two of them": (
        "SELECT s.name, v.session_name FROM {{sessions}} s LEFT JOIN {v} v USING (session_id)"
        " LEFT JOIN {{turns}} t ON t.session_name = s.name LIMIT :few"
    ),
}


@pytest.mark.parametrize("view", VIEWS)
@pytest.mark.parametrize("shape", FIRST_ON_THE_LEFT)
def test_limit_reads_only_the_first_rows_of_a_left_side(own, fresh, shape, view):
    ours, plain = texts(FIRST_ON_THE_LEFT[shape].format(v=f"{{{view}}}"))
    values = {"few": 1} if ":few" in ours else ()
    every = (
        plain.replace("LIMIT 1 OFFSET :few", "").replace("LIMIT :few", "").replace("LIMIT 1", "")
    )

    rows = fresh.ask(ours, values)

    assert len(fresh.log) <= 2 * 2 + 3
    assert len(rows) == 1
    assert {*rows} <= {*own.connection.execute(every).fetchall()}


FIRST_GROUPS = {
    "alone": "SELECT v.* FROM {v} v LIMIT 1",
    "beside its sessions": (
        "SELECT v.* FROM {{sessions}} s JOIN {v} v ON v.session_id = s.session_id LIMIT 1"
    ),
    "of a parameter": "SELECT v.* FROM {v} v WHERE v.session_name > '' LIMIT :few",
}


@pytest.mark.parametrize("view", VIEWS)
@pytest.mark.parametrize("shape", FIRST_GROUPS)
def test_the_first_group_does_not_cost_many_sessions(own, fresh, shape, view):
    ours, _ = texts(FIRST_GROUPS[shape].format(v=f"{{{view}}}"))
    every = own.connection.execute(f"SELECT * FROM own_{view}").fetchall()

    rows = fresh.ask(ours, {"few": 1} if ":few" in ours else ())

    assert len(fresh.log) <= 2 * 2 + 3
    assert len(rows) == 1
    assert {*map(repr, rows)} <= {*map(repr, every)}


# {v} is a view: of a query with LIMIT, nobody can know which rows another reading would have.
NEWEST = "SELECT session_id FROM {{sessions}} WHERE user_id = 'ann' ORDER BY name DESC LIMIT 2"
LIMITED = {
    "a subquery in FROM": "SELECT session_name FROM {v} v JOIN ("
    + NEWEST
    + ") s ON s.session_id = v.session_id",
    "without a name": "SELECT session_name FROM (" + NEWEST + ") JOIN {v} USING (session_id)",
    "a common table expression": "WITH c AS ("
    + NEWEST
    + ") SELECT session_name FROM {v} JOIN c USING (session_id)",
    "one that is materialized": (
        "WITH c AS MATERIALIZED (" + NEWEST + ") SELECT session_name FROM c LEFT JOIN {v} v"
        " ON v.session_id = c.session_id"
    ),
    "beside another one": (
        "WITH c AS (SELECT 1 AS n) SELECT session_name FROM c, (" + NEWEST + ") s NATURAL JOIN {v}"
    ),
    "twice": (
        "WITH c AS (" + NEWEST + ") SELECT count(*) FROM {v} a JOIN {v} b USING (session_id)"
        " JOIN c USING (session_id)"
    ),
}


@pytest.mark.parametrize("name", [*VIEWS, "events", "event_parts"])
@pytest.mark.parametrize("shape", LIMITED)
def test_a_join_with_a_limited_query_reads_only_its_sessions(own, fresh, shape, name):
    ours, plain = texts(LIMITED[shape].format(v=f"{{{name}}}"))

    rows = fresh.ask(ours)

    assert len(fresh.log) <= 2 * 3 + 3
    assert same(rows, own.connection.execute(plain).fetchall())
