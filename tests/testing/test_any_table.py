"""The kit serves tables of any name, and fails where it can prove nothing."""

from __future__ import annotations

import os
import re
from contextlib import closing
from dataclasses import replace
from functools import partial

import httpx
import pytest

from sessions_vtab import connect
from sessions_vtab.testing.conformance import Suite, run_suite
from tests.declared import RIGHT, connected, declared, played

ITEMS = [
    {"id": f"t{number:02d}", "owner": ("ann", "Ann", None)[number % 3], "votes": number % 4}
    for number in range(12)
]


def serve(
    request: httpx.Request, *, cut: bool = False, ignoring_case: bool = False
) -> httpx.Response:
    """What the service of the tickets answers."""
    key = request.url.path.removeprefix("/tickets").strip("/")
    if key:
        found = [one for one in ITEMS if one["id"] == key]
        return httpx.Response(200, json=found[0]) if found else httpx.Response(404)
    owner = request.url.params.get("owner")
    rows = [one for one in ITEMS if owner is None or _same(one["owner"], owner, ignoring_case)]
    return httpx.Response(200, json={"tickets": rows[:-1] if cut and owner else rows})


def _same(mine: str | None, asked: str, ignoring_case: bool) -> bool:
    return mine == asked or (ignoring_case and (mine or "").lower() == asked.lower())


TICKETS = declared(RIGHT)
LISTED = replace(RIGHT, get=None)
"""Without GET, so that unknown ids are no errors."""


def test_a_table_of_any_name_is_asked() -> None:
    with connected(declared(LISTED), serve) as db:
        suite = Suite(db, "t")
        assert suite.check_shapes() >= 18
        suite.close()
        assert run_suite(db, "t", most=5) == []


def test_a_filter_that_ignores_case_is_right_unless_it_is_declared_exact() -> None:
    with connected(declared(LISTED), partial(serve, ignoring_case=True)) as db:
        assert run_suite(db, "t", most=5) == []
    exact = replace(LISTED, list=replace(RIGHT.list, exact=True))
    with connected(declared(exact), partial(serve, ignoring_case=True)) as db:
        assert any("owner" in failure for failure in run_suite(db, "t", most=5))


def test_a_filter_that_loses_a_row_is_found_by_the_shapes() -> None:
    with connected(declared(LISTED), partial(serve, cut=True)) as db:
        suite = Suite(db, "t")
        with pytest.raises(AssertionError, match=r"(?s)1 cases.*tickets-multiset-11: .*missing"):
            suite.check_shapes()
        suite.close()


@pytest.mark.parametrize(
    ("fields", "empty", "told"),
    [
        ({}, {}, None),
        ({"votes": "vots"}, {}, r't\.tickets: votes: NULL in all 12 rows.*"tickets": \["votes"\]'),
        ({"votes": "vots"}, {"tickets": ["votes"]}, None),
        ({}, {"tickets": ["votes"]}, r"t\.tickets: votes is in empty, but has values"),
        # Without an entry, the declaration says that the service has nothing for it.
        ({"votes": None}, {}, None),
    ],
)
def test_a_column_that_no_row_fills_is_reported_unless_the_author_says_so(
    fields: dict[str, str | None], empty: dict[str, list[str]], told: str | None
) -> None:
    every = {name: field for name, field in (RIGHT.fields | fields).items() if field is not None}

    with connected(declared(replace(LISTED, fields=every)), serve) as db:
        failures = run_suite(db, "t", most=2, empty=empty)

    assert len(failures) == (told is not None)
    assert told is None or re.match(told, failures[0])


def test_without_rows_there_is_nothing_to_fill() -> None:
    nothing = httpx.Response(200, json={"tickets": []})

    with connected(declared(LISTED), lambda _: nothing) as db:
        suite = Suite(db, "t")
        suite.check_filled("tickets")
        suite.close()


def test_an_error_of_the_service_is_a_failure_of_each_check_that_meets_it() -> None:
    def only_known(request: httpx.Request) -> httpx.Response:
        known = {"", *(one["id"] for one in ITEMS)}
        if request.url.path.removeprefix("/tickets").strip("/") in known:
            return serve(request)
        return httpx.Response(200, json=["not an id"])

    with connected(TICKETS, only_known) as db:
        failures = run_suite(db, "t", most=2)

    assert any("t.tickets by get: " in one and "ProtocolError" in one for one in failures)
    assert any("t: operators: ProtocolError: " in one for one in failures)


def test_a_source_that_cannot_be_read_is_one_failure() -> None:
    closed = httpx.Response(403, json={"error": "closed"})

    with connected(TICKETS, lambda _: closed) as db:
        (failure,) = run_suite(db, "t")

    assert failure.startswith("t: reading its rows: ForbiddenError: ")


def test_an_error_in_a_shape_has_its_statement() -> None:
    def without_owners(request: httpx.Request) -> httpx.Response:
        wrong = "owner" in request.url.params
        return httpx.Response(200, json=[]) if wrong else serve(request)

    with connected(declared(LISTED), without_owners) as db:
        suite = Suite(db, "t")
        failures = list(suite.wrong_shapes())
        suite.close()

    assert failures
    assert all(re.match(r"tickets-\S+: SELECT .*\nProtocolError: ", one) for one in failures)


def test_too_few_shapes_are_a_failure(monkeypatch: pytest.MonkeyPatch) -> None:
    with connected(declared(LISTED), serve) as db:
        suite = Suite(db, "t")
        monkeypatch.setattr(suite, "_listable", lambda *_: False)
        with pytest.raises(
            AssertionError, match=r"t: only 1 of at least 10 query shapes apply \(no table"
        ):
            suite.check_shapes()
        suite.close()


@pytest.mark.parametrize(
    ("example", "wrong"),
    [
        ("", None),
        ("SELECT id FROM tickets WHERE owner = 'ann'", None),
        ("SELECT id FROM tickets JOIN tickets AS b USING (id)", None),
        ("SELECT id FROM tickets WHERE id = 'no such ticket'", None),
        ("SELECT ownr FROM tickets", "no such column: ownr"),
        ("SELECT id FROM ticket", "no such table: ticket"),
        ("SELECT id FROM tickets WHERE", "incomplete input"),
    ],
)
@pytest.mark.parametrize("default", [True, False])
def test_the_example_of_a_table_is_run(example: str, wrong: str | None, default: bool) -> None:
    """Whether or not its source is the default, whose tables need no prefix."""
    own = replace(RIGHT, table=RIGHT.table.extended(example=example))
    source = played(declared(own), serve)
    sources = {"t": source} if default else {"l": "local://:memory:", "t": source}
    with closing(connect(sources=sources, default=next(iter(sources)), config=os.devnull)) as db:
        found = [one for one in run_suite(db, "t", most=1) if "example" in one]

    assert len(found) == (wrong is not None)
    assert all(f"tickets: its example {example}: " in one and str(wrong) in one for one in found)


def test_a_get_whose_missing_row_is_not_declared_is_a_failure_that_says_what_to_do() -> None:
    def with_reason(request: httpx.Request) -> httpx.Response:
        found = serve(request)
        gone = httpx.Response(404, json={"error": "no such ticket"})
        return gone if found.status_code == 404 else found

    with connected(TICKETS, with_reason) as db:
        found = run_suite(db, "t", most=1)

    assert any("Say so in 'missing'" in one for one in found)
