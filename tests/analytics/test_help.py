"""What help, completion and the shell say about columns and views."""

from __future__ import annotations

from contextlib import closing

import pytest

from sessions_vtab import Connection, connect
from sessions_vtab.cli import pages
from sessions_vtab.cli.help import Reference, index, page
from sessions_vtab.cli.pages import QUESTIONS
from sessions_vtab.cli.tables import candidates, inspect_table, schema_text
from sessions_vtab.contract.agent_views import VIEWS, View
from sessions_vtab.contract.tables import FACT_COLUMNS
from sessions_vtab.hints import names_of

NAMES = [view.name for view in VIEWS]


@pytest.fixture
def reference(vertex: Connection) -> Reference:
    return Reference([*vertex.sources.values()])


@pytest.mark.parametrize("view", VIEWS, ids=NAMES)
def test_a_view_has_a_page_with_columns_and_sources(vertex: Connection, view: View) -> None:
    text = pages.text(page(view.name, Reference([*vertex.sources.values()])), 100)
    listed = vertex.execute("SELECT name FROM pragma_table_info(?)", (view.name,)).fetchall()
    shown = [name for (name,) in listed]

    if view.like:
        assert f"Those of {view.like} in the same source" in text
    else:
        assert all(f"  {name} " in text for name in shown)
    assert "In: prod." in text
    assert vertex.execute(view.example.replace("'s1'", "'full'")).fetchall()


def test_columns_that_no_api_filters_say_so(reference: Reference) -> None:
    text = pages.text(page("events", reference), 400)

    for name in FACT_COLUMNS:
        (line,) = (one for one in text.splitlines() if one.startswith(f"  {name} "))
        assert "not filtered by an API" in line


def test_questions_and_dashboards_are_topics(reference: Reference) -> None:
    questions = pages.text(page("questions", reference), 100)

    assert all(question.asks in questions for question in QUESTIONS)
    assert "datasette-dashboards" in pages.text(page("dashboards", reference), 100)
    assert all(name in pages.text(index(reference), 100) for name in NAMES)


def test_completion_inspect_and_schema_know_views() -> None:
    with closing(connect(sources={"a": "local://:memory:", "b": "local://:memory:"})) as connection:
        names = names_of(connection)

        assert {*NAMES, *(f"b.{name}" for name in NAMES)} <= {
            *candidates(names, "SELECT * FROM ", 14).words
        }
        assert set(NAMES) <= {*candidates(names, "SELECT * FROM b.", 16).words}
        line = "SELECT lat FROM tool_calls"
        assert "latency_ms" in candidates(names, line, 7).words
        assert [row[0] for row in inspect_table(connection, "b.turns")[1]][:2] == [
            "session_name",
            "session_id",
        ]
        (a, b) = schema_text(connection, "turns")
        assert a.startswith('CREATE VIEW IF NOT EXISTS "a"."turns"')
        assert b.startswith('CREATE VIEW IF NOT EXISTS "b"."turns"')
