"""What a notebook shows of a connection and of a result."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import pytest

import sessions_vtab
from sessions_vtab import dbapi
from sessions_vtab.cursor import html_table


def _native() -> Any:
    return sessions_vtab.connect("local://:memory:")


def _dbapi() -> Any:
    return dbapi.connect("local://:memory:")


@pytest.fixture(params=[_native, _dbapi])
def db(request: pytest.FixtureRequest) -> Iterator[Any]:
    connection = request.param()
    yield connection
    connection.close()


@pytest.mark.parametrize(
    ("rows", "shown", "more"), [(1, 1, False), (20, 20, False), (21, 20, True), (50, 20, True)]
)
def test_the_first_rows_are_shown_and_can_still_be_fetched(
    db: Any, rows: int, shown: int, more: bool
) -> None:
    cursor = db.execute(
        f"WITH RECURSIVE c(n) AS (SELECT 1 UNION ALL SELECT n + 1 FROM c LIMIT {rows})"
        " SELECT n, NULL AS none_ FROM c"
    )

    for _ in range(2):  # It can be shown again.
        html = cursor._repr_html_()
        assert html.count("<tr>") == shown + 1
        assert html.startswith("<table><thead><tr><th>n</th><th>none_</th></tr>")
        assert ("there are more" in html) == more
        assert html.count("<em>NULL</em>") == shown
    fetched = [cursor.fetchone(), *cursor.fetchall()]
    assert [row[0] for row in fetched] == list(range(1, rows + 1))


def test_what_was_fetched_is_not_shown(db: Any) -> None:
    cursor = db.execute("SELECT 1 AS n UNION ALL SELECT 2")

    assert cursor.fetchone() == (1,)
    assert cursor._repr_html_().endswith("<tbody><tr><td>2</td></tr></tbody></table>")


@pytest.mark.parametrize("sql", ["CREATE TEMP TABLE t(x)", "DELETE FROM sessions WHERE 0"])
def test_a_statement_without_rows_shows_its_repr(db: Any, sql: str) -> None:
    assert db.execute(sql)._repr_html_() is None


def test_a_returned_row_is_shown(db: Any) -> None:
    cursor = db.execute("INSERT INTO sessions(user_id) VALUES ('<b>') RETURNING user_id")

    assert "<td>&lt;b&gt;</td>" in cursor._repr_html_()
    assert cursor.fetchall() == [("<b>",)]


def test_long_values_and_blobs_are_cut() -> None:
    html = html_table(["a", "b"], [("x" * 500, b"\x00\xff")])

    assert f"<td>{'x' * 119}…</td><td>x&#x27;00ff&#x27;</td>" in html


def test_a_connection_says_what_it_is_connected_to() -> None:
    with sessions_vtab.connect(sources=["local://:memory:", "a=local://:memory:"]) as db:
        assert repr(db) == "<sessions_vtab.Connection local (local), a (local)>"
        assert repr(db.execute("SELECT\n  1")) == "<sessions_vtab.Cursor 'SELECT 1'>"
    with dbapi.connect("local://:memory:") as other:
        assert repr(other) == "<sessions_vtab.dbapi.Connection local (local)>"
        assert "local (local)" in repr(other.cursor())
    other.close()
    assert repr(other) == "<sessions_vtab.dbapi.Connection closed>"
