"""EleanorAI: activity sessions and their participants.

No server of Eleanor's can be run, and its wire format is not published: this follows the PROPOSED
mapping of the contract (section 7) in full. What that leaves open, so that a user can start without
set-up and every error can still be met:

* any namespace exists, and any participant of it from its first mention on, except those whose
  name starts with `unknown` (404); a name that starts with `agent` or `assistant` is an agent's,
  any other a user's
* names have 1 to 255 characters, else 400; the session holds a participant once, also at creation

What the API itself cannot make or show (managed and auto-created sessions, turns, a participant of
another type), tests reach below `/_emulator/`, with the control token:

* `PUT /_emulator/eleanor/{namespace}/participants/{name}` with `{"participant_type": "agent"}`
* `GET /_emulator/eleanor/{namespace}/sessions/{session}`: the whole row, data and turns included
* `PATCH` of the same with any of managed, auto_created, data, and participants: an object from
  name to `{"chat_turns": [..], "insights": [..], "last_integration_turn": n}`

What is kept: contract, section 4; the `status` in every body and the error map: section 2. The seed
fills the namespace `demo`.
"""

from __future__ import annotations

import hmac
import random
from collections.abc import Callable, Coroutine
from datetime import datetime, timedelta
from typing import Annotated, Any, Literal
from uuid import uuid4

from fastapi import Depends, Header
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


class SetParticipant(BaseModel):
    """Body that makes a participant of a type."""

    participant_type: ParticipantType


class PatchSession(BaseModel):
    """Columns of a session that its own API does not set; absent ones stay as they are."""

    model_config = ConfigDict(extra="forbid")

    managed: bool = False
    auto_created: bool = False
    data: str | None = None
    participants: dict[str, Binding] = {}


def bearer(token: str | None) -> Callable[..., Coroutine[Any, Any, None]]:
    """Return a dependency that lets only requests with the token pass, or all if it is None."""

    async def check(authorization: Annotated[str | None, Header()] = None) -> None:
        if token is not None and not hmac.compare_digest(
            (authorization or "").encode(), f"Bearer {token}".encode()
        ):
            raise Refusal.json(401, {"detail": "Not authenticated"})

    return check


NAMESPACE = "demo"
SESSIONS = 20
SEED_USERS = ("ann", "bob", "cyn")
SEED_AGENTS = ("agent-iris", "agent-otto")


class Eleanor(Stateful[EleanorState]):
    """One emulated Eleanor; each operation on a session answers 200 with a status beside it.

    Its paths are `/api/v1/sessions/...` and, with the control token, `/_emulator/eleanor/...`.

    Args:
        settings: Those of the emulator.
        token: Bearer token that the API asks for (401 without it); None asks for none (PROPOSED).
    """

    name = "eleanor"
    model = EleanorState

    def __init__(self, settings: EmulatorSettings, *, token: str | None = None) -> None:
        super().__init__(settings)
        base = "/api/v1/sessions/{namespace}"
        one = base + "/{activity_session}"
        person = one + "/participants/{participant}"
        self.add_routes(
            ("POST", base, self.create),
            ("GET", base, self.list_sessions),
            ("GET", one, self.get),
            ("PUT", one, self.update),
            ("PATCH", one, self.update),
            ("DELETE", one, self.delete),
            ("POST", one + "/undelete", self.undelete),
            ("POST", one + "/truncate", self.truncate),
            ("PUT", person, self.bind),
            ("DELETE", person, self.unbind),
            ("POST", one + "/integrate", self.integrate),
            dependencies=[Depends(bearer(token))],
        )
        admin = "/_emulator/eleanor/{namespace}"
        self.add_routes(
            ("PUT", admin + "/participants/{participant}", self.set_participant),
            ("GET", admin + "/sessions/{activity_session}", self.get_row),
            ("PATCH", admin + "/sessions/{activity_session}", self.patch_row),
        )

    async def create(self, namespace: str, body: CreateSession) -> dict[str, Any]:
        """Make a session: 409 if the name is taken, by a deleted session too."""
        self._check_name(namespace, body.name)
        people = [self._participant(namespace, key).pkid for key in body.participants]
        if len(set(people)) < len(people):
            raise fault("RESOURCE_INVALID_STATE", "A participant is named twice.")
        session = Session(
            pkid=self.draws.uuid(),
            namespace=namespace,
            create_ts=self.clock(),
            bindings={pkid: Binding() for pkid in people},
            **body.model_dump(exclude={"participants"}),
        )
        self.state.sessions[session.pkid] = session
        return self._answer(session)

    async def list_sessions(self, namespace: str, include_deleted: bool = False) -> dict[str, Any]:
        """Return all sessions of a namespace by name; there is no paging."""
        sessions = sorted(self._all(namespace), key=lambda session: session.name)
        shown = [self._show(s) for s in sessions if include_deleted or not s.deleted]
        return success(sessions=shown)

    async def get(self, namespace: str, activity_session: str) -> dict[str, Any]:
        """Return a session: 410 if it is deleted."""
        return self._answer(self._live(namespace, activity_session))

    async def update(
        self, namespace: str, activity_session: str, body: UpdateSession
    ) -> dict[str, Any]:
        """Change the fields that were sent: 403 if the session is managed, 409 a taken name."""
        session = self._unmanaged(namespace, activity_session)
        if "name" in body.model_fields_set:
            self._check_name(namespace, body.name, session)
        for field in body.model_fields_set:
            setattr(session, field, getattr(body, field))
        return self._answer(session)

    async def delete(self, namespace: str, activity_session: str) -> dict[str, Any]:
        """Delete a session softly: 403 if it is managed, 410 if it is deleted already."""
        session = self._unmanaged(namespace, activity_session)
        session.deleted = True
        return self._answer(session)

    async def undelete(self, namespace: str, activity_session: str) -> dict[str, Any]:
        """Take a deletion back: 400 if there is none."""
        session = self._session(namespace, activity_session)
        if not session.deleted:
            raise fault("RESOURCE_INVALID_STATE", f"'{session.name}' is not deleted.")
        session.deleted = False
        return self._answer(session)

    async def truncate(self, namespace: str, activity_session: str) -> dict[str, Any]:
        """Clear the four columns of the contract; name, settings and bindings stay."""
        session = self._live(namespace, activity_session)
        session.truncate()
        return self._answer(session)

    async def bind(self, namespace: str, activity_session: str, participant: str) -> dict[str, Any]:
        """Attach a participant: 400 if it is attached, 403 if it is of another namespace."""
        session = self._live(namespace, activity_session)
        person = self._participant(namespace, participant)
        if person.pkid in session.bindings:
            raise fault("RESOURCE_INVALID_STATE", f"'{person.name}' is already bound.")
        session.bindings[person.pkid] = Binding()
        return self._answer(session)

    async def unbind(
        self, namespace: str, activity_session: str, participant: str
    ) -> dict[str, Any]:
        """Detach a participant: 400 if it is not attached."""
        session = self._live(namespace, activity_session)
        person = self._participant(namespace, participant)
        if person.pkid not in session.bindings:
            raise fault("RESOURCE_INVALID_STATE", f"'{person.name}' is not bound.")
        del session.bindings[person.pkid]
        return self._answer(session)

    async def integrate(self, namespace: str, activity_session: str) -> dict[str, Any]:
        """Start the memory integration of a session's agents: 403 if it is disabled.

        The task is done at once; no route asks for it (contract, section 2).
        """
        session = self._live(namespace, activity_session)
        if not session.enabled:
            raise fault("RESOURCE_DISABLED", f"The session '{session.name}' is disabled.")
        people = self._bound(session)
        session.integrate({p.pkid for p in people if p.participant_type == "agent"})
        return success(task_id=self.draws.uuid())

    def _unmanaged(self, namespace: str, key: str) -> Session:
        session = self._live(namespace, key)
        if session.managed:
            message = f"The session '{session.name}' is managed by the system."
            raise fault("RESOURCE_INVALID_OWNERSHIP", message)
        return session

    def _answer(self, session: Session) -> dict[str, Any]:
        return success(session=self._show(session))

    async def set_participant(
        self, namespace: str, participant: str, body: SetParticipant
    ) -> dict[str, Any]:
        """Make a participant, or change its type."""
        kind = body.participant_type
        return self._add_participant(self._namespace(namespace), participant, kind).model_dump()

    async def get_row(self, namespace: str, activity_session: str) -> dict[str, Any]:
        """Return the whole row of a session, deleted or not."""
        return self._row(self._session(namespace, activity_session))

    async def patch_row(
        self, namespace: str, activity_session: str, body: PatchSession
    ) -> dict[str, Any]:
        """Set columns of a session; participants that are not bound become so."""
        session = self._session(namespace, activity_session)
        for name, binding in body.participants.items():
            session.bindings[self._participant(namespace, name).pkid] = binding
        for field in body.model_fields_set - {"participants"}:
            setattr(session, field, getattr(body, field))
        return self._row(session)

    def _row(self, session: Session) -> dict[str, Any]:
        people = self._bound(session)
        turns = {person.name: session.bindings[person.pkid].model_dump() for person in people}
        return {**self._show(session), "data": session.data, "bindings": turns}

    def counts(self) -> dict[str, int]:
        """Return how many sessions there are."""
        return {"sessions": len(self.state.sessions)}

    def fill(self, seed: int) -> None:
        """Add sessions of a user and an agent each, one a day; every seventh is deleted."""
        source, now = random.Random(f"eleanor-data:{seed}"), self.clock()
        for number in range(SESSIONS):
            self._add(source, number, now - timedelta(days=SESSIONS - number))

    def _add(self, source: random.Random, number: int, created: datetime) -> None:
        people = [source.choice(SEED_USERS), source.choice(SEED_AGENTS)]
        bound = [self._participant(NAMESPACE, name).pkid for name in people]
        turns = [{"role": "user", "content": f"Question {n}"} for n in range(source.randint(0, 4))]
        session = Session(
            pkid=self.draws.uuid(),
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
        self.state.sessions[session.pkid] = session

    # How names and pkids are found.

    def _namespace(self, name: str) -> str:
        """Return a namespace that exists; raises 404."""
        if name.startswith(UNKNOWN):
            raise fault("RESOURCE_NOT_FOUND", f"There is no namespace '{name}'.")
        return name

    def _all(self, namespace: str) -> list[Session]:
        """Return all sessions of a namespace, deleted ones too; raises 404."""
        self._namespace(namespace)
        return [s for s in self.state.sessions.values() if s.namespace == namespace]

    def _session(self, namespace: str, key: str) -> Session:
        """Return a session by name or pkid, deleted or not; raises 404."""
        for session in self._all(namespace):
            if key in {session.name, session.pkid}:
                return session
        raise fault("RESOURCE_NOT_FOUND", f"There is no session '{key}' in '{namespace}'.")

    def _live(self, namespace: str, key: str) -> Session:
        """Return a session that is not deleted; raises 404 or 410."""
        session = self._session(namespace, key)
        if session.deleted:
            raise fault("RESOURCE_DELETED", f"The session '{session.name}' is deleted.")
        return session

    def _check_name(self, namespace: str, name: str, own: Session | None = None) -> None:
        """Refuse a name that is not valid (400) or that another session has (409).

        A soft-deleted session keeps its name (contract, section 4).
        """
        if not 1 <= len(name) <= MAX_NAME:
            raise fault("INVALID_INPUT", f"A name must have 1 to {MAX_NAME} characters.")
        if any(s.name == name and s is not own for s in self._all(namespace)):
            raise fault("RESOURCE_ALREADY_EXISTS", f"The session '{name}' already exists.")

    def _participant(self, namespace: str, key: str) -> Participant:
        """Return a participant by pkid or name, new if the name is; raises 403 or 404."""
        known = self.state.participants.get(key)
        if known is not None and known.namespace != namespace:
            message = f"The participant '{known.name}' belongs to another namespace."
            raise fault("RESOURCE_INVALID_OWNERSHIP", message)
        known = known or self._by_name(namespace, key)
        if known is None and (key.startswith(UNKNOWN) or not 1 <= len(key) <= MAX_NAME):
            raise fault("RESOURCE_NOT_FOUND", f"There is no participant '{key}'.")
        return known or self._add_participant(
            namespace, key, "agent" if key.startswith(AGENTS) else "user"
        )

    def _by_name(self, namespace: str, name: str) -> Participant | None:
        for participant in self.state.participants.values():
            if (participant.namespace, participant.name) == (namespace, name):
                return participant
        return None

    def _add_participant(self, namespace: str, name: str, kind: ParticipantType) -> Participant:
        """Make a participant, or give the one of that name another type."""
        participant = self._by_name(namespace, name)
        if participant is None:
            participant = Participant(
                pkid=self.draws.uuid(), namespace=namespace, name=name, participant_type=kind
            )
            self.state.participants[participant.pkid] = participant
        participant.participant_type = kind
        return participant

    def _bound(self, session: Session) -> list[Participant]:
        """Return the participants of a session by name."""
        found = [self.state.participants[pkid] for pkid in session.bindings]
        return sorted(found, key=lambda participant: participant.name)

    def _show(self, session: Session) -> dict[str, Any]:
        """Return a session as SessionV1 (PROPOSED): without data and turns."""
        body = session.model_dump(mode="json", exclude={"data", "bindings"})
        people = [p.model_dump(exclude={"namespace"}) for p in self._bound(session)]
        return {**body, "participants": people}
