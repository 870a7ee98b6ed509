"""What is read from a statement's text about the one place where it names a table."""

from __future__ import annotations

import pytest

from sessions_vtab import Connection
from sessions_vtab.extension.narrowing import said
from sessions_vtab.sql.names import OurTable

ENV = "labels->>'env' = 'prod'"


@pytest.fixture
def table(local: Connection) -> OurTable:
    """A table that hides rows and has a path for labels."""
    resource = local.sources["loc"].backend.resources["sessions"]
    return OurTable(resource.table, resource.capability, "loc")


@pytest.mark.parametrize(
    ("text", "values"),
    [
        (f"SELECT name FROM s WHERE {ENV}", '["prod"]'),
        (f"SELECT name FROM temp.S AS x WHERE x.{ENV}", '["prod"]'),
        (f"SELECT * FROM (SELECT * FROM s WHERE {ENV}) WHERE user_id = 'ann'", '["prod"]'),
        (f"WITH c AS (SELECT * FROM s WHERE {ENV}) SELECT * FROM c a, c b", '["prod"]'),
        ("SELECT name FROM s WHERE user_id = 'a' OR session_number = 7", '["a",7]'),
        (
            "SELECT name FROM s WHERE user_id NOT IN ('a', 'b') OR NOT user_id = 'c'",
            '["a","b","c"]',
        ),
        (f"SELECT * FROM k JOIN s ON s.user_id = k.u AND s.{ENV}", '["prod"]'),
    ],
)
def test_a_condition_that_sqlite_does_not_offer(table: OurTable, text: str, values: str) -> None:
    found = said(text, "s", table)

    assert found is not None
    assert found.values == values


@pytest.mark.parametrize(
    "text",
    [
        "SELECT name FROM s",
        "SELECT name FROM s WHERE user_id = 'ann' AND create_time > '2026-01-01'",
        f"SELECT a.name FROM s a JOIN s b USING (name) WHERE a.{ENV}",
        f"SELECT name FROM s WHERE {ENV} AND user_id <> 's'",
        "SELECT name FROM s WHERE labels->>'env' = ?1",
        "SELECT name FROM s WHERE labels->>'env' = 1.25",
        "SELECT name FROM s WHERE labels->>'env' = lower('PROD')",
        "SELECT name FROM s WHERE labels->>'env' = (SELECT v FROM t)",
        "SELECT k.v, s.name FROM k LEFT JOIN s ON k.u = s.user_id WHERE NOT k.v",
        f"SELECT * FROM s LEFT JOIN k ON k.u = s.user_id AND s.{ENV}",
        "SELECT name FROM s WHERE NOT (deleted <> 1)",
        "SELECT name FROM s WHERE deleted IS TRUE OR user_id = 'ann'",
        "SELECT name FROM s WHERE labels->>'env' = 'prod' +",
    ],
    ids=[
        "no condition",
        "conditions that SQLite offers",
        "two places",
        "a text that is its name",
        "a parameter without its value",
        "a real number, of which not all digits are written",
        "a function",
        "another query",
        "of another table",
        "not of the rows that remain",
        "hidden rows",
        "hidden rows in an OR",
        "a text that cannot be read",
    ],
)
def test_what_is_nothing_or_not_certain_narrows_nothing(table: OurTable, text: str) -> None:
    assert said(text, "s", table) is None
