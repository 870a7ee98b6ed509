"""``docs/scale.md`` and ``help scale``: their numbers are those of the model, their code runs."""

from __future__ import annotations

import ast
import re
from pathlib import Path

import pytest

import sessions_vtab
from sessions_vtab.cli import main
from sessions_vtab.cli.display import duration
from sessions_vtab.spark import OPTIONS
from tests.benchmarks.simulate_scale import (
    APPENDS,
    QUOTA,
    QUOTA_ROWS,
    TaskEstimate,
    by_executors,
    cut,
    makespan,
    minutes,
    pages_of,
    requests_of,
    skewed,
    tables,
)

_TEXT = (Path(sessions_vtab.__file__).parent / "docs" / "scale.md").read_text("utf-8")


def _between(marker: str) -> str:
    found = re.search(rf"<!-- {marker} -->\n(.*?)\n<!-- /{marker} -->", _TEXT, re.DOTALL)
    assert found
    return found[1]


def test_the_tables_are_those_of_the_model() -> None:
    assert _between("tables") == tables()


def test_the_options_are_those_of_the_data_source() -> None:
    rows = (f"| `{name}` | {meaning} |" for name, meaning in OPTIONS.items())
    assert _between("options").splitlines()[2:] == list(rows)


@pytest.mark.parametrize("block", re.findall(r"```python\n(.*?)```", _TEXT, re.DOTALL))
def test_the_code_is_python(block: str) -> None:
    ast.parse(block)


def test_the_help_begins_with_the_quota_and_ends_with_what_cannot_be_done(capsys) -> None:
    assert main(["help", "scale"]) == 0

    shown = " ".join(capsys.readouterr().out.split())
    words = ("600 requests", "1,010,000", "28 h", "DuckDB", "Spark (", "does not write")
    places = [shown.index(word) for word in words]
    assert places == sorted(places)


def test_the_numbers_of_the_help_are_those_of_the_model() -> None:
    text = (Path(sessions_vtab.__file__).parent / "docs" / "help" / "scale.md").read_text("utf-8")

    assert f"At {QUOTA}\nrequests per minute" in text
    assert f"limited to {APPENDS} per minute" in text
    for sessions, requests, every, changed, stream in QUOTA_ROWS:
        shown = f"| {sessions} sessions | {requests} requests | {every} |"
        assert f"{shown} snapshot {changed}, stream {stream} |" in text


def test_the_quota_rows() -> None:
    """One request for each session of up to 100 events, and one for each 100 sessions."""
    assert QUOTA_ROWS == (
        ("10,000", "10,100", "17 min", "20 s", "11 s"),
        ("100,000", "101,000", "2.8 h", "3 min", "101 s"),
        ("1,000,000", "1,010,000", "28 h", "33 min", "17 min"),
    )


@pytest.mark.parametrize(
    ("sessions", "events", "requests"), [(0, 0, 1), (1, 0, 2), (100, 100, 101), (101, 101, 204)]
)
def test_requests(sessions: int, events: int, requests: int) -> None:
    assert requests_of(sessions, events) == requests


@pytest.mark.parametrize(
    ("spent", "words"),
    [(0.01, "1 s"), (1.9, "114 s"), (17, "17 min"), (168, "2.8 h"), (1683, "28 h"), (3333, "2.3 days")],
)  # fmt: skip
def test_durations(spent: float, words: str) -> None:
    assert duration(spent) == words


def test_parts_are_cut_in_order() -> None:
    assert [list(part) for part in cut([1, 2, 3, 4, 5], 2)] == [[1, 2], [3, 4], [5]]
    assert list(cut([], 2)) == []


def test_executors_share_tasks_and_none_makes_a_long_one_shorter() -> None:
    assert makespan([1, 1, 1, 1], 2) == 2
    assert makespan([5, 1, 1, 1], 4) == 5
    assert TaskEstimate(1.0, 16, 0.0).seconds([100] * 16) == 1
    assert TaskEstimate(1.0, 16, 0.0).seconds([1_000, *[100] * 15]) == 10
    assert pages_of(1_000) == 10


def test_more_executors_do_not_help_where_the_quota_is_reached() -> None:
    limited = {row[1] for row in by_executors()}
    free = [minutes([100] * 10_000, n, None, 100) for n in (1, 8)]

    assert limited == {"2.8 h"}
    assert free[1] < free[0] / 2
    assert sum(skewed(1_000, 0.5)) == pytest.approx(100_000, rel=0.01)
