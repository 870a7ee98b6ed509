"""What users of sqlite3, psql and mysql type: each works, or says the one right line."""

from __future__ import annotations

import io
from pathlib import Path

import pytest

import sessions_vtab
from sessions_vtab.cli.arguments import parse
from sessions_vtab.cli.execution import prepare
from sessions_vtab.cli.formats import SQLITE_MODES
from sessions_vtab.cli.habits import ELSEWHERE, command_name, shell_command
from sessions_vtab.cli.shell import Shell
from sessions_vtab.cli.sources import version_line

MEMORY = "local://:memory:"
SNAPSHOT = "Error: To copy a source to a file: sessions-vtab snapshot FILE.db\n"


class Terminal(io.StringIO):
    def isatty(self) -> bool:
        return True


@pytest.fixture
def typed(monkeypatch):
    """Types lines into the shell at a terminal of 80 columns; what it showed, and its errors."""
    monkeypatch.setenv("TERM", "dumb")

    def type_in(*lines: str) -> tuple[str, str]:
        out, err = Terminal(), io.StringIO()
        with sessions_vtab.connect(MEMORY) as connection:
            prepare(connection)
            stdin = Terminal("\n".join(lines) + "\n")
            shell = Shell(connection, stdin=stdin, stdout=out, stderr=err)
            try:
                shell.cmdloop("")
            except SystemExit:
                out.write("(left)\n")
        return out.getvalue().replace("sessions> ", ""), err.getvalue()

    return type_in


@pytest.mark.parametrize(
    ("arguments", "status", "out"),
    [
        (["select 1 as a"], 0, "a\n1\n"),
        ([MEMORY, "select 1 as a"], 0, "a\n1\n"),
        (["own=local://:memory:", "select count(*) as n from own.sessions"], 0, "n\n0\n"),
        (["select 1 as a", "select 2 as a;"], 0, "a\n1\n\na\n2\n"),
        (["-json", "select 1 as a, 2 as a"], 0, '[{"a":1,"a:1":2}]\n'),
        (["select 1 as a", "-json"], 0, '[{"a":1}]\n'),
        (["-csv", "-header", "select 1 as a"], 0, "a\n1\n"),
        (["-csv", "-noheader", "select 1 as a"], 0, "1\n"),
        (["-line", "select 1 as a"], 0, "    a = 1\n"),
        (["-box", "select 1 as a"], 0, "╭───╮\n│ a │\n├───┤\n│ 1 │\n╰───╯\n"),
        (["-table", "select 1 as a"], 0, "+---+\n| a |\n+---+\n| 1 |\n+---+\n"),
        (["-column", "select 1 as ab"], 0, "ab\n--\n 1\n"),
        (["-cmd", ".mode quote", "select 'it''s' as a"], 0, "'a'\n'it''s'\n"),
        (["-csv", "-nullvalue", "(none)", "select null as a"], 0, "a\n(none)\n"),
        (["-list", "-separator", ", ", "select 1 as a, 2 as b"], 0, "a, b\n1, 2\n"),
        (["-batch", "-bail", "-json", "select 1 as a"], 0, '[{"a":1}]\n'),
        ([".mode json", "select 1 as a"], 0, '[{"a":1}]\n'),
        ([".print hello"], 0, "hello\n"),
        (["query", "--json", "select 1 as a"], 0, '[{"a":1}]\n'),
        (["query", "--csv", "--noheader", "select 1 as a"], 0, "1\n"),
        (["-version"], 0, f"{version_line()}\n"),
        (["query", "--fail-if-rows", "select 1 as a"], 1, "a\n1\n"),
        (["query", "--fail-if-rows", "select 1 as a where 0"], 0, "a\n"),
        (["select count(*) as n from generate_series(1, 10, 3)"], 0, "n\n4\n"),
    ],
)
def test_a_command_line_of_sqlite3(cli, arguments, status, out):
    done = cli(*arguments)

    assert (done.status, done.out, done.err) == (status, out, "")


@pytest.mark.parametrize(
    ("arguments", "status", "error"),
    [
        (["-readonly", "delete from sessions"], 1, "this connection is read-only"),
        (["-bail", "select nope", "select 1"], 1, "There is no column nope."),
        (["-cmd", "select nope;", "select 1"], 1, "There is no column nope."),
        (["query", "show tables"], 1, "For commands of the shell: sessions-vtab '.tables'"),
        (["query", ".mode box"], 1, "For commands of the shell: sessions-vtab '.mode box'"),
        (["select now()"], 1, "There is no function now. Use datetime('now')."),
        (["store.db"], 2, "To open a local store: sessions-vtab local:///"),
        (["--source", "https://host/v1", "query", "select 1"], 2, "The address of a service is"),
        (["--source", "adk_api://a/u", "query", "select 1"], 2, "adk_api://APP/USER?base"),
        (["query", "-o", "none/x", "select 1"], 1, "none/x: No such file or directory.\n"),
        ([".once none/x"], 1, "none/x: No such file or directory.\n"),
        (["tour.sql"], 2, "To run a file: sessions-vtab run tour.sql"),
        (["qurey", "select 1"], 2, "Did you mean query?"),
        (
            ["query", "select \udcff"],
            2,
            "Error: Argument 2 (select \\xff) is not valid utf-8 text.",
        ),
        ([".tabels now"], 1, "There is no command .tabels. Did you mean tables?"),
    ],
)
def test_a_command_line_that_cannot_be_obeyed_says_what_to_do(cli, arguments, status, error):
    done = cli(*arguments)

    assert done.status == status
    assert error in done.err
    assert "Traceback" not in done.err


def test_help_is_there_by_the_name_that_sqlite3_has_for_it(cli):
    assert (cli("-help").status, cli("-help").out) == (0, cli("--help").out)


def test_a_shell_starts_with_its_file_and_then_its_commands(cli, tmp_path):
    path = tmp_path / "start.sql"
    path.write_text(".mode json\nCREATE TEMP TABLE t AS SELECT 1 AS a;\n")

    done = cli("-init", str(path), "-cmd", ".print ready", stdin="SELECT * FROM t;\n")

    assert done.out == 'ready\n[{"a":1}]\n'


@pytest.mark.parametrize("name", [one for one in SQLITE_MODES if one != "auto"])
def test_options_are_the_modes_of_the_shell(name):
    assert parse([f"-{name}", "select 1 as a"]).format == SQLITE_MODES[name]


@pytest.mark.parametrize(
    ("lines", "shown"),
    [
        (["exit"], "(left)"),
        (["quit;"], "(left)"),
        (["\\q"], "(left)"),
        (["exit()"], "(left)"),
        (["help"], "Shell commands: .help all"),
        (["?"], "Shell commands: .help all"),
        (["help sessions"], "sessions"),
        (["show tables;"], "local (default)\n  tables     sessions events"),
        (["\\dt"], "local (default)\n  tables     sessions events"),
        (["\\d"], "local (default)\n  tables     sessions events"),
        (["SHOW DATABASES"], "  local  (default)"),
        (["\\l"], "  local  (default)"),
        (["describe sessions;"], "│ session_id "),
        (["desc local.sessions"], "│ session_id "),
        (["\\d sessions"], "│ session_id "),
        (["create temp table mine(a);", "\\d mine"], "CREATE TABLE mine(a);"),
        (["show columns from sessions"], "│ session_id "),
        (["show create table sessions"], 'CREATE TABLE "local"."sessions"('),
        (["\\x", "select 1 as a;"], "    a = 1\n"),
        (["\\timing", "select 1 as a;"], "Run Time: real 0."),
        ([".headers off", ".mode csv", "select 1 as a;"], "1\n1 row, "),
        ([".mode tabs", "select 1 as a, 2 as b;"], "a\tb\n1\t2\n"),
        ([".mode insert t", "select 1 as a;"], 'INSERT INTO "t"("a") VALUES(1);\n'),
        ([".mode markdown", "select 1 as a;"], "| a |\n| --- |\n| 1 |\n"),
        ([".mode html", "select '<' as a;"], "<TR><TH>a</TH>\n</TR>\n<TR><TD>&lt;</TD>\n</TR>\n"),
        ([".mode json", "select 1 as a, 2 as a;"], '[{"a":1,"a:1":2}]\n'),
        ([".mode jsonl", "select 1 as a;"], '{"a":1}\n'),
        ([".mode quote", "select 'a' as a;"], "'a'\n'a'\n"),
        ([".mode"], "current output mode: auto\n"),
        ([".nullvalue -", "select null as a;"], "│ - │"),
        ([".mode column", ".width 5", "select 'abcdefgh' as a;"], "a\n-----\nabcd…\n"),
        ([".separator ;", ".mode list", "select 1 as a, 2 as b;"], "a;b\n1;2\n"),
        ([".param set :u 'ann'", "select :u as u;"], "│ ann │"),
        ([".parameter set @u ann", "select @u as u;"], "│ ann │"),
        ([".parameter set $n 1+1", "select $n as n, typeof($n) as t;"], "│ 2 │ integer │"),
        ([".parameter set u 'a b'", ".parameter list"], "'a b'"),
        # Of https://sqlite.org/cli.html#sql_parameters: single quotes within double quotes.
        ([""".parameter set :p "'202-456-1111'\"""", "select :p as p;"], "│ 202-456-1111 │"),
        (['.parameter set :p "1+1"', "select :p as p, typeof(:p) as t;"], "│ 2 │ integer │"),
        (['.parameter set :p "it is"', "select :p as p;"], "│ it is │"),
        (
            [".changes on", "create temp table t(a);", "insert into t values(1);"],
            "changes: 1   tot",
        ),
        ([".timer on", "select 1;"], "Run Time: real 0."),
        ([".eqp on", "select * from sessions;"], "local.sessions  list"),
        ([".stats on", ".show"], "     stats: on\n"),
        ([".show"], "      mode: auto\n"),
        (["create view v as select 1;"], "To keep views, write them to a file and start with"),
        (["create temp table t(a);", "create index temp.i on t(a);", ".indexes"], "i\n"),
        ([".fullschema"], 'CREATE TABLE "local"."sessions"('),
        ([".tab %ents"], "local (default)\n  tables     events"),
        ([".head off", ".mode csv", "select 1 as a;"], "1\n1 row"),
        ([".databases"], "local"),
        (["select value from generate_series(1, 3);"], "│     3 │"),
    ],
)
def test_a_line_of_another_shell_works(typed, lines, shown):
    out, err = typed(*lines)

    assert shown in out
    assert err == ""


@pytest.mark.parametrize(
    ("line", "error"),
    [
        (".clone copy.db", SNAPSHOT),
        (".save copy.db", SNAPSHOT),
        (".backup copy.db", "Write a copy with sessions-vtab snapshot FILE"),
        (".dump", "Write a copy with sessions-vtab snapshot FILE"),
        (
            ".excel",
            "Error: Spreadsheets open CSV: .mode csv, .once FILE.csv, then the statement.\n",
        ),
        (".once -x", "Error: .once requires the name of a file"),
        ("use prod", "Error: Each source is a schema. Write its name before the table"),
        ("\\c prod", "Error: Each source is a schema. Write its name before the table"),
        (".tabels", "Error: There is no command .tabels. Did you mean tables?"),
        ("\\copy x", "Error: There is no command .copy."),
        (".s", "Error: .s can be .schema or "),
        (".mode jsn", "Error: jsn is not an output mode. Did you mean json?"),
        (".headers maybe", "Error: .header must be on or off"),
        (".param set", "Error: .parameter requires list, clear, set NAME VALUE or unset NAME"),
        (".param unset nothing", "Error: The parameter nothing has no value"),
        (".print 'open", "Error: .print: No closing quotation."),
        ("select now();", "There is no function now. Use datetime('now')."),
        ("select len('x');", "There is no function len. Use length(text)."),
        (".import x.csv", "Error: .import requires a file and a table"),
    ],
)
def test_a_line_that_cannot_be_obeyed_says_what_to_do(typed, line, error):
    out, err = typed(line, ".print still here")

    assert error in err
    assert err.count("Error") == 1
    assert out.endswith("still here\n\n")


def test_echo_shows_statements_before_they_run(typed):
    assert typed(".echo on", "select 1;")[1] == "select 1;\n"


@pytest.mark.parametrize(
    "statement",
    [
        "SELECT 1",
        "DESCRIBE google.aiplatform.sessions",
        "SHOW SERVICES IN google",
        "exit_code",
        "using x",
        "SELECT '\\d'",
    ],
)
def test_other_statements_are_sql(statement):
    assert shell_command(statement) is None


def test_hints_are_for_commands_that_do_not_exist():
    assert not {f"command_{name}" for name in ELSEWHERE} & set(vars(Shell))


def test_the_beginning_of_a_command_is_enough_where_it_is_clear():
    known = ["header", "headers", "help", "tables", "timer", "timeout"]

    assert [command_name(word, known) for word in ("tab", "heade", "TIMER")] == [
        "tables",
        "header",
        "timer",
    ]
    with pytest.raises(LookupError, match=r"\.ti can be \.timer or \.timeout\."):
        command_name("ti", known)


@pytest.fixture
def notes(tmp_path) -> Path:
    path = tmp_path / "notes.csv"
    path.write_text('\ufeffid,"note"\n1,"two\nlines"\n\n2,\n', "utf-8")
    return path


class TestImport:
    def test_a_table_is_created_with_the_columns_of_the_first_record(self, typed, notes):
        out, err = typed(
            f".import --csv --null '' {notes} notes", ".mode json", "SELECT * FROM notes;"
        )

        assert err == ""
        assert '[{"id":"1","note":"two\\nlines"},\n{"id":"2","note":null}]\n' in out
        assert "The table notes is kept in memory" in out

    def test_records_go_into_a_table_that_exists_by_place_or_by_name(self, typed, notes):
        out, err = typed(
            "CREATE TEMP TABLE t(id INTEGER, note TEXT, more TEXT DEFAULT 'm');",
            f".import {notes} t",
            "CREATE TEMP TABLE u(a, b);",
            f".import --skip 1 {notes} u",
            ".mode csv",
            "SELECT id, more FROM t;",
            "SELECT a FROM u;",
        )

        assert err == ""
        assert "id,more\n1,m\n2,m\n" in out
        assert "a\n1\n2\n" in out

    def test_sessions_can_be_imported_by_the_names_of_their_columns(self, typed, tmp_path):
        (tmp_path / "s.tsv").write_text("session_id\tuser_id\na\tann\nb\tbob\n", "utf-8")

        out, err = typed(
            f".import {tmp_path}/s.tsv sessions",
            ".mode csv",
            "SELECT session_id, user_id FROM sessions ORDER BY session_id;",
        )

        assert err == ""
        assert "2 rows imported into sessions." in out
        assert "session_id,user_id\na,ann\nb,bob\n" in out

    @pytest.mark.parametrize(
        ("content", "error"),
        [
            (b"a,b\n1,2\n1,2,3\n", "line 3: 3 values for 2 columns. Nothing was imported."),
            (b"a,b\n1\n", "line 2: 1 values for 2 columns. Nothing was imported."),
            (b"a,b\n\xff,2\n", "is not UTF-8 text. Nothing was imported."),
            (b'a,b\n"1,2\n', "line 2: unexpected end of data. Nothing was imported."),
            (b"", "contains no records. Nothing was imported."),
        ],
    )
    def test_nothing_is_imported_from_a_file_with_an_error(self, typed, tmp_path, content, error):
        path = tmp_path / "bad.csv"
        path.write_bytes(content)

        out, err = typed(f".import {path} bad", ".schema bad")

        assert error in err
        assert "There is no table bad." in err
        assert "CREATE TABLE" not in out

    def test_a_file_that_is_not_there_is_an_error(self, typed):
        assert "nowhere.csv cannot be read: No such file" in typed(".import nowhere.csv t")[1]


class TestOnce:
    def test_one_statement_goes_to_the_file_and_the_next_to_the_terminal(self, typed, tmp_path):
        out, _ = typed(".mode csv", f".once {tmp_path}/o.csv", "SELECT 1 AS a;", "SELECT 2 AS b;")

        assert (tmp_path / "o.csv").read_text() == "a\n1\n"
        assert "a\n1\n" not in out
        assert "b\n2\n" in out

    def test_after_an_error_the_file_is_as_it_was(self, typed, tmp_path):
        (tmp_path / "o.csv").write_text("before")

        typed(f".once {tmp_path}/o.csv", "SELECT nope;", "SELECT 1;")

        assert (tmp_path / "o.csv").read_text() == "before"
