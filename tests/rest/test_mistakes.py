"""Mistakes that an author of a backend makes: each is an error that says where it is."""

from __future__ import annotations

import os
from collections.abc import Callable
from dataclasses import replace
from typing import Any

import httpx
import pytest

from sessions_vtab import connect
from sessions_vtab.contract.backend import Backend, Resource
from sessions_vtab.contract.capability import AccessPath, Capability, Filter, Writes
from sessions_vtab.contract.functions import FUNCTIONS
from sessions_vtab.contract.model import Column, ColumnType, Table
from sessions_vtab.contract.predicate import Op
from sessions_vtab.contract.source import Source
from sessions_vtab.errors import ConfigurationError, ProtocolError
from sessions_vtab.rest import (
    Delete,
    Get,
    Insert,
    List,
    Operation,
    RestBackend,
    RestFunction,
    RestTable,
    Update,
)

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
    Table("notes", (Column("name", T.TEXT, "Name."), Column("text", T.TEXT, "Text.")), "Notes."),
    "tickets/{id}/notes/{text}",
    {"text": "text"},
    parent="tickets",
    inside="notes",
)
VERB = RestFunction(FUNCTIONS["truncate_session"], Operation("POST /tickets/{id}/truncate"))


def opened(*tables: RestTable, functions: tuple[RestFunction, ...] = (), **more: Any) -> Any:
    members = {"name": "tickets", "title": "Tickets", "tables": tables, **more}
    kind = type("Tickets", (RestBackend,), {**members, "functions_declared": functions})
    return kind.open(Source("t", "tickets", "", {"base_url": "http://127.0.0.1:1"}))


def _bent(**change: Any) -> Callable[[], Any]:
    return lambda: opened(replace(RIGHT, **change))


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
            "list: filters: there is no column ownr. Did you mean owner",
        ),
        (_bent(list=List("GET /tickets", size="limit")), "size and cap go together"),
        (
            _bent(list=List("GET /tickets", each={"scope": Operation("GET /scopes")})),
            "list: each: there is no placeholder scope",
        ),
        (_bent(insert=Insert("POST /tickets", body={"vote": "v"})), "insert: .*no column vote"),
        (_bent(insert=Insert("POST /tickets", required=("ids",))), "insert: .*no column ids"),
        (_bent(update=Update("PUT /tickets/{id}", columns=("x",))), "update: .*no column x"),
        (_bent(delete=Delete("DELETE /tickets/{key}")), "delete: there is no placeholder key"),
        (lambda: opened(RIGHT, replace(NOTES, parent="ticket")), "Did you mean tickets"),
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
        (lambda: opened(RIGHT, location=("scope",)), "location: there is no placeholder scope"),
    ],
)
def test_a_mistake_in_a_rest_declaration(make: Callable[[], Any], told: str) -> None:
    with pytest.raises(ConfigurationError, match=f"The backend tickets: .*{told}"):
        make()


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
        (_capability(writes=Writes(remedies={"delet": "x"})), "Did you mean delete"),
        (_capability(writes=Writes(frozenset(("owner",)))), r"no method send\(\)"),
    ],
)
def test_a_mistake_in_a_declaration_by_hand(
    capability: Any, told: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(_Own, "made", _Rows(capability))

    with pytest.raises(ConfigurationError, match=f"The backend own: .*{told}"):
        connect(sources={"t": _Own}, config=os.devnull)


@pytest.mark.parametrize(
    ("answer", "told"),
    [
        ({"tickets": [{"owner": "ann"}]}, "field id should be text"),
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
