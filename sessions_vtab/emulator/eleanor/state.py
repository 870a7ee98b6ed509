"""What an emulated Eleanor keeps: bodies, how names and pkids are found, and the data of a seed.

Contract, section 4; the `status` in every body and the error map: section 2. The seed
fills the namespace `demo`.
"""

from __future__ import annotations

import random
from datetime import datetime, timedelta
from typing import Any, Literal
from uuid import uuid4

from pydantic import BaseModel, ConfigDict, Field

from sessions_vtab.emulator.service import DrawnState, EmulatorSettings, Refusal, Stateful

SUCCESS = "SUCCESS"

ERRORS = {
    "GENERAL_SERVICE_ERROR": 500,
    "INVALID_INPUT": 400,
    "RESOURCE_INVALID_STATE": 400,
    "RESOURCE_NOT_FOUND": 404,
    "RESOURCE_ALREADY_EXISTS": 409,
    "RESOURCE_DELETED": 410,
    "RESOURCE_DISABLED": 403,
    "RESOURCE_INVALID_OWNERSHIP": 403,
}
"""Error code to HTTP status; documented, in this order."""

CODES = {name: number for number, name in enumerate([SUCCESS, *ERRORS])}
"""Code numbers: PROPOSED, SUCCESS is 0 and the errors follow in their order."""


def success(**fields: Any) -> dict[str, Any]:
    """Return the body of a success: its fields beside the status."""
    return {"status": _status(SUCCESS, SUCCESS), **fields}


def fault(code: str, message: str) -> Refusal:
    """Make the answer for an error of the map, with the HTTP status that the map gives it."""
    return Refusal.json(ERRORS[code], {"status": _status(code, message)})


def _status(code: str, message: str) -> dict[str, Any]:
    return {"code": CODES[code], "message": message, "trace": str(uuid4())}


ParticipantType = Literal["user", "agent"]


class CreateSession(BaseModel):
    """SessionCreateRequestV1 (PROPOSED); unknown fields are refused."""

    model_config = ConfigDict(extra="forbid")

    name: str
    description: str | None = None
    enabled: bool = True
    participants: list[str] = []
    settings: dict[str, Any] = {}


class UpdateSession(BaseModel):
    """SessionUpdateRequestV1 (PROPOSED); an absent field stays as it is.

    The defaults are never used: only the fields that were sent are.
    """

    model_config = ConfigDict(extra="forbid")

    name: str = ""
    description: str | None = None
    enabled: bool = True
    settings: dict[str, Any] = {}


class Binding(BaseModel):
    """Row of activity_session_participant: what a session keeps for one participant.

    The contract (section 4) names the columns; their types are our choice.
    """

    chat_turns: list[Any] = []
    insights: list[Any] = []
    last_integration_turn: int | None = None


class Participant(BaseModel):
    """Row of participant; the name is unique in its namespace over users and agents."""

    pkid: str
    namespace: str
    name: str
    participant_type: ParticipantType


class Session(BaseModel):
    """Row of activity_session.

    Attributes:
        data: Long text that no operation returns; `truncate` clears it.
        bindings: What is kept for each participant, by the participant's pkid.
    """

    pkid: str
    namespace: str
    name: str
    description: str | None
    enabled: bool
    create_ts: datetime
    settings: dict[str, Any]
    managed: bool = False
    deleted: bool = False
    auto_created: bool = False
    data: str | None = None
    bindings: dict[str, Binding] = {}

    def truncate(self) -> None:
        """Clear data, turns, insights and last integration; everything else stays."""
        self.data = None
        self.bindings = {pkid: Binding() for pkid in self.bindings}

    def integrate(self, agents: set[str]) -> None:
        """Mark the turns of the given participants as integrated."""
        for pkid in agents & self.bindings.keys():
            binding = self.bindings[pkid]
            binding.last_integration_turn = len(binding.chat_turns)


class EleanorState(DrawnState):
    """Sessions and participants by pkid."""

    sessions: dict[str, Session] = Field(default_factory=dict)
    participants: dict[str, Participant] = Field(default_factory=dict)


UNKNOWN = "unknown"
"""Names of namespaces and participants that start so do not exist."""

AGENTS = ("agent", "assistant")
MAX_NAME = 255
"""Our choice: RESOURCE_NAME_LEN is not known (contract, section 4)."""


class EleanorStore(Stateful[EleanorState]):
    """State and ids of one emulated Eleanor."""

    def __init__(self, settings: EmulatorSettings) -> None:
        super().__init__("eleanor", EleanorState, settings)

    def namespace(self, name: str) -> str:
        """Return a namespace that exists; raises 404."""
        if name.startswith(UNKNOWN):
            raise fault("RESOURCE_NOT_FOUND", f"There is no namespace '{name}'.")
        return name

    def sessions(self, namespace: str) -> list[Session]:
        """Return all sessions of a namespace by name, deleted ones too; raises 404."""
        return sorted(self._all(namespace), key=lambda session: session.name)

    def _all(self, namespace: str) -> list[Session]:
        self.namespace(namespace)
        return [s for s in self.state.sessions.values() if s.namespace == namespace]

    def session(self, namespace: str, key: str) -> Session:
        """Return a session by name or pkid, deleted or not; raises 404."""
        for session in self._all(namespace):
            if key in {session.name, session.pkid}:
                return session
        raise fault("RESOURCE_NOT_FOUND", f"There is no session '{key}' in '{namespace}'.")

    def live(self, namespace: str, key: str) -> Session:
        """Return a session that is not deleted; raises 404 or 410."""
        session = self.session(namespace, key)
        if session.deleted:
            raise fault("RESOURCE_DELETED", f"The session '{session.name}' is deleted.")
        return session

    def check_name(self, namespace: str, name: str, own: Session | None = None) -> None:
        """Refuse a name that is not valid (400) or that another session has (409).

        A soft-deleted session keeps its name (contract, section 4).
        """
        if not 1 <= len(name) <= MAX_NAME:
            raise fault("INVALID_INPUT", f"A name must have 1 to {MAX_NAME} characters.")
        if any(s.name == name and s is not own for s in self._all(namespace)):
            raise fault("RESOURCE_ALREADY_EXISTS", f"The session '{name}' already exists.")

    def participant(self, namespace: str, key: str) -> Participant:
        """Return a participant by pkid or name, new if the name is; raises 403 or 404."""
        known = self.state.participants.get(key)
        if known is not None and known.namespace != namespace:
            message = f"The participant '{known.name}' belongs to another namespace."
            raise fault("RESOURCE_INVALID_OWNERSHIP", message)
        known = known or self._by_name(namespace, key)
        if known is None and (key.startswith(UNKNOWN) or not 1 <= len(key) <= MAX_NAME):
            raise fault("RESOURCE_NOT_FOUND", f"There is no participant '{key}'.")
        return known or self.add_participant(
            namespace, key, "agent" if key.startswith(AGENTS) else "user"
        )

    def _by_name(self, namespace: str, name: str) -> Participant | None:
        for participant in self.state.participants.values():
            if (participant.namespace, participant.name) == (namespace, name):
                return participant
        return None

    def add_participant(self, namespace: str, name: str, kind: ParticipantType) -> Participant:
        """Make a participant, or give the one of that name another type."""
        participant = self._by_name(namespace, name)
        if participant is None:
            pkid = self.draws.uuid()
            participant = Participant(
                pkid=pkid, namespace=namespace, name=name, participant_type=kind
            )
            self.state.participants[pkid] = participant
        participant.participant_type = kind
        return participant

    def bound(self, session: Session) -> list[Participant]:
        """Return the participants of a session by name."""
        found = [self.state.participants[pkid] for pkid in session.bindings]
        return sorted(found, key=lambda participant: participant.name)

    def show(self, session: Session) -> dict[str, Any]:
        """Return a session as SessionV1 (PROPOSED): without data and turns."""
        body = session.model_dump(mode="json", exclude={"data", "bindings"})
        people = [p.model_dump(exclude={"namespace"}) for p in self.bound(session)]
        return {**body, "participants": people}

    def fill(self, seed: int) -> None:
        """Add sessions of a user and an agent each, one a day; every seventh is deleted."""
        source, now = random.Random(f"eleanor-data:{seed}"), self._clock()
        for number in range(SESSIONS):
            _add(self, source, number, now - timedelta(days=SESSIONS - number))

    def counts(self) -> dict[str, int]:
        """Return how many sessions there are."""
        return {"sessions": len(self.state.sessions)}


NAMESPACE = "demo"
SESSIONS = 20
SEED_USERS = ("ann", "bob", "cyn")
SEED_AGENTS = ("agent-iris", "agent-otto")


def _add(store: EleanorStore, source: random.Random, number: int, created: datetime) -> None:
    people = [source.choice(SEED_USERS), source.choice(SEED_AGENTS)]
    bound = [store.participant(NAMESPACE, name).pkid for name in people]
    turns = [{"role": "user", "content": f"Question {n}"} for n in range(source.randint(0, 4))]
    session = Session(
        pkid=store.draws.uuid(),
        namespace=NAMESPACE,
        name=f"session-{number:02}",
        description=source.choice((None, f"{people[0]} asks {people[1]}")),
        enabled=number % 5 != 4,  # noqa: PLR2004  (every fifth is disabled)
        create_ts=created,
        settings={"sync_chat": number % 2 == 0},
        managed=number == 0,
        deleted=number % 7 == 6,  # noqa: PLR2004  (every seventh is deleted)
        bindings={pkid: Binding(chat_turns=turns) for pkid in bound},
    )
    store.state.sessions[session.pkid] = session
