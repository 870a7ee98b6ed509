"""Mistakes that an author of a backend makes: each is an error that says where it is."""

from __future__ import annotations

import os
import re
from collections.abc import Callable
from contextlib import closing
from dataclasses import replace
from typing import Any

import httpx
import pytest

from sessions_vtab import connect
from sessions_vtab.contract.backend import Backend, Resource
from sessions_vtab.contract.capability import EQUALITY, AccessPath, Capability, Filter, Writes
from sessions_vtab.contract.functions import FUNCTIONS
from sessions_vtab.contract.model import Column, ColumnType, Function, Table
from sessions_vtab.contract.predicate import Op
from sessions_vtab.contract.source import Source
from sessions_vtab.contract.verify import verify
from sessions_vtab.errors import ConfigurationError, ProtocolError, UnknownOutcomeError
from sessions_vtab.fetch import NumberedPages, ResponseMatcher, TokenPages
from sessions_vtab.rest import (
    Delete,
    Get,
    Insert,
    List,
    Operation,
    RestBackend,
    RestFunction,
    RestResource,
    RestTable,
    Update,
    Writer,
)
from sessions_vtab.testing.conformance import run_suite

T = ColumnType
TICKETS = Table(
    "tickets",
    (
        Column("name", T.TEXT, "Name."),
        Column("id", T.TEXT, "Id."),
        Column("owner", T.TEXT, "Who."),
        Column("votes", T.INTEGER, "How many."),
    ),
    "One row per ticket.",
)
RIGHT = RestTable(
    TICKETS,
    "tickets/{id}",
    {"id": "id", "owner": "owner", "votes": "votes"},
    get=Get("GET /tickets/{id}"),
    list=List("GET /tickets", items="tickets", filters={"owner": "owner"}),
)
NOTES = RestTable(
    Table(
        "notes",
        (
            Column("name", T.TEXT, "Name."),
            Column("ticket_name", T.TEXT, "Name of the ticket."),
            Column("text", T.TEXT, "Text."),
        ),
        "Notes.",
    ),
    "tickets/{id}/notes/{text}",
    {"text": "text"},
    parent="tickets",
    inside="notes",
)
_BARE = tuple(one for one in NOTES.table.visible if one.name != "ticket_name")
VERB = RestFunction(FUNCTIONS["truncate_session"], Operation("POST /tickets/{id}/truncate"))


def opened(*tables: RestTable, functions: tuple[RestFunction, ...] = (), **more: Any) -> Any:
    members = {"name": "tickets", "title": "Tickets", "tables": tables, **more}
    kind = type("Tickets", (RestBackend,), {**members, "functions_declared": functions})
    backend = kind.open(Source("t", "tickets", "", {"base_url": "http://127.0.0.1:1"}))
    verify(backend)
    return backend


def _bent(**change: Any) -> Callable[[], Any]:
    return lambda: opened(replace(RIGHT, **change))


def _of_list(**change: Any) -> Callable[[], Any]:
    return lambda: opened(replace(RIGHT, list=replace(RIGHT.list, **change)))  # type: ignore[type-var]


@pytest.mark.parametrize(
    ("make", "told"),
    [
        (opened, "it declares no tables"),
        (lambda: opened(RIGHT, RIGHT), "same name"),
        (_bent(fields={"ownr": "owner"}), "tickets: fields: .*no column ownr. Did you mean owner"),
        (_bent(name="tickets/{idd}"), "placeholder idd is neither.*Did you mean id"),
        (_bent(name="tickets"), "has no placeholder"),
        (_bent(get=None, list=None), "neither get nor list"),
        (_bent(get=Get("GET /tickets/{ix}")), "get: there is no placeholder ix"),
        (_bent(get=Get("/tickets/{id}")), "get: '/tickets/{id}' is not a method and a path"),
        (
            _bent(list=List("GET /tickets", filters={"ownr": "owner"})),
            "path 'list': filters: there is no column ownr. Did you mean owner",
        ),
        (_bent(list=List("GET /tickets", orders=("vots",))), "orders: .*Did you mean votes"),
        (_bent(list=List("GET /tickets", ascending=("x",))), "path 'list': orders: .*no column x"),
        (
            _bent(get=Get("GET /tickets/{id}", takes=(Filter("x", EQUALITY),))),
            "path 'get by name': filters: there is no column x",
        ),
        (
            lambda: opened(
                RIGHT,
                replace(NOTES, inside="", list=List("GET /tickets/{id}/n", filters={"txt": "t"})),
            ),
            "notes: path 'list by name': filters: there is no column txt. Did you mean text",
        ),
        (
            _bent(list=List("GET /tickets", each={"scope": Operation("GET /scopes")})),
            "list: each: there is no placeholder scope",
        ),
        (_bent(insert=Insert("POST /tickets", body={"vote": "v"})), "insert: .*no column vote"),
        (_bent(insert=Insert("POST /tickets", required=("ids",))), "insert: .*no column ids"),
        (_bent(update=Update("PUT /tickets/{id}", columns=("x",))), "update: .*no column x"),
        (_bent(delete=Delete("DELETE /tickets/{key}")), "delete: there is no placeholder key"),
        (lambda: opened(RIGHT, replace(NOTES, parent="ticket")), "Did you mean tickets"),
        (
            lambda: opened(RIGHT, replace(NOTES, table=replace(NOTES.table, visible=_BARE))),
            "notes: parent: it needs the column ticket_name, which holds the name of the row of",
        ),
        (lambda: opened(RIGHT, replace(NOTES, inside="")), "inside: name the field of tickets"),
        (lambda: opened(RIGHT, replace(NOTES, get=RIGHT.get)), "cannot have get or list"),
        (
            lambda: opened(RIGHT, replace(NOTES, name="notes/{text}")),
            "must contain the placeholder id of its parent",
        ),
        (
            lambda: opened(RIGHT, functions=(replace(VERB, operation=Operation("POST /{x}")),)),
            r"truncate_session\(\): operation: there is no placeholder x",
        ),
        (
            lambda: opened(
                RIGHT, functions=(replace(VERB, operation=replace(VERB.operation, asks=True)),)
            ),
            r"truncate_session\(\): operation: the function changes something .*asks must be False",
        ),
        (
            lambda: opened(
                RIGHT,
                functions=(replace(VERB, function=replace(VERB.function, effect=False)),),
            ),
            r"truncate_session\(\): operation: the function changes nothing .*asks must be True",
        ),
        (
            _bent(table=replace(TICKETS, visible=(*TICKETS.visible, Column("x", "TEXT", "X.")))),  # type: ignore[arg-type]
            r"tickets: column x: 'TEXT' is not a type; write one of ColumnType\.TEXT, ",
        ),
        (
            _bent(list=List("GET /tickets", pages=TokenPages(size="", cap=5))),
            "list: pages: size and cap go together",
        ),
        (
            _bent(insert=Insert("POST /tickets", required=("id"))),  # type: ignore[arg-type]
            r"insert: required must be a tuple: \('id',\), with the comma",
        ),
        (
            _bent(get=Get("GET /tickets/{id}", missing=(ResponseMatcher(404)))),  # type: ignore[arg-type]
            r"get: missing must be a tuple: \(ResponseMatcher\(\.\.\),\), with the comma",
        ),
        (
            lambda: opened(RIGHT, functions=VERB),  # type: ignore[arg-type]
            r"functions_declared must be a tuple: \(RestFunction\(\.\.\),\)",
        ),
        (
            lambda: opened(RIGHT, functions=(replace(VERB, rows={"respons": "x"}),)),
            r"truncate_session\(\): rows: there is no result respons. Did you mean response\?",
        ),
        (
            lambda: opened(RIGHT, functions=(replace(VERB, rows={}),)),
            r"truncate_session\(\): rows: nothing says what name is.",
        ),
        (lambda: opened(RIGHT, location=("scope",)), "location: there is no placeholder scope"),
        (lambda: opened(RIGHT, location="id"), r"location must be a tuple: \('id',\)"),
        # Values of another kind than is meant.
        (_bent(fields=["id"]), r"fields must be a mapping, .*not \['id'\]"),
        (
            _bent(fields={"id": "id", "owner": 3}),
            "fields: owner must name a field.* not 3",
        ),
        (_bent(get="GET /tickets/{id}"), r"get must be Get\('GET /things/\{id\}'\), not 'GET"),
        (_bent(list=Get("GET /tickets")), "list must be List"),
        (_bent(rows="many"), "rows must be a number, not 'many'"),
        (_bent(hints="no"), "hints must be a mapping"),
        (_of_list(filters=["owner"]), r"list: filters must be a mapping, .*not \['owner'\]"),
        (_of_list(filters={"owner": ""}), "filters: owner must be the name of a query parameter"),
        (_of_list(pages=TokenPages), r"list: pages must be SinglePage\(\).* with brackets"),
        (_of_list(pages="token"), r"list: pages must be SinglePage\(\).* not 'token'"),
        (_of_list(orders="owner"), r"list: orders must be a tuple of names.* not 'owner'"),
        (_of_list(route="GET /tickets?all=1"), r"list: a path has no query; write query=\{"),
        (
            _bent(get=Get("GET /tickets/{id")),
            "get: .* has a bracket that belongs to no placeholder",
        ),
        (_bent(get=Get("GET /ticket")), "get: it names no row: neither its path nor its query"),
        (_bent(delete=Delete("DELETE /tickets")), "delete: it names no row"),
        (_bent(insert=Insert("POST /tickets", body=["owner"])), "insert: body must be a mapping"),  # type: ignore[arg-type]
        (
            _bent(insert=Insert("POST /tickets", body={"owner": 1})),  # type: ignore[dict-item]
            r"insert: body: owner must be the name of a field, or Sent\(\.\.\), not 1",
        ),
        (
            _bent(get=Get("GET /tickets/{id}", missing=(ResponseMatcher(404, "("),))),
            r"get: '\(' is not a regular expression \(missing \)",
        ),
        (
            _bent(get=Get("GET /tickets/{id}", missing=(404,))),  # type: ignore[arg-type]
            r"get: 404 must be a ResponseMatcher\(404, ",
        ),
        (
            lambda: opened(RIGHT, readers={"tickts": RestResource}),
            "readers: .*Did you mean tickets",
        ),
        (lambda: opened(RIGHT, writers={"tickts": Writer}), "writers: .*Did you mean tickets"),
        (
            lambda: opened(RIGHT, writers={"tickets": 3}),
            "tickets must be a subclass of Writer, not 3",
        ),
        (lambda: opened(RIGHT, statuses={"404": "No."}), "statuses: '404' must be the number of"),
        (
            _bent(table=replace(TICKETS, name="writes")),
            "writes: every connection has a table of this name",
        ),
    ],
)
def test_a_mistake_in_a_rest_declaration(make: Callable[[], Any], told: str) -> None:
    with pytest.raises(ConfigurationError, match=f"The backend tickets: .*{told}"):
        make()


def test_functions_under_the_name_that_holds_them_later() -> None:
    kind = type("Tickets", (RestBackend,), {"name": "tickets", "title": "T", "tables": (RIGHT,)})
    wrong = type("Wrong", (kind,), {"functions": (VERB,)})

    with pytest.raises(ConfigurationError, match="declares its functions in functions_declared"):
        wrong.open(Source("t", "tickets", "", {"base_url": "http://127.0.0.1:1"}))


CLOSE = Function(
    "close_ticket",
    (Column("session", T.TEXT, "Ticket."),),
    (Column("state", T.TEXT, "State."), Column("by", T.TEXT, "Who.")),
    "Closes.",
    required=("session",),
)


@pytest.mark.parametrize(
    ("rows", "told"),
    [
        (lambda *_: [("shut",)], r"must be a tuple of 2 values, not \('shut',\)\. The .* effect"),
        (lambda *_: ["ab"], "must be a tuple of 2 values, not 'ab'"),
        (lambda reply, _: reply["state"], r"not subscriptable \(test_mistakes\.py, line \d+\)"),
    ],
)
def test_a_function_whose_rows_are_wrong(rows: Any, told: str) -> None:
    verb = RestFunction(CLOSE, Operation("POST /tickets/{id}/close"), rows)
    members = {"name": "bent", "title": "T", "tables": (RIGHT,), "functions_declared": (verb,)}
    source = {
        "backend": type("Tickets", (RestBackend,), members),
        "base_url": "http://127.0.0.1:1",
        "transport": httpx.MockTransport(lambda _: httpx.Response(200, json={"state": "shut"})),
    }

    with (
        connect(sources={"t": source}, config=os.devnull) as db,
        pytest.raises((TypeError, UnknownOutcomeError), match=told),
    ):
        db.execute("SELECT * FROM close_ticket('tickets/7')").fetchall()


@pytest.mark.parametrize("get", [Get("GET /tickets/{id}"), Get("GET /tickets/{id}", item="it")])
def test_a_write_may_wrap_its_row_in_a_field_of_its_own(get: Get) -> None:
    table = replace(
        RIGHT,
        get=get,
        insert=Insert("POST /tickets", item="made", body={"owner": "owner"}),
        update=Update("PATCH /tickets/{id}", item="changed", body={"owner": "owner"}),
    )
    row = {"id": "7", "owner": "ann"}

    def serve(request: httpx.Request) -> httpx.Response:
        field = {"POST": "made", "PATCH": "changed"}.get(request.method, get.item)
        return httpx.Response(200, json={field: row} if field else row)

    source = {
        "backend": type("T", (RestBackend,), {"name": "t", "title": "T", "tables": (table,)}),
        "base_url": "http://127.0.0.1:1",
        "transport": httpx.MockTransport(serve),
    }
    with connect(sources={"t": source}, config=os.devnull) as db:
        made = db.execute("INSERT INTO tickets(owner) VALUES ('ann') RETURNING name")
        assert made.fetchall() == [("tickets/7",)]
        sql = "UPDATE tickets SET owner = 'eve' WHERE id = '7' RETURNING id"
        assert db.execute(sql).fetchall() == [("7",)]


PATH = AccessPath("list")


def _capability(**change: Any) -> Capability:
    return replace(Capability((PATH,)), **change)


class _Rows(Resource):
    table = TICKETS

    def __init__(self, capability: Any, rows: Any = ()) -> None:
        self.capability = capability
        self._rows = rows

    def scan(self, scan: Any, context: Any) -> Any:
        return self._rows() if callable(self._rows) else iter(self._rows)


class _Own(Backend):
    name = "own"
    made: Any = None

    @classmethod
    def open(cls, source: Source) -> _Own:
        backend = cls()
        backend.resources = {"tickets": cls.made}
        backend.routines = {}
        return backend

    def describe(self) -> str:
        return "own"


@pytest.mark.parametrize(
    ("capability", "told"),
    [
        (None, "attributes table .a Table. and capability"),
        (_capability(paths=()), "no access path"),
        (_capability(paths=(PATH, PATH)), "2 access paths are named 'list'"),
        (_capability(paths=(AccessPath("get", ("idd",)),)), "keys: .*idd. Did you mean id"),
        (
            _capability(paths=(AccessPath("l", filters=(Filter("vote", frozenset((Op.EQ,))),)),)),
            "path 'l': filters: there is no column vote. Did you mean votes",
        ),
        (
            _capability(
                paths=(
                    AccessPath("l", filters=(Filter("owner", frozenset((Op.EQ,)), keyed=True),)),
                )
            ),
            "keyed filter needs a JSON column, and owner is not one",
        ),
        (_capability(paths=(AccessPath("l", orders=("time",)),)), "orders: .*no column time"),
        (_capability(paths=(AccessPath("l", page_cap=0),)), "page_cap must be at least 1"),
        (_capability(writes=Writes(frozenset(("own",)))), "writes.insert: .*no column own"),
        (
            _capability(writes=Writes(frozenset(("owner",)), ("votes",))),
            "writes.required names votes, which writes.insert does not have",
        ),
        (_capability(writes=Writes(hints={"delet": "x"})), "Did you mean delete"),
        (_capability(writes=Writes(frozenset(("owner",)))), r"no method send\(\)"),
    ],
)
def test_a_mistake_in_a_declaration_by_hand(
    capability: Any, told: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(_Own, "made", _Rows(capability))

    with pytest.raises(ConfigurationError, match=f"The backend own: .*{told}"):
        connect(sources={"t": _Own}, config=os.devnull)


ROW = ("tickets/1", "1", "ann", 3)


def _raises(_: Any = None) -> Any:
    raise ValueError("no such thing")


@pytest.mark.parametrize(
    ("rows", "told"),
    [
        (
            lambda: [ROW, ROW],
            r"scan\(\) must return an iterator of pages, each a list of rows, not",
        ),
        (lambda: None, "scan.. must return an iterator of pages, each a list of rows, not None"),
        (lambda: iter([ROW]), "a row must be a tuple of 6 values, not 'tickets/1'"),
        (lambda: iter([[list(ROW)]]), "a row must be a tuple of 6 values, not"),
        (lambda: iter([[{"id": "1"}]]), "a row must be a tuple of 6 values, not"),
        (lambda: iter([[ROW[:2]]]), "a row must be a tuple of 6 values, not"),
        (lambda: iter([[(*ROW[:3], "many")]]), "votes must be an int, not 'many'"),
        (lambda: iter([[ROW, ROW]]), "tickets: its list has 1 rows twice"),
        (_raises, "ValueError no such thing in bad.tickets .*bug in the backend own"),
    ],
)
def test_a_scan_that_is_not_as_declared_is_a_failure_of_the_kit(
    rows: Any, told: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(_Own, "made", _Rows(_capability(), rows))

    with connect(sources={"bad": _Own}, config=os.devnull) as db:
        failures = run_suite(db, "bad", most=2)

    assert re.search(told, failures[0])


@pytest.mark.parametrize(
    ("pages", "told"),
    [
        (NumberedPages(cap=2), "a full page has no field has_more.* declaration's 'more'"),
        (NumberedPages(more="", cap=2), ""),
    ],
)
def test_a_full_page_has_to_say_whether_another_follows(pages: NumberedPages, told: str) -> None:
    """Else the rows of all further pages would be left out in silence."""
    ids = ["1", "2", "3"]

    def serve(request: httpx.Request) -> httpx.Response:
        size, page = 2, int(request.url.params.get("page_number", "1"))
        rows = [{"id": one} for one in ids[size * (page - 1) : size * page]]
        return httpx.Response(200, json={"tickets": rows})

    table = replace(RIGHT, list=List("GET /tickets", items="tickets", pages=pages))
    source = {
        "backend": type("T", (RestBackend,), {"name": "t", "title": "T", "tables": (table,)}),
        "base_url": "http://127.0.0.1:1",
        "transport": httpx.MockTransport(serve),
    }
    with connect(sources={"t": source}, config=os.devnull) as db:
        if told:
            with pytest.raises(ProtocolError, match=told):
                db.execute("SELECT id FROM tickets").fetchall()
        else:
            assert db.execute("SELECT id FROM tickets").fetchall() == [("1",), ("2",), ("3",)]


def test_a_scope_that_does_not_exist_is_no_failure_of_the_kit() -> None:
    """Its service may say so: that is not an empty result."""
    columns = (*TICKETS.visible, Column("branch", T.TEXT, "Branch."))
    route = "/branches/{branch}/tickets"
    table = RestTable(
        replace(TICKETS, visible=columns),
        "branches/{branch}/tickets/{id}",
        RIGHT.fields,
        get=Get(f"GET {route}/{{id}}", missing=(ResponseMatcher(404, "no ticket"),)),
        list=List(f"GET {route}", items="tickets"),
    )
    rows = [{"id": str(one), "owner": "ann", "votes": one} for one in range(12)]

    def serve(request: httpx.Request) -> httpx.Response:
        _, _, branch, _, *found = request.url.path.split("/")
        if branch != "north":
            return httpx.Response(404, json={"error": "no such branch"})
        if not found:
            return httpx.Response(200, json={"tickets": rows})
        row = next((one for one in rows if one["id"] == found[0]), None)
        error = httpx.Response(404, json={"error": "no ticket"})
        return error if row is None else httpx.Response(200, json=row)

    members = {"name": "t", "title": "T", "tables": (table,), "location": ("branch",)}
    source = {
        "backend": type("T", (RestBackend,), members),
        "location": "north",
        "base_url": "http://127.0.0.1:1",
        "transport": httpx.MockTransport(serve),
    }
    with closing(connect(sources={"t": source}, config=os.devnull)) as db:
        assert run_suite(db, "t", most=6) == []


def test_a_list_of_pages_is_read_as_an_iterator_is(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(_Own, "made", _Rows(_capability(), lambda: [[ROW], [ROW]]))

    with connect(sources={"own": _Own}, config=os.devnull) as db:
        assert db.execute("SELECT id FROM tickets").fetchall() == [("1",), ("1",)]


@pytest.mark.parametrize(
    ("answer", "told"),
    [
        ({"tickets": [{"owner": "ann"}]}, "field id should be text, and is missing"),
        ({"tickets": [{"id": 1}]}, "field id should be text. The response"),
        ({"tickets": [{"id": "1", "votes": "many"}]}, "field votes should be a whole number"),
        ({"tickets": 5}, "should be a list of objects"),
    ],
)
def test_an_answer_that_is_not_as_declared(answer: Any, told: str) -> None:
    kind = type("Tickets", (RestBackend,), {"name": "bent", "title": "T", "tables": (RIGHT,)})
    transport = httpx.MockTransport(lambda _: httpx.Response(200, json=answer))
    source = {"backend": kind, "base_url": "http://127.0.0.1:1", "transport": transport}

    with (
        connect(sources={"bent_one": source}, config=os.devnull) as db,
        pytest.raises(ProtocolError, match=rf"bent_one.tickets: .*{told}"),
    ):
        db.execute("SELECT * FROM tickets").fetchall()
