"""The one emulated deepset Cloud that the routes share, and who is calling it."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING, Annotated

from fastapi import Depends, Header

from sessions_vtab.emulator.deepset import refusals
from sessions_vtab.emulator.deepset import seed as data
from sessions_vtab.emulator.deepset.state import State
from sessions_vtab.emulator.draws import Draws

if TYPE_CHECKING:
    from datetime import datetime

    from sessions_vtab.emulator.service import JSON
    from sessions_vtab.emulator.settings import Settings


def caller(authorization: Annotated[str | None, Header()] = None) -> str:
    """Return the API key of a request: any is taken, unless it starts with `invalid` (401)."""
    scheme, _, key = (authorization or "").partition(" ")
    if scheme.lower() != "bearer":
        raise refusals.no_key()
    if not key.strip() or key.strip().startswith("invalid"):
        raise refusals.unauthorized()
    return key.strip()


Key = Annotated[str, Depends(caller)]


class Cloud:
    """State, ids and time of one emulated deepset Cloud."""

    def __init__(self, settings: Settings) -> None:
        self._settings = settings
        self.reset(settings.seed)

    def now(self) -> datetime:
        """Return the time, after everything that was due by then has happened."""
        now = self._settings.clock()
        self.state.settle(now)
        return now

    def reset(self, seed: int | None) -> None:
        """Forget everything; with a seed, fill in its data set."""
        self.state = State()
        self.draws = Draws("deepset", seed)
        if seed is not None:
            now = self._settings.clock()
            made = data.sessions(seed, self.draws, now)
            self.state.sessions = {session.session_id: session for session in made}
            self.state.settle(now)

    def dump(self) -> JSON:
        """Return the state as JSON; bytes are base64."""
        self.state.draws = self.draws.count
        dumped: JSON = self.state.model_dump(mode="json")
        return dumped

    def load(self, dumped: JSON) -> None:
        """Take back what `dump` returned; raises ValueError if it is something else."""
        self.state = State.model_validate_json(json.dumps(dumped))
        self.draws.count = self.state.draws

    def summary(self) -> str:
        """Return what is there in a few words, or nothing."""
        sessions = len(self.state.sessions)
        files = sum(map(len, self.state.files.values()))
        return f"{sessions} upload sessions, {files} files" if sessions or files else ""
