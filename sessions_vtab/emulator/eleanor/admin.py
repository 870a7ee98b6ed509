"""What Eleanor's sessions API cannot make or show, for tests.

The emulator's front asks for the control token below `/_emulator/`, so for these routes too:

* `PUT /_emulator/eleanor/{namespace}/participants/{name}` with `{"participant_type": "agent"}`
* `GET /_emulator/eleanor/{namespace}/sessions/{session}`: the whole row, data and turns included
* `PATCH` of the same with any of managed, auto_created, data, and participants: an object from
  name to `{"chat_turns": [..], "insights": [..], "last_integration_turn": n}`
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from pydantic import BaseModel, ConfigDict

from sessions_vtab.emulator.eleanor.models import Binding, ParticipantType

if TYPE_CHECKING:
    from fastapi import APIRouter

    from sessions_vtab.emulator.eleanor.models import Session
    from sessions_vtab.emulator.eleanor.store import Store


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


class AdminRoutes:
    """The routes that only an emulator has."""

    def __init__(self, store: Store) -> None:
        self._store = store

    def mount(self, router: APIRouter) -> None:
        """Add the routes to a router."""
        base = "/_emulator/eleanor/{namespace}"
        session = base + "/sessions/{activity_session}"
        for method, path, endpoint in (
            ("PUT", base + "/participants/{participant}", self.participant),
            ("GET", session, self.get),
            ("PATCH", session, self.patch),
        ):
            router.add_api_route(path, endpoint, methods=[method], response_model=None)

    async def participant(
        self, namespace: str, participant: str, body: SetParticipant
    ) -> dict[str, Any]:
        """Make a participant, or change its type."""
        made = self._store.add_participant(
            self._store.namespace(namespace), participant, body.participant_type
        )
        return made.model_dump()

    async def get(self, namespace: str, activity_session: str) -> dict[str, Any]:
        """Return the whole row of a session, deleted or not."""
        return self._row(self._store.session(namespace, activity_session))

    async def patch(
        self, namespace: str, activity_session: str, body: PatchSession
    ) -> dict[str, Any]:
        """Set columns of a session; participants that are not bound become so."""
        session = self._store.session(namespace, activity_session)
        for name, binding in body.participants.items():
            session.bindings[self._store.participant(namespace, name).pkid] = binding
        for field in body.model_fields_set - {"participants"}:
            setattr(session, field, getattr(body, field))
        return self._row(session)

    def _row(self, session: Session) -> dict[str, Any]:
        people = self._store.bound(session)
        turns = {person.name: session.bindings[person.pkid].model_dump() for person in people}
        return {**self._store.show(session), "data": session.data, "bindings": turns}
