"""Conversations that ADK's VertexAiSessionService (google-adk 2.13.0) really sent.

``adk_requests.json`` has its requests to the emulator. Two users have the same conversation: tools
that fail, one that waits for a human, a handover, an error, a chunk of a streamed answer, thoughts,
files, code, a turn that is taken back, and a compaction. Further sessions have events whose times
are equal, or not in the order of writing, or none.
"""

from __future__ import annotations

import json
import shutil
import sqlite3
from contextlib import closing
from pathlib import Path
from typing import Final

import httpx

from sessions_vtab import Connection

_FILE: Final = Path(__file__).parent / "adk_requests.json"
_WRITTEN: Final = Path(__file__).parents[1] / "data" / "adk"

COPIED: Final = (
    "session_id, timestamp, author, content, invocation_id, actions, error_code, error_message,"
    " event_metadata, raw_event"
)
"""The columns of an event that a program writes."""


def send(url: str) -> None:
    """Repeats ADK's requests at an emulator, for the engine 42 of the project demo."""
    engine = f"{url}/v1beta1/projects/demo/locations/us-central1/reasoningEngines/42"
    with httpx.Client(trust_env=False) as client:
        for one in json.loads(_FILE.read_text("utf-8")):
            answer = client.post(f"{engine}/{one['path']}", params=one["query"], json=one["body"])
            answer.raise_for_status()


def copy(source: Connection, target: Connection) -> None:
    """Copies sessions and events from one default source into another, in the order of writing."""
    sessions = source.execute("SELECT session_id, user_id, state FROM sessions").fetchall()
    target.executemany(
        "INSERT INTO sessions(session_id, user_id, state) VALUES (?, ?, ?)", sessions
    )
    events = source.execute(f"SELECT {COPIED} FROM events").fetchall()
    marks = ", ".join("?" * len(COPIED.split(", ")))
    target.executemany(f"INSERT INTO events({COPIED}) VALUES ({marks})", events)
    # Appended events change the state; it was right before.
    target.executemany(
        "UPDATE sessions SET state = ?3 WHERE session_id = ?1 AND user_id = ?2", sessions
    )


def written_by_adk(name: str, folder: Path) -> str:
    """The source of a file that ADK wrote with the same conversations, without its second app.

    A session's id need not be unique in such a file; here it is made so, as it is on Vertex AI.

    Args:
        name: of a file in ``tests/data/adk``: the version, the service, the writer's time zone.
        folder: where the copy is put.
    """
    path = Path(shutil.copy(_WRITTEN / f"{name}.db", folder))
    with closing(sqlite3.connect(path)) as file, file:
        file.execute("PRAGMA foreign_keys = off")
        for table, column in (("sessions", "id"), ("events", "session_id")):
            file.execute(f"DELETE FROM {table} WHERE app_name = 'bank'")
            file.execute(
                f"UPDATE {table} SET user_id = 'bob@example.com', {column} = 'bobs'"
                " WHERE user_id LIKE 'bob%'"
            )
    zone = "America/New_York" if name.endswith("_ny") else "UTC"
    return f"prod=adk://{path}?timezone={zone}"
