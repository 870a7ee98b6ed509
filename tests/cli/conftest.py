from __future__ import annotations

import io
import os
import re
import select
import signal
import struct
import sys
import time
from collections.abc import Callable, Iterator
from dataclasses import dataclass

import pytest

from sessions_vtab.cli import main
from sessions_vtab.hints import Names


@pytest.fixture(autouse=True)
def home(tmp_path, monkeypatch):
    """A home of its own for data, configuration and history; the test runs in another folder."""
    for name in ("HOME", "USERPROFILE", "APPDATA", "LOCALAPPDATA"):
        monkeypatch.setenv(name, str(tmp_path))
    for kind in ("DATA", "CONFIG", "STATE"):
        monkeypatch.setenv(f"XDG_{kind}_HOME", str(tmp_path / kind.lower()))
    monkeypatch.delenv("SESSIONS_VTAB_CONFIG", raising=False)
    work = tmp_path / "work"
    work.mkdir()
    monkeypatch.chdir(work)
    return tmp_path


@dataclass(frozen=True)
class Done:
    status: int
    out: str
    err: str


@pytest.fixture
def cli(capsys, monkeypatch) -> Callable[..., Done]:
    """Runs one command line in this process."""

    def run(*arguments: str, stdin: str = "") -> Done:
        monkeypatch.setattr(sys, "stdin", io.StringIO(stdin))
        try:
            status = main(list(arguments))
        except SystemExit as end:
            status = end.code
        captured = capsys.readouterr()
        return Done(status, captured.out, captured.err)

    return run


@pytest.fixture
def names() -> Names:
    """Two sources and a table of the user's own."""
    session = ("name", "session_id", "user_id", "create_time")
    event = ("name", "session_id", "author", "text")
    return Names(
        "local",
        {
            "local": {"sessions": session, "events": event, "append_event": ("event_id",)},
            "prod": {"sessions": (*session, "project")},
            "main": {"notes": ("id", "body")},
        },
        {"local": ("append_event",), "prod": ()},
    )


class Typist:
    """A person at a terminal with the shell in it.

    Args:
        arguments: of the command line.
        columns: of the terminal.
        variables: environment variables to set; None removes one.
    """

    def __init__(
        self, *arguments: str, columns: int = 80, variables: dict[str, str | None] | None = None
    ) -> None:
        import pty  # noqa: PLC0415

        self.pid, self.terminal = pty.fork()
        if self.pid == 0:  # It ends with the terminal, which ends with the tests.
            signal.signal(signal.SIGHUP, signal.SIG_DFL)  # Unless it was started by nohup.
            os.environ["TERM"] = "dumb"
            os.environ["PAGER"] = ""  # A pager would take what is typed for its own commands.
            for name, value in (variables or {}).items():
                if value is None:
                    os.environ.pop(name, None)
                else:
                    os.environ[name] = value
            _resize(0, columns)
            os.execv(sys.executable, (sys.executable, "-m", "sessions_vtab", *arguments))

    def reads_until(self, text: str, *, seconds: float = 20) -> str:
        """What the terminal shows up to a text, and whatever has arrived with it."""
        seen, deadline = b"", time.monotonic() + seconds
        while text.encode() not in seen:
            ready, _, _ = select.select([self.terminal], [], [], 0.1)
            if ready:
                # Readline tells the terminal when pasting is possible.
                seen = re.sub(rb"\x1b\[\?2004[hl]\r?", b"", seen + os.read(self.terminal, 65536))
            assert time.monotonic() < deadline, seen
        return seen.decode(errors="replace").replace("\r\n", "\n")

    def types(self, text: str) -> None:
        """Types without reading."""
        os.write(self.terminal, text.encode())

    def interrupts(self) -> None:
        """Types Ctrl-C, and again while a second passes without a reaction.

        CPython's readline does not notice a signal that arrives after it has looked for signals and
        before it waits for the next key; nobody types that fast.
        """
        for _ in range(20):
            self.types("\x03")
            if select.select([self.terminal], [], [], 1)[0]:
                return

    def resizes(self, columns: int) -> None:
        """Changes the width of the window."""
        _resize(self.terminal, columns)

    def asks(self, text: str) -> str:
        """Types a line and reads the answer, without the line and the prompt after it."""
        self.types(text + "\n")
        shown = self.reads_until("\nsessions> ")
        return shown.partition("\n")[2].removesuffix("sessions> ").removesuffix("\n")

    def ends(self) -> int:
        """Reads to the end; the exit status."""
        deadline = time.monotonic() + 20
        while True:
            try:
                os.read(self.terminal, 65536)
            except OSError:
                return os.waitstatus_to_exitcode(os.waitpid(self.pid, 0)[1])
            assert time.monotonic() < deadline


def _resize(terminal: int, columns: int) -> None:
    import fcntl  # noqa: PLC0415
    import termios  # noqa: PLC0415

    fcntl.ioctl(terminal, termios.TIOCSWINSZ, struct.pack("HHHH", 24, columns, 0, 0))


@pytest.fixture
def sits_down() -> Iterator[Callable[..., Typist]]:
    """Starts the shell in a terminal; it is left at the end of the test."""
    started: list[Typist] = []

    def start(*arguments: str, **options) -> Typist:
        started.append(Typist(*arguments, **options))
        return started[-1]

    yield start
    for typist in started:
        os.close(typist.terminal)  # The program gets SIGHUP.
