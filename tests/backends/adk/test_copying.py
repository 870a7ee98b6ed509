"""Copies of ADK's file: the help's recipe into the store, and a snapshot."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest

import sessions_vtab
from sessions_vtab.snapshot import snapshot
from tests.backends.adk.files import NAMES, written
from tests.documented import ADK

_EVENTS = "author, timestamp, text, content, invocation_id, actions, error_code, event_metadata"


@pytest.mark.parametrize("name", NAMES)
def test_the_recipe_copies_files_of_every_version(name: str, tmp_path: Path) -> None:
    """Also those of a user whose id has characters that ids in the store cannot have."""
    url = written(name, tmp_path).url
    with sessions_vtab.connect(sources=["local://:memory:", url], default="local") as db:
        db.execute(ADK.replace("trip_planner", "shop")).fetchall()
        copied, original = (
            db.execute(f"SELECT {_EVENTS} FROM {where} ORDER BY timestamp, sequence").fetchall()
            for where in ("events", "adk.events WHERE session_name LIKE 'apps/shop/%'")
        )
        parts = db.execute(
            "SELECT (SELECT count(*) FROM event_parts),"
            " (SELECT count(*) FROM adk.event_parts WHERE session_name LIKE 'apps/shop/%')"
        ).get
        users = db.execute("SELECT session_id, state FROM sessions ORDER BY 1").fetchall()
        states = db.execute("SELECT state FROM adk.sessions WHERE app_name = 'shop'").fetchall()

    assert copied == original
    assert len(copied) > 29
    assert parts[0] == parts[1] > 30
    assert "bob@example.com%2Fx:full" in dict(users)
    assert _sorted(state for _, state in users) == _sorted(state for (state,) in states)


def _sorted(states: Any) -> list[str]:
    return sorted(json.dumps(json.loads(one), sort_keys=True) for one in states)


@pytest.mark.parametrize("name", ["1.10.0_db_ny", "2.13.0_sqlite_utc"])
def test_a_snapshot_has_the_same_rows(name: str, tmp_path: Path) -> None:
    url = written(name, tmp_path).url
    copy = tmp_path / "copy.db"

    snapshot(url, copy)

    with sessions_vtab.connect(sources=[url, f"copy=local://{copy}"], default="adk") as db:
        for table in ("sessions", "events", "event_parts"):
            queries = [
                f"SELECT * FROM {source}.{table} ORDER BY name" for source in ("adk", "copy")
            ]
            first, second = (db.execute(query).fetchall() for query in queries)
            assert first == second
            assert first
