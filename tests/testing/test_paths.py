"""The generated cases find a faulty backend; each test has one defect."""

from __future__ import annotations

import json
from collections.abc import Callable, Iterator
from contextlib import closing, contextmanager
from dataclasses import replace
from typing import Any

import pytest

from sessions_vtab import Connection, connect
from sessions_vtab.contract.backend import Source
from sessions_vtab.contract.capability import AccessPath, Capability, Filter, HiddenRows
from sessions_vtab.contract.model import Column, ColumnType
from sessions_vtab.contract.predicate import AllOf, Compare, Field, Member, Op
from sessions_vtab.contract.scan import Scan
from sessions_vtab.errors import InvalidValueError
from sessions_vtab.testing import conformance, hostile
from sessions_vtab.testing.case import Case
from sessions_vtab.testing.cases import hostile_values, unknown_values
from sessions_vtab.testing.conformance import Suite, run_suite
from sessions_vtab.testing.generated import RunCase, Traffic
from tests import memory

MOST = 40


class Backend:
    """A queued backend with twelve sessions, whose declarations a test changes."""

    def __init__(self, connection: Connection) -> None:
        self.connection = connection
        self.resource: Any = connection.sources["mem"].backend.resources["sessions"]

    def declare(self, *paths: AccessPath, **more: Any) -> None:
        self.resource.capability = Capability(paths, rows=1_000, **more)

    def answer(self, scan: Callable[[Any, Scan, Any], Iterator[Any]]) -> None:
        """Makes scans return the rows of ``scan(plain, asked, context)``."""
        plain = self.resource.scan
        self.resource.scan = lambda asked, context: scan(plain, asked, context)

    def check(self, path: str = "list", **options: Any) -> int:
        keys = {"sessions": {"session_id": self.ids}} if options.pop("keyed", False) else None
        suite = Suite(self.connection, "mem", keys=keys)
        try:
            return suite.check_path("sessions", path, options.pop("look", None), most=MOST)
        finally:
            suite.close()

    @property
    def ids(self) -> list[Any]:
        return [row["session_id"] for row in self.resource.rows.values()]


@contextmanager
def _filled() -> Iterator[Backend]:
    with closing(connect(sources=[Source("mem", "memory")])) as connection:
        made = Backend(connection)
        columns = made.resource.capability.writes.insert
        with connection:
            rows = hostile.session_rows()[:12]
            hostile.load(connection.execute, "mem", "sessions", rows, columns)
        yield made


@pytest.fixture
def backend() -> Iterator[Backend]:
    with _filled() as made:
        yield made


LISTING = AccessPath(
    "list", filters=(Filter("user_id", frozenset((Op.EQ, Op.IN))),), orders=("create_time",)
)
GET = AccessPath("get", ("session_id",), unique=True)


def _ignoring(field: str) -> Callable[[Any, Scan, Any], Iterator[Any]]:
    """A backend that does not build a requested column."""

    def scan(plain: Any, asked: Scan, context: Any) -> Iterator[Any]:
        kept = tuple(term for term in asked.where.terms if not _about(term, field))
        return plain(replace(asked, where=AllOf(kept)), context)

    return scan


def _about(term: Any, field: str) -> bool:
    return isinstance(term, Compare | Member) and term.field == Field(field)


def test_a_backend_that_does_what_it_declares_passes(backend: Backend) -> None:
    backend.declare(LISTING, GET)

    assert backend.check() > 60
    assert backend.check("get") > 40


def test_a_filter_that_only_narrows_may_be_left_to_sqlite(backend: Backend) -> None:
    backend.declare(LISTING)
    backend.answer(_ignoring("user_id"))

    assert backend.check() > 60


def test_an_exact_filter_that_is_not_kept_is_found(backend: Backend) -> None:
    exact = replace(LISTING.filters[0], exact=True)
    backend.declare(replace(LISTING, filters=(exact,)))
    backend.answer(_ignoring("user_id"))

    with pytest.raises(AssertionError, match=r"(?s)mem\.sessions by list: .*too many"):
        backend.check()


near = pytest.mark.parametrize(
    "alike",
    [
        pytest.param(lambda asked, had: asked in had, id="contains"),
        pytest.param(lambda asked, had: had.startswith(asked), id="begins with"),
        pytest.param(lambda asked, had: had.casefold() == asked.casefold(), id="any case"),
    ],
)
"""How a service may find texts that are not equal."""


@near
def test_an_exact_filter_that_finds_more_than_equal_texts_is_found(
    backend: Backend, alike: Callable[[str, str], bool]
) -> None:
    place = backend.resource.table.positions["user_id"]

    def scan(plain: Any, asked: Scan, context: Any) -> Iterator[Any]:
        wanted = [
            term.operands if isinstance(term, Member) else (term.operand,)
            for term in asked.where.terms
            if _about(term, "user_id")
        ]
        everything = replace(asked, where=AllOf(()), columns=asked.columns | {"user_id"})
        for page in plain(everything, context):
            yield [
                row
                for row in page
                if all(any(alike(str(one), str(row[place])) for one in each) for each in wanted)
            ]

    exact = replace(LISTING.filters[0], exact=True)
    backend.declare(replace(LISTING, filters=(exact,)))
    backend.answer(scan)

    with pytest.raises(AssertionError, match=r"(?s)mem\.sessions by list: .*too many"):
        backend.check()


@near
def test_a_key_of_json_whose_near_texts_are_left_out_is_found(
    backend: Backend, alike: Callable[[str, str], bool]
) -> None:
    place, field = backend.resource.table.positions["labels"], Field("labels", "env")

    def scan(plain: Any, asked: Scan, context: Any) -> Iterator[Any]:
        others = [one.operand for one in asked.where.terms if getattr(one, "field", None) == field]
        everything = replace(asked, where=AllOf(()), columns=asked.columns | {"labels"})
        for page in plain(everything, context):
            labels = [json.loads(row[place] or "{}").get("env") for row in page]
            yield [
                row
                for row, had in zip(page, labels, strict=True)
                if not any(had is not None and alike(str(one), had) for one in others)
            ]

    # SQLite checks what is found by a key; what is left out it never sees.
    backend.declare(replace(LISTING, filters=(Filter("labels", frozenset((Op.NE,)), keyed=True),)))
    backend.answer(scan)

    with pytest.raises(AssertionError, match=r"(?s)mem\.sessions by list: .*labels.*missing"):
        backend.check()


def test_an_operator_that_returns_too_few_rows_is_found(backend: Backend) -> None:
    def scan(plain: Any, asked: Scan, context: Any) -> Iterator[Any]:
        """Treats <> as =, like a service that supports no other comparison."""
        terms = (
            replace(term, op=Op.EQ) if isinstance(term, Compare) and term.op is Op.NE else term
            for term in asked.where.terms
        )
        return plain(replace(asked, where=AllOf(tuple(terms))), context)

    backend.declare(replace(LISTING, filters=(Filter("user_id", frozenset((Op.NE,))),)))
    backend.answer(scan)

    with pytest.raises(AssertionError, match=r'"user_id" <> .*\n.*missing'):
        backend.check()


def test_an_order_that_is_not_kept_is_found(backend: Backend) -> None:
    backend.declare(replace(LISTING, orders=("display_name",)))
    backend.answer(lambda plain, asked, context: plain(replace(asked, order=()), context))

    with pytest.raises(AssertionError, match="different order"):
        backend.check()


def test_a_key_that_finds_one_row_of_several_is_found(backend: Backend) -> None:
    backend.declare(LISTING, GET)
    backend.answer(
        lambda plain, asked, context: (
            (list(page)[:1] for page in plain(asked, context))
            if asked.path.name == "get"
            else plain(asked, context)
        )
    )

    with pytest.raises(AssertionError, match="missing"):
        backend.check("get")


def test_an_error_instead_of_rows_is_found(backend: Backend) -> None:
    def scan(plain: Any, asked: Scan, context: Any) -> Iterator[Any]:
        if len(asked.given("session_id") or ()) > 1:
            raise InvalidValueError("one at a time")
        return plain(asked, context)

    backend.declare(LISTING, GET)
    backend.answer(scan)

    with pytest.raises(AssertionError, match=r"one at a time.* where 3 rows are right"):
        backend.check("get")


def test_a_path_that_no_statement_uses_is_found(backend: Backend) -> None:
    backend.declare(LISTING, replace(GET, cost=1_000_000.0))

    with pytest.raises(AssertionError, match="no case of sessions is read by get"):
        backend.check("get")


def test_undeclared_operators_that_are_sent_are_found(
    backend: Backend, monkeypatch: pytest.MonkeyPatch
) -> None:
    every = tuple(Filter(name, frozenset((Op.EQ,))) for name in backend.resource.table.names)
    backend.declare(replace(LISTING, filters=every))
    monkeypatch.setattr(
        "sessions_vtab.testing.case.CaseCondition.declared", lambda condition, path: False
    )

    with pytest.raises(AssertionError, match="is sent, contrary to the declaration"):
        backend.check()


def test_a_table_that_cannot_be_listed_is_read_by_the_given_keys(backend: Backend) -> None:
    backend.declare(GET)

    assert backend.check("get", keyed=True) > 40


def test_a_row_that_reads_differently_by_another_key_is_found(backend: Backend) -> None:
    def scan(plain: Any, asked: Scan, context: Any) -> Iterator[Any]:
        other = asked.path.name == "list"
        for page in plain(asked, context):
            yield [(*row[:3], "other" if other else row[3], *row[4:]) for row in page]

    backend.declare(LISTING, GET)
    backend.answer(scan)

    with pytest.raises(AssertionError, match="otherwise"):
        backend.check("get", keyed=True)


def test_a_table_without_rows_for_a_key_is_an_error_with_a_hint(backend: Backend) -> None:
    backend.declare(LISTING, replace(GET, keys=("expire_time",)))
    for row in backend.resource.rows.values():
        row["expire_time"] = None

    with pytest.raises(AssertionError, match="no row has a expire_time"):
        backend.check("get")


class TestHiddenRows:
    """Rows with ``deleted`` = 1 are returned only if they are requested."""

    @pytest.fixture
    def backend(self, monkeypatch: pytest.MonkeyPatch) -> Iterator[Backend]:
        include = Column("include_deleted", ColumnType.BOOLEAN, "Shows them.", parameter=True)
        table = memory.MEMORY_SESSIONS.extended(hidden=(include,))
        monkeypatch.setattr(memory, "MEMORY_SESSIONS", table)
        with _filled() as made:
            for number, row in enumerate(made.resource.rows.values()):
                row["deleted"] = int(number % 3 == 0)
            made.declare(
                replace(LISTING, filters=(Filter("deleted", frozenset((Op.EQ, Op.NE))),)),
                hides=HiddenRows("deleted", "include_deleted"),
            )
            yield made

    def test_hidden_rows_are_expected_only_with_that_condition(self, backend: Backend) -> None:
        backend.answer(_hiding)

        assert backend.check() > 60

    def test_a_condition_that_does_not_show_hidden_rows_is_found(self, backend: Backend) -> None:
        def scan(plain: Any, asked: Scan, context: Any) -> Iterator[Any]:
            if asked.parameters.get("include_deleted") == 1:
                return plain(asked, context)
            return plain(_only_living(asked), context)

        backend.answer(scan)

        with pytest.raises(AssertionError, match=r'"deleted" (=|<>) .*\n.*missing'):
            backend.check()


def _hiding(plain: Any, asked: Scan, context: Any) -> Iterator[Any]:
    shown = asked.parameters.get("include_deleted") == 1 or asked.where.terms
    return plain(asked if shown else _only_living(asked), context)


def _only_living(asked: Scan) -> Scan:
    living = Compare(Field("deleted"), Op.EQ, 0)
    return replace(asked, where=AllOf((*asked.where.terms, living)))


class TestTraffic:
    """The requests that arrived, compared with what the scans required."""

    @pytest.mark.parametrize(
        ("arrived", "told"),
        [
            (["u1 GET"], "is in no request"),
            (["ann GET", "elsewhere"], "was not sent, and is in a request"),
            (["ann GET"], None),
            ([], "rows came without a request"),
        ],
    )
    def test_missing_and_unexpected_requests_are_reported(
        self, arrived: list[str], told: str | None
    ) -> None:
        log = [{"method": "GET", "path": one, "query": {}, "body": None} for one in arrived]
        scan = Scan(LISTING, AllOf((Compare(Field("user_id"), Op.EQ, "ann"),)))
        asked = RunCase("sessions", Case(), "", (scan,), 1, ("elsewhere",), ("ann",), refused=False)

        said = Traffic(lambda: log, {})(asked)

        assert said is None if told is None else told in (said or "")

    def test_a_value_in_a_request_is_found_by_the_given_test(self) -> None:
        log = [{"method": "GET", "path": "/x", "query": {"is": "true"}, "body": {"n": "é"}}]
        scan = Scan(LISTING, AllOf((Member(Field("user_id"), ("1",)),)))
        asked = RunCase("sessions", Case(), "", (scan,), 1, (), (), refused=False)

        assert Traffic(lambda: log, {"user_id": lambda *_: "is=true"})(asked) is None
        assert Traffic(lambda: log, {"user_id": lambda *_: '"é"'})(asked) is None
        assert Traffic(lambda: log, {"user_id": lambda *_: None})(asked) is None
        assert "in no request" in (Traffic(lambda: log, {"user_id": lambda *_: "y"})(asked) or "")

    @pytest.mark.parametrize(
        ("limit", "arrived", "told"),
        [
            (None, "ann bob", None),
            (None, "ann", "user_id 'bob' was sent"),
            ((3, 1), "ann", None),
            ((3, 1), "carl", "user_id 'ann' was sent"),
        ],
    )
    def test_at_limit_not_every_key_need_have_been_requested(
        self, limit: tuple[int, int] | None, arrived: str, told: str | None
    ) -> None:
        log = [{"method": "GET", "path": arrived, "query": {}, "body": None}]
        scan = Scan(LISTING, AllOf((Member(Field("user_id"), ("ann", "bob")),)))
        case = Case(limit=limit)
        asked = RunCase("sessions", case, "", (scan,), 1, (), ("ann", "bob"), refused=False)

        said = Traffic(lambda: log, {})(asked)

        assert said is None if told is None else told in (said or "")


def test_run_suite_checks_every_path(backend: Backend, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(conformance, "SHAPES", ())
    monkeypatch.setattr(Suite, "check_operators", lambda suite: 0)
    backend.declare(LISTING, GET)
    backend.answer(_ignoring_second_keys)

    failures = run_suite(backend.connection, "mem", most=5)

    assert any(one.startswith("mem.sessions by get: ") for one in failures)


def _ignoring_second_keys(plain: Any, asked: Scan, context: Any) -> Iterator[Any]:
    found = asked.given("session_id")
    if asked.path.name != "get" or not found:
        return plain(asked, context)
    first = Compare(Field("session_id"), Op.EQ, found[0])
    return plain(replace(asked, where=AllOf((first,))), context)


@pytest.mark.parametrize(
    ("known", "unknown"),
    [
        (["3400aad7-4c04-40b1-9c08-153681d9d270"], "3400aad7-4c04-40b1-9c08-153681d9d271"),
        (["a", "b", "c"], "d"),
        (["-", "/"], "/ no such row 0"),
        (["Z"], "G"),
        ([None], "no such rox"),
    ],
)
def test_an_unknown_key_has_the_form_of_a_known_one(known: list[Any], unknown: str) -> None:
    column = Column("session_id", ColumnType.TEXT, "")

    found = unknown_values(column, known)

    assert found[0] == unknown
    assert not set(found) & set(known)
    assert len(set(found)) == 2


def test_hostile_times_are_the_known_instant_in_other_spellings() -> None:
    column = Column("create_time", ColumnType.TIME, "")

    found = hostile_values(column, ["2026-01-01 09:00:00.000001"])

    assert found[0] == "2026-01-01T09:00:00.000001Z"
