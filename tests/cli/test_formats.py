from __future__ import annotations

import csv
import io
import json
import math
import tracemalloc

import apsw
import pytest
from hypothesis import given
from hypothesis import strategies as st

from sessions_vtab.cli.display import Style
from sessions_vtab.cli.formats import AUTO, FORMATS, laid_out

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
    "box": "╭────┬─────────┬──────╮\n│ id │ user    │    n │\n├────┼─────────┼──────┤\n"
    "│ s1 │ ann     │    3 │\n│ s2 │ NULL    │ -1.5 │\n│ s3 │         │ NULL │\n"
    "│ s4 │ x'00ff' │   12 │\n╰────┴─────────┴──────╯\n",
    "grid": "+----+---------+------+\n| id | user    |    n |\n+----+---------+------+\n"
    "| s1 | ann     |    3 |\n| s2 | NULL    | -1.5 |\n| s3 |         | NULL |\n"
    "| s4 | x'00ff' |   12 |\n+----+---------+------+\n",
    "column": "id  user        n\n--  -------  ----\ns1  ann         3\ns2  NULL     -1.5\n"
    "s3           NULL\ns4  x'00ff'    12\n",
    "line": "   id = s1\n user = ann\n    n = 3\n\n   id = s2\n user = NULL\n    n = -1.5\n\n"
    "   id = s3\n user = \n    n = NULL\n\n   id = s4\n user = x'00ff'\n    n = 12\n",
    "list": "id|user|n\ns1|ann|3\ns2||-1.5\ns3||\ns4|x'00ff'|12\n",
    "quote": "'id','user','n'\n's1','ann',3\n's2',NULL,-1.5\n's3','',NULL\n's4',X'00FF',12\n",
    "insert": 'INSERT INTO "table"("id","user","n") VALUES(\'s1\',\'ann\',3);\n'
    'INSERT INTO "table"("id","user","n") VALUES(\'s2\',NULL,-1.5);\n'
    'INSERT INTO "table"("id","user","n") VALUES(\'s3\',\'\',NULL);\n'
    'INSERT INTO "table"("id","user","n") VALUES(\'s4\',X\'00FF\',12);\n',
    "html": "<TR><TH>id</TH>\n<TH>user</TH>\n<TH>n</TH>\n</TR>\n"
    "<TR><TD>s1</TD>\n<TD>ann</TD>\n<TD>3</TD>\n</TR>\n"
    "<TR><TD>s2</TD>\n<TD></TD>\n<TD>-1.5</TD>\n</TR>\n"
    "<TR><TD>s3</TD>\n<TD></TD>\n<TD></TD>\n</TR>\n"
    "<TR><TD>s4</TD>\n<TD>x&#x27;00ff&#x27;</TD>\n<TD>12</TD>\n</TR>\n",
    "markdown": "| id | user | n |\n| --- | --- | --- |\n| s1 | ann | 3 |\n| s2 | NULL | -1.5 |\n"
    "| s3 |  | NULL |\n| s4 | x'00ff' | 12 |\n",
}


def printed(form: str, columns, rows) -> str:
    return "".join(FORMATS[form](columns, rows, Style()))


def test_every_format_is_tested():
    assert set(EXPECTED) == set(FORMATS)


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
        ("box", "╭────┬──────┬───╮\n│ id │ user │ n │\n├────┼──────┼───┤\n╰────┴──────┴───╯\n"),
        ("line", ""),
        ("list", "id|user|n\n"),
        ("insert", ""),
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
        ("id", "text"), ((number, "x" * 100) for number in range(10_000)), Style()
    ):
        pass
    _, peak = tracemalloc.get_traced_memory()
    tracemalloc.stop()

    assert peak < 1_000_000


def test_a_row_that_is_wider_than_the_sample_is_not_cut():
    rows = [("a",)] * 1_000 + [("wide" * 10,)]

    assert printed("table", ("v",), rows).endswith("wide" * 10 + "\n")


@given(st.lists(st.tuples(cells, cells)))
def test_inserts_can_be_executed(rows):
    with apsw.Connection(":memory:") as connection:
        connection.execute('CREATE TABLE "table"(a, b)')
        connection.execute(printed("insert", ("a", "b"), rows))

        assert connection.execute('SELECT a, b FROM "table"').fetchall() == rows


class TestWidth:
    """Tables on a terminal."""

    @staticmethod
    def shown(columns, rows, room, **style) -> tuple[str, list[str]]:
        told: list[str] = []
        text = "".join(laid_out(AUTO, columns, rows, Style(room=room, **style), told.append))
        return text, told

    def test_a_table_that_fits_is_whole(self):
        text, told = self.shown(("id", "v"), [("chat-0001", "x" * 40)], 56)

        assert max(map(len, text.splitlines())) == 56
        assert told == []

    def test_the_widest_columns_are_cut_first(self):
        text, told = self.shown(("id", "v", "w"), [("chat-0001", "x" * 50, "y" * 90)], 100)

        assert {len(line) for line in text.splitlines()} == {99}
        assert "│ chat-0001 │ " + "x" * 39 + "… │ " + "y" * 39 + "… │" in text
        assert told == ["cut"]

    def test_values_keep_32_columns_or_the_row_becomes_lines(self):
        row = ("x" * 40, "2026-01-01 09:00:00.123456")

        at_65, _ = self.shown(("v", "time"), [row], 65)
        at_64, told = self.shown(("v", "time"), [row], 64)

        assert f"│ {'x' * 31}… │ {row[1]} │" in at_65
        assert at_64 == f"    v = {row[0]}\n time = {row[1]}\n"
        assert told == ["line"]

    def test_many_columns_without_rows_say_nothing(self):
        assert self.shown([f"c{n}" for n in range(30)], [], 80) == ("", [])

    def test_a_later_value_may_be_wider_where_there_is_room(self):
        rows = [("a",)] * 1_000 + [("b" * 50,), ("c" * 90,)]

        text, told = self.shown(("v",), rows, 80)

        assert "│ " + "b" * 50 + " │" in text
        assert "│ " + "c" * 75 + "… │" in text
        assert told == ["cut"]

    def test_control_characters_are_measured_as_they_are_shown(self):
        text, _ = self.shown(("v", "w"), [("\x1b[2J", "漢"), ("plain", "x")], 80)

        assert "│ \\x1b[2J │ 漢 │" in text
        assert "│ plain   │ x  │" in text

    def test_without_such_characters_the_frame_is_ascii(self):
        text, _ = self.shown(("v",), [("x" * 99,)], 60, unicode=False)

        assert text.splitlines()[3] == "| " + "x" * 53 + "... |"
