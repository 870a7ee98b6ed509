"""The program as a process: exit status, streams, terminals, signals, start-up."""

from __future__ import annotations

import inspect
import io
import os
import re
import signal
import subprocess
import sys
from shutil import which
from types import SimpleNamespace

import pytest

from sessions_vtab.cli import main
from sessions_vtab.cli import terminal as terminal_module
from sessions_vtab.cli.terminal import PROGRESS, ask
from sessions_vtab.emulator.serve import running
from sessions_vtab.emulator.service import EmulatorSettings
from sessions_vtab.progress import Progress
from tests.children import mortal
from tests.clocks import delays_last
from tests.waiting import wait_for

COMMAND = (sys.executable, "-m", "sessions_vtab")
ENDLESS = "WITH RECURSIVE c(x) AS (SELECT 1 UNION ALL SELECT x + 1 FROM c) SELECT count(*) FROM c"
COUNTED = ENDLESS.replace("x + 1 FROM c", "x + 1 FROM c WHERE x < 100000")

posix = pytest.mark.skipif(sys.platform == "win32", reason="signals and terminals are POSIX'")


def run(*arguments: str, stdin: str = "") -> subprocess.CompletedProcess[str]:
    return subprocess.run(
        [*COMMAND, *arguments], input=stdin, capture_output=True, encoding="utf-8", check=False
    )


def test_a_pipe_is_read_statement_by_statement():
    done = run(stdin="SELECT 1 AS a;\n.print dot\nSELECT 'é' AS b")

    assert (done.returncode, done.stdout, done.stderr) == (0, "a\n1\ndot\nb\né\n", "")


def test_a_pipe_ends_at_its_first_error():
    done = run(stdin="SELECT 1 AS a;\nSELECT nope;\nSELECT 2 AS b;")

    assert (done.returncode, done.stdout) == (1, "a\n1\n")
    assert done.stderr.startswith("Error in line 2: There is no column nope.\n")


def test_a_pipe_that_leaves_a_transaction_open_ends_with_1():
    done = run(stdin="BEGIN; INSERT INTO sessions(user_id) VALUES ('ann');\n")

    assert done.returncode == 1
    assert done.stderr == "Error: the transaction was not committed and has been rolled back.\n"


@pytest.mark.parametrize("stdin", [".nonsense\n", "SELECT 'open;\n", ".inspect nothing\n"])
def test_a_pipe_that_is_not_sql_exits_with_1(stdin):
    done = run(stdin=stdin + "SELECT 2;")

    assert (done.returncode, done.stdout) == (1, "")
    assert done.stderr.startswith("Error")
    assert "Traceback" not in done.stderr


def test_the_tour_through_the_program_itself():
    inserted = run(
        "query",
        "INSERT INTO sessions(session_id, user_id) VALUES ('s1', 'ann') RETURNING session_id",
    )
    appended = run("query", "SELECT event_id FROM append_event('s1', 'user', 'Hello')")
    read = run("query", "SELECT author, text FROM events WHERE session_id = 's1'")

    assert (inserted.stdout, inserted.stderr) == ("session_id\ns1\n", "")
    assert appended.returncode == 0, appended.stderr
    assert read.stdout == "author,text\nuser,Hello\n"


def test_a_select_on_the_default_source_loads_nothing_slow():
    code = (
        "import sys; from sessions_vtab.cli import main; main(['query', 'SELECT 1 AS a']);"
        "slow = {'pydantic', 'httpx', 'sqlglot', 'tomllib', 'fastapi', 'apsw.shell', 'apsw.ext'};"
        "print(sorted(slow & sys.modules.keys()))"
    )
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)

    assert done.stdout == "a\n1\n[]\n"


@posix
def test_a_reader_that_leaves_ends_the_program_quietly():
    sql = "WITH RECURSIVE c(x) AS (SELECT 1 UNION ALL SELECT x + 1 FROM c) SELECT x FROM c"
    with subprocess.Popen(
        mortal([*COMMAND, "query", sql]), stdout=subprocess.PIPE, stderr=subprocess.PIPE
    ) as process:
        process.stdout.readline()
        process.stdout.close()
        errors = process.stderr.read()

    assert (process.returncode, errors) == (141, b"")


@posix
def test_ctrl_c_ends_a_query_with_130():
    with subprocess.Popen(
        mortal([*COMMAND, "query", f"SELECT 1 AS a; {ENDLESS}"]),
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
    ) as process:
        assert process.stdout.readline() == b"a\n"
        process.send_signal(signal.SIGINT)
        _, errors = process.communicate(timeout=20)

    assert (process.returncode, errors) == (130, b"Interrupted.\n")


class Stop:
    """Ctrl-C while a module is imported."""

    def find_spec(self, name, *_):
        if name == "sessions_vtab.cli.arguments":
            raise KeyboardInterrupt


@pytest.mark.parametrize(
    "where",
    [
        pytest.param("sys.meta_path.insert(0, Stop())", id="in an import"),
        # As every dataclass does when it is made: then Python itself would end by the signal.
        pytest.param("streams.use_utf8 = lambda: exec('raise KeyboardInterrupt')", id="in a text"),
    ],
)
def test_ctrl_c_ends_a_command_with_130_wherever_it_comes(where, tmp_path):
    program = (
        f"{inspect.getsource(Stop)}\nimport sys\nfrom sessions_vtab.cli import main, streams\n"
    )
    (tmp_path / "stopped.py").write_text(f"{program}{where}\nsys.exit(main(['init']))")
    done = subprocess.run(
        [sys.executable, "-m", "stopped"], cwd=tmp_path, capture_output=True, check=False
    )

    assert (done.returncode, done.stderr) == (130, b"Interrupted.\n")


@posix
@pytest.mark.filterwarnings("ignore:This process .* is multi-threaded:DeprecationWarning")
def test_a_person_meets_banner_footer_and_an_interrupt_that_leaves_the_shell(sits_down):
    typist = sits_down()

    banner = typist.reads_until("sessions> ")
    typist.types("SELECT user_id FROM sessions;\n")
    answer = typist.reads_until("0 rows, ")
    typist.types(f"SELECT 'now' || ' then'; {ENDLESS};\n")
    typist.reads_until("now then")
    typist.interrupts()
    typist.reads_until("Interrupted.")
    typist.types("SELECT 'still' || ' here';\n")
    typist.reads_until("still here")
    typist.types(".quit\n")

    assert typist.ends() == 0
    assert "SQL over session APIs." in banner
    assert "local  (default)" in banner
    assert "Traceback" not in answer


@posix
@pytest.mark.filterwarnings("ignore:This process .* is multi-threaded:DeprecationWarning")
def test_a_person_confirms_a_large_write_and_the_shell_continues(sits_down):
    many = (
        "INSERT INTO sessions(user_id) WITH RECURSIVE c(x) AS (SELECT 1 UNION ALL SELECT x + 1"
        " FROM c LIMIT 9) SELECT x FROM c;\n"
    )
    typist = sits_down()
    typist.reads_until("sessions> ")
    typist.types(".set max_writes 5\n")
    typist.types(many)
    typist.reads_until(
        "This statement would write 9 rows to local (max_writes 5). Send them? [y/N] "
    )
    typist.types("n\n")
    refused = typist.reads_until(".set max_writes N")
    typist.types(many)
    typist.reads_until("Send them? [y/N] ")
    typist.interrupts()
    typist.reads_until("Interrupted.")
    typist.types(many)
    typist.reads_until("Send them? [y/N] ")
    typist.types("y\n")
    typist.reads_until("9 rows changed")
    typist.types("SELECT 'there are ' || count(*) FROM sessions;\n")
    typist.reads_until("there are 9")
    typist.types(".quit\n")

    assert typist.ends() == 0
    assert "insert more than 5 rows" in refused


class Terminal:
    """A stream that is a terminal and keeps what is written."""

    def __init__(self) -> None:
        self.written = ""

    def write(self, text: str) -> None:
        self.written += text

    def flush(self) -> None:
        pass

    def isatty(self) -> bool:
        return True


@pytest.fixture
def terminal(monkeypatch) -> Terminal:
    stream = Terminal()
    # Between a fixture and its test, pytest puts its own stream into ``sys`` again.
    monkeypatch.setattr(terminal_module, "sys", SimpleNamespace(stderr=stream, stdin=sys.stdin))
    monkeypatch.setenv("TERM", "xterm")
    return stream


SEVEN = Progress(7, None, "request", 1.2, 1.2)
LINE = "\r\x1b[K7 requests, 1.2 s .."


def test_progress_is_shown_on_a_terminal_while_a_statement_runs(terminal):
    PROGRESS(SEVEN)
    with PROGRESS.of_statement():
        PROGRESS(SEVEN)
        PROGRESS(SEVEN)
    PROGRESS(SEVEN)

    assert terminal.written == f"{LINE}{LINE}\r\x1b[K"


def test_progress_ends_before_rows_are_printed(terminal):
    with PROGRESS.of_statement() as end:
        end()
        PROGRESS(SEVEN)

    assert terminal.written == ""


def test_progress_is_not_written_over_a_question(terminal, monkeypatch):
    monkeypatch.setattr(terminal_module.sys, "stdin", io.StringIO("y\n"))
    with PROGRESS.of_statement():
        PROGRESS(SEVEN)
        assert ask("Sure?")
        PROGRESS(SEVEN)

    assert terminal.written == f"{LINE}\r\x1b[KSure? [y/N] {LINE}\r\x1b[K"


def test_a_terminal_that_does_not_move_its_cursor_shows_no_progress(terminal, monkeypatch):
    monkeypatch.setenv("TERM", "dumb")

    with PROGRESS.of_statement():
        PROGRESS(SEVEN)

    assert terminal.written == ""


def test_progress_is_not_shown_elsewhere(capsys):
    with PROGRESS.of_statement():
        PROGRESS(SEVEN)

    assert capsys.readouterr().err == ""


def test_the_connection_of_a_command_tells_also_while_sqlite_computes(terminal, monkeypatch):
    monkeypatch.setattr("sessions_vtab.progress.FIRST", 0.0)

    assert main(["query", "--source", "local://:memory:", COUNTED]) == 0

    assert re.search(r"\r\x1b\[K0 requests, \d\.\d s \.\.", terminal.written)
    assert terminal.written.endswith("\r\x1b[K")


class TestText:
    """Text in and out, whatever the locale says."""

    @staticmethod
    def done(*arguments: str, stdin: bytes = b"", **variables: str):
        environment = {**os.environ, "PYTHONUTF8": "0", "PYTHONCOERCECLOCALE": "0", **variables}
        return subprocess.run(
            [*COMMAND, *arguments], input=stdin, capture_output=True, env=environment, check=False
        )

    @pytest.mark.parametrize("arguments", [("query", "SELECT 'ЖЩЮ' AS v"), ("query", "-"), ()])
    def test_a_redirected_stream_is_utf_8(self, arguments):
        done = self.done(*arguments, stdin="SELECT 'ЖЩЮ' AS v".encode(), LC_ALL="C.UTF-8")

        assert (done.returncode, done.stdout) == (0, "v\nЖЩЮ\n".encode())

    @posix
    def test_it_is_utf_8_in_a_latin_1_locale_too(self):
        done = self.done("query", "-", stdin="SELECT 'ЖЩЮ' AS v".encode(), LC_ALL="C")

        assert (done.returncode, done.stdout) == (0, "v\nЖЩЮ\n".encode())

    @pytest.mark.parametrize(
        ("arguments", "status", "error"),
        [
            (("query", "-"), 2, b"Error: Standard input is not UTF-8 text.\n"),
            (("run", "-"), 2, b"Error: Standard input is not UTF-8 text.\n"),
            ((), 1, b"Error: The input is not utf-8 text.\n"),
        ],
    )
    @pytest.mark.parametrize("locale", ["C", "C.UTF-8"])
    def test_input_that_is_not_utf_8_is_one_clear_error(self, arguments, status, error, locale):
        done = self.done(*arguments, stdin=b"SELECT '\xff';", LC_ALL=locale)

        assert (done.returncode, done.stdout, done.stderr) == (status, b"", error)

    @posix
    @pytest.mark.parametrize("locale", ["C", "C.UTF-8"])
    def test_an_argument_that_is_not_text_is_one_clear_error(self, locale):
        environment = {**os.environ, "LC_ALL": locale}
        done = subprocess.run(
            [*map(os.fsencode, COMMAND), b"query", b"SELECT '\xff'"],
            capture_output=True,
            env=environment,
            check=False,
        )

        assert (done.returncode, done.stdout) == (2, b"")
        assert done.stderr.startswith(b"Error: Argument 2 (SELECT '\\xff') is not valid ")

    @pytest.mark.parametrize("arguments", [("query",), ("-cmd", ".print x")])
    @pytest.mark.parametrize(
        ("sql", "error"),
        [
            ("SELECT CAST(x'ff' AS TEXT)", b"The result contains text that is not valid UTF-8."),
            ("VALUES ('a'), (CAST(x'ff' AS TEXT))", b"The result contains text that is not valid"),
            ("SELECT char(1046)", b"The output contains characters that ascii does not have."),
        ],
    )
    def test_a_value_that_cannot_be_read_or_written_is_one_clear_error(self, arguments, sql, error):
        done = self.done(*arguments, sql, PYTHONIOENCODING="ascii")

        assert done.returncode == 1
        assert done.stderr.startswith(b"Error: " + error)
        assert done.stderr.count(b"\n") <= 2

    def test_an_error_shows_what_its_stream_cannot(self):
        done = self.done("query", "SELECT ЖЩЮ", PYTHONIOENCODING="ascii")

        assert done.returncode == 1
        assert rb"There is no column \u0416\u0429\u042e." in done.stderr


@posix
def test_ctrl_c_says_how_many_requests_were_made(monkeypatch):
    delays_last(monkeypatch, after=2)
    with running(EmulatorSettings(seed=7, sessions=60, events=60, delay=1)) as emulator:
        url = f"vertex://demo/us-central1/42?base_url={emulator.url}"
        with subprocess.Popen(
            mortal([*COMMAND, "--source", url, "query", "SELECT author FROM events"]),
            stdout=subprocess.PIPE,
            stderr=subprocess.PIPE,
        ) as process:
            wait_for(lambda: len(emulator.control.requests()) > 2)
            process.send_signal(signal.SIGINT)
            _, errors = process.communicate(timeout=20)

    assert process.returncode == 130
    assert re.fullmatch(rb"Interrupted\. \d+ requests were made\.\n", errors), errors


@pytest.mark.parametrize("shell", ["bash", "zsh"])
def test_completion_knows_commands_and_options(shell):
    done = run("completion", shell)

    assert (done.returncode, done.stderr) == (0, "")
    for word in ("snapshot", "--fail-if-rows", "--source"):
        assert word in done.stdout


@posix
@pytest.mark.skipif(not which("bash"), reason="there is no bash")
def test_the_completion_of_bash_completes():
    script = (
        'eval "$(cat)"; COMP_WORDS=(sessions-vtab sna); COMP_CWORD=1;'
        " _shtab_sessions_vtab; echo ${COMPREPLY[@]}"
    )
    done = subprocess.run(
        ["bash", "-c", script],
        input=run("completion", "bash").stdout,
        capture_output=True,
        text=True,
        check=True,
    )

    assert done.stdout == "snapshot\n"
