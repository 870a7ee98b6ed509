"""Resource names: ``namespaces/{namespace}/sessions/{session}/participants/{participant}``."""

from __future__ import annotations

from dataclasses import dataclass

from sessions_vtab.spec.names import ids_of, resource_name

__all__ = ["ParticipantRef", "SessionRef", "parse_participant", "parse_session"]

_NAMESPACES, _SESSIONS, _PARTICIPANTS = "namespaces", "sessions", "participants"


@dataclass(frozen=True, slots=True)
class SessionRef:
    """One session: by its name, or by its pkid where the service takes that."""

    namespace: str
    session: str

    @property
    def name(self) -> str:
        """Its full resource name."""
        return resource_name((_NAMESPACES, self.namespace), (_SESSIONS, self.session))


@dataclass(frozen=True, slots=True)
class ParticipantRef:
    """One participant's binding to a session."""

    session: SessionRef
    participant: str

    @property
    def name(self) -> str:
        """Its full resource name."""
        return f"{self.session.name}/{resource_name((_PARTICIPANTS, self.participant))}"


def parse_session(name: object) -> SessionRef | None:
    """The session a full name stands for; None if it is not the name of a session."""
    ids = ids_of(name, _NAMESPACES, _SESSIONS)
    return None if ids is None else SessionRef(*ids)


def parse_participant(name: object) -> ParticipantRef | None:
    """The binding a full name stands for; None if it is not the name of a binding."""
    ids = ids_of(name, _NAMESPACES, _SESSIONS, _PARTICIPANTS)
    return None if ids is None else ParticipantRef(SessionRef(*ids[:2]), ids[2])
