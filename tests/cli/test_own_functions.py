"""What a backend declares itself, a table or a function, is shown wherever the shared ones are."""

from __future__ import annotations

import os
from contextlib import closing

import httpx
import pytest

from sessions_vtab import connect
from sessions_vtab.cli import help as reference
from sessions_vtab.cli import pages
from sessions_vtab.cli.help import Reference
from sessions_vtab.cli.tables import candidates, inspect_table, schema_text, table_lines
from sessions_vtab.errors import UnsupportedError
from sessions_vtab.hints import names_of, problem
from sessions_vtab.mcp.prompts import overview
from sessions_vtab.mcp.prompts import schema_text as schema_for_prompts
from tests.declared import played


@pytest.fixture
def db():
    """An ADK server: ``run_agent`` is declared by its backend alone."""
    sessions = [{"id": one, "userId": "ann", "appName": "desk"} for one in ("s1", "s2")]

    def server(request: httpx.Request) -> httpx.Response:
        one = sessions[1] if request.url.path.endswith("/s2") else sessions
        return httpx.Response(200, json=[] if request.method == "POST" else one)

    source = played("adk_api", server, location="desk/ann")
    with closing(connect(sources={"desk": source}, config=os.devnull)) as connection:
        yield connection


@pytest.fixture
def about(db):
    return Reference([db.sources["desk"]])


@pytest.mark.parametrize("topic", ["run_agent", "desk.run_agent", "RUN_AGENT"])
def test_help_shows_the_function(about, topic):
    page = pages.text(reference.page(topic, about))

    assert "run_agent(session, message)" in page
    assert "Available in: desk." in page
    assert "  message  text  Message of the user" in page


def test_help_lists_it(about):
    assert "run_agent" in reference.topics(about)
    assert "Runs the agent on a message" in pages.text(reference.index(about))


def test_help_shows_columns_that_only_the_source_has(about):
    shared = " ".join(pages.text(reference.page("sessions", about)).split())
    assert "app_name text desk App: the agent" in shared
    only = " ".join(pages.text(reference.page("events", about)).split())
    assert "app_name text desk, hidden App; default" in only
    own = pages.text(reference.page("desk.events", about))
    assert "app_name" in own
    assert "next_page_token" not in own


def test_help_on_the_source_says_what_to_know_of_the_service(about):
    page = pages.text(reference.page("desk", about))

    assert "run_agent(session, message)" in page
    assert "functions  run_agent" in page


def test_the_shell_completes_and_inspects_it(db):
    names = names_of(db)

    assert "run_agent(" in candidates(names, "SELECT * FROM ", 14).words
    assert "author" in candidates(names, "SELECT * FROM run_agent('a', 'b') WHERE ", 39).words
    assert "  functions  run_agent" in list(table_lines(names, "%"))
    (created,) = schema_text(db, "run_agent")
    assert created.startswith('CREATE FUNCTION "desk"."run_agent"')
    _, rows = inspect_table(db, "desk.run_agent")
    assert [row[:3] for row in rows][:3] == [
        ("session", "text", "argument (required)"),
        ("message", "text", "argument (required)"),
        ("event_name", "text", ""),
    ]


@pytest.mark.parametrize(
    ("message", "said"),
    [
        ("no such function: run_agent", "run_agent is a table-valued function; use SELECT"),
        ("no such function: run_agnt", "There is no function run_agnt. Did you mean run_agent?"),
    ],
)
def test_errors_know_it(db, message, said):
    assert problem(message, "SELECT 1", names_of(db)).message.startswith(said)


def test_prompts_show_it(db):
    assert "run_agent(session, message): Runs" in overview(db.sources, "desk")
    assert "-- Function run_agent(session, message): " in schema_for_prompts(db.sources, "desk")


def test_a_parameter_in_where_is_refused_before_it_acts(db):
    with pytest.raises(UnsupportedError, match=r"message is a parameter of run_agent\(\)"):
        db.execute("SELECT * FROM run_agent('s1') WHERE message = 'Hello'").fetchall()


def test_conditions_on_the_other_item_are_read_by_the_item(db):
    """As with the shared functions: the condition decides which rows it runs for."""
    db.execute(
        "SELECT author FROM sessions AS s, run_agent(s.session_id, 'Hello')"
        " WHERE s.session_id = 's2'"
    ).fetchall()

    sent = db.execute("SELECT method, url FROM http_requests").fetchall()
    assert [str(url).rpartition("/")[2] for method, url in sent if method == "GET"] == ["s2"]
    assert [method for method, _ in sent].count("POST") == 1
