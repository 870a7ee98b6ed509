"""``sessions-vtab snapshot``."""

from __future__ import annotations

import io
import sys
from collections.abc import Callable
from dataclasses import dataclass

import pytest

from sessions_vtab.cli import main
from tests.snapshot.conftest import EVENTS, SESSIONS, stock


@dataclass(frozen=True)
class Done:
    status: int
    out: str
    err: str


class Terminal(io.StringIO):
    def isatty(self) -> bool:
        return True


@pytest.fixture
def command(url, path, capsys) -> Callable[..., Done]:
    """Runs the command in this process."""

    def run(*arguments: str) -> Done:
        try:
            status = main(["snapshot", "--source", url, str(path), *arguments])
        except SystemExit as end:
            status = int(end.code or 0)
        return Done(status, *capsys.readouterr())

    return run


def test_it_reports_its_cost_before_and_its_result_after(command, path):
    first = command()
    second = command()

    assert (first.status, second.status) == (0, 0)
    assert f"prod -> {path}: will list the sessions, then report" in first.err
    assert (
        f"{SESSIONS} sessions to read: at least {SESSIONS} requests more, in addition to 1"
        in first.err
    )
    assert f"sessions: {SESSIONS} rows\nevents: {EVENTS} rows\n{path}: " in first.out
    assert f"sessions: {SESSIONS} rows, 0 new or changed, 0 deleted" in second.out
    assert f"{path}: 1 request, " in second.out


def test_it_says_how_long_it_takes_at_the_documented_quota(command):
    first = command()
    second = command()

    quota = "At 600 requests per minute (documented quota of the service)"
    assert f"{quota}, 10000 sessions take at least 17 min." in first.err
    assert f"{quota}, that takes at least 2 s." in first.err  # 16 requests.
    assert f"{quota}, that takes at least 1 s." in second.err  # One list.


@pytest.mark.parametrize(
    ("limit", "said"),
    [
        ("read=100", "At 100 requests per minute (source's rate_limit), 10000 sessions take"),
        ("read=100000", "At 600 requests per minute (documented quota"),
        ("write=1", "At 600 requests per minute (documented quota"),
    ],
)
def test_the_smaller_of_quota_and_rate_limit_counts(url, path, capsys, limit, said):
    source = f"{url}&rate_limit.{limit}"

    main(["snapshot", "--source", source, str(path), "--max-requests", "1"])

    assert said in capsys.readouterr().err


def test_where_nothing_is_documented_nothing_is_said(emulator, path, capsys):
    main(["snapshot", "--source", f"eleanor://demo?base_url={emulator.url}", str(path)])

    assert "per minute" not in capsys.readouterr().err


def test_options_reach_the_snapshot(command, path):
    done = command(
        "--tables", "sessions, events", "--where", "user_id='émile'", "--without", "text"
    )

    assert done.status == 0
    assert stock(path, "SELECT DISTINCT user_id FROM sessions") == [["émile"]]
    assert ["text"] not in stock(path, "SELECT name FROM pragma_table_info('events')")


@pytest.mark.parametrize(
    ("answer", "more", "status"), [("y\n", (), 0), ("n\n", (), 1), ("", ("--yes",), 0)]
)
def test_on_a_terminal_it_asks(command, path, monkeypatch, answer, more, status):
    screen = Terminal()
    monkeypatch.setattr(sys, "stdin", Terminal(answer))
    monkeypatch.setattr(sys, "stderr", screen)

    done = command(*more)

    assert done.status == status
    assert path.exists() == (status == 0)
    assert ("Continue?" in screen.getvalue()) == (not more)


def test_on_a_terminal_it_shows_how_far_it_is(command, monkeypatch):
    screen = Terminal()
    monkeypatch.setattr(sys, "stderr", screen)
    monkeypatch.setattr("sessions_vtab.cli.copies.EVERY", 0.0)

    command()

    assert f"sessions: {SESSIONS} rows, 1 request .." in screen.getvalue()
    assert f"of {SESSIONS} sessions (100 %)" in screen.getvalue()
    assert screen.getvalue().endswith("\r\x1b[K")


def test_parquet_files_beside_it(command, tmp_path):
    done = command("--parquet", str(tmp_path / "p"))

    assert done.status == 0
    assert str(tmp_path / "p" / "events.parquet") in done.out


@pytest.mark.parametrize(
    ("arguments", "status", "message"),
    [
        (
            ("--max-requests", "5"),
            1,
            f"needs at least {SESSIONS} more requests, but may make only 4",
        ),
        (("--where", "1; DROP TABLE x"), 1, "is not a valid SQL expression"),
        (("--tables", "event"), 1, "Did you mean events"),
        (("--overlap", "-1"), 2, "is not a valid number of minutes"),
    ],
)
def test_errors_are_reported(command, path, arguments, status, message):
    done = command(*arguments)

    assert done.status == status
    assert message in done.err
    assert not path.exists()
