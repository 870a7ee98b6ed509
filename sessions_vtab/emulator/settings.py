"""What a user of the emulator can switch."""

from __future__ import annotations

import secrets
from dataclasses import dataclass, field
from datetime import UTC, datetime
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Callable
    from pathlib import Path


def utc_now() -> datetime:
    """Return the time of this machine in UTC, with its microseconds."""
    return datetime.now(UTC)


def new_token() -> str:
    """Return a fresh control token: 32 hexadecimal digits."""
    return secrets.token_hex(16)


@dataclass(frozen=True, slots=True)
class Settings:
    """Settings of one running emulator; every service reads the same object.

    Attributes:
        strict_filters: Vertex: refuse every filter that Google does not document. Without it the
            whole AIP-160 grammar is accepted (Vertex contract, section 5).
        seed: Fill the services with the deterministic data set of this number; `None` starts empty.
        data: File that the state is loaded from at start, if it exists, and written to at stop.
        control_token: What the header `X-Emulator-Token` of a control request must carry.
        clock: The server's time; must be aware and should be UTC. Tests give a fixed one.
        delay: Seconds added to each API response (not to control requests), for benchmarks.
        engines: Vertex: ids of the only reasoning engines that exist at start. With `None` one
            exists from its first use on, if its id is a number that does not begin with `404`.
            Seeded, only the seeded and created ones exist besides.
        lenient_ttl: Vertex: accept a life of less than 24 hours, as the examples in ADK's own
            docstrings need (Vertex contract, section 3).
        operation_polls: Vertex: number of polls for which a new operation is not done yet.
        express: Vertex: project and location that the express paths, which name none, stand for.
        sessions: Vertex: number of sessions in the seeded data set.
        events: Vertex: number of events in it.
        hidden_gets: Vertex: number of GETs for which a new session is still 404, as in 2026-03
            (Vertex contract, section 4).
    """

    strict_filters: bool = False
    seed: int | None = None
    data: Path | None = None
    control_token: str = field(default_factory=new_token)
    clock: Callable[[], datetime] = utc_now
    delay: float = 0.0
    engines: tuple[str, ...] | None = None
    lenient_ttl: bool = False
    operation_polls: int = 0
    hidden_gets: int = 0
    express: tuple[str, str] = ("demo", "us-central1")
    sessions: int = 1200
    events: int = 20_000
