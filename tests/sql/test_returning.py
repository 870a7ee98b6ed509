from __future__ import annotations

import apsw
import pytest

from sessions_vtab.errors import SessionsError
from sessions_vtab.sql.lexer import apply, classify, tokenize
from sessions_vtab.sql.parameters import number
from sessions_vtab.sql.returning import Returning, returning_of, select_text
from sessions_vtab.sql.shapes import partners


def split_returning(text: str) -> tuple[str, Returning] | None:
    """The numbered statement without its RETURNING, and the clause; None if it has none."""
    tokens = tokenize(text)
    numbering = number(tokens)
    found = returning_of(text, tokens, classify(tokens), numbering, partners(tokens))
    if found is None:
        return None
    return apply(text, [*numbering.edits(tokens), found.cut]), found


_SCHEMA = "CREATE TABLE t(Name TEXT PRIMARY KEY, a, b) WITHOUT ROWID"
_ROWS = "INSERT INTO t VALUES ('x', 1, 2), ('y', 3, 4)"

_LISTS = [
    "*",
    "name",
    "NAME, a AS q, b r, b 's'",
    "name || ?",
    "name||? , ?||a  -- tail",
    "t.a, t.b",
    "(SELECT count(*) FROM sqlite_schema)",
    "(SELECT max(t2.a) FROM t AS t2 WHERE t2.name <= t.name)",
    "json_object('n', name, 'x', ?)",
    "CASE WHEN a > ? THEN 'big' ELSE 'small' END",
    "name COLLATE NOCASE, a IS NULL, NOT b",
    '*, *, a + 1 AS "a plus 1"',
    "min(a, b), max(a, b)",
    "a /* , c */ , b",
]


@pytest.fixture
def connection() -> apsw.Connection:
    connection = apsw.Connection(":memory:")
    connection.execute(_SCHEMA)
    return connection


def _run(
    connection: apsw.Connection, text: str, values: tuple[object, ...]
) -> tuple[list[str], list[object]]:
    """Headings and rows."""
    headings: list[str] = []

    def noted(cursor: apsw.Cursor, row: object) -> object:
        headings[:] = [column[0] for column in cursor.get_description()]
        return row

    cursor = connection.cursor()
    cursor.row_trace = noted
    return headings, list(cursor.execute(text, values))


@pytest.mark.parametrize("items", _LISTS)
def test_a_list_over_captured_rows_returns_what_sqlite_does(
    connection: apsw.Connection, items: str
) -> None:
    values = tuple(range(7, 7 + items.count("?")))
    expected = _run(connection, f"{_ROWS} RETURNING {items}", values)
    connection.execute("DELETE FROM t")

    split = split_returning(f"{_ROWS} RETURNING {items}")
    assert split is not None
    dml, returning = split
    connection.execute(dml)
    assert _run(connection, select_text(returning, "t"), values[: returning.parameters]) == expected


@pytest.mark.parametrize(
    ("text", "dml", "items"),
    [
        ("INSERT INTO t VALUES (?) RETURNING name;", "INSERT INTO t VALUES (?1);", "name"),
        ("DELETE FROM t WHERE a = :x RETURNING :x", "DELETE FROM t WHERE a = ?1", '?1 AS ":x"'),
        ("UPDATE t SET a = 1 RETURNING a -- c", "UPDATE t SET a = 1 -- c", "a"),
        (
            "WITH c AS (SELECT 1) INSERT INTO t SELECT * FROM c RETURNING *",
            "WITH c AS (SELECT 1) INSERT INTO t SELECT * FROM c",
            "*",
        ),
        (
            "REPLACE INTO t VALUES (1) RETURNING (SELECT 1 FROM t)",
            "REPLACE INTO t VALUES (1)",
            "(SELECT 1 FROM t)",
        ),
    ],
)
def test_the_clause_is_taken_off(text: str, dml: str, items: str) -> None:
    split = split_returning(text)
    assert split is not None
    assert (split[0], split[1].select_list) == (dml, items)


@pytest.mark.parametrize(
    ("text", "label"),
    [
        ("INSERT INTO t VALUES (1) RETURNING a", "t"),
        ("INSERT INTO main.t AS x VALUES (1) RETURNING a", "x"),
        ("UPDATE OR IGNORE [t] AS x SET a = 1 RETURNING a", "x"),
        ('DELETE FROM "main"."t" RETURNING a', "t"),
    ],
)
def test_columns_are_qualified_as_in_the_statement(text: str, label: str) -> None:
    split = split_returning(text)
    assert split is not None
    assert split[1].target.label == label
    assert select_text(split[1], "rows") == f'SELECT a FROM rows AS "{label}"'


@pytest.mark.parametrize(
    "items",
    [
        "t.*",
        "count(*)",
        "abs(sum(a))",
        "max(a)",
        "min(a)",
        "group_concat(a)",
        "row_number() OVER ()",
        "rowid",
        "t.rowid",
        "_rowid_, a",
        "a,",
    ],
)
def test_what_sqlite_refuses_is_refused(connection: apsw.Connection, items: str) -> None:
    text = f"{_ROWS} RETURNING {items}"
    with pytest.raises(apsw.SQLError):
        connection.execute(text)
    with pytest.raises(SessionsError):
        split_returning(text)


@pytest.mark.parametrize(
    "text",
    [
        "INSERT INTO t VALUES (1)",
        "SELECT 'RETURNING a'",
        "UPDATE t SET a = (SELECT 1) -- RETURNING a",
        "DELETE FROM t WHERE x.returning = 1",
    ],
)
def test_a_statement_without_the_clause_is_left_alone(text: str) -> None:
    assert split_returning(text) is None
