"""What makes a source's data look wrong is said by the banner, ``sources`` and ``explain``."""

from __future__ import annotations

import sqlite3
from contextlib import closing
from pathlib import Path

import pytest

from sessions_vtab import connect
from sessions_vtab.cli import main
from sessions_vtab.cli.sources import banner

NOTICE = "times of events look like UTC-5 instead of UTC: add ?timezone=AREA/CITY"


@pytest.fixture
def url(tmp_path: Path) -> str:
    """A file of schema 0 whose writer was in New York in winter."""
    path = tmp_path / "sessions.db"
    with closing(sqlite3.connect(path)) as file, file:
        file.execute(
            "CREATE TABLE sessions(app_name, user_id, id, state, create_time, update_time)"
        )
        file.execute(
            "CREATE TABLE events(id, app_name, user_id, session_id, author, timestamp, actions)"
        )
        for number in range(3):
            file.execute(
                "INSERT INTO sessions VALUES ('a', 'u', ?, '{}', '2026-01-05 09:00:00',"
                " '2026-01-05 09:01:00')",
                (number,),
            )
            file.execute(
                "INSERT INTO events VALUES ('e', 'a', 'u', ?, 'bot', '2026-01-05 04:00:30.5', '')",
                (number,),
            )
    return f"adk=adk://{path}"


@pytest.mark.parametrize(
    "command",
    [["sources"], ["sources", "--check"], ["explain", "SELECT text FROM events"]],
    ids=" ".join,
)
@pytest.mark.parametrize(("settings", "said"), [("", True), ("?timezone=America/New_York", False)])
def test_a_command_says_it(
    url: str,
    command: list[str],
    settings: str,
    said: bool,
    capsys: pytest.CaptureFixture[str],
) -> None:
    assert main(["--source", url + settings, *command]) == 0
    assert (NOTICE in capsys.readouterr().out) == said


@pytest.mark.parametrize("scopes", ["", "?scopes.app_name=a"])
def test_the_banner_says_it_after_the_source(url: str, scopes: str) -> None:
    with connect(sources=["local://:memory:", url + scopes]) as connection:
        lines = banner(connection, read_only=False).splitlines()

    (place,) = (number for number, line in enumerate(lines) if "ADK schema 0" in line)
    assert lines[place].endswith("3 sessions, read-only")
    assert lines[place + 1].strip().startswith(NOTICE)
    assert sum(NOTICE in line for line in lines) == 1


def test_help_lists_the_columns_that_are_always_null(
    url: str, capsys: pytest.CaptureFixture[str]
) -> None:
    assert main(["--source", url, "help", "sessions"]) == 0
    assert "always NULL  display_name, labels, expire_time" in capsys.readouterr().out
