"""Rows and answers that are not as declared: each is an error that says where it is."""

from __future__ import annotations

import os
import re
from dataclasses import replace
from typing import Any

import httpx
import pytest

from sessions_vtab import connect
from sessions_vtab.contract.model import Column, Function
from sessions_vtab.errors import ProtocolError, UnknownOutcomeError
from sessions_vtab.fetch import NumberedPages, ResponseMatcher
from sessions_vtab.rest import Get, Insert, List, Operation, RestFunction, RestTable, Update
from sessions_vtab.testing.conformance import run_suite
from tests.declared import RIGHT, TICKETS, T, connected, declared, played
from tests.rest.tickets import Own, Rows, capability

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
        (lambda reply, _: reply["state"], r"not subscriptable \(test_wrong_rows\.py, line \d+\)"),
    ],
)
def test_a_function_whose_rows_are_wrong(rows: Any, told: str) -> None:
    verb = RestFunction(CLOSE, Operation("POST /tickets/{id}/close"), rows)
    answer = httpx.Response(200, json={"state": "shut"})

    with (
        connected(declared(RIGHT, functions_declared=(verb,)), lambda _: answer) as db,
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

    with connected(declared(table), serve) as db:
        made = db.execute("INSERT INTO tickets(owner) VALUES ('ann') RETURNING name")
        assert made.fetchall() == [("tickets/7",)]
        sql = "UPDATE tickets SET owner = 'eve' WHERE id = '7' RETURNING id"
        assert db.execute(sql).fetchall() == [("7",)]


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
    monkeypatch.setattr(Own, "made", Rows(capability(), rows))

    with connect(sources={"bad": Own}, config=os.devnull) as db:
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
    with connected(declared(table), serve) as db:
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

    with connected(declared(table, location=("branch",)), serve, location="north") as db:
        assert run_suite(db, "t", most=6) == []


def test_a_list_of_pages_is_read_as_an_iterator_is(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(Own, "made", Rows(capability(), lambda: [[ROW], [ROW]]))

    with connect(sources={"own": Own}, config=os.devnull) as db:
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
    source = played(declared(RIGHT), lambda _: httpx.Response(200, json=answer))

    with (
        connect(sources={"bent_one": source}, config=os.devnull) as db,
        pytest.raises(ProtocolError, match=rf"bent_one.tickets: .*{told}"),
    ):
        db.execute("SELECT * FROM tickets").fetchall()
