"""Several extremes of one list: one request for each, and the rows of plain tables."""

from __future__ import annotations

import pytest

from .conftest import same, texts

# A statement, and how many extremes are read.
APART = [
    ("SELECT max(create_time), min(create_time) FROM {sessions}", 2),
    ("SELECT min(s.create_time) AS a, 'x', max(s.create_time) || '!' FROM {sessions} AS s", 2),
    ("SELECT max(update_time), max(create_time), min(update_time) FROM {sessions}", 3),
    ("SELECT max(create_time), min(create_time) FROM {sessions} WHERE user_id = 'ann'", 2),
    ("SELECT max(create_time), min(create_time) FROM {sessions} WHERE user_id = 'nobody'", 2),
    ("SELECT min(create_time), max(create_time) FROM {sessions} s WHERE s.user_id > :user", 2),
    ("SELECT * FROM (SELECT max(create_time), min(create_time) FROM {sessions})", 2),
    (
        (
            "SELECT max(timestamp), min(timestamp) FROM {events}"
            " WHERE session_id = (SELECT min(id) FROM temp.keys) AND author = 'user'"
        ),
        2,
    ),
    (
        (
            "WITH w(a, b) AS (SELECT max(create_time), min(create_time) FROM {sessions})"
            " SELECT a > b FROM w WHERE b IS NOT NULL"
        ),
        2,
    ),
]


@pytest.mark.parametrize(("sql", "extremes"), APART)
def test_each_extreme_is_one_request(own, fresh, sql, extremes):
    ours, plain = texts(sql)
    values = {"user": "ann"} if ":user" in sql else ()

    rows = fresh.ask(ours, values)

    assert len(fresh.log) <= extremes
    assert rows == own.connection.execute(plain, values).fetchall()


# What needs all rows anyway is read once.
TOGETHER = [
    "SELECT max(create_time), min(create_time), count(*) FROM {sessions}",
    "SELECT max(create_time), min(display_name) FROM {sessions}",
    "SELECT max(create_time), min(create_time) FROM {sessions} GROUP BY user_id",
    "SELECT max(create_time), min(create_time) FILTER (WHERE user_id = 'ann') FROM {sessions}",
    "SELECT max(create_time, update_time), min(create_time) FROM {sessions} ORDER BY 1",
    "SELECT max(create_time), min(create_time) OVER () FROM {sessions} WHERE user_id = 'ann'",
    "SELECT max(create_time), min(create_time), user_id IS NULL FROM {sessions}",
    "SELECT max(create_time), min(create_time), (SELECT count(*) FROM temp.keys) FROM {sessions}",
    "SELECT DISTINCT max(create_time), min(create_time) FROM {sessions} HAVING count(*) > 3",
]


@pytest.mark.parametrize("sql", TOGETHER)
def test_other_aggregates_read_the_list_once(own, fresh, sql):
    ours, plain = texts(sql)

    rows = fresh.ask(ours)

    assert len(fresh.log) <= 3 + 1
    assert len(rows) > 0 or "max(create_time, update_time)" in sql
    assert same(rows, own.connection.execute(plain).fetchall())


def test_the_columns_keep_their_names(fresh):
    cursor = fresh.connection.execute("SELECT max(create_time), MIN( create_time ) FROM sessions")

    assert [name for name, _ in cursor.get_description()] == [
        "max(create_time)",
        "MIN( create_time )",
    ]
