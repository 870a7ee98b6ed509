"""Columns of the shared tables that a service has nothing for."""

from __future__ import annotations

import os
from collections.abc import Iterator
from contextlib import closing
from dataclasses import replace

import pytest

from sessions_vtab import Connection, connect
from sessions_vtab.cli import help as reference
from sessions_vtab.cli import pages
from sessions_vtab.cli.help import Reference
from sessions_vtab.cli.tables import inspect_table
from sessions_vtab.contract.verify import problems, verify
from sessions_vtab.errors import ConfigurationError, UnsupportedError

URL = "base_url=http://127.0.0.1:1"
SOURCES = {
    "el": f"eleanor://ns?{URL}",
    "more": f"eleanor://ns?{URL}&fields.user_id=owner&fields.state=state",
    "adk": f"adk_api://desk/ann?{URL}",
    "why": f"whylabs://?{URL}",
}
ABSENT = {
    "el.sessions": "user_id, display_name, labels, state, update_time, expire_time",
    "more.sessions": "display_name, labels, update_time, expire_time",
    "adk.sessions": "display_name, labels, create_time, expire_time",
}


@pytest.fixture(scope="module")
def db() -> Iterator[Connection]:
    with closing(connect(sources=SOURCES, config=os.devnull)) as connection:
        yield connection


@pytest.mark.parametrize(("table", "columns"), ABSENT.items())
def test_they_are_told_from_the_declaration(db: Connection, table: str, columns: str) -> None:
    source, _, name = table.partition(".")
    capability = db.sources[source].backend.resources[name].capability

    assert capability.absent == frozenset(columns.split(", "))


@pytest.mark.parametrize(("table", "columns"), ABSENT.items())
def test_help_and_inspection_say_so(db: Connection, table: str, columns: str) -> None:
    source, _, name = table.partition(".")
    about = Reference([db.sources[source]])

    shown = " ".join(pages.text(reference.page(name, about)).split())
    assert f"always NULL {columns} read:" in shown
    _, rows = inspect_table(db, table)
    assert {row[0] for row in rows if row[3] == "always NULL"} == set(columns.split(", "))


@pytest.mark.parametrize(
    ("sql", "said"),
    [
        (
            "INSERT INTO el.sessions(session_id, display_name) VALUES ('s', 'x')",
            (
                "el.sessions.display_name is always NULL, because the service has no field for it."
                " Nothing was written."
            ),
        ),
        (
            "INSERT INTO el.sessions(session_id, user_id) VALUES ('s', 'x')",
            (
                "el.sessions.user_id is always NULL, because the service has no field for it."
                " To bind a user, INSERT INTO participants(session_id, participant)."
                " Nothing was written."
            ),
        ),
        (
            "INSERT INTO adk.sessions(session_id, labels) VALUES ('s', '{}')",
            (
                "adk.sessions.labels is always NULL, because the service has no field for it."
                " Nothing was written."
            ),
        ),
        (
            "INSERT INTO adk.sessions(session_id, update_time) VALUES ('s', '2026-01-01')",
            (
                "adk.sessions.update_time cannot be given on INSERT, because the source sets it."
                " Nothing was written."
            ),
        ),
    ],
)
def test_a_write_is_refused_with_the_reason(db: Connection, sql: str, said: str) -> None:
    with pytest.raises(UnsupportedError) as caught:
        db.execute(sql)

    assert str(caught.value) == said
    assert db.execute("SELECT count(*) FROM http_requests").fetchall() == [(0,)]


@pytest.mark.parametrize("absent", ["nosuch", "description"])
def test_a_wrong_declaration_is_found(absent: str) -> None:
    said = {
        "nosuch": "sessions: absent: there is no column nosuch.",
        "description": "sessions: absent: description is written, so it is not always NULL.",
    }
    with closing(connect(SOURCES["el"], config=os.devnull)) as connection:
        backend = connection.sources["eleanor"].backend
        assert list(problems(backend)) == []
        sessions = backend.resources["sessions"]
        sessions.capability = replace(sessions.capability, absent=frozenset((absent,)))
        with pytest.raises(ConfigurationError, match=said[absent]):
            verify(backend)
