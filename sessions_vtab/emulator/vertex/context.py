"""What the handlers share: the request as data, and the state of the service."""

from __future__ import annotations

import random
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

from sessions_vtab.emulator.faults import OperationPlan
from sessions_vtab.emulator.vertex import messages
from sessions_vtab.emulator.vertex.errors import NO_ENGINE, found_errors, not_found
from sessions_vtab.emulator.vertex.operations import Operations
from sessions_vtab.emulator.vertex.store import (
    Engine,
    EngineKey,
    EngineStore,
    Session,
    plausible_session_id,
)

if TYPE_CHECKING:
    from sessions_vtab.emulator.service import EmulatorSettings

_ID_RANGE = (10**16, 10**19)
"""Server-made ids are numbers of 17 to 19 digits (Vertex contract, section 3, recorded)."""


@dataclass(slots=True)
class EmulatedRequest:
    """One request.

    Attributes:
        version: `v1` or `v1beta1`.
        express: Whether the path named no project and location.
        project: The project's number.
        location: The location.
        path: The rest of the path: collections and ids in turn, percent-decoded.
        query: Its query; the last of repeated parameters counts.
        body: Its body as received.
        plan: A plan for the operation this request starts, from an injected fault.
    """

    version: str
    express: bool
    project: str
    location: str
    path: tuple[str, ...]
    query: dict[str, str] = field(default_factory=dict)
    body: bytes = b""
    plan: dict[str, Any] = field(default_factory=dict)

    @property
    def base(self) -> str:
        """What names in the answer begin with: the project and location, nothing in express."""
        return "" if self.express else f"projects/{self.project}/locations/{self.location}/"

    def name(self, *segments: str) -> str:
        """Return a resource name in the spelling of this request."""
        return self.base + "/".join(segments)

    @property
    def engine_key(self) -> EngineKey:
        """The engine that the path names."""
        return EngineKey(self.project, self.location, self.path[1])


class ServiceContext:
    """The state of one emulated service."""

    def __init__(self, settings: EmulatorSettings) -> None:
        self.settings = settings
        self.reset(None)

    def reset(self, seed: int | None) -> None:
        """Forget everything; with a seed, server-made ids are the same in every run."""
        self.store = EngineStore(self.settings.engines)
        self.operations = Operations()
        self.random = random.Random(seed)

    def now(self) -> int:
        """Return the server's time in nanoseconds."""
        return messages.from_datetime(self.settings.clock())

    def new_id(self) -> str:
        """Return a number as the service makes ids."""
        return str(self.random.randrange(*_ID_RANGE))

    def plan(self, call: EmulatedRequest) -> OperationPlan:
        """Return how the operation of this call goes: as the fault says, else as usual."""
        usual = {"polls": self.settings.operation_polls, "hidden_gets": self.settings.hidden_gets}
        return OperationPlan.model_validate({**usual, **call.plan})

    def engine(self, call: EmulatedRequest) -> Engine:
        """Return the engine that a path names.

        Raises:
            ApiError: 404 NOT_FOUND: there is no such engine.
        """
        engine = self.store.find(call.engine_key, self.now())
        if engine is None:
            raise not_found(NO_ENGINE)
        return engine

    def session(self, call: EmulatedRequest, field: str = "name") -> tuple[Engine, Session]:
        """Return the session that a path names, with its engine.

        Raises:
            ApiError: 400 if the id cannot be one, 404 if there is no such engine or session.
        """
        session_id = call.path[3]
        if not plausible_session_id(session_id):
            raise found_errors((field, "Invalid Session resource name."))
        engine = self.engine(call)
        session = engine.sessions.get(session_id)
        if session is None:
            raise session_not_found(engine, session_id)
        return engine, session


def session_not_found(engine: Engine, session_id: str) -> Exception:
    """Return the 404 of a session, worded as recorded."""
    return not_found(f"Session {engine.key.name()}/sessions/{session_id} not found.")
