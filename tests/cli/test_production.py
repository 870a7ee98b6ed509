"""What people who run this for others rely on: read-only, views, init, questions, the audit file."""

from __future__ import annotations

import io
import json
import re
import sys
from contextlib import closing

import pytest

import sessions_vtab
from sessions_vtab import dbapi
from sessions_vtab.cli import main
from sessions_vtab.emulator.serve import running
from sessions_vtab.errors import ConfigurationError, ReadOnlyError

MANY = (
    "INSERT INTO sessions(session_id, user_id) WITH RECURSIVE c(x) AS"
    " (SELECT 1 UNION ALL SELECT x + 1 FROM c LIMIT {0}) SELECT 's' || x, 'ann' FROM c"
)
# Nobody listens there: whatever is sent is another error.
NOWHERE = "vertex://demo/us-central1/42?base_url=http://127.0.0.1:9"


@pytest.fixture
def config(home):
    """Writes the configuration file that is found without being named."""

    def write(text: str) -> str:
        path = home / "config" / "sessions-vtab" / "config.toml"
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(text)
        return str(path)

    return write


@pytest.fixture(scope="module")
def emulator():
    with running() as started:
        started.control.reset(empty=True)
        yield started


class TestReadOnly:
    WRITES = (
        "INSERT INTO prod.sessions(user_id) VALUES ('ann')",
        "UPDATE prod.sessions SET display_name = 'x'",
        "DELETE FROM prod.sessions",
        "DELETE FROM prod.sessions WHERE session_id = 's' RETURNING session_id",
        "SELECT * FROM prod.append_event('s', 'user', 'x')",
    )

    @pytest.fixture(autouse=True)
    def _source(self, config):
        config(
            f"default = 'own'\n[sources.prod]\nurl = '{NOWHERE}'\nread_only = true\n"
            "[sources.own]\nurl = 'local://:memory:'\n"
        )

    @pytest.fixture(params=["query", "run", "shell", "pipe"])
    def face(self, request, cli, home):
        """Runs a statement and returns what the face says on standard error."""

        def run(sql: str) -> str:
            file = home / "a.sql"
            file.write_text(f"{sql};\n")
            arguments, stdin = {
                "query": (("query", sql), ""),
                "run": (("run", str(file)), ""),
                "shell": ((), f"{sql};\n"),
                "pipe": (("query", "-"), sql),
            }[request.param]
            done = cli(*arguments, stdin=stdin)
            assert (done.status, done.out) == (1, "")
            return done.err

        return run

    @pytest.mark.parametrize("sql", WRITES)
    def test_a_source_is_not_written_from_the_command_line(self, face, sql):
        said = " ".join(face(sql).split())

        assert "would write to prod, but the source prod is read-only (read_only)" in said
        assert "Nothing was sent." in said

    @pytest.mark.parametrize("sql", WRITES)
    @pytest.mark.parametrize(
        ("open_", "error"),
        [(sessions_vtab.connect, ReadOnlyError), (dbapi.connect, dbapi.NotSupportedError)],
    )
    def test_a_source_is_not_written_from_python(self, open_, error, sql):
        with closing(open_()) as db:
            with pytest.raises(error, match="the source prod is read-only"):
                db.execute(sql).fetchall()
            db.execute("INSERT INTO own.sessions(user_id) VALUES ('ann')")

    @pytest.mark.parametrize("sql", WRITES)
    @pytest.mark.parametrize("scope", ["connection", "source"])
    def test_init_cannot_write_to_a_read_only_source(self, config, scope, sql):
        file = config(
            f"init = {json.dumps(sql)}\n[sources.prod]\nurl = '{NOWHERE}'\n"
            f"read_only = {'true' if scope == 'source' else 'false'}\n"
        )

        with pytest.raises(ConfigurationError, match=r"init: .*read-only") as caught:
            sessions_vtab.connect(read_only=scope == "connection")

        assert str(caught.value).startswith(f"{file}: init: ")
        assert isinstance(caught.value.__cause__, ReadOnlyError)


class TestViews:
    def test_they_are_temporary_listed_and_seen_by_each_other(self, config, cli):
        config(
            "[sources.own]\nurl = 'local://:memory:'\n[views]\n"
            "names = 'SELECT user_id FROM people'\n"
            "people = '''SELECT * FROM sessions -- all of them\n;'''\n"
        )

        assert cli("query", "SELECT name, type FROM sqlite_temp_schema").out == (
            "name,type\nnames,view\npeople,view\n"
        )
        assert cli("query", "SELECT count(*) AS n FROM names").out == "n\n0\n"
        assert {"names", "people"} <= set(cli(stdin=".tables\n").out.split())

    def test_a_condition_on_one_is_sent(self, config, emulator):
        config(
            "[sources.prod]\nbackend = 'vertex'\nlocation = 'demo/us-central1/42'\n"
            f"base_url = '{emulator.url}'\n"
            "[views]\nrecent = 'SELECT session_id, user_id, create_time FROM sessions'\n"
        )
        with closing(sessions_vtab.connect()) as db:
            db.execute(
                "INSERT OR IGNORE INTO sessions(session_id, user_id) VALUES ('a', 'x'), ('b', 'y')"
            )
            emulator.control.reset_log()
            by_key = db.execute("SELECT user_id FROM recent WHERE session_id = 'a'").fetchall()
            by_user = db.execute("SELECT session_id FROM recent WHERE user_id = 'y'").fetchall()
            (first, second) = emulator.control.requests()

        assert (by_key, by_user) == ([("x",)], [("b",)])
        assert first["path"].endswith("/sessions/a")
        assert "'y'" in second["query"]["filter"] or '"y"' in second["query"]["filter"]

    @pytest.mark.parametrize(
        ("views", "says"),
        [
            ("v = 'SELECT nope FROM sessions'", r"\[views\] v: no such column: nope"),
            ("v = 'SELECT 1 FROM nosuch'", r"\[views\] v: no such table: nosuch"),
            ("v = 'SELEC 1'", r"\[views\] v: near .SELEC.: syntax error"),
            ("v = 'SELECT 1; DROP TABLE sessions'", r"\[views\] v: a view must be a single SELECT"),
            ("v = ''", r"\[views\] v: a view must be a single SELECT"),
            ("v = 'SELECT * FROM v'", r"\[views\] v: view v is circularly defined"),
            (
                "v = \"SELECT * FROM append_event('s', 'user', 'x')\"",
                r"\[views\] v: append_event\(\) has side effects and must run exactly once",
            ),
            ("sessions = 'SELECT 1'", r"\[views\] sessions: the view would hide the table"),
        ],
    )
    def test_an_error_in_one_names_file_key_and_reason(self, config, cli, views, says):
        file = config(f"[sources.own]\nurl = 'local://:memory:'\n[views]\n{views}\n")

        with pytest.raises(ConfigurationError, match=says) as caught:
            sessions_vtab.connect()

        assert str(caught.value).startswith(f"{file}: ")
        done = cli("query", "SELECT 1")
        assert (done.status, done.out) == (2, "")
        assert done.err.startswith(f"Error: {file}: [views] ")


class TestInit:
    def test_every_statement_is_run_to_its_end(self, config):
        config(
            "init = ['SELECT 1; CREATE TEMP TABLE a(x)', '''\n"
            "INSERT INTO a VALUES (1), (2); SELECT * FROM a; INSERT INTO a VALUES (3)''']\n"
            "[sources.own]\nurl = 'local://:memory:'\n"
        )
        with closing(sessions_vtab.connect()) as db:
            assert db.execute("SELECT count(*) FROM a").get == 3

    @pytest.mark.parametrize(
        ("init", "says"),
        [
            ('"SELEC 1"', r"init: near .SELEC.: syntax error"),
            ('["SELECT 1", "SELECT * FROM nosuch"]', r"init\[2\]: no such table: nosuch"),
            ('"BEGIN; CREATE TABLE t(x)"', r"init: the transaction that it begins has no COMMIT"),
        ],
    )
    def test_an_error_names_file_key_and_reason(self, config, init, says):
        file = config(f"init = {init}\n[sources.own]\nurl = 'local://:memory:'\n")

        with pytest.raises(ConfigurationError, match=says) as caught:
            sessions_vtab.connect()

        assert str(caught.value).startswith(f"{file}: ")


PROGRESS = re.compile(r"\r\x1b\[K(?:\d[^\r\n]* \.\.)?")
"""The line of a statement that takes long, or what takes it away: on a busy machine any does."""


class Terminal(io.StringIO):
    def isatty(self) -> bool:
        return True


class TestTheQuestion:
    @pytest.fixture
    def person(self, monkeypatch, home):
        """Runs a command line at a terminal where somebody types; returns status and stderr."""

        def run(typed: str, *arguments: str) -> tuple[int, str]:
            errors = Terminal()
            monkeypatch.setattr("sessions_vtab.progress.FIRST", 3_600.0)  # On a busy machine.
            monkeypatch.setattr(sys, "stdin", Terminal(typed))
            monkeypatch.setattr(sys, "stderr", errors)
            source = f"local://{home}/s.db?max_writes=1000"
            status = main([*arguments, "--source", source])
            with closing(sessions_vtab.connect(source)) as db:
                assert db.execute("SELECT count(*) FROM sessions").get in {0, 2_500}
                assert (status == 0) == (db.execute("SELECT count(*) FROM sessions").get == 2_500)
            return status, PROGRESS.sub("", errors.getvalue())

        return run

    QUESTION = (
        "This statement would write 2 500 rows to local (max_writes 1 000). Send them? [y/N] "
    )

    @pytest.mark.parametrize("answer", ["y\n", " Yes \n"])
    def test_the_answer_yes_writes_the_rows(self, person, answer):
        assert person(answer, "query", MANY.format(2_500)) == (0, self.QUESTION)

    @pytest.mark.parametrize("answer", ["n\n", "\n", "", "yo\n"])
    def test_anything_else_is_an_error_with_the_hint(self, person, answer):
        status, said = person(answer, "query", MANY.format(2_500))

        assert status == 1
        assert said.startswith(f"{self.QUESTION}Error: The statement would insert more than 1000")
        assert said.endswith("--max-writes N\n")

    def test_a_file_that_is_run_asks_too(self, person, home):
        (home / "a.sql").write_text(MANY.format(2_500))

        assert person("y\n", "run", str(home / "a.sql")) == (0, self.QUESTION)

    @pytest.mark.parametrize("arguments", [("query", "-"), ("run", "-"), ()])
    def test_statements_from_a_pipe_ask_nobody(self, cli, arguments):
        source = ("--source", "local://:memory:?max_writes=1000")
        done = cli(*source, *arguments, stdin=MANY.format(2_500) + ";\ny\n")

        assert done.status == 1
        assert "[y/N]" not in done.err
        assert "(max_writes). Nothing was written." in " ".join(done.err.split())


def test_every_write_is_noted_in_the_file_given_with_audit(cli, home):
    file = home / "audit.jsonl"
    insert = "INSERT INTO sessions(session_id, user_id) VALUES ('s1', 'ann')"
    for arguments in (("--audit", str(file), "query", insert), ("query", insert)):
        cli("--source", "local://:memory:", *arguments)

    (line,) = [json.loads(line) for line in file.read_text().splitlines()]
    assert (line["table"], line["action"], line["outcome"]) == ("sessions", "insert", "sent")
