"""Mistakes in the declarations of a backend: each is an error that says where it is."""

from __future__ import annotations

import os
from collections.abc import Callable
from dataclasses import replace
from types import MappingProxyType
from typing import Any

import pytest

from sessions_vtab import connect
from sessions_vtab.contract.backend import Source
from sessions_vtab.contract.capability import EQUALITY, AccessPath, Filter, Writes
from sessions_vtab.contract.functions import FUNCTIONS
from sessions_vtab.contract.model import Column, Function, Table
from sessions_vtab.contract.predicate import Op
from sessions_vtab.contract.verify import verify
from sessions_vtab.errors import ConfigurationError
from sessions_vtab.fetch import ResponseMatcher, TokenPages
from sessions_vtab.rest import (
    Delete,
    Get,
    Insert,
    List,
    Operation,
    RestFunction,
    RestResource,
    RestTable,
    Update,
    Writer,
)
from tests.declared import BASE, RIGHT, TICKETS, T, declared
from tests.rest.tickets import PATH, Own, Rows, capability

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
VOTE = Function(
    "vote",
    (Column("session", T.TEXT, "Name."), Column("votes", T.INTEGER, "How many.")),
    (Column("id", T.TEXT, "Id."),),
    "Votes.",
)


def _voting(name: str = "vote", body: Any = MappingProxyType({"votes": "votes"})) -> RestFunction:
    call = Operation("POST /tickets/{id}/vote", body=body)
    return RestFunction(replace(VOTE, name=name), call, {})


VERB = RestFunction(FUNCTIONS["truncate_session"], Operation("POST /tickets/{id}/truncate"))


def opened(*tables: RestTable, functions: tuple[RestFunction, ...] = (), **more: Any) -> Any:
    kind = declared(*tables, functions_declared=functions, **more)
    backend = kind.open(Source("t", "tickets", "", {"base_url": BASE}))
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
            lambda: opened(RIGHT, replace(NOTES, inside="", list=List("GET /notes"))),
            "notes: list: it names no row of tickets: neither its path nor its query has a placeholder",
        ),
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
            _bent(
                table=replace(
                    TICKETS, hidden=(Column("page_size", T.INTEGER, "Rows.", parameter=True),)
                )
            ),
            r"tickets: page_size: its list has to say how many rows .* TokenPages\(cap=100\)",
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
        (
            lambda: opened(RIGHT, functions=(_voting(body={"vots": "n"}),)),
            r"vote\(\): operation: body: there is no parameter vots. Did you mean votes\?",
        ),
        (
            lambda: opened(RIGHT, functions=(_voting(body=None),)),
            r"vote\(\): operation: neither its path, its query nor its body has votes.",
        ),
        (
            lambda: opened(RIGHT, functions=(_voting("tickets"),)),
            r"tickets\(\): there is a table of this name; give it another one.",
        ),
        (
            lambda: opened(RIGHT, functions=(_voting("writes"),)),
            r"writes\(\): there is a table of this name; give it another one.",
        ),
        (
            lambda: opened(RIGHT, key_variables="TOKEN"),
            r"key_variables must be a tuple: \('TOKEN',\)",
        ),
        (lambda: opened(RIGHT, hosts="tickets"), r"hosts must be a tuple: \('tickets',\)"),
        (lambda: opened(RIGHT, meanings=3), r"meanings must be a tuple"),
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
    wrong = declared(RIGHT, functions=(VERB,))

    with pytest.raises(ConfigurationError, match="declares its functions in functions_declared"):
        wrong.open(Source("t", "tickets", "", {"base_url": BASE}))


@pytest.mark.parametrize(
    ("declared", "told"),
    [
        (None, "attributes table .a Table. and capability"),
        (capability(paths=()), "no access path"),
        (capability(paths=(PATH, PATH)), "2 access paths are named 'list'"),
        (capability(paths=(AccessPath("get", ("idd",)),)), "keys: .*idd. Did you mean id"),
        (
            capability(paths=(AccessPath("l", filters=(Filter("vote", frozenset((Op.EQ,))),)),)),
            "path 'l': filters: there is no column vote. Did you mean votes",
        ),
        (
            capability(
                paths=(
                    AccessPath("l", filters=(Filter("owner", frozenset((Op.EQ,)), keyed=True),)),
                )
            ),
            "keyed filter needs a JSON column, and owner is not one",
        ),
        (capability(paths=(AccessPath("l", orders=("time",)),)), "orders: .*no column time"),
        (capability(paths=(AccessPath("l", page_cap=0),)), "page_cap must be at least 1"),
        (capability(writes=Writes(frozenset(("own",)))), "writes.insert: .*no column own"),
        (
            capability(writes=Writes(frozenset(("owner",)), ("votes",))),
            "writes.required names votes, which writes.insert does not have",
        ),
        (capability(writes=Writes(hints={"delet": "x"})), "Did you mean delete"),
        (
            capability(
                writes=Writes(
                    insert=frozenset(("id",)), update=frozenset(("id",)), hints={"id": "x"}
                )
            ),
            "its hint is never shown",
        ),
        (capability(writes=Writes(frozenset(("owner",)))), r"no method send\(\)"),
    ],
)
def test_a_mistake_in_a_declaration_by_hand(
    declared: Any, told: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(Own, "made", Rows(declared))

    with pytest.raises(ConfigurationError, match=f"The backend own: .*{told}"):
        connect(sources={"t": Own}, config=os.devnull)


@pytest.mark.parametrize(
    ("parts", "told"),
    [
        ({"visible": ("name", "id")}, "visible must be a tuple of Columns, and has 'name'"),
        ({"visible": TICKETS.visible[0]}, "visible must be a tuple of Columns, and has Column"),
        (
            {"visible": list(TICKETS.visible)},
            r"visible must be a tuple of Columns, and has \[Column",
        ),
        ({"hidden": (3,)}, "hidden must be a tuple of Columns, and has 3"),
    ],
)
def test_a_table_of_anything_but_columns_is_refused_where_it_is_made(
    parts: dict[str, Any], told: str
) -> None:
    with pytest.raises(ConfigurationError, match=f"tickets: {told}"):
        replace(TICKETS, **parts)


def test_a_source_whose_backend_is_no_backend() -> None:
    told = r"backend must be a Backend class or the name of one, not RestTable\("
    with pytest.raises(ConfigurationError, match=told):
        connect(sources={"t": {"backend": RIGHT}}, config=os.devnull)
