"""The program as a process: exit status, streams, terminals, signals, start-up."""

from __future__ import annotations

import os
import select
import signal
import subprocess
import sys
import time
from fnmatch import fnmatchcase

import pytest

from sessions_vtab.cli import progress as progress_module
from sessions_vtab.cli.progress import paused, progress
from sessions_vtab.vtab.sending import Sending

COMMAND = (sys.executable, "-m", "sessions_vtab")
ENDLESS = "WITH RECURSIVE c(x) AS (SELECT 1 UNION ALL SELECT x + 1 FROM c) SELECT count(*) FROM c"

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
        [*COMMAND, "query", sql], stdout=subprocess.PIPE, stderr=subprocess.PIPE
    ) as process:
        process.stdout.readline()
        process.stdout.close()
        errors = process.stderr.read()

    assert (process.returncode, errors) == (141, b"")


@posix
def test_ctrl_c_ends_a_query_with_130():
    with subprocess.Popen(
        [*COMMAND, "query", f"SELECT 1 AS a; {ENDLESS}"],
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
    ) as process:
        assert process.stdout.readline() == b"a\n"
        time.sleep(0.2)
        process.send_signal(signal.SIGINT)
        _, errors = process.communicate(timeout=20)

    assert (process.returncode, errors) == (130, b"Interrupted.\n")


class Typist:
    """A terminal with the shell in it."""

    def __init__(self) -> None:
        import pty  # noqa: PLC0415

        self.pid, self.terminal = pty.fork()
        if self.pid == 0:
            os.environ["TERM"] = "dumb"
            os.execv(sys.executable, COMMAND)

    def reads_until(self, text: str) -> str:
        seen, deadline = "", time.monotonic() + 20
        while text not in seen:
            ready, _, _ = select.select([self.terminal], [], [], 0.1)
            if ready:
                seen += os.read(self.terminal, 65536).decode(errors="replace")
            assert time.monotonic() < deadline, seen
        return seen.replace("\r\n", "\n")

    def types(self, text: str) -> None:
        os.write(self.terminal, text.encode())

    def ends(self) -> int:
        deadline = time.monotonic() + 20
        while True:
            try:
                os.read(self.terminal, 65536)
            except OSError:
                return os.waitstatus_to_exitcode(os.waitpid(self.pid, 0)[1])
            assert time.monotonic() < deadline


@posix
@pytest.mark.filterwarnings("ignore:This process .* is multi-threaded:DeprecationWarning")
def test_a_person_meets_banner_footer_and_an_interrupt_that_leaves_the_shell():
    typist = Typist()

    banner = typist.reads_until("sessions> ")
    typist.types("SELECT user_id FROM sessions;\n")
    answer = typist.reads_until("0 rows, ")
    typist.types(f"{ENDLESS};\n")
    time.sleep(0.5)
    typist.types("\x03")
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
def test_a_person_confirms_a_large_write_and_the_shell_continues():
    many = (
        "INSERT INTO sessions(user_id) WITH RECURSIVE c(x) AS (SELECT 1 UNION ALL SELECT x + 1"
        " FROM c LIMIT 9) SELECT x FROM c;\n"
    )
    typist = Typist()
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
    typist.types("\x03")
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


@posix
def test_progress_is_shown_on_a_terminal_while_a_statement_takes_long(monkeypatch):
    stream = Terminal()
    monkeypatch.setattr(sys, "stderr", stream)
    monkeypatch.setattr(progress_module, "_FIRST", 0.01)

    with progress(lambda: 7):
        deadline = time.monotonic() + 10
        while "7 requests, " not in stream.written and time.monotonic() < deadline:
            time.sleep(0.01)

    assert "7 requests, 0." in stream.written
    assert stream.written.endswith("\r\x1b[K")


@posix
@pytest.mark.parametrize(
    ("made", "expected", "told"),
    [
        (285, 1_212, "285 of about 1 212 requests, 0."),
        (285, None, "285 requests, 0."),
        # It was longer than it was thought to be.
        (1_300, 1_212, "1300 requests, 0."),
    ],
)
def test_progress_says_of_how_many_where_that_is_known(monkeypatch, made, expected, told):
    stream = Terminal()
    monkeypatch.setattr(sys, "stderr", stream)
    monkeypatch.setattr(progress_module, "_FIRST", 0.01)

    with progress(lambda: made, expected=lambda: expected):
        deadline = time.monotonic() + 10
        while told not in stream.written and time.monotonic() < deadline:
            time.sleep(0.01)

    assert told in stream.written


@posix
@pytest.mark.parametrize(
    ("total", "answered", "elapsed", "told"),
    [
        (1_000, 50, 3.0, "50 of 1000 writes, 0.* s, about 57 s left .."),
        (1_000, 900, 3.0, "900 of 1000 writes, 0.* s .."),
        (1_000, 0, 30.0, "0 of 1000 writes, 0.* s .."),
        (1, 0, 30.0, "7 requests, 0.* s .."),
    ],
)
def test_a_long_commit_shows_its_progress_and_the_time_left(
    monkeypatch, total, answered, elapsed, told
):
    stream = Terminal()
    monkeypatch.setattr(sys, "stderr", stream)
    monkeypatch.setattr(progress_module, "_FIRST", 0.01)
    sending = Sending(total, answered, time.perf_counter() - elapsed)

    with progress(lambda: 7, lambda: sending):
        deadline = time.monotonic() + 10
        while " .." not in stream.written and time.monotonic() < deadline:
            time.sleep(0.01)

    assert fnmatchcase(stream.written, f"*{told}*")


@posix
def test_progress_ends_when_rows_are_printed(monkeypatch):
    stream = Terminal()
    monkeypatch.setattr(sys, "stderr", stream)
    monkeypatch.setattr(progress_module, "_FIRST", 0.01)

    with progress(lambda: 7) as end:
        end()
        time.sleep(0.05)

    assert stream.written == ""


@posix
def test_progress_is_not_written_over_a_question(monkeypatch):
    stream = Terminal()
    monkeypatch.setattr(sys, "stderr", stream)
    monkeypatch.setattr(progress_module, "_FIRST", 0.01)
    monkeypatch.setattr(progress_module, "_EVERY", 0.01)

    with progress(lambda: 7):
        with paused():
            stream.write("Sure?")
            time.sleep(0.05)
        asked = stream.written
        deadline = time.monotonic() + 10
        while stream.written == asked and time.monotonic() < deadline:
            time.sleep(0.01)

    assert asked.endswith("Sure?")
    assert "7 requests, 0." in stream.written.removeprefix(asked)


def test_progress_is_not_shown_elsewhere(capsys):
    with progress(lambda: 7):
        pass

    assert capsys.readouterr().err == ""
