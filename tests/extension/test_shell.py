"""The sqlite3 shell of the system, as a user has it."""

from __future__ import annotations

import os
import re
import select
import shutil
import subprocess
import sys
from contextlib import suppress
from pathlib import Path
from types import SimpleNamespace

import pytest

from tests.clocks import delays_last
from tests.waiting import wait_for

SHELL = shutil.which("sqlite3") or ""

pytestmark = pytest.mark.skipif(not SHELL, reason="there is no sqlite3 shell: apt install sqlite3")


def _run(library: Path, sql: str, *options: str, file: str = ":memory:") -> tuple[str, str]:
    done = subprocess.run(
        [SHELL, "-batch", *options, "-cmd", f".load {library.with_suffix('')}", file],
        input=sql,
        capture_output=True,
        text=True,
        check=False,
    )
    return done.stdout, done.stderr


def test_it_reads_joins_writes_and_calls(both: SimpleNamespace, library: Path) -> None:
    both.emulator.control.reset()

    shown, errors = _run(
        library,
        """
        SELECT count(*) FROM prod.sessions;
        SELECT count(*) FROM prod.sessions s JOIN prod.events e ON e.session_name = s.name;
        INSERT OR IGNORE INTO sessions(session_id, user_id) VALUES ('shell', 'ann');
        SELECT count(event_id) FROM append_event('shell', 'user', 'hi');
        SELECT user_id, text FROM sessions JOIN events USING (session_id)
        WHERE session_id = 'shell';
        SELECT nosuch FROM prod.sessions;
        SELECT * FROM prod.append_event('nosuch', 'user', 'hi');
        """,
    )

    assert shown.splitlines() == ["30", "120", "1", "ann|hi"]
    assert "no such column: nosuch" in errors
    assert "nosuch" in errors.splitlines()[-1]


def test_its_own_commands_list_and_describe_the_tables(
    both: SimpleNamespace, library: Path
) -> None:
    shown, errors = _run(library, ".tables\n.schema sessions\n.databases\n")

    assert errors == ""
    assert {"prod.sessions", "local.events"} <= set(shown.split())
    assert "append_event" not in shown
    assert "USING sessions_vtab" in shown


@pytest.mark.parametrize("option", ["-readonly", "-safe"])
def test_options_of_the_shell(both: SimpleNamespace, library: Path, option: str) -> None:
    both.emulator.control.reset()
    file = both.folder / "plain.db"
    if not file.exists():
        subprocess.run([SHELL, str(file), "CREATE TABLE own(a)"], check=True)

    shown, errors = _run(
        library,
        "SELECT count(*) FROM prod_sessions;\n"
        "INSERT INTO prod_sessions(session_id, user_id) VALUES ('x', 'y');\n",
        option,
        file=str(file),
    )

    if option == "-safe":
        assert "cannot run .load in safe mode" in errors
        return
    assert shown.split()[0] == "30"
    assert ("read-only" in errors) == (option == "-readonly")


def test_the_start_up_file_and_the_command_may_both_load(
    both: SimpleNamespace, library: Path, tmp_path: Path
) -> None:
    both.emulator.control.reset()
    start = tmp_path / "sqliterc"
    start.write_text(f".load {library}\n")

    shown, errors = _run(library, "SELECT count(*) FROM prod.sessions;\n", "-init", str(start))

    assert (shown.strip(), "already" in errors) == ("30", False)


@pytest.mark.skipif(sys.platform == "darwin", reason="the terminal's device differs")
def test_control_c_stops_the_statement_and_not_the_process(
    both: SimpleNamespace, library: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    import pty  # noqa: PLC0415  # Not on Windows.

    both.emulator.control.reset()
    go = delays_last(monkeypatch, after=2)
    both.emulator.control.delay(1)
    pid, terminal = pty.fork()
    if pid == 0:
        os.execv(SHELL, [SHELL, "-cmd", f".load {library}", ":memory:"])
    shown = ""

    def see(text: str) -> None:
        wait_for(lambda: text in _read())

    def _read() -> str:
        nonlocal shown
        with suppress(OSError):
            while select.select([terminal], [], [], 0.01)[0]:
                shown += os.read(terminal, 65_536).decode()
        return shown

    def type_(text: str) -> None:
        nonlocal shown
        shown = ""
        os.write(terminal, text.encode())

    see("sqlite> ")
    type_("SELECT 'process ' || pid FROM sessions_vtab_info();\n")
    see("sqlite> ")
    first = re.findall(r"process \d+", shown)[0]  # Newer shells draw a table around it.
    both.emulator.control.reset_log()
    type_("SELECT count(*), count(text) FROM prod.events;\n")
    wait_for(lambda: len(both.emulator.control.requests()) > 2)
    type_("\x03")
    see("interrupted")
    both.emulator.control.delay(0)
    go()
    asked = len(both.emulator.control.requests())
    type_("SELECT 'process ' || pid FROM sessions_vtab_info();\n")
    see(first)
    type_("SELECT 'counted ' || count(*) FROM prod.sessions;\n")
    see("counted 30")
    type_(".exit\n")
    os.waitpid(pid, 0)
    os.close(terminal)

    assert asked < 31
