from __future__ import annotations

import json
import sys
from pathlib import Path

import pytest

from sessions_vtab.errors import BudgetError

MEMORY = ("--source", "local://:memory:")
TWO = ("--source", "one=local://:memory:", "--source", "two=local://:memory:")
INSERT = "INSERT INTO sessions(session_id, user_id) VALUES ('s1', 'ann')"


class TestQuery:
    def test_rows_are_csv_if_output_is_not_a_terminal(self, cli):
        done = cli("query", "SELECT 1 AS a, NULL AS b")

        assert (done.status, done.out, done.err) == (0, "a,b\n1,\n", "")

    def test_the_store_in_the_users_data_folder_is_the_default(self, cli):
        assert cli("query", INSERT).status == 0

        assert cli("query", "SELECT user_id FROM sessions").out == "user_id\nann\n"

    def test_several_statements_print_one_after_another(self, cli):
        sql = f"{INSERT}; SELECT 1 AS a; SELECT 2 AS b"

        assert cli(*MEMORY, "query", sql).out == "a\n1\n\nb\n2\n"
        assert cli(*MEMORY, "query", sql, "--format", "json").out == '[{"a":1}]\n[{"b":2}]\n'
        assert cli(*MEMORY, "query", sql, "--format", "jsonl").out == '{"a":1}\n{"b":2}\n'

    def test_a_result_without_rows_has_a_heading(self, cli):
        assert cli(*MEMORY, "query", "SELECT user_id FROM sessions").out == "user_id\n"

    def test_statements_come_from_standard_input_for_a_dash(self, cli):
        assert cli("query", "-", stdin="\ufeffSELECT 1 AS a;\n").out == "a\n1\n"

    @pytest.mark.parametrize("name", ["id", ":id", "@id", "$id"])
    def test_parameters_are_text(self, cli, name):
        done = cli("query", "SELECT :id AS v, typeof(:id) AS t", "-p", name, "007; DROP")

        assert done.out == "v,t\n007; DROP,text\n"

    @pytest.mark.parametrize(
        ("sql", "message"),
        [
            (
                "SELECT :x",
                "The parameter :x has no value. Set it with -p x VALUE on the command line",
            ),
            ("SELECT ?", "Parameters must be named here: write :name instead of ?"),
        ],
    )
    def test_a_parameter_without_a_value_is_an_error(self, cli, sql, message):
        done = cli("query", sql)

        assert done.status == 1
        assert message in done.err

    def test_an_error_is_on_stderr_and_suggests_a_name(self, cli):
        done = cli("query", "SELECT sesion_id FROM sessions")

        assert (done.status, done.out) == (1, "")
        assert done.err.splitlines() == [
            "Error: sessions has no column sesion_id. Did you mean session_id?",
            "  SELECT sesion_id FROM sessions",
            "         ^--- here".ljust(40) + "All columns: sessions-vtab help sessions",
        ]

    def test_an_error_of_this_package_is_printed_unchanged(self, cli):
        done = cli(*MEMORY, "query", f"{INSERT}; UPDATE sessions SET user_id = 'bob'")

        assert done.status == 1
        assert done.err.startswith("Error: local.sessions.user_id")

    def test_statements_after_an_error_are_not_run(self, cli):
        assert cli("query", f"SELECT nope; {INSERT}").status == 1

        assert cli("query", "SELECT count(*) AS n FROM sessions").out == "n\n0\n"

    def test_a_budget_that_is_used_up_says_how_to_raise_it(self, cli, monkeypatch):
        def spend(*_arguments):
            raise BudgetError("Too much (max_writes).")

        monkeypatch.setattr("sessions_vtab.cli.execution.execute", spend)

        assert cli("query", INSERT).err == "Error: Too much (max_writes).\n  --max-writes N\n"

    def test_an_open_transaction_at_the_end_is_an_error(self, cli):
        done = cli("query", f"BEGIN; {INSERT}")

        assert done.status == 1
        assert "was not committed" in done.err
        assert cli("query", "SELECT count(*) AS n FROM sessions").out == "n\n0\n"

    def test_output_goes_to_a_file_only_if_all_succeeds(self, cli, home):
        path = home / "out.json"

        assert cli("query", "SELECT 1 AS a; SELECT nope", "-o", str(path)).status == 1
        assert not path.exists()
        done = cli("query", "SELECT 1 AS a", "--format", "json", "-o", str(path))
        assert (done.status, done.out) == (0, "")
        assert json.loads(path.read_text()) == [{"a": 1}]

    def test_a_file_that_cannot_be_written_is_an_error(self, cli, home):
        done = cli("query", "SELECT 1", "-o", str(home / "absent" / "out.csv"))

        assert done.status == 1
        assert done.err.startswith("Error: ")

    def test_a_file_is_read_by_readfile(self, cli, home):
        (home / "a.txt").write_bytes(b"\x00hi")

        done = cli("query", "SELECT readfile(:f) AS b", "-p", "f", str(home / "a.txt"))

        assert done.out == "b\nx'006869'\n"
        assert "readfile: " in cli("query", "SELECT readfile('absent.txt')").err

    def test_control_characters_reach_a_file_as_they_are(self, cli):
        assert cli("query", "SELECT char(27) AS e").out == "e\n\x1b\n"

    def test_control_characters_are_written_out_on_a_terminal(self, cli, monkeypatch):
        monkeypatch.setattr("sessions_vtab.cli.execution.is_terminal", lambda _: True)

        assert cli("query", "SELECT char(27) AS e").out == "e\n\\x1b\n"


class TestRun:
    def test_comments_and_rows_are_printed_and_a_summary(self, cli, home):
        path = home / "tour.sql"
        path.write_text(f"-- 1. A title.\n{INSERT};\nSELECT user_id FROM sessions;\n-- The end.\n")

        done = cli(*MEMORY, "run", str(path))

        *lines, summary = done.out.splitlines()
        assert done.status == 0
        assert lines == ["-- 1. A title.", "   user_id", "   ann", "-- The end."]
        assert summary.startswith(f"{path}: 2 statements, no errors, 0.")

    def test_it_stops_at_the_first_error_and_names_line_and_statement(self, cli, home):
        path = home / "bad.sql"
        path.write_text(f"{INSERT};\n\n-- 2\nSELECT usr_id\nFROM sessions;\nSELECT 3;")

        done = cli("run", str(path))

        assert done.status == 1
        assert "3" not in done.out
        assert done.err.splitlines()[:3] == [
            (
                f"Error in {path}, line 4, statement 2: sessions has no column usr_id."
                " Did you mean user_id?"
            ),
            "  SELECT usr_id",
            "         ^--- here".ljust(40) + "All columns: sessions-vtab help sessions",
        ]
        assert cli("query", "SELECT count(*) AS n FROM sessions").out == "n\n1\n"

    def test_other_formats_print_rows_only(self, cli, home):
        path = home / "a.sql"
        path.write_text("-- title\nSELECT :v AS a;")

        done = cli("run", str(path), "--format", "jsonl", "-p", "v", "x")

        assert done.out == '{"a":"x"}\n'

    def test_standard_input_is_a_dash(self, cli):
        done = cli("run", "-", stdin="SELECT nope;")

        assert done.err.startswith("Error in standard input, line 1, statement 1: ")

    @pytest.mark.parametrize(
        ("content", "message"), [(None, "cannot be read"), (b"\xff", "is not UTF-8 text")]
    )
    def test_a_file_that_cannot_be_read_is_an_error(self, cli, home, content, message):
        path = home / "a.sql"
        if content is not None:
            path.write_bytes(content)

        done = cli("run", str(path))

        assert done.status == 2
        assert message in done.err


class TestCommonOptions:
    @pytest.mark.parametrize(
        "arguments",
        [
            (*TWO, "query", "SQL"),
            ("query", *TWO, "SQL"),
            (*TWO[:2], "query", "SQL", *TWO[2:]),
        ],
    )
    def test_options_are_accepted_before_or_after_the_command(self, cli, arguments):
        sql = (
            f"{INSERT};"
            "SELECT (SELECT count(*) FROM one.sessions) AS one,"
            " (SELECT count(*) FROM two.sessions) AS two"
        )

        done = cli(*(sql if argument == "SQL" else argument for argument in arguments))

        assert done.out == "one,two\n1,0\n"

    @pytest.mark.parametrize("place", ["before", "after"])
    def test_read_only_refuses_writes(self, cli, place):
        option = ["--read-only"]
        done = cli(
            *(option if place == "before" else []),
            *("query", INSERT),
            *(option if place == "after" else []),
        )

        assert done.status == 1
        assert "read-only" in done.err

    @pytest.mark.parametrize(
        ("arguments", "expected"),
        [
            ((), (None, None)),
            (("--max-writes", "1"), (1, None)),
            (("--max-writes", "0", "--max-requests", "20"), (0, 20)),
        ],
    )
    def test_limits_are_those_of_the_connection(self, cli, monkeypatch, arguments, expected):
        budgets = []
        monkeypatch.setattr(
            "sessions_vtab.cli.execution.prepare",
            lambda connection: budgets.append(connection.budget),
        )

        cli(*MEMORY, *arguments, "query", "SELECT 1")

        assert [(budget.max_writes, budget.max_requests) for budget in budgets] == [expected]

    def test_the_configuration_file_is_read(self, cli, home):
        path = home / "c.toml"
        path.write_text("[sources.mine]\nurl = 'local://:memory:'\n[views]\nv = 'SELECT 7 AS x'\n")

        assert cli("--config", str(path), "query", "SELECT x FROM v").out == "x\n7\n"
        assert cli("query", "--config", str(path), "SELECT 1 FROM mine.sessions").status == 0

    @pytest.mark.parametrize(
        ("arguments", "message"),
        [
            (("--source", "vertx://a", "query", "SELECT 1"), "Did you mean vertex?"),
            (("--source", "local:///a?api_key=hunter2", "query", "1"), "must not hold a secret"),
            (("--config", "absent.toml", "query", "SELECT 1"), "absent.toml does not exist"),
            (("--max-writes", "many", "query", "SELECT 1"), "'many' is not a whole number"),
            (("qurey", "SELECT 1"), "Did you mean query?"),
            (("query", "SELECT 1", "--format", "jsn"), "Did you mean json?"),
            (("query",), "required: SQL"),
            (("help", "sesions"), "Did you mean sessions?"),
            (("sources", "prod"), "There is no source 'prod'"),
        ],
    )
    def test_wrong_usage_exits_with_2_and_an_explanation(self, cli, arguments, message):
        done = cli(*arguments)

        assert (done.status, done.out) == (2, "")
        assert message in done.err
        assert "hunter2" not in done.err

    def test_the_version_names_sqlites_too(self, cli):
        assert cli("--version").out.startswith("sessions_vtab 0.")


class TestExplain:
    def test_it_says_per_table_what_is_sent_and_what_is_checked_here(self, cli):
        done = cli(*MEMORY, "explain", "SELECT user_id FROM sessions s WHERE session_id = 'x'")

        lines = done.out.splitlines()
        assert done.status == 0
        assert lines[0].startswith("local.sessions s  get")
        assert lines[1].startswith("  sent      session_id = ")
        assert lines[2].startswith("  here      ")
        assert lines[-1] == "  requests  none"

    def test_names_are_taken_in_any_case(self, cli):
        done = cli(*TWO, "explain", "SELECT * FROM TWO.Sessions")

        assert done.out.splitlines()[0].startswith("two.Sessions  list")
        assert done.out.splitlines()[-1] == "  requests  none"

    @pytest.mark.parametrize("view", ["turns", "usage_by_session e", "two.tool_calls AS sessions"])
    def test_the_tables_of_a_view_are_named(self, cli, view):
        """Whatever the statement calls something else by the names within the view."""
        done = cli(*TWO, "explain", f"SELECT * FROM {view} WHERE session_id = 'x'")

        source = view.partition(".")[0] if "." in view else "one"
        read = [line for line in done.out.splitlines() if f"{source}." in line]
        assert read
        assert "not known" not in done.out

    def test_it_runs_nothing(self, cli):
        cli("explain", INSERT)

        assert cli("query", "SELECT count(*) AS n FROM sessions").out == "n\n0\n"

    def test_a_statement_that_cannot_be_prepared_is_an_error(self, cli):
        done = cli("explain", "SELECT nope FROM sessions")

        assert done.status == 1
        assert "sessions has no column nope." in done.err

    def test_a_table_of_another_owner_is_shown_in_sqlites_words(self, cli):
        assert cli("explain", "SELECT 1").out == "SCAN CONSTANT ROW\n"


class TestSources:
    def test_they_are_listed_with_where_they_are(self, cli):
        done = cli(*TWO, "sources")

        first, second = done.out.splitlines()
        assert first.startswith("  one  (default)  ")
        assert first.endswith(", read and write")
        assert second.startswith("  two             ")

    def test_a_read_only_source_says_so(self, cli):
        done = cli("--source", "local://:memory:?read_only=1", "sources")

        assert done.out.endswith(", read-only\n")

    def test_a_check_tries_each(self, cli):
        done = cli(*TWO, "sources", "--check", "two")

        assert done.status == 0
        assert done.out.startswith("two: ok, sessions can be read, ")
        assert len(done.out.splitlines()) == 1

    def test_a_failed_check_ends_with_1(self, cli, home):
        path = home / "broken.db"
        path.write_bytes(b"this is no database, whatever its name says" * 100)

        done = cli("--source", f"local://{path}", "sources", "--check")

        assert (done.status, done.out) == (1, "")
        assert done.err.startswith("local: ")


class TestHelp:
    def test_help_describes_the_configured_sources(self, cli):
        done = cli("--source", "mine=local://:memory:", "help", "sessions")

        assert done.status == 0
        assert "In the source mine" in done.out

    def test_without_a_topic_it_lists_them(self, cli):
        assert "append_event" in cli("help").out

    def test_as_markdown_it_is_the_whole_reference(self, cli):
        done = cli("help", "--markdown")

        assert "\n## append_event\n" in done.out
        assert "\n## transactions\n" in done.out

    def test_it_is_there_when_the_configuration_is_wrong(self, cli):
        done = cli("--config", "absent.toml", "help", "sessions")

        assert done.status == 0
        assert "session_id" in done.out
        assert "absent.toml does not exist" in done.err


class TestEmulator:
    def test_its_options_are_settings_of_the_emulator(self, cli, monkeypatch):
        given = []
        monkeypatch.setattr("sessions_vtab.emulator.serve.serve", lambda *all_: given.append(all_))

        options = ("--port", "0", "--seed", "7", "--data", "d", "--delay", "0", "--strict-filters")
        assert cli("emulator", *options).status == 0
        ((settings, port),) = given
        assert (port, settings.seed, settings.data, settings.delay) == (0, 7, Path("d"), 0.0)
        assert settings.strict_filters

    @pytest.mark.parametrize("package", ["fastapi", "uvicorn"])
    def test_without_its_packages_the_error_names_what_to_install(self, cli, monkeypatch, package):
        import sessions_vtab.emulator  # noqa: PLC0415

        monkeypatch.delattr(sessions_vtab.emulator, "serve", raising=False)
        for name in [n for n in sys.modules if n.startswith("sessions_vtab.emulator.")]:
            monkeypatch.delitem(sys.modules, name)
        monkeypatch.setitem(sys.modules, package, None)

        done = cli("emulator")

        assert done.status == 2
        assert (
            f"The emulator needs {package}. Run: {sys.executable} -m pip install 'fastapi"
            in done.err
        )
        shown, wrong = cli("emulator", "--help"), cli("emulator", "--sed", "7")
        assert (shown.status, wrong.status) == (0, 2)
        assert "--seed N" in shown.out
        assert "needs" not in shown.err + wrong.err
