from __future__ import annotations

import csv
import io
import json
import math
import tracemalloc

import pytest
from hypothesis import given
from hypothesis import strategies as st

from sessions_vtab.cli.arguments import FORMAT_NAMES
from sessions_vtab.cli.formats import FORMATS
from sessions_vtab.cli.tables import Style

COLUMNS = ("id", "user", "n")
ROWS = [("s1", "ann", 3), ("s2", None, -1.5), ("s3", "", None), ("s4", b"\x00\xff", 12)]

EXPECTED = {
    "table": "id  user        n\n"
    "s1  ann         3\n"
    "s2  NULL     -1.5\n"
    "s3           NULL\n"
    "s4  x'00ff'    12\n",
    "csv": "id,user,n\ns1,ann,3\ns2,,-1.5\ns3,\"\",\ns4,x'00ff',12\n",
    "tsv": "id\tuser\tn\ns1\tann\t3\ns2\t\t-1.5\ns3\t\t\ns4\tx'00ff'\t12\n",
    "json": '[{"id":"s1","user":"ann","n":3},\n{"id":"s2","user":null,"n":-1.5},\n'
    '{"id":"s3","user":"","n":null},\n{"id":"s4","user":"AP8=","n":12}]\n',
    "jsonl": '{"id":"s1","user":"ann","n":3}\n{"id":"s2","user":null,"n":-1.5}\n'
    '{"id":"s3","user":"","n":null}\n{"id":"s4","user":"AP8=","n":12}\n',
    "markdown": "| id | user | n |\n| --- | --- | --- |\n| s1 | ann | 3 |\n| s2 | NULL | -1.5 |\n"
    "| s3 |  | NULL |\n| s4 | x'00ff' | 12 |\n",
}


def printed(form: str, columns, rows) -> str:
    return "".join(FORMATS[form](columns, rows, Style()))


def test_the_command_line_offers_all_formats():
    assert tuple(FORMATS) == FORMAT_NAMES


@pytest.mark.parametrize("form", EXPECTED)
def test_rows_are_printed(form):
    assert printed(form, COLUMNS, iter(ROWS)) == EXPECTED[form]


@pytest.mark.parametrize(
    ("form", "expected"),
    [
        ("table", "id  user  n\n"),
        ("csv", "id,user,n\n"),
        ("tsv", "id\tuser\tn\n"),
        ("json", "[]\n"),
        ("jsonl", ""),
        ("markdown", "| id | user | n |\n| --- | --- | --- |\n"),
    ],
)
def test_a_result_without_rows_still_has_its_columns(form, expected):
    assert printed(form, COLUMNS, []) == expected


@pytest.mark.parametrize(
    ("form", "value", "expected"),
    [
        ("table", "two\nlines\tand", "two\\nlines\\tand"),
        ("table", "漢", "漢"),
        ("csv", 'a,"b"', '"a,""b"""'),
        ("csv", "two\nlines", '"two\nlines"'),
        ("csv", " padded ", '" padded "'),
        ("csv", None, '""'),
        ("tsv", "a\tb\nc\\d\re", "a\\tb\\nc\\\\d\\re"),
        ("markdown", "a|b<c\n\\", "| a\\|b&lt;c<br>\\\\ |"),
        ("jsonl", 'é"\n\x1b', '{"v":"é\\"\\n\\u001b"}'),
        ("jsonl", math.inf, '{"v":9e999}'),
        ("jsonl", -math.inf, '{"v":-9e999}'),
        ("jsonl", 2**63 - 1, '{"v":9223372036854775807}'),
    ],
)
def test_a_value_that_would_break_the_format_is_escaped(form, value, expected):
    assert printed(form, ("v",), [(value,)]).endswith(expected + "\n")


def test_wide_characters_keep_columns_aligned():
    assert printed("table", ("a", "b"), [("漢字", "x"), ("é", "y")]) == (
        "a     b\n漢字  x\né     y\n"
    )


def test_columns_of_the_same_name_are_all_kept_in_json():
    assert json.loads(printed("jsonl", ("id", "id", "id:1"), [(1, 2, 3)])) == {
        "id": 1,
        "id:1": 2,
        "id:1:1": 3,
    }


cells = st.one_of(st.none(), st.text(), st.integers(-(2**63), 2**63 - 1), st.binary())


@given(st.lists(st.tuples(cells, cells)))
def test_json_can_be_read_back(rows):
    read = json.loads(printed("json", ("a", "b"), rows))

    assert len(read) == len(rows)
    for expected, row in zip(rows, read, strict=True):
        assert [v for v in row.values() if v is None] == [v for v in expected if v is None]


@given(
    st.lists(
        st.tuples(st.text(st.characters(codec="utf-8")), st.text(st.characters(codec="utf-8")))
    )
)
def test_csv_can_be_read_back(rows):
    text = printed("csv", ("a", "b"), rows)

    read = list(csv.reader(io.StringIO(text, newline="")))

    assert [tuple(row) for row in read[1:]] == rows


@pytest.mark.parametrize("form", FORMATS)
def test_memory_does_not_grow_with_the_rows(form):
    tracemalloc.start()
    for _ in FORMATS[form](
        ("id", "text"), ((number, "x" * 100) for number in range(20_000)), Style()
    ):
        pass
    _, peak = tracemalloc.get_traced_memory()
    tracemalloc.stop()

    assert peak < 2_000_000


def test_a_row_that_is_wider_than_the_sample_is_not_cut():
    rows = [("a",)] * 1_000 + [("wide" * 10,)]

    assert printed("table", ("v",), rows).endswith("wide" * 10 + "\n")
