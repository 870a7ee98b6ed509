"""Each condition of a statement is sent, met by order, or checked here; the log says the same."""

from __future__ import annotations

import re
import sqlite3
from math import ceil

import pytest

from sessions_vtab.cli.explain import explain

SESSIONS = 250
VALUES = {
    "user_id": ("'ann'", "'bob'"),
    "create_time": ("'2026-01-01 00:03:20.000000'", "'2026-01-01 00:03:30.000000'"),
    "expire_time": ("'2026-01-01 00:03:20.000000'", "'2099-01-02 00:00:00.000000'"),
    "labels->>'env'": ("'prod'", "'test'"),
}
ATOMS = {
    column: f"{column} {'>' if 'time' in column else '='} {VALUES[column][0]}" for column in VALUES
}
OTHER = "display_name = 'n1'"


@pytest.fixture(scope="module")
def db(started):
    started.fill(SESSIONS)
    started.fill(20, user="bob")
    for number, env in enumerate(("prod", "test", "dev")):
        started.ask(
            "UPDATE sessions SET labels = json_object('env', ?) WHERE session_id = ?",
            (env, f"ann-{number}"),
        )
    return started


@pytest.fixture(scope="module")
def plain(db):
    """The same rows in a table of SQLite's own."""
    table = sqlite3.connect(":memory:")
    names = "session_id, user_id, display_name, labels, create_time, expire_time"
    table.execute(f"CREATE TABLE sessions({names})")
    table.executemany(
        "INSERT INTO sessions VALUES (?, ?, ?, ?, ?, ?)", db.ask(f"SELECT {names} FROM sessions")
    )
    table.execute("CREATE TABLE one AS SELECT 1 AS x")
    db.connection.execute("CREATE TEMP TABLE one AS SELECT 1 AS x")
    return table


# A condition, with {x} for a condition on the column, {c} for the column, and two values {v}, {w};
# what becomes of it on a column with a filter, by order, without a filter, and on a JSON key.
SHAPES = {
    "{x}": ("sent", "order", "here", "sent"),
    "NOT {x}": ("sent", "order", "here", "sent"),
    "{c} <> {v}": ("sent", "here", "here", "sent"),
    "NOT ({x})": ("sent", "order", "here", "sent"),
    "({x} OR {y})": ("sent", "here", "here", "sent"),
    "({x} AND user_id = 'bob' OR {y})": ("sent", "part", "part", "sent"),
    "NOT ({x} OR {y})": ("sent", "sent order", "part", "sent"),
    "NOT ({x} AND {y})": ("sent", "here", "here", "sent"),
    "NOT (NOT {x} OR NOT {y})": ("sent", "sent order", "part", "sent"),
    "{c} IN ({v}, {w})": ("sent", "order", "here", "sent"),
    "{c} NOT IN ({v}, {w})": ("sent", "here", "here", "sent"),
    "{c} BETWEEN {v} AND {w}": ("here", "order", "here", "here"),
    "{c} NOT BETWEEN {v} AND {w}": ("here", "here", "here", "here"),
}
COLUMNS = tuple(VALUES)
FROM = {
    "where": "SELECT session_id FROM sessions WHERE {}",
    "on": "SELECT session_id FROM one JOIN sessions ON {}",
    "left": "SELECT session_id FROM one LEFT JOIN sessions ON {}",
}
CASES = [
    (statement, shape, column, fate)
    for statement in FROM.values()
    for shape, fates in SHAPES.items()
    for column, fate in zip(COLUMNS, fates, strict=True)
]


@pytest.mark.parametrize(("statement", "shape", "column", "fate"), CASES)
@pytest.mark.parametrize("besides", ["", " AND user_id <> 'eve'"])
def test_each_condition_is_in_one_place(db, plain, statement, shape, column, fate, besides):
    v, w = VALUES[column]
    condition = shape.format(x=ATOMS[column], y=OTHER, c=column, v=v, w=w)
    sql = statement.format(condition + besides)

    lines = list(explain(db.connection, sql, why=True))
    rows = db.ask(sql)

    said = {word: text for word, text in map(_words, lines) if word != "why"}
    why = [
        text for word, text in map(_words, lines) if word == "why" and text.startswith(condition)
    ]
    filters = {query.get("filter", "") for query in db.queries()}
    assert {query["orderBy"].partition(" ")[0] for query in db.queries()} == {"create_time"}
    assert len(filters) == 1
    assert (condition in said["here"]) == (fate in {"here", "part"})
    assert ("create_time" in said.get("by order", "")) == ("order" in fate)
    assert len(why) == len(fate.split())
    for value in re.findall(r"'\w+'", sql.replace("'env'", "")):
        assert (value in said["sent"]) == (value.replace("'", '"') in max(filters)), value
    assert ("nothing" in said["sent"]) == (filters == {""})
    assert ("'n1'" in said["sent"] or v in said["sent"]) == ("sent" in fate or fate == "part")
    assert sorted(rows, key=str) == sorted(plain.execute(sql), key=str)


@pytest.mark.parametrize(
    ("besides", "met"),
    [
        ("page_size = 50", True),
        ("order_by = 'update_time'", False),
        ("order_by = 'update_time' ORDER BY create_time DESC", True),
        ("page_token = ''", False),
    ],
)
def test_the_user_s_own_order_or_page_meets_no_condition(db, besides, met):
    """The list is read on beyond rows that do not match, so nothing stops early."""
    condition = f"create_time > {VALUES['create_time'][0]}"
    sql = f"SELECT session_id FROM sessions WHERE {condition} AND {besides}"

    said = dict(map(_words, explain(db.connection, sql, why=True)))

    assert ("by order" in said) == met
    assert (condition in said["here"]) != met
    assert said["why"]


def _words(line: str) -> tuple[str, str]:
    word, _, text = line.strip().partition("  ")
    return word, text.strip()


@pytest.mark.parametrize(
    ("where", "pages"),
    [
        ("create_time > '2026-01-01 00:03:20.000000'", 1),
        ("NOT create_time < '2026-01-01 00:03:20.000000'", 1),
        ("NOT (create_time < '2026-01-01 00:03:20.000000' OR user_id = 'bob')", 1),
        ("NOT (create_time < '2026-01-01 00:03:20.000000' AND user_id = 'bob')", 3),
        ("create_time > '2026-01-01 00:03:20.000000' OR user_id = 'bob'", 3),
        ("create_time > '2026-01-01 00:03:20.000000' ORDER BY create_time DESC", 1),
        ("create_time > '2026-01-01 00:03:20.000000' ORDER BY create_time", 3),
        ("NOT create_time < '2026-01-01 00:03:20.000000' ORDER BY create_time", 3),
        ("create_time < '2026-01-01 00:00:20.000000' ORDER BY create_time", 1),
    ],
)
def test_what_is_said_to_stop_early_does(db, where, pages):
    sql = f"SELECT session_id FROM sessions WHERE {where}"
    stops = any(line.startswith("  by order") for line in explain(db.connection, sql))

    db.ask(sql)

    assert (db.total, stops) == (pages, pages < ceil((SESSIONS + 20) / 100))
