from __future__ import annotations

from collections.abc import Iterable, Iterator
from dataclasses import replace

import pytest

from sessions_vtab.contract.capability import AccessPath
from sessions_vtab.contract.predicate import AllOf, Compare, Field, Op, Value
from sessions_vtab.contract.scan import Row, Scan
from sessions_vtab.vtab.look_ahead import ExactLink, LookAhead, key_of

_BY_SESSION = AccessPath("list", keys=("session_id",))


class _Page:
    """An outer cursor on one page of keys."""

    def __init__(self, keys: list[str]) -> None:
        self._keys = keys
        self._place = 0

    @property
    def row(self) -> Row:
        return ("something else", self._keys[self._place])

    def upcoming(self, column: int, *, further: bool) -> Iterator[Value]:
        assert column == 1
        return iter(self._keys[self._place + 1 :])

    def move_to(self, place: int) -> Scan:
        self._place = place
        return _scan(self._keys[place])


def _scan(key: Value) -> Scan:
    return Scan(_BY_SESSION, AllOf((Compare(Field("session_id"), Op.EQ, key),)))


def _keys(scans: list[Scan]) -> list[Value]:
    return [key for scan in scans for key in scan.given("session_id") or ()]


def _run(keys: list[str], visited: list[int]) -> list[list[Value]]:
    page, ahead = _Page(keys), LookAhead()
    return [_keys(ahead.asked(page.move_to(place), [page])) for place in visited]


def test_nothing_is_started_before_a_prediction_came_true() -> None:
    started = _run([f"k{n}" for n in range(40)], [0])

    assert started == [[]]


def test_the_window_opens_to_two_eight_and_sixteen_as_predictions_come_true() -> None:
    started = _run([f"k{n}" for n in range(40)], [0, 1, 2, 3, 4])

    assert [len(one) for one in started] == [0, 2, 7, 9, 1]


def test_no_key_is_started_twice() -> None:
    started = _run([f"k{n}" for n in range(40)], list(range(40)))

    flat = [key for one in started for key in one]
    assert len(flat) == len(set(flat))
    assert flat == [f"k{n}" for n in range(2, 40)]


def test_rows_that_are_skipped_close_the_window_again() -> None:
    visited = [0, 1, 2, 3, 8, 13, 18, 23, 28]

    started = _run([f"k{n}" for n in range(60)], visited)

    assert sum(map(len, started[-3:])) == 0


def test_a_key_that_repeats_is_started_once() -> None:
    started = _run(["a", "b", "b", "c", "c", "d"], [0, 1, 3])

    assert started == [[], ["c", "d"], []]


@pytest.mark.parametrize(
    "scan",
    [
        Scan(AccessPath("list")),
        Scan(_BY_SESSION, AllOf((Compare(Field("author"), Op.EQ, "x"),))),
        Scan(AccessPath("get", keys=("a", "b"))),
    ],
)
def test_a_read_without_a_single_key_is_left_alone(scan: Scan) -> None:
    assert key_of(scan) is None
    assert LookAhead().asked(scan, [_Page(["k0"])]) == []


def test_an_outer_row_without_the_key_is_not_an_outer_side() -> None:
    ahead, stranger = LookAhead(), _Page(["x0", "x1", "x2"])

    assert ahead.asked(_scan("k0"), [stranger]) == []
    assert ahead.asked(_scan("k1"), [stranger]) == []


@pytest.mark.parametrize(
    ("values", "started"),
    [
        ("aaaa", [2, 30, 0, 0]),
        ("aabb", [2, 30, 0, 29]),
        ("abcd", [2, 0, 0, 0]),
        ("abbb", [2, 0, 30, 0]),
    ],
)
def test_reads_are_started_while_nothing_but_their_key_changes(
    values: str, started: list[int]
) -> None:
    """As in a join whose inner side is also compared with what a subquery finds."""
    page, ahead = _Page([f"k{n}" for n in range(60)]), LookAhead()
    counts = []
    for place, value in enumerate(values):
        scan = page.move_to(place)
        beside = Compare(Field("author"), Op.EQ, value)
        scan = replace(scan, where=AllOf((*scan.where.terms, beside)))
        counts.append(len(ahead.asked(scan, [page], ExactLink(page, 1, limited=False))))

    assert counts == started


def test_reads_are_started_in_the_order_in_which_they_will_be_asked_for(memory, monkeypatch):
    """From the very next row on: none is left out, or asked for late."""
    memory.executemany(
        "INSERT INTO sessions(session_id, user_id) VALUES (?, 'ann')",
        [(f"s{n}",) for n in range(20)],
    )
    started: list[Value] = []

    def prefetch(_resource: object, scans: Iterable[Scan], _context: object) -> None:
        started.extend(key for scan in scans for key in scan.given("name") or ())

    monkeypatch.setattr("tests.memory.MemoryResource.prefetch", prefetch)
    joined = "SELECT s.name FROM sessions s CROSS JOIN sessions t ON t.name = s.name"

    asked = [name for (name,) in memory.execute(joined)]

    assert len(asked) == 20
    assert started == asked


def test_a_function_that_runs_a_statement_is_not_called_by_its_own_look_ahead(memory):
    """Looking ahead calls it at most once for each row, also where its statement looks ahead."""
    memory.executemany(
        "INSERT INTO sessions(session_id, user_id) VALUES (?, 'ann')",
        [(f"s{n}",) for n in range(5)],
    )
    called: list[str] = []

    def known(name: str) -> int:
        called.append(name)
        return len(memory.execute("SELECT 1 FROM sessions WHERE name = ?", (name,)).fetchall())

    memory.create_scalar_function("known", known)
    joined = "SELECT 1 FROM sessions s CROSS JOIN sessions t ON t.name = s.name WHERE known(s.name)"

    assert len(memory.execute(joined).fetchall()) == 5
    assert len(called) <= 10
