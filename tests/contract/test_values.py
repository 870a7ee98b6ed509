from __future__ import annotations

import pytest

from sessions_vtab.contract.model import Column, ColumnType
from sessions_vtab.contract.predicate import Value
from sessions_vtab.contract.values import accept, dump_json, load_json
from sessions_vtab.errors import InvalidValueError

T = ColumnType


@pytest.mark.parametrize(
    ("type_", "given", "stored"),
    [
        (T.TEXT, "a", "a"),
        (T.TEXT, "", ""),
        (T.TEXT, 7, "7"),
        (T.TEXT, 1.5, "1.5"),
        (T.TEXT, "a\x00b", "a\x00b"),
        (T.BOOLEAN, 0, 0),
        (T.BOOLEAN, 1.0, 1),
        (T.INTEGER, 2**63 - 1, 2**63 - 1),
        (T.INTEGER, 3.0, 3),
        (T.REAL, 3, 3.0),
        (T.TIME, "2026-01-01T10:00:00+01:00", "2026-01-01 09:00:00.000000"),
        (T.TIME, 1767258000, "2026-01-01 09:00:00.000000"),
        (T.JSON, ' {"b": 1, "a": [ ] } ', '{"b":1,"a":[]}'),
        (T.JSON, '{"a": "\\u00e9"}', '{"a":"é"}'),
        (T.JSON, "null", "null"),
        (T.JSON, "12345678901234567890", "12345678901234567890"),
        (T.BLOB, b"\x00", b"\x00"),
        (T.BLOB, "text", "text"),
    ],
)
def test_a_value_becomes_what_its_column_stores(
    type_: ColumnType, given: Value, stored: Value
) -> None:
    got = accept(Column("c", type_, "doc"), given, "prod.sessions.c")

    assert (got, type(got)) == (stored, type(stored))


@pytest.mark.parametrize(
    ("least", "most", "given", "told"),
    [
        (1, 9, 1, ""),
        (1, 9, 9.0, ""),
        (1, 9, 0, "an integer, at least 1, at most 9, not 0"),
        (1, 9, 10.0, "an integer, at least 1, at most 9, not 10"),
        (0, None, 2**62, ""),
        (0, None, -1, "an integer, at least 0, not -1"),
        (None, 0, -5, ""),
        (None, 0, 1, "an integer, at most 0, not 1"),
    ],
)
def test_a_number_is_within_the_limits_of_its_column(
    least: int | None, most: int | None, given: Value, told: str
) -> None:
    column = Column("c", T.INTEGER, "doc", least=least, most=most)
    if not told:
        assert accept(column, given, "t.c") == given
        return
    with pytest.raises(InvalidValueError, match=rf"^t\.c must be {told}\.$"):
        accept(column, given, "t.c")


@pytest.mark.parametrize(
    ("type_", "given", "wanted"),
    [
        (T.TEXT, b"x", "must be text"),
        (T.BOOLEAN, 2, "must be 0 or 1"),
        (T.BOOLEAN, "1", "must be 0 or 1"),
        (T.INTEGER, 1.5, "must be an integer"),
        (T.INTEGER, 1e300, "must be an integer"),
        (T.INTEGER, "1", "must be an integer"),
        (T.REAL, "1.5", "must be a number"),
        (T.TIME, "now", "must be a time"),
        (T.TIME, b"2026-01-01", "must be a time"),
        (T.JSON, "{", "must be JSON"),
        (T.JSON, "", "must be JSON"),
        (T.JSON, "NaN", "must be JSON"),
        (T.JSON, '{"a": Infinity}', "must be JSON"),
        (T.JSON, "1e999", "must be JSON"),
        (T.JSON, 7, "must be JSON text"),
        (T.JSON, b"{}", "must be JSON text"),
        (T.JSON, "[" * 100_000, "must be JSON"),
    ],
)
def test_a_value_that_is_not_valid_for_its_column_is_refused_by_name(
    type_: ColumnType, given: Value, wanted: str
) -> None:
    with pytest.raises(InvalidValueError, match=rf"^prod\.sessions\.c {wanted}") as caught:
        accept(Column("c", type_, "doc"), given, "prod.sessions.c")

    assert len(str(caught.value)) < 300


@pytest.mark.parametrize(
    ("given", "stored"),
    [("plain text", "plain text"), ("", ""), ("[1]", "[1]"), ('{"a": 1}', '{"a":1}')],
)
def test_a_column_that_also_takes_text_reads_only_an_object_as_json(
    given: str, stored: str
) -> None:
    column = Column("content", T.JSON, "doc", or_text=True)

    assert accept(column, given, "events.content") == stored


def test_text_that_begins_like_an_object_must_be_valid_json() -> None:
    column = Column("content", T.JSON, "doc", or_text=True)

    with pytest.raises(InvalidValueError, match="must be JSON"):
        accept(column, "{hello}", "events.content")


def test_json_text_is_minified_and_keeps_its_letters_and_the_order_of_its_keys() -> None:
    assert dump_json(load_json('{"z": 1,\n "a": "שלום"}', "c")) == '{"z":1,"a":"שלום"}'
