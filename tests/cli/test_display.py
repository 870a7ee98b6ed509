from __future__ import annotations

import pytest

from sessions_vtab.cli.display import counted, escaped, footer, literal, operators, seconds, width
from sessions_vtab.contract.predicate import Op


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("plain é 漢\t\n", "plain é 漢\t\n"),
        ("\x1b[31mred", "\\x1b[31mred"),
        ("\r\b\x07\x00\x7f", "\\x0d\\x08\\x07\\x00\\x7f"),
        ("\x9b2J", "\\x9b2J"),
        ("admin\u202egnp.exe", "admin\\u202egnp.exe"),
        ("\u2066x\u2069", "\\u2066x\\u2069"),
    ],
)
def test_characters_that_control_a_terminal_are_escaped(text, expected):
    assert escaped(text) == expected


@pytest.mark.parametrize(
    ("value", "expected"),
    [
        (None, "NULL"),
        ("", ""),
        ("a", "a"),
        (1, "1"),
        (1.5, "1.5"),
        (1e300, "1e+300"),
        (b"\x00\xff", "x'00ff'"),
    ],
)
def test_a_value_is_shown_as_sql_would(value, expected):
    assert literal(value) == expected


@pytest.mark.parametrize(
    ("text", "expected"), [("", 0), ("abc", 3), ("é", 1), ("漢字", 4), ("e\u0301", 1)]
)
def test_width_is_in_columns_of_a_terminal(text, expected):
    assert width(text) == expected


@pytest.mark.parametrize(
    ("elapsed", "expected"),
    [(0.0, "0.001 s"), (0.0123, "0.012 s"), (0.94, "0.9 s"), (75.04, "75.0 s")],
)
def test_seconds_have_the_digits_that_matter(elapsed, expected):
    assert seconds(elapsed) == expected


@pytest.mark.parametrize(
    ("rows", "changed", "requests", "expected"),
    [
        (1, 0, 0, "1 row, 0.9 s"),
        (3, 0, 404, "3 rows, 404 requests, 0.9 s"),
        (0, 0, 1, "0 rows, 1 request, 0.9 s"),
        (2, 2, 0, "2 rows, 0.9 s"),
        (None, 2, 1, "2 rows changed, 1 request, 0.9 s"),
        (None, 0, 0, "0.9 s"),
    ],
)
def test_a_footer_shows_rows_requests_and_time(rows, changed, requests, expected):
    assert footer(rows, changed, requests, 0.9) == expected


def test_counts_are_in_the_plural_but_for_one():
    assert [counted(number, "row") for number in (0, 1, 2)] == ["0 rows", "1 row", "2 rows"]


def test_all_operators_together_are_any():
    assert operators(frozenset(Op)) == "any"
    assert operators({Op.IN, Op.EQ}) == "= IN"
