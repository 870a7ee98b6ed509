"""EleanorAI: activity sessions and their participants.

No server of Eleanor's can be run, and its wire format is not published: this follows the PROPOSED
mapping of the contract (section 7) in full. What that leaves open, so that a user can start without
set-up and every error can still be met:

* any namespace exists, and any participant of it from its first mention on, except those whose
  name starts with `unknown` (404); a name that starts with `agent` or `assistant` is an agent's,
  any other a user's
* names have 1 to 255 characters, else 400; the session holds a participant once, also at creation

Here are the ten operations; `state` has what is kept and how names are found. What the API itself
cannot make or show (managed and auto-created sessions, turns, a participant of another type), tests
reach below `/_emulator/`, with the control token:

* `PUT /_emulator/eleanor/{namespace}/participants/{name}` with `{"participant_type": "agent"}`
* `GET /_emulator/eleanor/{namespace}/sessions/{session}`: the whole row, data and turns included
* `PATCH` of the same with any of managed, auto_created, data, and participants: an object from
  name to `{"chat_turns": [..], "insights": [..], "last_integration_turn": n}`
"""

from __future__ import annotations

import hmac
from collections.abc import Callable, Coroutine
from typing import Annotated, Any

from fastapi import APIRouter, Depends, Header
from pydantic import BaseModel, ConfigDict

from sessions_vtab.emulator.eleanor.state import (
    Binding,
    CreateSession,
    EleanorStore,
    ParticipantType,
    Session,
    UpdateSession,
    fault,
    success,
)
from sessions_vtab.emulator.service import EmulatorSettings, Refusal, Route, Service, add_routes

__all__ = ["service"]


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

    def __init__(self, store: EleanorStore) -> None:
        self._store = store

    def mount(self, router: APIRouter) -> None:
        """Add the routes to a router."""
        base = "/_emulator/eleanor/{namespace}"
        session = base + "/sessions/{activity_session}"
        add_routes(
            router,
            ("PUT", base + "/participants/{participant}", self.participant),
            ("GET", session, self.get),
            ("PATCH", session, self.patch),
        )

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


def service(settings: EmulatorSettings, *, token: str | None = None) -> Service:
    """Return an emulated Eleanor with its own state.

    Its paths are `/api/v1/sessions/...` and, with the control token, `/_emulator/eleanor/...`.

    Args:
        settings: Those of the emulator.
        token: Bearer token that the API asks for (401 without it); None asks for none (PROPOSED).
    """
    store = EleanorStore(settings)
    router = APIRouter(route_class=Route)
    SessionRoutes(store, settings).mount(router, token)
    AdminRoutes(store).mount(router)
    return store.service(router)


def bearer(token: str | None) -> Callable[..., Coroutine[Any, Any, None]]:
    """Return a dependency that lets only requests with the token pass, or all if it is None."""

    async def check(authorization: Annotated[str | None, Header()] = None) -> None:
        if token is not None and not hmac.compare_digest(
            (authorization or "").encode(), f"Bearer {token}".encode()
        ):
            raise Refusal.json(401, {"detail": "Not authenticated"})

    return check


class SessionRoutes:
    """The operations on sessions; each answers 200 with a status beside its resource."""

    def __init__(self, store: EleanorStore, settings: EmulatorSettings) -> None:
        self._store = store
        self._clock = settings.clock

    def mount(self, router: APIRouter, token: str | None) -> None:
        """Add the routes to a router."""
        base = "/api/v1/sessions/{namespace}"
        one = base + "/{activity_session}"
        person = one + "/participants/{participant}"
        add_routes(
            router,
            ("POST", base, self.create),
            ("GET", base, self.list),
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

    async def create(self, namespace: str, body: CreateSession) -> dict[str, Any]:
        """Make a session: 409 if the name is taken, by a deleted session too."""
        self._store.check_name(namespace, body.name)
        people = [self._store.participant(namespace, key).pkid for key in body.participants]
        if len(set(people)) < len(people):
            raise fault("RESOURCE_INVALID_STATE", "A participant is named twice.")
        session = Session(
            pkid=self._store.draws.uuid(),
            namespace=namespace,
            create_ts=self._clock(),
            bindings={pkid: Binding() for pkid in people},
            **body.model_dump(exclude={"participants"}),
        )
        self._store.state.sessions[session.pkid] = session
        return self._answer(session)

    async def list(self, namespace: str, include_deleted: bool = False) -> dict[str, Any]:
        """Return all sessions of a namespace by name; there is no paging."""
        sessions = self._store.sessions(namespace)
        shown = [self._store.show(s) for s in sessions if include_deleted or not s.deleted]
        return success(sessions=shown)

    async def get(self, namespace: str, activity_session: str) -> dict[str, Any]:
        """Return a session: 410 if it is deleted."""
        return self._answer(self._store.live(namespace, activity_session))

    async def update(
        self, namespace: str, activity_session: str, body: UpdateSession
    ) -> dict[str, Any]:
        """Change the fields that were sent: 403 if the session is managed, 409 a taken name."""
        session = self._unmanaged(namespace, activity_session)
        if "name" in body.model_fields_set:
            self._store.check_name(namespace, body.name, session)
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
        session = self._store.session(namespace, activity_session)
        if not session.deleted:
            raise fault("RESOURCE_INVALID_STATE", f"'{session.name}' is not deleted.")
        session.deleted = False
        return self._answer(session)

    async def truncate(self, namespace: str, activity_session: str) -> dict[str, Any]:
        """Clear the four columns of the contract; name, settings and bindings stay."""
        session = self._store.live(namespace, activity_session)
        session.truncate()
        return self._answer(session)

    async def bind(self, namespace: str, activity_session: str, participant: str) -> dict[str, Any]:
        """Attach a participant: 400 if it is attached, 403 if it is of another namespace."""
        session = self._store.live(namespace, activity_session)
        person = self._store.participant(namespace, participant)
        if person.pkid in session.bindings:
            raise fault("RESOURCE_INVALID_STATE", f"'{person.name}' is already bound.")
        session.bindings[person.pkid] = Binding()
        return self._answer(session)

    async def unbind(
        self, namespace: str, activity_session: str, participant: str
    ) -> dict[str, Any]:
        """Detach a participant: 400 if it is not attached."""
        session = self._store.live(namespace, activity_session)
        person = self._store.participant(namespace, participant)
        if person.pkid not in session.bindings:
            raise fault("RESOURCE_INVALID_STATE", f"'{person.name}' is not bound.")
        del session.bindings[person.pkid]
        return self._answer(session)

    async def integrate(self, namespace: str, activity_session: str) -> dict[str, Any]:
        """Start the memory integration of a session's agents: 403 if it is disabled.

        The task is done at once; no route asks for it (contract, section 2).
        """
        session = self._store.live(namespace, activity_session)
        if not session.enabled:
            raise fault("RESOURCE_DISABLED", f"The session '{session.name}' is disabled.")
        people = self._store.bound(session)
        session.integrate({p.pkid for p in people if p.participant_type == "agent"})
        return success(task_id=self._store.draws.uuid())

    def _unmanaged(self, namespace: str, key: str) -> Session:
        session = self._store.live(namespace, key)
        if session.managed:
            message = f"The session '{session.name}' is managed by the system."
            raise fault("RESOURCE_INVALID_OWNERSHIP", message)
        return session

    def _answer(self, session: Session) -> dict[str, Any]:
        return success(session=self._store.show(session))
