from __future__ import annotations

import json
import os
import stat
from collections.abc import Callable, Iterator
from contextlib import closing
from pathlib import Path
from typing import Any

import pytest

from sessions_vtab import Connection, connect
from sessions_vtab.emulator.serve import Running, running
from sessions_vtab.errors import ConfigurationError, SessionsError, StoreError
from sessions_vtab.vtab.audit import Audit

INSERT = "INSERT INTO sessions(session_id, user_id) VALUES (?, ?)"


@pytest.fixture(scope="module")
def emulator() -> Iterator[Running]:
    with running() as started:
        yield started


@pytest.fixture
def audited(tmp_path: Path, emulator: Running) -> Iterator[Callable[[str], Connection]]:
    """Opens connections whose writes are noted in ``audit.jsonl``."""
    emulator.control.reset(empty=True)
    emulator.control.clear_faults()
    opened: list[Connection] = []

    def open_(url: str) -> Connection:
        full = url.replace("EMULATOR", emulator.url)
        opened.append(connect(full, audit=tmp_path / "audit.jsonl"))
        return opened[-1]

    yield open_
    for one in opened:
        one.close()


def _lines(folder: Path) -> list[dict[str, Any]]:
    return [json.loads(line) for line in (folder / "audit.jsonl").read_text().splitlines()]


def _told(folder: Path, *names: str) -> list[tuple[Any, ...]]:
    return [tuple(line[name] for name in names) for line in _lines(folder)]


@pytest.mark.parametrize(
    "url", ["own=local://:memory:", "own=vertex://demo/us-central1/42?base_url=EMULATOR"]
)
def test_a_write_is_a_line_that_says_who_what_where_and_what_came_of_it(
    url: str, audited, tmp_path: Path
) -> None:
    db = audited(url)
    db.execute(INSERT, ["abc", "ann"])
    db.execute("UPDATE sessions SET display_name = 'secret plan' WHERE session_id = 'abc'")
    db.execute("SELECT * FROM append_event('abc', 'user', 'a secret')").fetchall()
    db.execute("DELETE FROM sessions WHERE session_id = 'abc'")

    assert _told(tmp_path, "source", "table", "action", "row", "outcome", "error") == [
        ("own", "sessions", "insert", 1, "sent", None),
        ("own", "sessions", "update", 1, "sent", None),
        ("own", "append_event", "call", 1, "sent", None),
        ("own", "sessions", "delete", 1, "sent", None),
    ]
    for line in _lines(tmp_path):
        assert line["process"] == os.getpid()
        assert line["key"].endswith("abc")
        assert line["time"].endswith("Z")
    assert "secret" not in (tmp_path / "audit.jsonl").read_text()


def test_reads_and_what_is_rolled_back_before_sending_leave_no_line(audited, tmp_path) -> None:
    db = audited("own=vertex://demo/us-central1/42?base_url=EMULATOR")
    db.execute("BEGIN")
    db.execute(INSERT, ["abc", "ann"])
    db.execute("ROLLBACK")
    db.execute("SELECT 1 FROM sessions LIMIT 1").fetchall()

    assert _lines(tmp_path) == []


def test_failures_are_lines_too(audited, tmp_path: Path, emulator: Running) -> None:
    db = audited("own=vertex://demo/us-central1/42?base_url=EMULATOR")
    db.execute(INSERT, ["abc", "ann"])
    with pytest.raises(SessionsError):
        db.executemany(INSERT, [("abc", "ann"), ("def", "ann")])
    with pytest.raises(SessionsError):
        db.execute("SELECT * FROM append_event('nosuch', 'user', 'x')").fetchall()

    told = _told(tmp_path, "table", "outcome", "error")
    assert told[0] == ("sessions", "sent", None)
    assert sorted(told[1:3]) == [
        ("sessions", "failed", "ConflictError"),
        ("sessions", "sent", None),
    ]
    assert told[3:] == [
        ("sessions", "sent although rolled back", None),
        ("append_event", "failed", "NotFoundError"),
    ]


def test_the_file_is_for_its_owner_only_and_is_appended_to(audited, tmp_path: Path) -> None:
    for name in ("a", "b"):
        audited("own=local://:memory:").execute(INSERT, [name, "ann"])

    assert stat.S_IMODE((tmp_path / "audit.jsonl").stat().st_mode) == 0o600
    assert len(_lines(tmp_path)) == 2


def test_a_path_that_cannot_be_written_is_told_before_anything_is_sent(tmp_path: Path) -> None:
    with pytest.raises(ConfigurationError, match=r"audit file .* cannot be written"):
        connect("local://:memory:", audit=tmp_path / "nosuch" / "audit.jsonl")


def test_it_is_named_in_the_configuration_file(tmp_path: Path) -> None:
    config = tmp_path / "config.toml"
    config.write_text(
        f'audit = "{tmp_path}/audit.jsonl"\n[sources.own]\nurl = "local://:memory:"\n'
    )

    with closing(connect(config=config)) as db:
        db.execute(INSERT, ["a", "ann"])

    assert len(_lines(tmp_path)) == 1


def test_the_ids_of_guest_sessions_stay_out(audited, tmp_path: Path, monkeypatch) -> None:
    monkeypatch.setenv("WHYLABS_API_KEY", "canarycana." + "w" * 53)
    db = audited("guest=whylabs://?base_url=EMULATOR")
    insert = "INSERT INTO sessions(user_id) VALUES ('ann') RETURNING session_id"
    ((session,),) = db.execute(insert).fetchall()
    db.execute("SELECT * FROM claim_guest_session(?, 'org-1')", [session]).fetchall()

    text = (tmp_path / "audit.jsonl").read_text()
    assert len(_lines(tmp_path)) == 2
    assert session not in text
    assert "canarycana" not in text


def test_when_the_disk_is_full_a_warning_holds_the_line_and_nothing_more_is_sent(
    tmp_path: Path,
) -> None:
    audit = Audit("/dev/full")

    with pytest.warns(RuntimeWarning, match='could not be written.*"key":"a"'):
        audit.add({"key": "a"})
    with pytest.raises(StoreError, match="nothing more is sent"):
        audit.require()

    audit.close()


def test_writes_are_refused_once_the_audit_file_failed(emulator: Running) -> None:
    url = f"vertex://demo/us-central1/42?base_url={emulator.url}"
    with closing(connect(url, audit="/dev/full")) as db:
        with pytest.warns(RuntimeWarning, match="could not be written"):
            db.execute(INSERT, ["x1", "ann"])
        emulator.control.reset_log()
        for statement in (
            "INSERT INTO sessions(user_id) VALUES ('ann')",
            "SELECT * FROM append_event('x1', 'user', 'x')",
        ):
            with pytest.raises(StoreError, match="nothing more is sent"):
                db.execute(statement).fetchall()

    assert emulator.control.log()["total"] == 0
