"""One source that cannot be opened does not take the others with it; bugs name their backend."""

from __future__ import annotations

import os
from contextlib import AbstractContextManager, closing
from typing import Any

import apsw
import httpx
import pytest

from sessions_vtab import Connection, connect, register, registry
from sessions_vtab.cli import main
from sessions_vtab.cli.sources import banner
from sessions_vtab.contract.model import Column, Table
from sessions_vtab.contract.verify import CHECKED
from sessions_vtab.errors import ConfigurationError, MissingExtraError, SessionsError
from sessions_vtab.rest import Get, List, RestBackend, RestTable
from sessions_vtab.testing.conformance import Suite
from tests.declared import BASE, T, connected, declared
from tests.memory import MemoryBackend

TICKETS = Table(
    "tickets",
    (
        Column("name", T.TEXT, "Name."),
        Column("id", T.TEXT, "Id."),
        Column("votes", T.INTEGER, "How many."),
        Column("done", T.BOOLEAN, "Whether."),
        Column("created", T.TIME, "When."),
        Column("meta", T.JSON, "More."),
    ),
    "One row per ticket.",
)
FIELDS = {name: name for name in ("id", "votes", "done", "created", "meta")}


def _tickets(**fields: Any) -> type[RestBackend]:
    table = RestTable(
        TICKETS,
        "tickets/{id}",
        {**FIELDS, **fields},
        get=Get("GET /tickets/{id}"),
        list=List("GET /tickets", items="tickets"),
    )
    return declared(table)


class Misspelt(MemoryBackend):
    name = "misspelt"

    def __init__(self) -> None:
        super().__init__()
        del self.resources["sessions"].capability
        self.resources["sessions"].capability = None


class Broken(MemoryBackend):
    name = "broken"

    @classmethod
    def open(cls, source):
        raise KeyError("id")


class Without(MemoryBackend):
    name = "without"

    @classmethod
    def open(cls, source):
        raise MissingExtraError("The backend without needs the package x: pip install x")


BAD: list[tuple[Any, type[SessionsError], str]] = [
    (
        {"backend": _tickets(votez="votes"), "base_url": BASE},
        ConfigurationError,
        "^Source bad: .*no column votez",
    ),
    (_tickets(votes="v"), ConfigurationError, "^Source bad: base_url is required"),
    (Misspelt, ConfigurationError, "^Source bad: The backend misspelt: sessions: a resource needs"),
    (
        Broken,
        ConfigurationError,
        "^Source bad: KeyError 'id' in bad: open .*bug in the backend bro",
    ),
    (Without, MissingExtraError, "^Source bad: The backend without needs the package x"),
    ("eleanor://ns?base_url=nowhere", ConfigurationError, "^Source bad"),
    ("local:///dev/null?nosuch=1", ConfigurationError, "^Source bad: .*nosuch"),
    (
        "eleanor://ns?base_url=http://127.0.0.1:1&scopes.nosuch=1",
        ConfigurationError,
        "^Source bad: scopes.nosuch",
    ),
]


@pytest.fixture(params=BAD, ids=lambda one: one[2][:40])
def bad(request):
    return request.param


def test_the_tables_of_a_bad_source_raise_its_error_and_the_others_work(bad) -> None:
    source, kind, said = bad
    with closing(
        connect(sources={"good": "local://:memory:", "bad": source}, config=os.devnull)
    ) as db:
        db.execute("INSERT INTO good.sessions(session_id) VALUES ('s1')")
        for sql in (
            "SELECT * FROM bad.sessions",
            "SELECT * FROM sessions JOIN BAD.tickets USING (session_id)",
            "INSERT INTO bad.sessions(session_id) VALUES ('x') RETURNING *",
            "UPDATE bad.sessions SET user_id = 'x'",
            "DELETE FROM bad.sessions WHERE session_id = 'x'",
            "SELECT * FROM bad.append_event('s', 'user')",
            "SELECT 1; SELECT * FROM bad.sessions",
        ):
            with pytest.raises(kind, match=said):
                db.execute(sql).fetchall()
        with pytest.raises(kind, match=said):
            db.executemany("INSERT INTO bad.sessions(session_id) VALUES (?)", [("x",)])
        assert db.execute("SELECT session_id FROM sessions").fetchall() == [("s1",)]
        assert list(db.failed) == ["bad"]


@pytest.mark.parametrize("others", [{}, {"good": "local://:memory:"}], ids=["alone", "default"])
def test_a_bad_default_source_is_an_error_of_connect(bad, others) -> None:
    source, kind, said = bad
    with pytest.raises(kind, match=said):
        connect(sources={"bad": source, **others}, config=os.devnull)


def test_register_wants_every_source(bad) -> None:
    source, kind, said = bad
    with closing(apsw.Connection(":memory:")) as raw, pytest.raises(kind, match=said):
        register(raw, sources={"good": "local://:memory:", "bad": source}, config=os.devnull)


@pytest.mark.parametrize(
    ("arguments", "status", "said"),
    [
        (("sources",), 0, "bad  cannot be used: Source bad: "),
        (("sources", "--check"), 1, "bad: Source bad: "),
        (("sources", "bad"), 0, "bad  cannot be used: Source bad: "),
        (("query", "SELECT count(*) FROM sessions"), 0, "\n0\n"),
        (("query", "SELECT * FROM bad.sessions"), 1, "Error: Source bad: "),
        (("help", "good"), 0, "bad is not shown: Source bad: "),
    ],
)
def test_the_command_line_shows_a_bad_source(capsys, arguments, status, said) -> None:
    sources = ("--source", "good=local://:memory:", "--source", "bad=local:///tmp/x?nosuch=1")

    assert main(["--config", os.devnull, *sources, *arguments]) == status
    assert said in "".join(capsys.readouterr())


def test_the_shell_shows_a_bad_source_when_it_starts() -> None:
    sources = {"good": "local://:memory:", "bad": "local:///tmp/x?nosuch=1"}
    with closing(connect(sources=sources, config=os.devnull)) as db:
        assert "  bad  cannot be used: Source bad: " in banner(db, read_only=False)


def test_an_own_database_of_that_name_is_not_in_the_way() -> None:
    sources = {"good": "local://:memory:", "bad": "local:///tmp/x?nosuch=1"}
    with closing(connect(sources=sources, config=os.devnull)) as db:
        db.execute(
            "ATTACH ':memory:' AS bad; CREATE TABLE bad.own(a); INSERT INTO bad.own VALUES(1)"
        )
        assert db.execute("SELECT a FROM bad.own").fetchall() == [(1,)]


# Bugs


def _serving(backend: type[RestBackend], **ticket: Any) -> AbstractContextManager[Connection]:
    right = {"id": "7", "votes": 3, "done": True, "created": "2026-01-05T09:00:00Z", "meta": {}}
    answer = httpx.Response(200, json={"tickets": [{**right, **ticket}]})
    return connected(backend, lambda _: answer)


def test_a_bug_in_a_field_names_backend_table_and_line() -> None:
    backend = _tickets(votes=lambda item, _: item["nosuch"])
    with _serving(backend) as db, pytest.raises(KeyError) as caught:
        db.execute("SELECT votes FROM tickets WHERE votes > :low", {"low": 1}).fetchall()

    (note,) = caught.value.__notes__
    assert note.startswith("KeyError 'nosuch' in t.tickets (test_bad_sources.py, line ")
    assert note.endswith("). This is a bug in the backend tickets.")


def test_a_bug_in_what_is_only_shown_does_so_too(memory: Connection) -> None:
    def wrong(*_: object) -> None:
        raise ValueError("wrong")

    memory.sources["mem"].backend.resources["sessions"].preview = wrong
    with pytest.raises(ValueError, match="wrong") as caught:
        memory.preview("SELECT * FROM sessions")
    assert "ValueError wrong in mem.sessions" in caught.value.__notes__[0]
    assert "bug in the backend memory" in caught.value.__notes__[0]


def test_the_command_line_prints_a_bug_in_one_sentence(capsys, monkeypatch) -> None:
    def wrong(*_: object) -> None:
        raise KeyError("id")

    monkeypatch.setattr("tests.memory.MemoryResource.scan", wrong)
    monkeypatch.setattr(registry, "_registered", {"memory": MemoryBackend})
    status = main(
        ["--config", os.devnull, "--source", "m=memory://", "query", "SELECT * FROM sessions"]
    )

    assert status == 1
    shown = capsys.readouterr().err
    assert shown.startswith("Error: KeyError 'id' in m.sessions (test_bad_sources.py, line ")
    assert "Traceback" not in shown


WRONG = [
    ("votes", "many", "tickets.votes must be an int, not 'many'"),
    ("votes", 1.5, "tickets.votes must be an int, not 1.5"),
    ("done", "yes", "tickets.done must be 0 or 1, not 'yes'"),
    ("done", 2, "tickets.done must be 0 or 1, not 2"),
    ("created", "soon", "tickets.created must be a time as text in UTC, not 'soon'"),
    ("meta", "{", r"tickets.meta must be JSON text, not '\{'"),
    ("id", 7, "tickets.id must be text, not 7"),
]


def _typed(column: str, value: Any) -> AbstractContextManager[Connection]:
    fields = {name: lambda item, _, name=name: item[name] for name in ("id", "votes", "done")}
    fields |= {"created": lambda item, _: item["created"], "meta": lambda _, __: "{}"}
    return _serving(_tickets(**{**fields, column: lambda _, __: value}))


@pytest.mark.parametrize(("column", "value", "said"), WRONG)
def test_the_kit_finds_values_of_another_type(column: str, value: Any, said: str) -> None:
    with _typed(column, value) as db, pytest.raises(AssertionError, match=said):
        Suite(db, "t")


@pytest.mark.parametrize(("column", "value", "said"), WRONG)
def test_so_does_the_debug_switch(monkeypatch, column: str, value: Any, said: str) -> None:
    monkeypatch.setenv(CHECKED, "1")
    with _typed(column, value) as db, pytest.raises(TypeError, match=said) as caught:
        db.execute("SELECT * FROM tickets").fetchall()
    assert "bug in the backend tickets" in caught.value.__notes__[0]


def test_every_built_in_backend_can_be_checked(monkeypatch) -> None:
    monkeypatch.setenv(CHECKED, "1")
    with closing(connect("local://:memory:", config=os.devnull)) as db:
        db.execute("INSERT INTO sessions(session_id, labels) VALUES ('s1', '{}')")
        assert db.execute("SELECT session_id FROM sessions").fetchall() == [("s1",)]


def test_with_the_switch_right_rows_are_read(monkeypatch) -> None:
    monkeypatch.setenv(CHECKED, "1")
    with _serving(_tickets()) as db:
        assert db.execute("SELECT votes, done, meta FROM tickets").fetchall() == [(3, 1, "{}")]
