from __future__ import annotations

import re
from collections.abc import Sequence
from itertools import count

import pytest

from sessions_vtab import Connection
from sessions_vtab.contract.tables import SESSIONS
from sessions_vtab.errors import InvalidValueError
from sessions_vtab.testing import conformance, hostile
from sessions_vtab.testing.conformance import SHAPES, Sample, Shape, Suite, run_suite
from sessions_vtab.testing.oracle import Comparison
from sessions_vtab.testing.shapes import joined_patterns
from tests.shapes import check_each, grouped


@pytest.mark.parametrize("shapes", grouped(SHAPES))
def test_each_shape_returns_the_oracle_s_rows(suite: Suite, shapes: Sequence[Shape]) -> None:
    check_each(suite, shapes)


def test_declared_operators_are_sent_and_others_never(suite: Suite) -> None:
    sent: dict[bool, int] = {True: 0, False: 0}

    made = suite.check_operators(
        lambda probe, was_sent: sent.update({was_sent: sent[was_sent] + 1})
    )

    assert made == sum(sent.values())
    assert sent[True] > 10
    assert (sent[False] > 100) == (suite.source == "narrow")


def test_every_row_is_read_as_it_was_written(suite: Suite) -> None:
    odd = suite.source != "loc"
    # Appending an event also updates its session.
    names = [column.name for column in SESSIONS.visible if column.name != "update_time"]
    written = {
        row["name"]: {name: row[name] for name in names}
        for row in hostile.session_rows(odd_labels=odd)
    }

    got = suite.connection.execute(f"SELECT {', '.join(names)} FROM {suite.source}.sessions")

    assert {row[0]: dict(zip(names, row, strict=True)) for row in got} == written


def test_a_time_column_compared_with_an_invalid_time_is_refused(suite: Suite) -> None:
    with pytest.raises(InvalidValueError, match=r"create_time .*'now'"):
        suite.connection.execute("SELECT 1 FROM sessions WHERE create_time > 'now'")


def test_there_are_at_least_200_shapes_with_unique_names() -> None:
    assert len({shape.name for shape in SHAPES}) == len(SHAPES) >= 200
    assert len({(shape.sql, shape.limit, str(shape.bindings)) for shape in SHAPES}) >= 500


@pytest.mark.parametrize("suite", ["local"], indirect=True)
def test_every_pattern_answers_as_the_oracle_in_every_join_on_every_side(suite: Suite) -> None:
    asked = list(joined_patterns(share=1))

    for sql in asked:
        suite.compare(sql, (), Comparison.MULTISET)

    assert sum(sql.count("SELECT ") for sql in asked) > 400


_SESSIONS_AND_EVENTS = (
    "SELECT s.name, e.name FROM {{sessions}} s {0} {{events}} e ON e.session_id = s.session_id"
)


@pytest.mark.parametrize("join", ["LEFT JOIN", "RIGHT JOIN", "FULL JOIN"])
@pytest.mark.parametrize(
    "rest",
    [
        "AND e.author LIKE 'agent'",
        "AND e.author LIKE 'a%t'",
        "AND e.author LIKE 'a_ent'",
        "AND e.author LIKE '100\\%%' ESCAPE '\\'",
        "AND e.author GLOB 'a*t'",
        "AND s.user_id LIKE 'a_n'",
        "AND e.author LIKE 'nobody' WHERE e.name IS NULL",
        "AND e.author NOT LIKE 'a%t' WHERE s.name IS NULL OR s.display_name LIKE 'p%n'",
    ],
)
def test_a_pattern_in_on_of_an_outer_join_loses_no_row(suite: Suite, join: str, rest: str) -> None:
    suite.compare(f"{_SESSIONS_AND_EVENTS.format(join)} {rest}", (), Comparison.MULTISET)


def test_most_shapes_have_rows_to_lose(suite: Suite) -> None:
    asked = [shape for shape in SHAPES if not shape.setup]

    empty = [
        shape
        for shape in asked
        if not suite.oracle.ask(suite.native_text(shape.sql), shape.bindings)
    ]

    assert len(empty) < len(asked) / 8


class TestTheSuiteFindsABackendThat:
    """The suite finds each of these defects, so it can fail."""

    def test_loses_a_row(self, suite: Suite, monkeypatch: pytest.MonkeyPatch) -> None:
        resource = suite.resources["sessions"]
        plain = resource.scan

        def lossy(scan, context):
            for page in plain(scan, context):
                rows = list(page)
                yield rows[:-1] if scan.where.terms else rows

        monkeypatch.setattr(resource, "scan", lossy)
        with pytest.raises(AssertionError, match="missing"):
            suite.check(_shape("comparison-16"))

    def test_claims_an_order_it_does_not_keep(
        self, suite: Suite, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        resource = suite.resources["sessions"]
        plain = resource.scan

        def unordered(scan, context):
            rows = [row for page in plain(scan, context) for row in page]
            yield rows[::-1]

        monkeypatch.setattr(resource, "scan", unordered)
        with pytest.raises(AssertionError, match="order"):
            suite.check(_shape("partly-ordered-02"))

    def test_has_its_rows_in_another_order_each_time(
        self, suite: Suite, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        resource = suite.resources["sessions"]
        plain, turns = resource.scan, count()

        def turned(scan, context):
            rows = [row for page in plain(scan, context) for row in page]
            at = next(turns) % max(1, len(rows))
            yield rows[at:] + rows[:at]

        path = next(one.name for one in resource.capability.paths if not one.keys)
        assert suite.check_order("sessions", path) > 10
        monkeypatch.setattr(resource, "scan", turned)
        with pytest.raises(AssertionError, match=r"in pages of .*: .* rows missing, .* twice"):
            suite.check_order("sessions", path)

    def test_is_sent_operators_that_it_did_not_declare(
        self, suite: Suite, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        monkeypatch.setattr("sessions_vtab.testing.case.CaseCondition.declared", lambda *_: False)
        with pytest.raises(AssertionError, match="is sent, contrary to the declaration"):
            suite.check_operators()


@pytest.mark.parametrize("filled", ["memory"], indirect=True)
def test_without_pytest_the_suite_returns_its_failures(filled: Connection) -> None:
    sessions = {"name": "sessions/kit", "session_id": "kit", "user_id": "ann"}
    samples = {
        "sessions": Sample(sessions, {"display_name": "New"}),
        "events": Sample({"name": "sessions/kit/events/1", "author": "user"}, {"author": "bot"}),
    }
    empty = {"sessions": ["deleted", "session_number"], "events": ["invocation_id", "actions"]}
    assert run_suite(filled, filled.default, most=1, samples=samples, empty=empty) == []


@pytest.mark.parametrize("filled", ["memory"], indirect=True)
def test_without_pytest_a_backend_that_returns_nothing_fails_by_name(
    filled: Connection, monkeypatch: pytest.MonkeyPatch
) -> None:
    backend = filled.sources[filled.default].backend
    plain = backend.resources["sessions"].scan
    monkeypatch.setattr(
        backend.resources["sessions"],
        "scan",
        lambda scan, context: iter(()) if scan.where.terms else plain(scan, context),
    )

    monkeypatch.setattr(conformance, "SHAPES", SHAPES[:20])

    failures = run_suite(filled, filled.default, most=1)

    assert any(failure.startswith("keyed-01: ") for failure in failures)


def test_shapes_with_a_missing_column_are_left_out(suite: Suite) -> None:
    shape = Shape("x", "SELECT 1 FROM {sessions}", columns=frozenset(("sessions.planet",)))

    assert suite.applies(shape) == "no column sessions.planet"


def test_a_table_that_requires_a_key_is_read_only_with_that_key(
    suite: Suite, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(suite, "_listable", lambda name, keyed=frozenset(): "name" in keyed)

    assert suite.applies(_shape("keyed-01")) is None
    assert re.match("no path of sessions", suite.applies(_shape("logic-01")) or "")


def _shape(name: str) -> Shape:
    return next(shape for shape in SHAPES if shape.name == name)
