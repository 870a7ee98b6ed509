from __future__ import annotations

import apsw
import pytest

from sessions_vtab.errors import UnsupportedError
from sessions_vtab.sql.lexer import apply, classify, tokenize
from sessions_vtab.sql.shapes import partners
from sessions_vtab.sql.targets import Conflict, assigned_columns, conflict_of, target_of


def _conflict(text: str) -> Conflict:
    tokens = tokenize(text)
    return conflict_of(tokens, classify(tokens), partners(tokens), "prod.t")


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("INSERT INTO t VALUES (1)", (None, "t", None)),
        ("INSERT INTO main.t AS x(a) VALUES (1)", ("main", "t", "x")),
        ("INSERT OR IGNORE INTO [t] VALUES (1)", (None, "t", None)),
        ("REPLACE INTO t DEFAULT VALUES", (None, "t", None)),
        ('UPDATE OR FAIL "a b"."t" AS x SET a = 1', ("a b", "t", "x")),
        ("DELETE FROM t AS x WHERE 1", (None, "t", "x")),
        ("WITH c AS (SELECT 1) DELETE FROM t", (None, "t", None)),
        ("EXPLAIN DELETE FROM t", (None, "t", None)),
        ("SELECT 1 FROM t", None),
        ("INSERT", None),
    ],
)
def test_the_target_is_what_a_statement_changes(
    text: str, expected: tuple[str | None, ...] | None
) -> None:
    tokens = tokenize(text)
    target = target_of(tokens, classify(tokens))
    assert (target and (target.schema, target.name, target.alias)) == expected


@pytest.mark.parametrize(
    ("text", "columns"),
    [
        ("UPDATE t SET a = 1", ["a"]),
        ("UPDATE OR FAIL main.t AS x SET a = f(1, 2), [B c] = 'a' || a WHERE a = 2", ["a", "B c"]),
        ("WITH c AS (SELECT 1) UPDATE t INDEXED BY i SET a = 1, b = 2 FROM c", ["a", "b"]),
        ("UPDATE t SET (a, b) = (SELECT 1, 2), c = 3 RETURNING d = 4", ["a", "b", "c"]),
        # A column that is set to itself does not change.
        ('UPDATE t SET a = A, b = "b", c = t.c, d = x.y.d', ["d"]),
        ("UPDATE t SET a = 'a', b = -b, c = (c), d = 'd' || d", ["a", "b", "c", "d"]),
        ("UPDATE t SET a = 1 - a, b = b - 1, c = NULL", ["a", "b", "c"]),
        ("UPDATE t SET", []),
    ],
)
def test_the_columns_that_an_update_sets(text: str, columns: list[str]) -> None:
    tokens = tokenize(text)
    target = target_of(tokens, classify(tokens))
    assert target is not None
    assert list(assigned_columns(tokens, target, partners(tokens))) == columns


@pytest.mark.parametrize(
    ("text", "action"),
    [
        ("INSERT INTO t VALUES (1)", ""),
        ("INSERT OR IGNORE INTO t VALUES (1)", "IGNORE"),
        ("INSERT OR ABORT INTO t VALUES (1)", "ABORT"),
        ("INSERT OR FAIL INTO t VALUES (1)", "FAIL"),
        ("INSERT OR ROLLBACK INTO t VALUES (1)", "ROLLBACK"),
        ("UPDATE OR IGNORE t SET a = 1", "IGNORE"),
        ("UPDATE OR REPLACE t SET a = 1", "REPLACE"),
        ("INSERT INTO t SELECT a FROM b JOIN c ON conflict = 1", ""),
        ("DELETE FROM t", ""),
    ],
)
def test_the_conflict_clause_of_a_statement(text: str, action: str) -> None:
    assert _conflict(text) == Conflict(action)


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        (
            "INSERT INTO t VALUES (1, 2) ON CONFLICT DO NOTHING",
            "INSERT OR IGNORE INTO t VALUES (1, 2)",
        ),
        (
            "INSERT INTO t VALUES (1, 2) ON CONFLICT (a) DO NOTHING RETURNING *",
            "INSERT OR IGNORE INTO t VALUES (1, 2) RETURNING *",
        ),
        (
            "INSERT INTO t SELECT 1, 2 WHERE true ON CONFLICT(a) DO NOTHING;",
            "INSERT OR IGNORE INTO t SELECT 1, 2 WHERE true;",
        ),
        (
            "INSERT OR ABORT INTO t VALUES (1, 2) ON CONFLICT DO NOTHING",
            "INSERT OR IGNORE INTO t VALUES (1, 2)",
        ),
        (
            "INSERT INTO t VALUES (1, 2) ON CONFLICT (a) DO NOTHING ON CONFLICT DO NOTHING",
            "INSERT OR IGNORE INTO t VALUES (1, 2)",
        ),
    ],
)
def test_do_nothing_becomes_or_ignore(text: str, expected: str) -> None:
    rewritten = apply(text, _conflict(text).edits)
    assert rewritten == expected
    connection = apsw.Connection(":memory:")
    connection.execute("CREATE TABLE t(a PRIMARY KEY, b)")
    for one in (text, rewritten, rewritten):
        connection.execute(one)
    assert connection.execute("SELECT count(*) FROM t").get == 1


def test_the_columns_of_a_conflict_are_known() -> None:
    assert _conflict('INSERT INTO t VALUES (1) ON CONFLICT (Name, "b") DO NOTHING').columns == (
        "name",
        "b",
    )


@pytest.mark.parametrize(
    "text",
    [
        "REPLACE INTO t VALUES (1)",
        "INSERT OR REPLACE INTO t VALUES (1)",
        "INSERT INTO t VALUES (1) ON CONFLICT (a) DO UPDATE SET b = 1",
        "INSERT INTO t VALUES (1) ON CONFLICT (a) DO NOTHING ON CONFLICT DO UPDATE SET b = 1 WHERE c",
    ],
)
def test_replacing_rows_is_refused_with_update_as_the_hint(text: str) -> None:
    with pytest.raises(UnsupportedError, match=r"prod\.t.*UPDATE prod\.t SET"):
        _conflict(text)
