"""The deterministic data set of a seed: upload sessions and files of the workspace `demo`."""

from __future__ import annotations

import json
import random
from datetime import datetime, timedelta
from typing import TYPE_CHECKING

from sessions_vtab.emulator.deepset.state import META_SUFFIX, Upload, UploadSession, user_id

if TYPE_CHECKING:
    from sessions_vtab.emulator.deepset.state import WriteMode
    from sessions_vtab.emulator.draws import Draws

WORKSPACE = "demo"
SESSIONS = 24
LIVES = timedelta(days=1)
MODES: tuple[WriteMode, ...] = ("KEEP", "KEEP", "OVERWRITE", "FAIL")
CATEGORIES = ("news", "report", "manual")
SUBJECTS = ("delivery", "invoice", "refund", "warranty")


def sessions(seed: int, draws: Draws, now: datetime) -> list[UploadSession]:
    """Return closed sessions of the last two days, every two hours one; the older are expired."""
    source = random.Random(f"deepset-data:{seed}")
    starts = [now - timedelta(hours=2 * n) for n in range(SESSIONS, 0, -1)]
    return [_session(source, draws, start) for start in starts]


def _session(source: random.Random, draws: Draws, start: datetime) -> UploadSession:
    session = UploadSession(
        session_id=draws.uuid(),
        workspace=WORKSPACE,
        owner=user_id(source.choice(("ann", "bob"))),
        write_mode=source.choice(MODES),
        parallel_processing_enabled=source.random() < 0.5,  # noqa: PLR2004  (every second one)
        created_at=start,
        expires_at=start + LIVES,
        signature=draws.hexadecimal(64),
        closed_at=start + timedelta(minutes=1),
    )
    for subject in source.sample(SUBJECTS, k=source.randint(1, len(SUBJECTS))):
        name = f"{subject}.txt"
        meta = {"category": source.choice(CATEGORIES), "year": source.randint(2018, 2026)}
        contents = {name: f"All about {subject}.", name + META_SUFFIX: json.dumps(meta)}
        session.uploads |= {
            name: Upload(upload_id=draws.uuid(), name=name, content=text.encode(), created_at=start)
            for name, text in contents.items()
        }
    return session
