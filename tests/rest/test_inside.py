"""Fields inside other fields, ``owner.id``: in pages, in items, in bodies."""

from __future__ import annotations

import json
from dataclasses import replace
from typing import Any

import httpx
import pytest

from sessions_vtab.contract.model import Column, Function, Table
from sessions_vtab.fetch import ResponseMatcher
from sessions_vtab.rest import (
    AfterPages,
    Get,
    Insert,
    List,
    NumberedPages,
    Operation,
    Paginator,
    RestFunction,
    RestTable,
    TokenPages,
    epoch_of,
)
from sessions_vtab.testing.conformance import run_suite
from tests.declared import T, connected, declared

VOTE = Function(
    "vote",
    (Column("session", T.TEXT, "Name."), Column("more", T.INTEGER, "How many.")),
    (Column("id", T.TEXT, "Id."), Column("votes", T.INTEGER, "Votes now.")),
    "Votes.",
    required=("session", "more"),
)
TABLE = RestTable(
    Table(
        "tickets",
        (
            Column("name", T.TEXT, "Name."),
            Column("id", T.TEXT, "Id."),
            Column("owner", T.TEXT, "Who."),
            Column("votes", T.INTEGER, "How many."),
            Column("made", T.TIME, "When."),
            Column("meta", T.JSON, "Object."),
        ),
        "Tickets.",
        filled=frozenset(("owner",)),
    ),
    "tickets/{id}",
    {
        "id": "key.id",
        "owner": "who.is.name",
        "votes": "counted.votes",
        "made": epoch_of("at.seconds"),
        "meta": "about.meta",
    },
    get=Get(
        "GET /tickets/{id}",
        item="result.ticket",
        missing=(ResponseMatcher(404, "no such ticket", field="error"),),
    ),
    insert=Insert(
        "POST /tickets",
        item="result.ticket",
        body={"owner": "who.is.name", "votes": "counted.votes", "meta": "about.meta"},
        required=("owner",),
    ),
)


class Service:
    def __init__(self) -> None:
        self.tickets: dict[str, dict[str, Any]] = {}
        self.sent: list[Any] = []
        for number in range(7):
            self.add({"who": {"is": {"name": "ann"}}, "counted": {"votes": number}})

    def add(self, ticket: dict[str, Any]) -> dict[str, Any]:
        number = len(self.tickets)
        about = {"about": {"meta": {"n": number}}} | ticket
        made = {"key": {"id": f"t{number}"}, "at": {"seconds": 1_767_225_600}, **about}
        return self.tickets.setdefault(f"t{number}", made)

    def __call__(self, request: httpx.Request) -> httpx.Response:
        parts = request.url.path.split("/")[2:]
        body = json.loads(request.content or b"null")
        if request.method == "POST":
            self.sent.append(json.loads(request.content))
            ticket = self.tickets[parts[0]] if parts else self.add(body)
            if parts:
                ticket["counted"]["votes"] += body["by"]["votes"]
            return httpx.Response(200, json={"result": {"ticket": ticket}})
        if parts:
            found = self.tickets.get(parts[0])
            gone = httpx.Response(404, json={"error": "no such ticket"})
            return httpx.Response(200, json={"result": {"ticket": found}}) if found else gone
        asked, listed = request.url.params, list(self.tickets.values())
        start = int(asked.get("cursor", 0))
        if "page" in asked:
            start = 3 * (int(asked["page"]) - 1)
        if "after" in asked:
            start = 1 + int(asked["after"][1:])
        more = start + 3 < len(listed)
        paging = {"more": more, **({"next": str(start + 3)} if more else {})}
        page = {"rows": listed[start : start + 3], "paging": paging}
        return httpx.Response(200, json={"result": page})


PAGES: dict[str, Paginator] = {
    "a token": TokenPages("result.paging.next", "cursor", size="limit", cap=3),
    "a boolean": NumberedPages("page", 1, "result.paging.more", size="limit", cap=3),
    "the last row": AfterPages("after", "key.id", size="limit", cap=3),
}


@pytest.mark.parametrize("how", PAGES)
def test_a_list_goes_on_by_a_field_inside_another(how: str) -> None:
    table = replace(TABLE, list=List("GET /tickets", items="result.rows", pages=PAGES[how]))

    with connected(declared(table), Service()) as db:
        sql = "SELECT id, owner, votes, made, meta FROM tickets WHERE votes > 4"
        assert db.execute(sql).fetchall() == [
            ("t5", "ann", 5, "2026-01-01 00:00:00.000000", '{"n":5}'),
            ("t6", "ann", 6, "2026-01-01 00:00:00.000000", '{"n":6}'),
        ]
        assert db.execute("SELECT sum(rows) FROM http_requests").get == 7
        assert run_suite(db, "t", most=2) == []


def test_rows_are_written_and_acted_on_by_such_fields() -> None:
    service = Service()
    call = Operation("POST /tickets/{id}", item="result.ticket", body={"more": "by.votes"})
    vote = RestFunction(VOTE, call, {"id": "key.id", "votes": "counted.votes"})

    with connected(declared(TABLE, functions_declared=(vote,)), service) as db:
        sql = "INSERT INTO tickets(owner, votes) VALUES ('bob', 3) RETURNING name, owner"
        assert db.execute(sql).fetchall() == [("tickets/t7", "bob")]
        assert db.execute("SELECT * FROM vote('tickets/t7', 4)").fetchall() == [("t7", 7)]

    assert service.sent == [
        {"who": {"is": {"name": "bob"}}, "counted": {"votes": 3}},
        {"by": {"votes": 4}},
    ]


@pytest.mark.parametrize(
    ("change", "told"),
    [
        ({"who": {"is": {"name": 7}}}, "the field who.is.name should be text"),
        ({"who": {"is": {}}}, "the field who.is.name should be text, and is missing"),
        ({"who": {"is": "ann"}}, "the field who.is.name should be text, and is missing"),
        ({"who": None}, "the field who.is.name should be text, and is missing"),
        ({"key": {}}, "the field key.id should be text, and is missing"),
        ({"counted": {"votes": "x"}}, "the field counted.votes should be a whole number"),
        ({"counted": 3}, None),
        # A field whose own name has a dot is that one.
        ({"who": {}, "who.is.name": "eve"}, None),
    ],
)
def test_what_is_not_there_is_said_with_the_whole_name(
    change: dict[str, Any], told: str | None
) -> None:
    service = Service()
    service.tickets["t0"] |= change
    table = replace(TABLE, list=List("GET /tickets", items="result.rows", pages=PAGES["a token"]))

    with connected(declared(table), service) as db:
        if told is None:
            assert db.execute("SELECT owner, votes FROM tickets LIMIT 1").get in {
                ("ann", None),
                ("eve", 0),
            }
            return
        with pytest.raises(Exception, match=told):
            db.execute("SELECT * FROM tickets LIMIT 1").fetchall()
