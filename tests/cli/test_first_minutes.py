"""The first ten minutes at a terminal: what a person types, and all that is shown."""

from __future__ import annotations

import csv
import json
import re
import sys
import textwrap
import time
from pathlib import Path

import pytest

pytestmark = [
    pytest.mark.skipif(sys.platform == "win32", reason="pseudo-terminals are POSIX'"),
    pytest.mark.filterwarnings("ignore:This process .* is multi-threaded:DeprecationWarning"),
]

MEMORY = "local://:memory:"
ENDLESS = "WITH RECURSIVE c(x) AS (SELECT 1 UNION ALL SELECT x+1 FROM c) SELECT count(*) FROM c;"
FILL = (
    "INSERT INTO sessions(session_id, user_id, labels, create_time) VALUES"
    " ('chat-0001', 'ann', '{\"env\":\"prod\"}', '2026-01-01 09:00:00'),"
    " ('chat-0002', 'Жанна', NULL, '2026-01-02 09:00:00');\n"
)
RECORD = """\
        name = sessions/chat-0001
  session_id = chat-0001
     user_id = ann
display_name = NULL
      labels = {"env":"prod"}
       state = NULL
 create_time = 2026-01-01 09:00:00.000000
 update_time = NOW
 expire_time = NULL
"""
BOX = """\
╭────────────┬─────────┬────────────────────────────╮
│ session_id │ user_id │ create_time                │
├────────────┼─────────┼────────────────────────────┤
│ chat-0001  │ ann     │ 2026-01-01 09:00:00.000000 │
│ chat-0002  │ Жанна   │ 2026-01-02 09:00:00.000000 │
╰────────────┴─────────┴────────────────────────────╯
2 rows, T s"""
TOLD = "A row does not fit the terminal, so each value has a line. .mode box: a table.\n"


def timeless(text: str) -> str:
    """What is shown, without how long it took and when."""
    text = re.sub(r"update_time = .*", "update_time = NOW", text)
    return re.sub(r"\d+\.\d+ s\b", "T s", text)


@pytest.fixture
def filled(tmp_path) -> Path:
    path = tmp_path / "fill.sql"
    path.write_text(FILL, "utf-8")
    return path


@pytest.mark.parametrize("columns", [60, 80, 120])
@pytest.mark.parametrize("term", ["dumb", "xterm"])
def test_a_row_that_does_not_fit_is_shown_value_by_value_which_is_said_once(
    sits_down, filled, columns, term
):
    variables = {"TERM": term, "PAGER": "cat", "NO_COLOR": "1"}
    person = sits_down("-init", str(filled), MEMORY, columns=columns, variables=variables)
    person.reads_until("sessions> ")

    first = person.asks("SELECT * FROM sessions LIMIT 1;")
    again = person.asks("SELECT * FROM sessions LIMIT 1;")
    fitting = person.asks("SELECT session_id, user_id, create_time FROM sessions;")

    told = textwrap.fill(TOLD, columns, subsequent_indent="    ")
    assert timeless(first) == f"{RECORD}{told}\n1 row, T s"
    assert timeless(again) == RECORD + "1 row, T s"
    assert timeless(fitting) == BOX
    assert all(len(line) <= columns for line in [*first.splitlines(), *fitting.splitlines()])


@pytest.mark.parametrize("columns", [60, 80, 120])
def test_no_line_of_our_own_is_broken_by_the_terminal(sits_down, columns):
    """What the terminal breaks, it breaks within words, and commands cannot be read."""
    person = sits_down(MEMORY, columns=columns)

    said = [person.reads_until("sessions> ")]
    said += [
        person.asks(line)
        for line in (
            *(
                ".help",
                ".help sessions",
                ".help append_event",
                ".tables",
                "\\d sessions",
                "\\d events",
            ),
            *("CREATE TABLE mine(a);", "CREATE VIEW v AS SELECT 1;"),
            *(".explain SELECT * FROM tool_calls LIMIT 2", ".requests"),
            "SELECT sesion_id FROM sessions;",
            "SELECT session_id, user_id, sesion_id FROM sessions;",
        )
    ]

    lines = [line for text in said for line in text.splitlines()]
    # An example and a message are to be copied as they are.
    ours = [line for line in lines if not line.startswith(("Error: ", "  SELECT "))]
    assert [line for line in ours if len(line) > columns] == []
    assert not re.search(r"\.help$|\.explain$|^ *\.\.", said[0], re.MULTILINE)
    assert "│ long_running_tool_ids │" in "\n".join(lines)


def test_what_was_typed_before_ctrl_c_stands_on_a_line_of_its_own(sits_down):
    person = sits_down(MEMORY)
    person.reads_until("sessions> ")

    person.types("SELECT half")
    person.reads_until("half")
    person.interrupts()

    assert person.reads_until("sessions> ").endswith("\nInterrupted.\nsessions> ")


def test_values_are_cut_not_hyphenated_and_whole_in_line_mode(sits_down):
    person = sits_down(MEMORY, columns=60)
    person.reads_until("sessions> ")

    cut = person.asks("SELECT 'chat-0001' AS id, hex(zeroblob(40)) AS long;")
    person.asks(".mode line")
    whole = person.asks("SELECT hex(zeroblob(40)) AS long;")

    assert f"│ chat-0001 │ {'0' * 43}… │" in cut
    assert "Values that end with … were cut to fit the terminal." in cut
    assert max(map(len, cut.splitlines()[:5])) == 60
    assert whole.startswith(f" long = {'0' * 80}\n")


def test_ten_minutes(sits_down, tmp_path, filled):
    (tmp_path / "notes.csv").write_text("id,note\n1,first\n2,\n", "utf-8")
    person = sits_down("-init", str(filled), MEMORY)

    banner = person.reads_until("sessions> ")
    typo = person.asks("SELECT sesion_id FROM sessions;")
    created = person.asks("CREATE TABLE mine(a);")
    imported = person.asks(f".import --csv --null '' {tmp_path}/notes.csv notes")
    notes = person.asks("SELECT * FROM notes;")
    person.types(f"SELECT 'now' || ' then'; {ENDLESS}\n")
    person.reads_until("now then")
    person.interrupts()
    interrupted = person.reads_until("sessions> ")
    person.asks(".mode csv")
    once = person.asks(f".once {tmp_path}/out.csv")
    written = person.asks("SELECT session_id, user_id FROM sessions;")
    shown = person.asks("SELECT 1 AS a;")
    unknown = person.asks(".tabels")
    person.types("exit\n")

    assert person.ends() == 0
    assert banner.splitlines()[-3:] == [
        "Statements end with ;   .tables  .help sessions  .help append_event",
        "    .explain SELECT ..  .quit",
        "sessions> ",
    ]
    assert typo.splitlines() == [
        "Error: sessions has no column sesion_id. Did you mean session_id?",
        "  SELECT sesion_id FROM sessions;",
        "         ^--- here".ljust(53) + "All columns: .help sessions",
    ]
    assert created.endswith(
        "The table mine is kept in memory and ends with this shell.\n"
        "To keep tables: ATTACH 'file.db' AS f; CREATE TABLE f.mine .."
    )
    assert imported.startswith("2 rows imported into notes.\n")
    assert notes.splitlines()[3:5] == ["│ 1  │ first │", "│ 2  │ NULL  │"]
    assert "Interrupted." in interrupted
    assert once == ""
    assert timeless(written) == "2 rows, T s"
    assert (tmp_path / "out.csv").read_text("utf-8") == (
        "session_id,user_id\nchat-0001,ann\nchat-0002,Жанна\n"
    )
    assert timeless(shown) == "a\n1\n1 row, T s"
    assert unknown.startswith("Error: There is no command .tabels. Did you mean tables?")


def test_all_rows_arrive_at_a_slow_terminal(sits_down):
    """Nothing cuts a write that waits: neither the progress line nor a window that is resized.

    Without a buffer in between (PYTHONUNBUFFERED), a write that a signal cuts loses its rest.
    """
    person = sits_down(
        MEMORY, variables={"TERM": "xterm", "PAGER": "", "NO_COLOR": "1", "PYTHONUNBUFFERED": "1"}
    )
    person.reads_until("sessions> ")
    person.asks(".mode list")

    person.types("SELECT value || ':' || hex(zeroblob(20000)) AS v FROM generate_series(1, 20);\n")
    time.sleep(1.3)  # Longer than a progress line waits for its first time.
    person.resizes(100)
    time.sleep(0.1)
    shown = person.reads_until("20 rows, ", seconds=60)

    rows = re.findall(r"^(\d+):0{40000}$", shown, re.MULTILINE)
    assert rows == [str(number) for number in range(1, 21)]


MODES = {
    "csv": lambda text: [row["v"] for row in csv.DictReader(text.splitlines())],
    "tabs": lambda text: text.splitlines()[1:],
    "json": lambda text: [row["v"] for row in json.loads(text)],
    "jsonl": lambda text: [json.loads(line)["v"] for line in text.splitlines()],
    "insert": lambda text: re.findall(r"VALUES\('(.*)'\);$", text, re.MULTILINE),
    "markdown": lambda text: [line[2:-2] for line in text.splitlines()[2:]],
    "html": lambda text: re.findall(r"<TD>(.*)</TD>", text),
    "box": lambda text: [line[1:-1].strip() for line in text.splitlines()[3:-1]],
    "quote": lambda text: [line[1:-1] for line in text.splitlines()[1:]],
}


def test_files_have_all_rows_and_nothing_else_in_every_mode(sits_down, tmp_path):
    """Neither a footer nor a prompt, nor the newline after Ctrl-D, is data."""
    rows = 3_000
    person = sits_down(MEMORY)
    person.reads_until("sessions> ")
    for mode in MODES:
        person.asks(f".mode {mode}")
        person.asks(f".output {tmp_path}/{mode}")
        footer = person.asks(f"SELECT 'r-' || value AS v FROM generate_series(1, {rows});")
        assert timeless(footer) == f"{rows} rows, T s"
    person.types("\x04")

    assert person.ends() == 0
    for mode, read in MODES.items():
        text = (tmp_path / mode).read_text("utf-8")
        assert read(text) == [f"r-{n + 1}" for n in range(rows)], mode


def test_long_results_go_through_the_pager_and_short_ones_do_not(sits_down, tmp_path):
    person = sits_down(
        MEMORY, variables={"TERM": "xterm", "PAGER": f"cat > {tmp_path}/paged", "NO_COLOR": "1"}
    )
    person.reads_until("sessions> ")

    short = person.asks("SELECT 1 AS a;")
    long = person.asks("SELECT value FROM generate_series(1, 500);")
    person.asks(".pager off")
    person.types("SELECT value FROM generate_series(1, 500);\n")
    without = person.reads_until("500 rows")

    assert "│ 1 │" in short
    assert "│   500 │" not in long
    assert "500 rows" in long
    assert "│   500 │" in (tmp_path / "paged").read_text("utf-8")
    assert "│   500 │" in without


def test_a_pager_that_is_not_there_is_an_error_that_says_what_to_do(sits_down):
    person = sits_down(MEMORY, variables={"TERM": "xterm", "PAGER": "no-such-pager"})
    person.reads_until("sessions> ")

    person.types("SELECT value FROM generate_series(1, 500);\n")
    shown = person.reads_until("or use .pager off")

    assert "The pager 'no-such-pager' cannot be run. Set PAGER, or use .pager off" in shown


def test_query_fits_its_rows_to_the_terminal_too(sits_down, filled):
    path = filled.with_name("s.db")
    sits_down(f"local://{path}", "-init", str(filled), ".exit").ends()

    shown = sits_down(
        f"local://{path}", "query", "SELECT * FROM sessions LIMIT 1", columns=60
    ).reads_until(": a table.")

    told = TOLD.replace(".mode", "--format")
    told = textwrap.fill(told, 60, subsequent_indent="    ", break_on_hyphens=False)
    assert timeless(shown).strip("\n") == RECORD + told


@pytest.mark.parametrize(
    ("variables", "coloured"),
    [
        ({"TERM": "xterm"}, True),
        ({"TERM": "xterm", "NO_COLOR": "1"}, False),
        ({"TERM": "dumb"}, False),
    ],
)
def test_colours_are_for_terminals_that_want_them(sits_down, variables, coloured):
    person = sits_down(MEMORY, variables=variables)

    shown = person.reads_until("sessions> ")

    assert ("\x1b[3" in shown or "\x1b[9" in shown or "\x1b[1m" in shown) == coloured


def test_a_terminal_without_the_characters_shows_escapes_and_plain_lines(sits_down):
    person = sits_down(
        MEMORY, variables={"PYTHONIOENCODING": "latin-1", "PYTHONUTF8": "0", "LC_ALL": "C"}
    )
    person.reads_until("sessions> ")

    shown = person.asks("SELECT char(1046) AS v;")

    assert shown.splitlines()[:5] == [
        "+---+",
        "| v |",
        "+---+",
        "| \\u0416 |",
        "+---+",
    ]
