"""IN with a row of columns: SQLite's own check, with the affinity of both sides."""

from __future__ import annotations

import apsw
import pytest

from sessions_vtab import Connection
from sessions_vtab.sql.lexer import apply, tokenize
from sessions_vtab.sql.row_values import keep_row_values
from sessions_vtab.sql.shapes import partners

_NATIVE = """
CREATE TABLE untyped(x);
CREATE TABLE whole(x INTEGER);
CREATE TABLE words(x TEXT);
"""
_ROWS = [("5", "ann"), ("05", "ann"), ("6", "bob")]


@pytest.fixture
def both(local: Connection) -> tuple[Connection, apsw.Connection]:
    plain = apsw.Connection(":memory:")
    plain.execute("CREATE TABLE sessions(session_id TEXT PRIMARY KEY, user_id TEXT)")
    for one in (local, plain):
        one.execute(_NATIVE)
        one.executemany("INSERT INTO sessions(session_id, user_id) VALUES (?, ?)", _ROWS)
        for table in ("untyped", "whole", "words"):
            one.execute(f"INSERT INTO {table} VALUES (5), ('06')")
    return local, plain


@pytest.mark.parametrize("table", ["untyped", "whole", "words"])
@pytest.mark.parametrize(
    "condition",
    [
        "(session_id, user_id) IN (SELECT x, 'ann' FROM {0})",
        "(user_id, session_id) IN (SELECT 'ann', x FROM {0})",
        "(session_id, user_id) NOT IN (SELECT x, 'ann' FROM {0})",
        "NOT (session_id, user_id) IN (SELECT x, 'ann' FROM {0})",
        "(session_id, user_id) IN (SELECT x, 'ann' FROM {0}) OR user_id = 'bob'",
        "((session_id, user_id) IN (SELECT x, 'bob' FROM {0})) IS FALSE",
        (
            "user_id = 'ann' AND (session_id, user_id) IN (WITH w AS (SELECT x FROM {0})"
            " SELECT x, 'ann' FROM w)"
        ),
        "(session_id, user_id) IN (VALUES (5, 'ann'), ('6', 'bob'))",
        "(session_id, user_id) IN (VALUES ((SELECT x FROM {0}), 'ann'))",
        "(session_id, user_id) = (SELECT x, 'ann' FROM {0})",
    ],
)
def test_the_rows_are_those_of_a_plain_table(
    both: tuple[Connection, apsw.Connection], condition: str, table: str
) -> None:
    sql = f"SELECT session_id FROM sessions WHERE {condition.format(table)} ORDER BY 1"

    ours, plain = (one.execute(sql).fetchall() for one in both)

    assert ours == plain


def test_a_change_meets_the_rows_of_a_plain_table(
    both: tuple[Connection, apsw.Connection],
) -> None:
    for one in both:
        one.execute(
            "DELETE FROM sessions WHERE (session_id, user_id) IN (SELECT x, 'ann' FROM whole)"
        )

    ours, plain = (one.execute("SELECT session_id FROM sessions").fetchall() for one in both)
    assert ours == plain == [("6",)]


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("WHERE (a, b) IN (SELECT 1, 2)", "WHERE +((a, b) IN (SELECT 1, 2))"),
        ("ON NOT (a, b) NOT IN (SELECT 1, 2)", "ON NOT +((a, b) NOT IN (SELECT 1, 2))"),
        ("WHERE (a, b) IN (VALUES (?, 'x'), (-1, NULL))", None),
        ("WHERE (a, b) IN (VALUES (x.a, 1))", "WHERE +((a, b) IN (VALUES (x.a, 1)))"),
        ("WHERE coalesce(a, b) IN (SELECT 1)", None),
        ("WHERE (a) IN (SELECT 1)", None),
        ("WHERE (SELECT a, b) IN (SELECT 1, 2)", None),
        ("WHERE (a, b) = (SELECT 1, 2)", None),
        ("WHERE x IN (a, b)", None),
    ],
)
def test_only_rows_that_are_compared_with_a_query_are_touched(
    text: str, expected: str | None
) -> None:
    tokens = tokenize(text)

    edited = apply(text, keep_row_values(tokens, partners(tokens)))

    assert edited == (expected or text)
