from __future__ import annotations

import errno
import json
import os
import stat
import warnings
from collections.abc import Callable, Iterator
from contextlib import closing
from pathlib import Path
from typing import Any

import apsw
import pytest

from sessions_vtab import Connection, connect, register
from sessions_vtab.contract.backend import Source
from sessions_vtab.emulator.serve import Running, running
from sessions_vtab.errors import ConfigurationError, InvalidValueError, SessionsError, StoreError
from sessions_vtab.vtab.logs import Audit
from tests.memory import MemoryBackend

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
def test_a_write_is_a_line_with_user_action_place_and_outcome(
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


def test_reads_and_writes_rolled_back_before_sending_leave_no_line(audited, tmp_path) -> None:
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


def test_an_unwritable_path_is_reported_before_anything_is_sent(tmp_path: Path) -> None:
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


def test_a_form_in_the_place_of_a_session_stays_out(
    audited, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("DEEPSET_API_KEY", "api_canary")
    db = audited("docs=deepset://ws?base_url=EMULATOR")
    form = '{"key":"k","policy":"canary-of-the-policy"}'
    with pytest.raises(InvalidValueError):
        db.execute("SELECT * FROM upload_file(?, 'a.txt', 'x')", [form]).fetchall()

    assert _told(tmp_path, "table", "outcome", "key") == [("upload_file", "failed", None)]
    assert "canary" not in (tmp_path / "audit.jsonl").read_text()


def test_the_ids_of_guest_sessions_stay_out(
    audited, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, emulator: Running
) -> None:
    monkeypatch.setenv("WHYLABS_API_KEY", "canarycana." + "w" * 53)
    db = audited("guest=whylabs://?base_url=EMULATOR")
    insert = "INSERT INTO sessions(user_id) VALUES ('ann') RETURNING session_id"
    ((session,),) = db.execute(insert).fetchall()
    db.execute("SELECT * FROM claim_guest_session(?, 'org-1')", [session]).fetchall()

    # What is refused, and what gets no answer: their errors hold the address, and so the id.
    with pytest.raises(SessionsError):
        db.execute("SELECT * FROM claim_guest_session(?, 'org-1')", [session]).fetchall()
    for fault in ({"kind": "status", "status": 403}, {"kind": "drop"}):
        emulator.control.fault(**fault)
        with pytest.raises(SessionsError):
            db.execute("SELECT * FROM claim_guest_session(?, 'org-1')", [session]).fetchall()

    assert _told(tmp_path, "table", "outcome", "http_status") == [
        ("sessions", "sent", 200),
        ("claim_guest_session", "sent", 200),
        ("claim_guest_session", "failed", 404),
        ("claim_guest_session", "failed", 403),
        ("claim_guest_session", "unknown", None),
    ]
    logs = db.execute("SELECT url, error FROM http_requests").fetchall()
    logs += db.execute("SELECT key, answer_key FROM writes").fetchall()
    for text in ((tmp_path / "audit.jsonl").read_text(), str(logs)):
        assert session not in text
        assert "canarycana" not in text


@pytest.fixture
def full_disk(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """An audit file that nothing can be appended to."""

    def full(*_: object) -> None:
        raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC))

    monkeypatch.setattr(Audit, "_append", full)
    return tmp_path / "full.jsonl"


@pytest.mark.skipif(not hasattr(os, "mkfifo"), reason="there are no such devices")
@pytest.mark.parametrize("kind", ["pipe", "link to a pipe", "device", "folder"])
def test_only_a_regular_file_is_appended_to(tmp_path: Path, kind: str) -> None:
    pipe = tmp_path / "pipe"
    os.mkfifo(pipe)
    (tmp_path / "link").symlink_to(pipe)
    paths = {"pipe": pipe, "link to a pipe": tmp_path / "link", "folder": tmp_path}
    path = paths.get(kind, Path(os.devnull))
    for _ in range(2):  # Also with a reader at the other end.
        with pytest.raises(ConfigurationError, match=r"audit file .* (cannot|must) be"):
            connect("own=local://:memory:", audit=path)
        reader = os.open(pipe, os.O_RDONLY | os.O_NONBLOCK)
    os.close(reader)
    assert pipe.is_fifo()


def test_if_the_disk_is_full_a_warning_contains_the_line_and_nothing_more_is_sent(
    full_disk: Path,
) -> None:
    audit = Audit(full_disk)

    with pytest.warns(RuntimeWarning, match='could not be written.*"key":"a"'):
        audit.add({"key": "a"})
    with pytest.raises(StoreError, match="this connection sends nothing more"):
        audit.require()

    audit.close()


def test_writes_are_refused_once_the_audit_file_failed(emulator: Running, full_disk: Path) -> None:
    url = f"vertex://demo/us-central1/42?base_url={emulator.url}"
    with closing(connect(url, audit=full_disk)) as db:
        with pytest.warns(RuntimeWarning, match="could not be written"):
            db.execute(INSERT, ["x1", "ann"])
        emulator.control.reset_log()
        for statement in (
            "INSERT INTO sessions(user_id) VALUES ('ann')",
            "SELECT * FROM append_event('x1', 'user', 'x')",
        ):
            with pytest.raises(StoreError, match="this connection sends nothing more"):
                db.execute(statement).fetchall()

    assert emulator.control.log()["total"] == 0


def test_a_full_disk_is_reported_before_anything_is_sent(
    audited, tmp_path: Path, emulator: Running, monkeypatch: pytest.MonkeyPatch
) -> None:
    remote = audited("own=vertex://demo/us-central1/42?base_url=EMULATOR")
    local = audited("own=local://:memory:")
    remote.execute(INSERT, ["s1", "ann"])
    emulator.control.reset_log()
    real = os.fstatvfs

    def full(file: int) -> os.statvfs_result:
        found = list(real(file))
        found[4] = 0  # f_bavail, https://docs.python.org/3/library/os.html#os.statvfs
        return os.statvfs_result(found)

    monkeypatch.setattr(os, "fstatvfs", full)
    for db in (remote, local):
        with pytest.raises(StoreError, match=r"has no room for 1 more line, so nothing was sent"):
            db.execute(INSERT, ["new", "ann"])
    with pytest.raises(StoreError, match="no room"):
        remote.execute("SELECT * FROM append_event('s1', 'user', 'x')").fetchall()
    monkeypatch.undo()

    assert emulator.control.log()["total"] == 0
    assert local.execute("SELECT count(*) FROM sessions").get == 0
    assert len(_lines(tmp_path)) == 1


@pytest.mark.parametrize("action", ["always", "error"])
def test_a_line_that_cannot_be_written_loses_no_outcome(
    action: str, capsys: pytest.CaptureFixture[str], full_disk: Path
) -> None:
    with closing(connect(sources=[Source("mem", "memory")], audit=full_disk)) as db:
        with warnings.catch_warnings(record=action == "always") as caught:
            warnings.simplefilter(action)  # type: ignore[arg-type]
            db.execute("INSERT INTO sessions(name) VALUES ('a'), ('b')")

        told = capsys.readouterr().err + "".join(str(one.message) for one in caught or ())
        assert told.count("could not be written") == 2
        assert db.execute("SELECT key, outcome FROM writes").fetchall() == [
            ("a", "sent"),
            ("b", "sent"),
        ]


def test_a_local_transaction_has_a_line_for_each_row_however_many(audited, tmp_path: Path) -> None:
    db = audited("own=local://:memory:")
    db.execute(
        "WITH RECURSIVE c(x) AS (VALUES (1) UNION ALL SELECT x + 1 FROM c LIMIT 10100)"
        " INSERT INTO sessions(session_id, state) SELECT 's' || x, '{\"canary\":1}' FROM c"
    )

    assert [line["row"] for line in _lines(tmp_path)] == list(range(1, 10_101))
    assert "canary" not in (tmp_path / "audit.jsonl").read_text()


@pytest.mark.parametrize(
    ("script", "left"),
    [
        ("ROLLBACK", []),
        ("COMMIT", ["sessions", "append_event"]),
        ("SAVEPOINT p; +; ROLLBACK TO p; COMMIT", ["sessions", "append_event"]),
    ],
)
def test_writes_of_a_local_transaction_are_recorded_when_they_are_final(
    script: str, left: list[str], audited, tmp_path: Path
) -> None:
    db = audited("own=local://:memory:")
    call = "SELECT * FROM append_event('abc', 'user', 'x')"
    db.execute("BEGIN")
    db.execute(INSERT, ["abc", "ann"])
    db.execute(call).fetchall()
    assert _lines(tmp_path) == []
    for step in script.split("; "):
        db.execute(call if step == "+" else step).fetchall()

    assert [line["table"] for line in _lines(tmp_path)] == left
    assert db.execute("SELECT count(*) FROM events").get == len(left) // 2


@pytest.mark.parametrize("how", [{"dry_run": True}, {"read_only": True}])
def test_a_connection_that_writes_nothing_makes_no_file(how: dict[str, bool], tmp_path) -> None:
    with closing(connect("local://:memory:", audit=tmp_path / "audit.jsonl", **how)) as db:
        db.execute("SELECT 1 FROM sessions").fetchall()

    assert list(tmp_path.iterdir()) == []


def test_a_connection_of_the_users_own_is_audited_too(tmp_path: Path) -> None:
    config = tmp_path / "config.toml"
    config.write_text(
        f"audit = '{tmp_path}/audit.jsonl'\n[sources.own]\nurl = 'local://:memory:'\n"
    )
    with closing(apsw.Connection(":memory:")) as db:
        opened = register(db, config=config)
        db.execute(INSERT, ("a", "ann"))
        for one in opened.values():
            one.backend.close()

    assert _told(tmp_path, "source", "key", "outcome") == [("own", "sessions/a", "sent")]


def test_the_user_comes_from_the_system_and_not_from_the_environment(
    audited, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    for name in ("LOGNAME", "USER", "LNAME", "USERNAME"):
        monkeypatch.setenv(name, "somebody-else")
    for name in ("a", "b"):
        audited("own=local://:memory:").execute(INSERT, [name, "ann"])

    first, second = _lines(tmp_path)
    assert first["user"] not in {"somebody-else", None, ""}
    assert first["connection"] != second["connection"]


class TestWhatTheServiceSays:
    CANARY = "canary-of-the-body"

    @pytest.mark.parametrize(
        ("asker", "sql"),
        [
            ("sessions", f"UPDATE sessions SET display_name = '{CANARY}'"),
            (
                "events",
                f"INSERT INTO events(session_id, author, content) VALUES ('s1', 'user', '{CANARY}')",
            ),
            ("append_event", f"SELECT * FROM append_event('s1', 'user', '{CANARY}')"),
        ],
    )
    def test_may_repeat_the_body_and_stays_out(
        self, asker: str, sql: str, audited, tmp_path: Path, emulator: Running
    ) -> None:
        db = audited("own=vertex://demo/us-central1/42?base_url=EMULATOR")
        db.execute(INSERT, ["s1", "ann"])
        method = "PATCH" if sql.startswith("UPDATE") else "POST"
        body = {"error": {"code": 400, "message": f"bad {self.CANARY}"}}
        emulator.control.fault("status", status=400, method=method, body=body)
        with pytest.raises(SessionsError, match=self.CANARY):
            db.execute(sql).fetchall()

        line = _lines(tmp_path)[-1]
        assert (line["outcome"], line["error"], line["http_status"]) == (
            "failed",
            "RefusedError",
            400,
        )
        assert line["message"].startswith(f"own.{asker}: {method} http://127.0.0.1")
        assert line["message"].endswith("returned 400 Bad Request.")
        assert self.CANARY not in (tmp_path / "audit.jsonl").read_text()


@pytest.mark.parametrize("error", [KeyboardInterrupt, ZeroDivisionError])
def test_what_was_cut_short_is_unknown(
    error: type[BaseException], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def cut(*_: object) -> list[Any]:
        raise error

    monkeypatch.setattr(MemoryBackend, "routines", {"truncate_session": cut})
    monkeypatch.setattr(MemoryBackend, "send", cut)
    sources = [Source("mem", "memory")]
    with closing(connect(sources=sources, audit=tmp_path / "audit.jsonl")) as db:
        for sql in ("SELECT * FROM truncate_session('s')", "INSERT INTO sessions(name) VALUES (1)"):
            with pytest.raises(error):
                db.execute(sql).fetchall()

    assert _told(tmp_path, "table", "key", "outcome") == [
        ("truncate_session", "s", "unknown"),
        ("sessions", "1", "unknown"),
    ]
