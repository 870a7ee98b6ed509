"""The kit checks the writes and pages of any table, and finds what a bent backend does to them."""

from __future__ import annotations

import json
import os
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import replace
from typing import Any

import httpx
import pytest

from sessions_vtab import connect
from sessions_vtab.contract.backend import Action, Outcome, Write
from sessions_vtab.contract.capability import Writes
from sessions_vtab.contract.model import Column
from sessions_vtab.errors import ConflictError
from sessions_vtab.fetch import NumberedPages, ResponseMatcher, Sender, TokenPages
from sessions_vtab.rest import Delete, Get, Insert, List, RestBackend, RestTable, Update, Writer
from sessions_vtab.testing.conformance import Sample, Suite, run_suite
from sessions_vtab.testing.hostile import NATIVE_TABLES
from tests.declared import TICKETS, T, connected, played

_WRITTEN = {"owner": "owner", "votes": "votes", "meta": "meta"}
_GONE = (ResponseMatcher(404, "no such ticket"),)


class Tickets(RestBackend):
    name = "tickets"
    title = "Tickets"
    meanings = ((ResponseMatcher(409), ConflictError),)
    tables = (
        RestTable(
            TICKETS.extended(Column("meta", T.JSON, "JSON.")),
            "tickets/{id}",
            {"id": "id", **_WRITTEN},
            get=Get("GET /tickets/{id}", missing=_GONE),
            list=List("GET /tickets", items="tickets", pages=NumberedPages(cap=10)),
            insert=Insert("POST /tickets", body={"id": "id", **_WRITTEN}, required=("id", "owner")),
            update=Update("PATCH /tickets/{id}", body=_WRITTEN),
            delete=Delete("DELETE /tickets/{id}"),
        ),
    )


class Service:
    """Tickets, and one thing that it does wrong."""

    def __init__(self, bent: str = "") -> None:
        self.bent = bent
        self.items = {
            f"t{n:02d}": {"id": f"t{n:02d}", "owner": "ab"[n % 2], "votes": n % 4, "meta": {"n": n}}
            for n in range(25)
        }

    def __call__(self, request: httpx.Request) -> httpx.Response:
        key = request.url.path.removeprefix("/tickets").strip("/")
        sent: dict[str, Any] = json.loads(request.content or b"{}")
        if request.method == "POST":
            return self.create(sent)
        if not key:
            return self.page(int(request.url.params["limit"]), request.url.params)
        if key not in self.items:
            return httpx.Response(404, json={"error": "no such ticket"})
        if request.method == "DELETE":
            if self.bent != "delete":
                del self.items[key]
            return httpx.Response(200, json={})
        if request.method == "PATCH" and self.bent != "update":
            self.items[key] |= sent
            if self.bent == "update of another":
                self.items[key] |= {"owner": "eve"} if "owner" not in sent else {"votes": 99}
        return httpx.Response(200, json=self.items[key])

    def create(self, sent: dict[str, Any]) -> httpx.Response:
        if sent["id"] in self.items and self.bent != "overwritten":
            return httpx.Response(409)
        kept = {**sent, "votes": None} if self.bent == "value lost" else dict(sent)
        if self.bent == "overwritten" and sent["id"] in self.items:
            kept |= {"votes": 99}
        if self.bent != "not stored":
            self.items[sent["id"]] = kept
        said = {**kept, "owner": "eve"} if self.bent == "returning" else kept
        return httpx.Response(200, json=said)

    def page(self, size: int, asked: httpx.QueryParams) -> httpx.Response:
        number, every = int(asked.get("page_number", "1")), list(self.items.values())
        if self.bent == "not listed":
            every = [one for one in every if one["id"].startswith("t")]
        start = (number - 1) * size
        if self.bent == "page skips" and number > 1:
            start += 1
        if self.bent == "page repeats" and number > 1:
            start -= 1
        more = start + size < len(every)
        return httpx.Response(200, json={"tickets": every[start : start + size], "has_more": more})


@contextmanager
def _suite(service: Service, backend: type[RestBackend] = Tickets) -> Iterator[Suite]:
    with connected(backend, service) as db:
        suite = Suite(db, "t")
        yield suite
        suite.close()


def test_a_right_backend_passes_and_its_row_is_gone() -> None:
    service = Service()

    with _suite(service) as suite:
        suite.check_writes("tickets")
        assert suite.check_pages("tickets") == 25
        suite.close()
        assert run_suite(suite.connection, "t", most=3) == []
        suite.connection.execute(NATIVE_TABLES)

    assert len(service.items) == 25


def test_writes_are_checked_outside_a_transaction() -> None:
    service = Service()
    sources = {"t": played(Tickets, service)}

    with connect(sources=sources, config=os.devnull) as db:
        (failure,) = run_suite(db, "t", most=3)

    assert "outside a transaction. `with connect(..) as db` is one: use contextlib" in failure
    assert len(service.items) == 25


@pytest.mark.parametrize(
    ("bent", "told"),
    [
        ("value lost", "INSERT: votes is None, not 0"),
        ("returning", "INSERT: RETURNING has owner = 'eve', a read 'a'"),
        ("not stored", "INSERT: 'tickets/kit-1' is not found afterwards"),
        ("not listed", "INSERT: the table has 25 rows, not 26"),
        ("overwritten", "a second INSERT: OR IGNORE changes the row that is there"),
        ("overwritten", "a second INSERT: the row that is there is overwritten"),
        ("update", "UPDATE: votes is 0, not 1"),
        ("update of another", "UPDATE: votes is 99"),
        ("delete", "DELETE: the row is still there"),
        ("delete", "DELETE: the table has 26 rows, not 25"),
    ],
)
def test_a_service_that_does_something_else_is_found(bent: str, told: str) -> None:
    with _suite(Service(bent)) as suite, pytest.raises(AssertionError) as raised:
        suite.check_writes("tickets")

    assert f"t.tickets: {told}" in str(raised.value)


def test_a_value_that_was_not_set_must_stay() -> None:
    sample = Sample({"id": "kit-1", "owner": "a", "votes": 1}, {"votes": 2})

    with (
        _suite(Service("update of another")) as suite,
        pytest.raises(AssertionError, match=r"UPDATE: owner, which was not set, is 'eve'"),
    ):
        suite.check_writes("tickets", sample)


class _SendsMore(Writer):
    def perform(self, write: Write, line: Sender) -> Outcome:
        if write.action is Action.UPDATE:
            line.send(replace(self.change(write).call, query=(("notify", "1"),)))
        return super().perform(write, line)


class _ShowsNothing(Tickets):
    def preview(self, write: Write) -> Any:
        return ()


def test_a_request_that_a_dry_run_does_not_show_is_found() -> None:
    wrong = type("More", (Tickets,), {"writers": {"tickets": _SendsMore}})

    with (
        _suite(Service(), wrong) as suite,
        pytest.raises(AssertionError, match=r"UPDATE: a dry run shows .*notify=1"),
    ):
        suite.check_writes("tickets")


def test_a_dry_run_that_shows_nothing_is_found() -> None:
    with (
        _suite(Service(), _ShowsNothing) as suite,
        pytest.raises(AssertionError, match="INSERT: a dry run shows no request"),
    ):
        suite.check_writes("tickets")


def test_what_is_not_declared_is_refused_and_sends_nothing() -> None:
    (table,) = Tickets.tables
    fixed = replace(table, insert=None, update=None, delete=None)
    kind = type("Fixed", (Tickets,), {"tables": (fixed,)})

    with _suite(Service(), kind) as suite:
        suite.check_writes("tickets")


def test_an_action_that_is_not_declared_and_done_all_the_same_is_found() -> None:
    with _suite(Service()) as suite:
        known = suite.known["tickets"]
        # What the kit is told, not what the connection was opened with.
        less = replace(known.resource.capability, writes=Writes())
        told = type("Told", (), {"table": known.table, "capability": less})()
        known.resource = told

        with pytest.raises(AssertionError, match=r"(?s)DELETE .*not refused.*DELETE .*and sent"):
            suite.check_writes("tickets")


def test_a_sample_that_the_service_refuses_is_a_failure_that_asks_for_another() -> None:
    with (
        _suite(Service()) as suite,
        pytest.raises(AssertionError, match=r"INSERT failed: .* Give a Sample that it takes"),
    ):
        suite.check_writes("tickets", Sample({"id": "t01", "owner": "a"}))


@pytest.mark.parametrize(
    ("bent", "told"), [("page skips", "rows missing"), ("page repeats", "rows twice")]
)
def test_pages_that_lose_or_repeat_rows_are_found(bent: str, told: str) -> None:
    with pytest.raises(AssertionError, match=told), _suite(Service(bent)) as suite:
        suite.check_pages("tickets")


def test_a_list_that_ends_too_early_is_named_as_the_likely_cause() -> None:
    (table,) = Tickets.tables
    assert table.list is not None
    short = replace(
        table, list=replace(table.list, pages=TokenPages("nosuch", size="limit", cap=10))
    )
    wrong = type("Short", (Tickets,), {"tables": (short,)})

    with (
        _suite(Service(), wrong) as suite,
        pytest.raises(AssertionError, match="does it go on in further pages"),
    ):
        suite.check_path("tickets", "get by name")
