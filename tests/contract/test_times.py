from __future__ import annotations

from functools import cmp_to_key

import pytest
from hypothesis import given
from hypothesis import strategies as st

from sessions_vtab.contract import times
from sessions_vtab.errors import InvalidValueError

NINE = "2026-01-01 09:00:00.000000"


@pytest.mark.parametrize(
    "day", ["0000-01-01", "0001-01-01", "1969-12-31", "2023-02-29", "9999-12-31"]
)
@pytest.mark.parametrize("clock", ["00:00:00", "23:59:59", "23:59:60", "23:60:00", "24:00:00"])
@pytest.mark.parametrize("shape", ["{} {}.123456", "{}T{}.123456Z"])
def test_the_usual_form_is_read_as_others_are(day: str, clock: str, shape: str) -> None:
    text = shape.format(day, clock)

    assert times.parse(text) == times.parse(f"{text.removesuffix('Z')}+00:00")


@pytest.mark.parametrize(
    ("text", "canonical"),
    [
        ("2026-01-01", "2026-01-01 00:00:00.000000"),
        ("2026-01-01 09:00", NINE),
        ("2026-01-01T09:00", NINE),
        ("2026-01-01 09:00:00", NINE),
        ("2026-01-01T09:00:00Z", NINE),
        ("2026-01-01 09:00Z", NINE),
        ("2026-01-01T10:00:00+01:00", NINE),
        ("2026-01-01T10:00:00+0100", NINE),
        ("2026-01-01T04:00:00-05:00", NINE),
        ("2025-12-31 23:00:00-10:00", NINE),
        ("2026-01-01 09:00:00.1", "2026-01-01 09:00:00.100000"),
        ("2026-01-01 09:00:00.123456", "2026-01-01 09:00:00.123456"),
        ("2026-01-01 09:00:00.123456789Z", "2026-01-01 09:00:00.123456789"),
        ("2026-01-01 09:00:00.123456000", "2026-01-01 09:00:00.123456"),
        ("2026-01-01 09:00:00.000000001", "2026-01-01 09:00:00.000000001"),
        ("2024-02-29", "2024-02-29 00:00:00.000000"),
        ("0001-01-01", "0001-01-01 00:00:00.000000"),
        ("9999-12-31 23:59:59.999999999", "9999-12-31 23:59:59.999999999"),
        (1767258000, NINE),
        ("1767258000", NINE),
        (1767258000.5, "2026-01-01 09:00:00.500000"),
        ("1767258000.123456789", "2026-01-01 09:00:00.123456789"),
        (1767258000000, NINE),
        ("1767258000123", "2026-01-01 09:00:00.123000"),
        ("100000000", "1973-03-03 09:46:40.000000"),
        ("99999999999", "5138-11-16 09:46:39.000000"),
    ],
)
def test_an_accepted_time_has_one_canonical_text(text: object, canonical: str) -> None:
    instant = times.parse(text)

    assert instant is not None
    assert times.to_text(instant) == canonical
    assert times.canonical(text, "column") == canonical


@pytest.mark.parametrize(
    "value",
    [
        "now",
        "",
        "later",
        "2026-3-1",
        "2026-03-01 9:00",
        "2026-01-01 09",
        "2026-13-01",
        "2026-02-29",
        "2026-00-01",
        "0000-01-01",
        "2026-01-01 24:00:00",
        "2026-01-01 09:60:00",
        "2026-01-01 09:00:60",
        "2026-01-01 09:00:00.",
        "2026-01-01 09:00:00.1234567890",
        "2026-01-01 09:00:00+25:00",
        "2026-01-01 09:00:00+01:60",
        "2026-01-01  09:00:00",
        " 2026-01-01",
        "2026-01-01 ",
        "2026-01-01Z",
        "2026-01-01t09:00",
        "2026-01-01T09:00:00z",
        "2026-W01-1",
        "2461041.5",
        "12345678",
        "12345678901234",
        "-1767258000",
        "1e9",
        "\u0661\u0667\u0666\u0667\u0662\u0665\u0668\u0660\u0660\u0660",
        "0001-01-01T00:00:00+01:00",
        "9999-12-31T23:59:59-01:00",
        12345678,
        -1767258000,
        1e300,
        float("inf"),
        float("nan"),
        True,
        None,
        b"2026-01-01",
    ],
)
def test_anything_else_is_not_a_valid_time(value: object) -> None:
    assert times.parse(value) is None
    with pytest.raises(
        InvalidValueError, match=r"^prod\.sessions\.expire_time must be a time such as"
    ):
        times.require(value, "prod.sessions.expire_time")


@pytest.mark.parametrize(
    ("text", "rfc3339"),
    [
        ("2026-01-01", "2026-01-01T00:00:00Z"),
        ("2026-01-01 09:00:00.5", "2026-01-01T09:00:00.500Z"),
        ("2026-01-01 09:00:00.123456", "2026-01-01T09:00:00.123456Z"),
        ("2026-01-01 09:00:00.12345", "2026-01-01T09:00:00.123450Z"),
        ("2026-01-01 09:00:00.000000001", "2026-01-01T09:00:00.000000001Z"),
        ("0001-01-01", "0001-01-01T00:00:00Z"),
    ],
)
def test_rfc3339_has_as_many_digits_as_the_instant_needs(text: str, rfc3339: str) -> None:
    assert times.to_rfc3339(times.require(text, "t")) == rfc3339


@given(st.integers(times.require("0001-01-01", "t"), times.require("9999-12-31 23:59:59.9", "t")))
def test_an_instant_survives_both_of_its_texts(instant: int) -> None:
    assert times.parse(times.to_text(instant)) == instant
    assert times.parse(times.to_rfc3339(instant)) == instant


_INSTANTS = st.integers(0, 4 * 10**18)


@given(_INSTANTS, _INSTANTS)
def test_canonical_texts_sort_as_their_instants(first: int, second: int) -> None:
    as_text = times.to_text(first) < times.to_text(second)

    assert as_text == (first < second)


def _spellings() -> st.SearchStrategy[str]:
    """Times in any form, close enough to coincide, and texts that are not times."""
    instants = st.sampled_from((0, 1, 1000, 3_600_000_000_000, 1_767_258_000_000_000_000))
    return st.one_of(
        instants.map(times.to_text),
        instants.map(times.to_rfc3339),
        st.sampled_from(
            (
                "1767258000",
                "1767258000000",
                "2026-01-01T10:00:00+01:00",
                "2026-01-01",
                "2026-02-30",
                "1970-01-01",
                "-1",
                "later",
                "",
                "2026-01-01 09:00:00.000000 ",
                "2024-02-29 00:00:00.000000",
                "2023-02-29 00:00:00.000000",
            )
        ),
        st.text(max_size=12),
    )


@given(_spellings(), _spellings(), _spellings())
def test_the_collation_is_a_total_order(first: str, second: str, third: str) -> None:
    compare = times.compare

    assert compare(first, first) == 0
    assert compare(first, second) == -compare(second, first)
    if compare(first, second) <= 0 and compare(second, third) <= 0:
        assert compare(first, third) <= 0
    if compare(first, second) == 0:
        assert _sign(compare(first, third)) == _sign(compare(second, third))


@given(st.lists(_spellings()))
def test_invalid_times_sort_before_every_time(texts: list[str]) -> None:
    ordered = sorted(texts, key=cmp_to_key(times.compare))

    known = [times.parse(text) for text in ordered]
    first = next((place for place, one in enumerate(known) if one is not None), len(known))
    strangers, instants = ordered[:first], known[first:]
    assert None not in instants
    assert instants == sorted(one for one in instants if one is not None)
    assert strangers == sorted(strangers)


def test_equal_instants_in_any_spelling_are_equal_to_the_collation() -> None:
    assert times.compare("2026-01-01T10:00:00+01:00", "1767258000") == 0


def test_the_current_time_has_whole_microseconds() -> None:
    assert times.now() % 1000 == 0
    assert abs(times.now() - times.now()) < 10**9


def _sign(number: int) -> int:
    return (number > 0) - (number < 0)
