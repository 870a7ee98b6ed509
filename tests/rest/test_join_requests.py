"""Joins of rows that come inside their parents: the requests are counted by the server itself.

At most twice the fewest and three; rows as plain SQLite tables have them.
"""

from __future__ import annotations

import json
import sqlite3
from collections.abc import Iterator
from typing import Any

import httpx
import pytest

from sessions_vtab import Connection
from sessions_vtab.fetch import ResponseMatcher, TokenPages
from sessions_vtab.rest import Get, List, RestBackend, RestTable
from tests.declared import NOTES, THINGS, connected

KEPT = {f"t{number:03d}": [str(note) for note in range(number % 4)] for number in range(120)}
PAGE = 10
PAGES = len(KEPT) // PAGE


class Things(RestBackend):
    """Things, whose list has their notes, too."""

    name = "things"
    title = "Things"
    tables = (
        RestTable(
            THINGS,
            "things/{id}",
            {"id": "id"},
            get=Get("GET /things/{id}", missing=(ResponseMatcher(404, "no thing"),)),
            list=List("GET /things", items="things", pages=TokenPages(cap=PAGE)),
        ),
        RestTable(
            NOTES, "things/{id}/notes/{note}", {"note": "number"}, parent="things", inside="notes"
        ),
    )


def _thing(one: str) -> dict[str, Any]:
    return {"id": one, "notes": [{"number": note} for note in KEPT[one]]}


def _server(request: httpx.Request) -> httpx.Response:
    _, _, *rest = request.url.path.split("/")
    if rest:
        found = _thing(rest[0]) if rest[0] in KEPT else None
        return httpx.Response(200 if found else 404, json=found or {"error": "no thing"})
    size, start = (int(request.url.params.get(one, 0)) for one in ("pageSize", "pageToken"))
    page = [_thing(one) for one in list(KEPT)[start : start + size]]
    more = {"nextPageToken": str(start + size)} if start + size < len(KEPT) else {}
    return httpx.Response(200, json={"things": page, **more})


@pytest.fixture
def sent() -> list[str]:
    return []


@pytest.fixture
def db(sent: list[str]) -> Iterator[Connection]:
    def server(request: httpx.Request) -> httpx.Response:
        sent.append(str(request.url))
        return _server(request)

    with connected(Things, server) as connection:
        yield connection


@pytest.fixture(scope="module")
def plain() -> Iterator[sqlite3.Connection]:
    """The same rows in tables of SQLite."""
    connection = sqlite3.connect(":memory:")
    connection.execute("CREATE TABLE things(name, id)")
    connection.execute("CREATE TABLE notes(name, thing_name, id, note)")
    for one, notes in KEPT.items():
        name = f"things/{one}"
        connection.execute("INSERT INTO things VALUES (?, ?)", (name, one))
        rows = [(f"{name}/notes/{note}", name, one, note) for note in notes]
        connection.executemany("INSERT INTO notes VALUES (?, ?, ?, ?)", rows)
    yield connection
    connection.close()


def _named(things: range, notes: range) -> list[str]:
    return [f"things/t{one:03d}/notes/{note}" for one in things for note in notes]


_KEYS = "(SELECT value AS name FROM json_each(?))"


@pytest.mark.parametrize(
    ("sql", "names", "fewest"),
    [
        ("notes a JOIN notes b USING (name)", [], PAGES),
        ("notes a LEFT JOIN notes b USING (name)", [], PAGES),
        ("notes a WHERE EXISTS (SELECT 1 FROM notes b WHERE b.name = a.name)", [], PAGES),
        ("notes a WHERE NOT EXISTS (SELECT 1 FROM notes b WHERE b.name = a.name)", [], PAGES),
        # Keys from elsewhere: each thing once, or the list.
        (f"{_KEYS} JOIN notes USING (name)", _named(range(120), range(3)), PAGES),
        (f"{_KEYS} LEFT JOIN notes USING (name)", _named(range(60), range(3)), PAGES),
        (f"{_KEYS} JOIN notes USING (name)", _named(range(3, 4), range(40)), 1),
        (f"{_KEYS} JOIN notes USING (name)", _named(range(2, 4), range(40)), 2),
        (f"{_KEYS} JOIN notes USING (name)", ["things/none/notes/1"] * 30, 1),
        (f"{_KEYS} JOIN notes USING (name)", ["no name"] * 30, 0),
    ],
)
def test_requests_are_bounded(
    db: Connection, plain: sqlite3.Connection, sent: list[str], sql: str, names: Any, fewest: int
) -> None:
    values = (json.dumps(names),) if "?" in sql else ()
    query = f"SELECT count(*) FROM {sql}"

    assert db.execute(query, values).fetchall() == plain.execute(query, values).fetchall()
    assert len(sent) <= 2 * fewest + 3
    assert len(sent) == len(set(sent))
