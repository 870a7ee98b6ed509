"""How far a statement is: in words, told to a callback, and as a line in IPython."""

from __future__ import annotations

import sys
from types import SimpleNamespace

import pytest

import sessions_vtab
from sessions_vtab import progress as module
from sessions_vtab.emulator.serve import running
from sessions_vtab.progress import Progress, ProgressWatch, ipython_line
from tests.clocks import delays_last
from tests.waiting import once


@pytest.mark.parametrize(
    ("progress", "text"),
    [
        (Progress(7, None, "request", 1.2, 1.2), "7 requests, 1.2 s"),
        (Progress(1, None, "request", 1.2, 1.2), "1 request, 1.2 s"),
        (Progress(1, 3, "request", 1.2, 1.2), "1 of about 3 requests, 1.2 s"),
        (
            Progress(285, 1_212, "request", 3.4, 3.4),
            "285 of about 1 212 requests, 3.4 s, about 11 s left",
        ),
        (Progress(0, 1_000, "write", 30.0, 30.0), "0 of 1 000 writes, 30.0 s"),
        (Progress(50, 1_000, "write", 9.0, 3.0), "50 of 1 000 writes, 9.0 s, about 57 s left"),
        (Progress(900, 1_000, "write", 3.0, 3.0), "900 of 1 000 writes, 3.0 s"),
    ],
)
def test_what_is_left_is_said_where_it_is_known_and_long(progress, text):
    assert str(progress) == text


def test_a_watch_tells_from_the_first_second_on_and_then_some_times_a_second(monkeypatch):
    now, told = 100.0, []
    monkeypatch.setattr(module.time, "perf_counter", lambda: now)
    watch = ProgressWatch(
        lambda elapsed: Progress(1, None, "request", elapsed, elapsed), told.append
    )

    for moment in (100.5, 101.0, 101.1, 101.3):
        now = moment
        watch()
    watch.begin()
    watch()

    assert [one.elapsed for one in told] == pytest.approx([1.0, 1.3])


def test_a_callback_hears_of_a_statement_that_waits(monkeypatch):
    monkeypatch.setattr(module, "FIRST", 0.0)
    monkeypatch.setattr(module, "EVERY", 0.0)
    told: list[Progress] = []
    with running() as emulator:
        go = delays_last(monkeypatch)
        emulator.control.delay(1)
        url = f"vertex://demo/us-central1/42?base_url={emulator.url}"
        with (
            sessions_vtab.connect(url, progress=told.append) as connection,
            once(lambda: told, go),
        ):
            connection.execute("SELECT user_id FROM sessions LIMIT 1").fetchall()

    assert told
    assert {one.unit for one in told} == {"request"}


def test_a_callback_hears_of_a_statement_that_sqlite_computes(monkeypatch):
    monkeypatch.setattr(module, "FIRST", 0.0)
    told: list[Progress] = []
    count = "WITH RECURSIVE c(x) AS (SELECT 1 UNION ALL SELECT x + 1 FROM c WHERE x < 100000)"
    with sessions_vtab.connect("local://:memory:", progress=told.append) as connection:
        assert connection.execute(f"{count} SELECT count(*) FROM c").get == 100_000

    assert told
    assert {(one.done, one.unit) for one in told} == {(0, "request")}


class Events:
    def __init__(self) -> None:
        self.registered = {}

    def register(self, name, function) -> None:
        self.registered[name] = function


class Shell:
    def __init__(self) -> None:
        self.events = Events()


def test_in_ipython_a_line_is_shown_and_removed_after_the_cell(monkeypatch, capsys):
    shell = Shell()
    monkeypatch.setitem(sys.modules, "IPython", SimpleNamespace(get_ipython=lambda: shell))

    tell = ipython_line()
    assert ipython_line() is tell
    tell(Progress(7, None, "request", 1.2, 1.2))
    shell.events.registered["post_run_cell"](None)

    assert capsys.readouterr().err == "\r7 requests, 1.2 s\r" + " " * 17 + "\r"


def test_outside_ipython_nothing_is_shown(monkeypatch):
    monkeypatch.setitem(sys.modules, "IPython", SimpleNamespace(get_ipython=lambda: None))

    assert ipython_line() is None
