"""Scripts are cut into statements where SQLite says that one is complete."""

from __future__ import annotations

import apsw
import pytest
from hypothesis import given
from hypothesis import strategies as st

from sessions_vtab.sql.lexer import split


def texts(sql: str) -> list[str]:
    return [statement.text for statement in split(sql, apsw.complete)]


@pytest.mark.parametrize(
    ("sql", "expected"),
    [
        ("", []),
        ("  \n ;; ; \n", []),
        ("SELECT 1", ["SELECT 1"]),
        ("SELECT 1;", ["SELECT 1;"]),
        ("SELECT 1;SELECT 2", ["SELECT 1;", "SELECT 2"]),
        ("SELECT ';';SELECT 2", ["SELECT ';';", "SELECT 2"]),
        ("SELECT 'it''s;';SELECT 2", ["SELECT 'it''s;';", "SELECT 2"]),
        ('SELECT 1 AS ";" ; SELECT 2', ['SELECT 1 AS ";" ;', "SELECT 2"]),
        ("SELECT 1 AS [;] , 2 AS `;`; SELECT 2", ["SELECT 1 AS [;] , 2 AS `;`;", "SELECT 2"]),
        ("SELECT 1 -- ; no\n; SELECT 2", ["SELECT 1 -- ; no\n;", "SELECT 2"]),
        ("SELECT 1 /* ; */; SELECT 2", ["SELECT 1 /* ; */;", "SELECT 2"]),
        ("/* only */ -- comments", []),
        ("-- only", []),
        ("SELECT 'open;", ["SELECT 'open;"]),
        ("SELECT 1 /* open;", ["SELECT 1"]),
        (
            "CREATE TRIGGER t AFTER INSERT ON a BEGIN SELECT 1; SELECT 2; END; SELECT 3;",
            [
                "CREATE TRIGGER t AFTER INSERT ON a BEGIN SELECT 1; SELECT 2; END;",
                "SELECT 3;",
            ],
        ),
        ("BEGIN; COMMIT;", ["BEGIN;", "COMMIT;"]),
    ],
)
def test_a_statement_ends_where_sqlite_calls_it_complete(sql, expected):
    assert texts(sql) == expected


def test_a_statement_has_the_line_of_its_first_word():
    sql = "-- one\nSELECT 1;\n\n/* two\n   lines */ SELECT\n 2; SELECT 3;\nSELECT 4"

    assert [statement.line for statement in split(sql, apsw.complete)] == [2, 5, 6, 7]


def test_comments_on_lines_of_their_own_are_printed_where_they_stand(cli):
    sql = "-- 1. A title.\n-- More.\nSELECT 1; -- beside\nSELECT 2 AS b -- within\n;\n-- The end.\n"
    done = cli("run", "--source", "local://:memory:", "-", stdin=sql)

    *shown, _ = done.out.splitlines()
    assert [line.strip() for line in shown] == [
        *("-- 1. A title.", "-- More.", "1", "1", "-- beside", "b", "2", "-- The end."),
    ]


@given(
    st.lists(st.sampled_from(["1", "'a;b'", '"a;"', "[;]", "-- ;\n", "/*;*/", ";", "x", "\n", "'"]))
)
def test_a_statement_is_the_shortest_text_that_sqlite_calls_complete(parts):
    *ended, _last = [*texts(" ".join(parts)), ""]

    for text in ended[:-1]:
        assert apsw.complete(text)
    for text in ended:
        ends = [index + 1 for index, sign in enumerate(text) if sign == ";"]
        assert not any(apsw.complete(text[:end]) for end in ends if end < len(text))


def test_a_long_text_with_many_semicolons_is_split_quickly():
    sql = "SELECT '" + ";" * 1_000_000 + "';" + "SELECT 1;" * 10_000

    assert len(texts(sql)) == 10_001
