from __future__ import annotations

import io
import sys
from collections.abc import Callable
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
