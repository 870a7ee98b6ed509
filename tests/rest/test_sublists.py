"""Rows that a list of their own has for each row of a parent, and keys that are in the query."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import replace

import httpx
import pytest

from sessions_vtab import Connection
from sessions_vtab.contract.model import Column, Table
from sessions_vtab.contract.predicate import Value
from sessions_vtab.contract.scan import Scan
from sessions_vtab.errors import InvalidValueError, ProtocolError
from sessions_vtab.fetch import NumberedPages, ResponseMatcher
from sessions_vtab.rest import Get, List, RestBackend, RestResource, RestTable
from sessions_vtab.rest.requests import Reading, Spread
from tests.declared import BASE, NOTES, THINGS, T, connected, unasked

_KIND = Column("kind", T.TEXT, "What it is about.")
_SIZE = Column("page_size", T.INTEGER, "Rows of a page.", hidden=True, parameter=True)
KEPT = {"a": ["1", "2", "3"], "b": [], "c/d": ["4"], "": ["5"]}
"""Notes of each thing. One is about the weather."""


class Things(RestBackend):
    """Things, found by a parameter of the query; each has a list of notes."""

    name = "things"
    title = "Things"
    tables = (
        RestTable(
            THINGS,
            "things/{id}",
            {"id": "id"},
            get=Get(
                "GET /thing", query={"id": "{id}"}, missing=(ResponseMatcher(404, "no thing"),)
            ),
            list=List("GET /things", items="things"),
        ),
        RestTable(
            NOTES.extended(_KIND, hidden=(_SIZE,)),
            "things/{id}/notes/{note}",
            {"note": "number", "kind": "kind"},
            parent="things",
            list=List(
                "GET /notes",
                query={"of": "{id}"},
                items="notes",
                pages=NumberedPages(cap=2),
                missing=(ResponseMatcher(404, "no thing"),),
                filters={"kind": "kind"},
            ),
        ),
    )


def _server(request: httpx.Request) -> httpx.Response:
    query = request.url.params
    if request.url.path == "/things":
        return httpx.Response(200, json={"things": [{"id": one} for one in KEPT]})
    of = query["id" if request.url.path == "/thing" else "of"]
    if of not in KEPT:
        return httpx.Response(404, json={"message": "no thing"})
    if request.url.path == "/thing":
        return httpx.Response(200, json={"id": of})
    kinds = {number: "weather" if number == "2" else "" for number in KEPT[of]}
    notes = [
        {"number": number, "kind": kind}
        for number, kind in kinds.items()
        if query.get("kind") in {None, kind}
    ]
    size, page = int(query["limit"]), int(query.get("page_number", 1))
    shown = notes[size * (page - 1) : size * page]
    return httpx.Response(200, json={"notes": shown, "has_more": size * page < len(notes)})


@pytest.fixture
def sent() -> list[str]:
    return []


@pytest.fixture
def db(sent: list[str]) -> Iterator[Connection]:
    def server(request: httpx.Request) -> httpx.Response:
        sent.append(request.url.raw_path.decode())
        return _server(request)

    with connected(Things, server) as connection:
        yield connection


_ALL = [f"/notes?of={one}&limit=2" for one in ("a", "b", "c%2Fd", "")]


@pytest.mark.parametrize(
    ("where", "found", "asked"),
    [
        ("id = 'b'", "", ["/notes?of=b&limit=2"]),
        ("id = 'c/d'", "4", ["/notes?of=c%2Fd&limit=2"]),
        ("id = ''", "5", ["/notes?of=&limit=2"]),
        ("id = 'none'", "", ["/notes?of=none&limit=2"]),
        ("thing_name = 'things/c%2Fd'", "4", ["/notes?of=c%2Fd&limit=2"]),
        ("thing_name = 'things/c/d'", "", []),
        ("name = 'things/c%2Fd/notes/4'", "4", ["/notes?of=c%2Fd&limit=2"]),
        ("name = 'things/c%2Fd/notes/9'", "", ["/notes?of=c%2Fd&limit=2"]),
        ("id = 'a'", "123", ["/notes?of=a&limit=2", "/notes?of=a&limit=2&page_number=2"]),
        ("id = 'a' AND kind = 'weather'", "2", ["/notes?of=a&limit=2&kind=weather"]),
        ("id IN ('a', 'b', 'c/d') AND id IN ('b', 'x', 'c/d')", "4", [_ALL[1], _ALL[2]]),
        ("id = 'a' AND id = 'b'", "", []),
        ("id = 'a' AND kind = 'weather' AND kind = 'x'", "", []),
        ("id IN ('b', 'c/d')", "4", ["/notes?of=b&limit=2", "/notes?of=c%2Fd&limit=2"]),
        ("kind = 'weather'", "2", ["/things", *(f"{one}&kind=weather" for one in _ALL)]),
        ("1", "12345", ["/things", *_ALL, "/notes?of=a&limit=2&page_number=2"]),
        ("id = 'b' AND page_size = 1", "", ["/notes?of=b&limit=1"]),
        ("id = 'b' AND page_size = 9", "", ["/notes?of=b&limit=2"]),
    ],
)
def test_the_notes_of_a_thing_are_its_own_list(
    db: Connection, sent: list[str], where: str, found: str, asked: list[str]
) -> None:
    rows = db.execute(f"SELECT note FROM notes WHERE {where} ORDER BY 1").fetchall()

    assert "".join(note for (note,) in rows) == found
    assert sorted(sent) == sorted(asked)


@pytest.mark.parametrize(
    ("where", "asked"),
    [
        ("id = 'b'", ["/notes?of=b&limit=2"]),
        ("name = 'things/c%2Fd/notes/4'", ["/notes?of=c%2Fd&limit=2"]),
        ("1", ["/things", "/notes?of={id}&limit=2"]),
    ],
)
def test_a_preview_shows_what_a_read_begins_with(
    db: Connection, sent: list[str], where: str, asked: list[str]
) -> None:
    shown = [one.url for _, one in db.preview(f"SELECT * FROM notes WHERE {where}")]

    assert sorted(one.removeprefix(BASE) for one in shown) == sorted(asked)
    assert sent == []


def test_limit_is_about_the_notes_and_not_about_the_things(db: Connection, sent: list[str]) -> None:
    assert db.execute("SELECT note FROM notes LIMIT 1").fetchall() == [("1",)]
    assert sent[:2] == ["/things", "/notes?of=a&limit=1"]


@pytest.mark.parametrize("size", ["0", "-1", "'many'", "1.5"])
def test_a_page_has_at_least_one_row(db: Connection, sent: list[str], size: str) -> None:
    with pytest.raises(InvalidValueError, match=r"page_size must be a number from 1 to 2"):
        db.execute(f"SELECT * FROM notes WHERE id = 'a' AND page_size = {size}").fetchall()
    assert sent == []


def test_a_key_in_the_query_may_be_any_text(db: Connection, sent: list[str]) -> None:
    rows = db.execute("SELECT id FROM things WHERE id IN ('', '..', 'c/d')").fetchall()

    assert sorted(rows) == [("",), ("c/d",)]
    assert sorted(sent) == ["/thing?id=", "/thing?id=..", "/thing?id=c%2Fd"]


def test_a_page_that_is_not_as_declared_is_an_error(sent: list[str]) -> None:
    def server(request: httpx.Request) -> httpx.Response:
        return httpx.Response(200, json={"notes": [{"kind": "no number"}], "has_more": False})

    with (
        connected(Things, server) as connection,
        pytest.raises(ProtocolError, match="field number should be text"),
    ):
        connection.execute("SELECT note FROM notes WHERE id = 'a'").fetchall()


def test_what_a_join_asks_for_ahead_is_planned_once(
    db: Connection, monkeypatch: pytest.MonkeyPatch
) -> None:
    planned: list[Value] = []
    reading = RestResource.reading

    def counted(self: RestResource, scan: Scan, spread: Spread) -> Reading:
        planned.extend(scan.given("id") or ())
        return reading(self, scan, spread)

    monkeypatch.setattr(RestResource, "reading", counted)
    sql = "SELECT note FROM things t CROSS JOIN notes n ON n.id = t.id"
    assert "".join(note for (note,) in db.execute(sql)) == "12345"
    assert sorted(map(str, planned)) == sorted(KEPT)


SHELVES = Table(
    "books",
    (
        Column("name", T.TEXT, "Name."),
        Column("shelf", T.TEXT, "Where it is."),
        Column("id", T.TEXT, "Id of the book."),
    ),
    "One row per book.",
)
PAGES = Table(
    "pages",
    (
        Column("name", T.TEXT, "Name."),
        Column("book_name", T.TEXT, "Name of its book."),
        Column("shelf", T.TEXT, "Where its book is."),
        Column("id", T.TEXT, "Id of the book."),
        Column("page", T.INTEGER, "Number of the page."),
    ),
    "One row per page.",
)


class Shelves(RestBackend):
    """Books of shelves; each has a list of pages."""

    name = "shelves"
    title = "Shelves"
    location = ("shelf",)
    tables = (
        RestTable(
            SHELVES,
            "shelves/{shelf}/books/{id}",
            {"id": "id"},
            get=Get("GET /{shelf}/{id}"),
            list=List("GET /{shelf}", items="books", each={"shelf": ("a", "b")}),
        ),
        RestTable(
            PAGES,
            "shelves/{shelf}/books/{id}/pages/{page}",
            {"page": "no"},
            parent="books",
            list=List("GET /{shelf}/{id}/pages", items="pages"),
        ),
    )


@pytest.mark.parametrize(
    ("where", "asked"),
    [
        ("shelf IN ('a', 'b')", ["/a/7/pages", "/b/7/pages"]),
        ("shelf IN ('a', 'b') AND shelf = 'b'", ["/b/7/pages"]),
        ("shelf = 'a' AND shelf = 'b'", []),
        ("shelf IN ('a', 'b') AND shelf IN ('b', 'c')", ["/b/7/pages"]),
    ],
)
def test_several_conditions_on_a_scope_hold_together(where: str, asked: list[str]) -> None:
    """A scope is exact: SQLite does not check it again."""
    sent = []

    def server(request: httpx.Request) -> httpx.Response:
        sent.append(request.url.path)
        return httpx.Response(200, json={"pages": [{"no": 1}]})

    with connected(Shelves, server) as db:
        rows = db.execute(f"SELECT shelf FROM pages WHERE id = '7' AND {where}").fetchall()

    assert sent == asked
    assert rows == [(one.split("/")[1],) for one in asked]


@pytest.mark.parametrize("shelves", [("a",), ("c",), ("b", "c"), ("c", "d")])
def test_of_many_keys_those_of_no_parent_request_nothing_in_any_scope(
    shelves: tuple[str, ...],
) -> None:
    """Which parents are there is looked up where the keys are, not in the source's own scopes."""
    sent = []

    def server(request: httpx.Request) -> httpx.Response:
        sent.append(request.url.path)
        if request.url.path.count("/") == 1:
            return httpx.Response(200, json={"books": [{"id": "5"}, {"id": "7"}, {"id": "x"}]})
        return httpx.Response(200, json={"pages": [{"no": 1}]})

    names = [f"shelves/{shelf}/books/{book}" for shelf in shelves for book in range(120)]
    marks = ", ".join("?" * len(names))
    with connected(Shelves, server) as db:
        sql = f"SELECT shelf, id FROM pages WHERE book_name IN ({marks})"
        rows = db.execute(sql, names).fetchall()

    there = [(shelf, book) for shelf in shelves for book in ("5", "7")]
    assert sorted(rows) == there
    lists = [f"/{shelf}" for shelf in shelves]
    assert sorted(sent) == sorted([*lists, *(f"/{shelf}/{book}/pages" for shelf, book in there)])


def test_many_keys_are_read_where_parents_may_not_be_listed() -> None:
    def server(request: httpx.Request) -> httpx.Response:
        if request.url.path.count("/") == 1:
            return httpx.Response(403, json={})
        return httpx.Response(200, json={"pages": [{"no": 1}]})

    names = [f"shelves/a/books/{book}" for book in range(120)]
    with connected(Shelves, server) as db:
        sql = f"SELECT id FROM pages WHERE book_name IN ({', '.join('?' * 120)})"
        assert len(db.execute(sql, names).fetchall()) == 120


def test_conditions_that_no_value_meets_request_nothing_of_a_table_without_a_list() -> None:
    things = replace(Things.tables[0], list=None)
    backend = type("Unlisted", (Things,), {"tables": (things,), "readers": {}})
    with connected(backend, unasked) as db:
        for where in ("id = 'a' AND id = 'b'", "name = 'things/a' AND name = 'things/b'"):
            assert db.execute(f"SELECT id FROM things WHERE {where}").fetchall() == []
