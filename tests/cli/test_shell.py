from __future__ import annotations

import io
import stat
import sys
from contextlib import closing

import apsw
import pytest

import sessions_vtab
from sessions_vtab.cli.execution import prepare
from sessions_vtab.cli.shell import Shell
from sessions_vtab.cli.sources import banner

INSERT = "INSERT INTO sessions(session_id, user_id) VALUES ('s1', 'ann');\n"


class Terminal(io.StringIO):
    def isatty(self) -> bool:
        return True


@pytest.fixture
def connection():
    with sessions_vtab.connect(
        sources={"local": "local://:memory:", "other": "local://:memory:"}
    ) as opened:
        prepare(opened)
        yield opened


@pytest.fixture
def shell(connection):
    """Types lines into an interactive shell; returns what it printed, and its errors."""

    def type_in(*lines: str) -> tuple[str, str]:
        out, err = Terminal(), io.StringIO()
        running = Shell(connection, stdin=Terminal("\n".join(lines) + "\n"), stdout=out, stderr=err)
        running.command_colour(["off"])
        running.cmdloop("")
        return out.getvalue().replace("sessions> ", "").rstrip("\n"), err.getvalue()

    return type_in


class TestStatements:
    def test_rows_are_a_box_with_a_footer(self, shell):
        out, err = shell("SELECT 1 AS a, NULL AS b;")

        assert out.splitlines()[:-1] == [
            "╭───┬──────╮",
            "│ a │ b    │",
            "├───┼──────┤",
            "│ 1 │ NULL │",
            "╰───┴──────╯",
        ]
        assert out.splitlines()[-1].startswith("1 row, 0.")
        assert err == ""

    @pytest.mark.parametrize(
        ("sql", "footer"),
        [
            ("SELECT 1 WHERE 0;", "0 rows, "),
            ("VALUES (1), (2);", "2 rows, "),
            (INSERT, "1 row changed, "),
            ("CREATE TEMP TABLE t(a);", "0."),
        ],
    )
    def test_a_footer_shows_what_was_done(self, shell, sql, footer):
        assert shell(sql)[0].splitlines()[-1].startswith(footer)

    def test_a_statement_may_take_several_lines(self, shell):
        out, _ = shell(".mode list", "SELECT", "'a;'", "AS x;")

        assert out.splitlines()[-2] == "a;"

    def test_an_error_suggests_a_name_and_the_shell_continues(self, shell):
        out, err = shell("SELECT sesion_id FROM sessions;", ".print still here")

        assert err.splitlines() == [
            "Error: sessions has no column sesion_id. Did you mean session_id?",
            "  SELECT sesion_id FROM sessions;",
            "         ^--- here".ljust(53) + "All columns: .help sessions",
        ]
        assert out == "still here"

    def test_control_characters_in_data_are_written_out(self, shell):
        out, _ = shell(".mode list", "SELECT 'a' || char(27) || '[2J';")

        assert "a\\x1b[2J" in out
        assert "\x1b" not in out

    def test_control_characters_reach_a_file_as_they_are(self, shell, home):
        path = home / "out.txt"

        shell(".mode list", f".output {path}", "SELECT 'a' || char(27);", ".output stdout")

        assert "a\x1b" in path.read_text()

    def test_parameters_are_those_that_were_set(self, shell):
        out, _ = shell(".mode list", ".parameter set v 'x'", "SELECT $v;")

        assert "x" in out.splitlines()

    def test_json_modes_know_the_first_and_the_last_row(self, shell):
        out, _ = shell(".mode json", "VALUES (1), (2);")

        assert out.splitlines()[:2] == ['[{"column1":1},', '{"column1":2}]']

    def test_a_key_press_stops_the_statement_not_the_shell(self, shell, connection):
        def press():
            raise KeyboardInterrupt

        connection.create_scalar_function("press", press, 0)

        out, err = shell("SELECT press();", ".print still here")

        assert err == "Interrupted.\n"
        assert out == "still here"


class TestCommands:
    def test_tables_lists_those_of_every_source(self, shell):
        out, _ = shell("CREATE TEMP TABLE notes(id);", ".tables")

        lines = out.splitlines()[1:]
        assert lines[0] == "local (default)"
        assert lines[1].startswith("  tables     sessions events ")
        assert lines[2] == f"{'':13}participants turns tool_calls usage_by_session live_events"
        assert lines[3].startswith("  functions  ")
        assert max(map(len, lines)) <= 80
        assert "other" in lines
        assert lines[-1].startswith("  tables     ")
        assert "notes" in lines[-1]

    def test_tables_takes_a_pattern(self, shell):
        out, _ = shell(".tables %part%")

        assert out.splitlines()[1].split() == ["tables", "event_parts", "participants"]

    def test_schema_shows_columns_with_hidden_ones_marked(self, shell):
        out, _ = shell(".schema other.sessions")

        assert out.startswith('CREATE TABLE "other"."sessions"(\n  "name" TEXT,\n')
        assert '"ttl" TEXT HIDDEN' in out

    def test_schema_shows_the_users_own_tables(self, shell):
        out, _ = shell("CREATE TEMP TABLE notes(id);", ".schema notes")

        assert out.splitlines()[1:] == ["CREATE TABLE notes(id);"]

    def test_inspect_shows_what_each_column_supports(self, connection):
        out = io.StringIO()
        running = Shell(connection, stdin=io.StringIO(), stdout=out)

        running.command_inspect(["other.sessions"])

        lines = {line.split()[0]: line for line in out.getvalue().splitlines()}
        assert "INSERT, UPDATE" in lines["display_name"]
        assert "UPDATE" not in lines["user_id"]
        assert "(hidden)" in lines["ttl"]

    def test_sources_are_listed_and_checked(self, shell):
        out, _ = shell(".sources", ".sources --check other")

        lines = out.splitlines()
        assert lines[0].startswith("  local  (default)  ")
        assert lines[-1].startswith("other: ok, ")

    def test_explain_names_rules_on_request(self, shell):
        out, _ = shell(".explain --why SELECT * FROM sessions WHERE length(user_id) = 3")

        assert "why       length(user_id) = 3: here by sqlite: " in out

    def test_explain_takes_the_statement_as_it_is(self, shell):
        out, err = shell(".explain SELECT * FROM sessions WHERE session_id = 'it''s \"'")

        assert err == ""
        assert out.startswith("local.sessions  get")

    def test_a_store_that_makes_no_requests_lists_none(self, shell):
        assert shell("SELECT * FROM sessions;", ".requests")[0].endswith("No requests were made.")

    def test_set_changes_what_a_statement_may_do(self, shell, connection):
        out, _ = shell(".set max_writes 1", ".set max_requests 7", ".set")

        assert out.splitlines() == ["max_writes  1", "max_requests  7"]
        assert (connection.budget.max_writes, connection.budget.max_requests) == (1, 7)

    def test_set_without_a_number_restores_the_sources_limits(self, shell, connection):
        out, _ = shell(".set max_writes 1", ".set max_writes", ".set")

        assert out.splitlines()[0] == "max_writes  set by each source"
        assert connection.budget.max_writes is None

    @pytest.mark.parametrize(
        "line", [".set max_write 1", ".set max_writes many", ".requests x", ".inspect"]
    )
    def test_wrong_arguments_are_errors(self, shell, line):
        assert shell(line)[1].startswith("Error: ")

    def test_help_covers_tables_functions_topics_and_commands(self, shell):
        assert "In the source other" in shell(".help sessions")[0]
        assert "append_event(session, author" in shell(".help append_event")[0]
        assert "Shell commands: .help all" in shell(".help")[0]
        assert ".explain SELECT .." in shell(".help all")[1]
        assert "Did you mean times?" in shell(".help tims")[1]

    @pytest.mark.parametrize("command", ["open x", "close", "connection", "restore x"])
    def test_the_database_cannot_be_changed_under_the_sources(self, shell, command):
        out, err = shell(f".{command}", "SELECT count(*) FROM sessions;")

        assert err.startswith("Error: The sources of a running shell cannot be changed")
        assert "1 row" in out

    @pytest.mark.parametrize(
        "command", ["dump", "dump sess%", "dump mine sessions", "backup {}", "backup other {}"]
    )
    def test_a_copy_that_would_have_no_rows_names_the_snapshot(self, shell, tmp_path, command):
        path = tmp_path / "copy.db"
        out, err = shell("CREATE TABLE mine(x);", f".{command.format(path)}")

        assert "Write a copy with sessions-vtab snapshot FILE" in err
        assert "CREATE VIRTUAL TABLE" not in out
        assert not path.exists()

    def test_the_users_own_tables_are_copied(self, tmp_path):
        path = tmp_path / "copy.db"
        lines = (
            "CREATE TABLE mine(x);",
            "INSERT INTO mine VALUES (7);",
            ".dump mine",
            "ATTACH ':memory:' AS attached;",
            "CREATE TABLE attached.t AS SELECT * FROM mine;",
            f".backup attached {path}",
        )
        out, err = io.StringIO(), io.StringIO()
        # Not ``with connect()``, which is a transaction.
        with closing(sessions_vtab.connect("local://:memory:")) as own:
            Shell(own, stdin=io.StringIO("\n".join(lines)), stdout=out, stderr=err).cmdloop("")

        assert "INSERT INTO mine VALUES(7);" in out.getvalue()
        assert err.getvalue() == ""
        assert apsw.Connection(str(path)).execute("SELECT x FROM t").get == 7

    @pytest.mark.parametrize("command", [".quit", ".exit"])
    def test_quit_ends_the_shell(self, shell, command):
        with pytest.raises(SystemExit) as caught:
            shell(command)

        assert caught.value.code == 0


class TestCompletion:
    @pytest.mark.parametrize(
        ("line", "expected"),
        [
            ("SELECT * FROM other.sess", ["sessions"]),
            ("SELECT * FROM append", ["append_event("]),
            ("SELECT user", ["user_id"]),
        ],
    )
    def test_our_names_are_offered(self, connection, line, expected):
        running = Shell(connection, stdin=io.StringIO(), stdout=io.StringIO())
        running._completion_cache = None
        token = line.rpartition(" ")[2].rpartition(".")[2]

        found = running.complete_sql(line, token, len(line) - len(token), len(line))

        assert found[: len(expected)] == expected

    @pytest.mark.parametrize(
        ("line", "expected"),
        [
            (".help append", "append_event"),
            (".inspect sess", "sessions"),
            (".set max_w", "max_writes"),
            (".sources --", "--check"),
            (".explain SELECT * FROM other.ev", "events"),
            (".expl", ".explain "),
            (".mode js", "json"),
        ],
    )
    def test_arguments_of_commands_are_offered(self, connection, line, expected):
        running = Shell(connection, stdin=io.StringIO(), stdout=io.StringIO())
        running._completion_cache = None
        token = line.rpartition(" ")[2].rpartition("." if " " in line else " ")[2]

        assert expected in running.complete_command(line, token, len(line) - len(token), len(line))


class TestBanner:
    def test_the_banner_shows_where_data_is_and_whether_it_is_writable(self, connection):
        first, local, other, last = banner(connection, read_only=False).splitlines()

        assert first.startswith("sessions_vtab 0.")
        assert local.startswith("  local  (default)  ")
        assert local.endswith(", read and write")
        assert other.startswith("  other             ")
        assert ".help sessions" in last

    def test_a_read_only_connection_says_so(self, connection):
        assert ", read-only\n" in banner(connection, read_only=True)


@pytest.mark.skipif(sys.platform == "win32", reason="file modes are POSIX'")
def test_the_history_can_be_read_by_its_owner_only(connection, home):
    Shell(connection, stdin=Terminal(), stdout=Terminal())

    history = home / "state" / "sessions-vtab" / "history"
    assert stat.S_IMODE(history.stat().st_mode) == 0o600
    assert stat.S_IMODE(history.parent.stat().st_mode) == 0o700
