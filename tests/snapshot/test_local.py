"""A snapshot of a local store: only the events of sessions that changed are read again."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from contextlib import closing
from pathlib import Path
from typing import Any

import apsw
import pytest

from sessions_vtab import connect
from sessions_vtab.backends.local.resource import LocalResource
from sessions_vtab.snapshot import snapshot
from sessions_vtab.spec.scan import Page, Scan


@pytest.fixture
def store(tmp_path: Path) -> Path:
    """Three sessions of last year with an event each."""
    path = tmp_path / "store.db"
    with closing(connect(f"own=local://{path}")) as db:
        for name in ("s0", "s1", "s2"):
            db.execute("INSERT INTO sessions(session_id, user_id) VALUES (?, 'ann')", (name,))
            _append(db, name)
    # A session that has just changed would be read again: more could still be coming.
    with closing(apsw.Connection(str(path))) as plain:
        plain.execute("UPDATE sessions SET update_time = '2025-01-01 00:00:00.000000'")
    return path


def _append(db: apsw.Connection, session: str) -> None:
    db.execute(
        "INSERT INTO events(session_id, author, content) VALUES (?, 'user', 'x')", (session,)
    )


@pytest.fixture
def read(monkeypatch: pytest.MonkeyPatch) -> list[Sequence[Any]]:
    """The sessions whose events are asked for, by scan; None for all."""
    real, seen = LocalResource.scan, []

    def noted(self: LocalResource, scan: Scan, context: Any) -> Iterator[Page]:
        if self.table.name == "events":
            seen.append(scan.given("session_name"))
        return real(self, scan, context)

    monkeypatch.setattr(LocalResource, "scan", noted)
    return seen


def test_only_changed_sessions_are_read_again(
    store: Path, tmp_path: Path, read: list[Sequence[Any]]
) -> None:
    source, path = f"own=local://{store}", tmp_path / "out.db"
    snapshot(source, path)
    assert read == [("sessions/s0", "sessions/s1", "sessions/s2")]
    read.clear()
    assert snapshot(source, path).incremental
    assert read == []
    with closing(connect(source)) as db:
        _append(db, "s1")
    read.clear()
    report = snapshot(source, path)
    assert read == [("sessions/s1",)]
    assert report.changed == {"sessions": 1, "events": 1}
    assert report.rows["events"] == 4
