"""How names and pkids are found in an emulated Eleanor, and what comes to exist by itself."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING, Any

from sessions_vtab.emulator.draws import Draws
from sessions_vtab.emulator.eleanor import seed as data
from sessions_vtab.emulator.eleanor.models import Participant, Session, State
from sessions_vtab.emulator.eleanor.status import fault

if TYPE_CHECKING:
    from sessions_vtab.emulator.eleanor.models import ParticipantType
    from sessions_vtab.emulator.service import JSON
    from sessions_vtab.emulator.settings import Settings

UNKNOWN = "unknown"
"""Names of namespaces and participants that start so do not exist."""

AGENTS = ("agent", "assistant")
MAX_NAME = 255
"""Our choice: RESOURCE_NAME_LEN is not known (contract, section 4)."""


class Store:
    """State and ids of one emulated Eleanor."""

    def __init__(self, settings: Settings) -> None:
        self._clock = settings.clock
        self.reset(settings.seed)

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
        return known or self.add_participant(namespace, key, _type_of(key))

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

    def reset(self, seed: int | None) -> None:
        """Forget everything; with a seed, fill in its data set."""
        self.draws = Draws("eleanor", seed)
        self.state = State()
        if seed is not None:
            data.fill(self, seed, self._clock())

    def summary(self) -> str:
        """Return what is there in a few words, or nothing."""
        count = len(self.state.sessions)
        return f"{count} sessions" if count else ""

    def dump(self) -> JSON:
        """Return the state as JSON."""
        self.state.draws = self.draws.count
        dumped: JSON = self.state.model_dump(mode="json")
        return dumped

    def load(self, dumped: JSON) -> None:
        """Take back what `dump` returned; raises ValueError if it is something else."""
        self.state = State.model_validate_json(json.dumps(dumped))
        self.draws.count = self.state.draws


def _type_of(name: str) -> ParticipantType:
    return "agent" if name.startswith(AGENTS) else "user"
