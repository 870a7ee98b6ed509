"""Which call a write makes: a pure function, so that a dry run can show it."""

from __future__ import annotations

from collections.abc import Callable, Hashable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from sessions_vtab.backends.eleanor.calls import Calls
from sessions_vtab.backends.eleanor.names import (
    ParticipantRef,
    SessionRef,
    parse_participant,
    parse_session,
)
from sessions_vtab.backends.eleanor.settings import Settings
from sessions_vtab.errors import InvalidValueError, MissingParameterError, StatementError
from sessions_vtab.fetch import Call
from sessions_vtab.spec.predicate import Value
from sessions_vtab.spec.values import load_json
from sessions_vtab.spec.write import Action, Write

__all__ = ["Request", "Requests"]

_NOTHING = "Nothing was sent."


@dataclass(frozen=True, slots=True)
class Request:
    """A write as it goes out.

    Attributes:
        call: what is sent.
        session: the session it is about, by the name it has afterwards.
        participant: of a binding: whose.
    """

    call: Call
    session: SessionRef
    participant: str = ""


class Requests:
    """Makes requests of writes.

    Args:
        settings: the source.
        calls: makes its calls.
    """

    def __init__(self, settings: Settings, calls: Calls) -> None:
        self._settings = settings
        self._source = settings.source.name
        self._fields = settings.fields
        self._calls = calls

    def of(self, write: Write) -> Request:
        """The request of a write; nothing is sent.

        Raises:
            StatementError: what is wrong with a value, naming its column.
        """
        if write.table == "participants":
            return self._binding(write)
        if write.action is Action.INSERT:
            return self._create(write.values)
        ref = self._existing(write)
        if write.action is Action.DELETE:
            return Request(self._calls.delete_session(ref), ref)
        return self._update(ref, write.values)

    def lanes(self, writes: Sequence[Write]) -> Callable[[Write], Hashable]:
        """Returns the queue key of each write: writes of one session are sent in order.

        A renaming makes that the whole unit of work: later rows may use either name.
        """
        if any(write.action is Action.UPDATE and "session_id" in write.values for write in writes):
            return lambda _: "renaming"
        return self._lane

    def _lane(self, write: Write) -> Hashable:
        try:
            return self._target(write)
        except StatementError:
            return None  # Making the request says what is wrong.

    def _target(self, write: Write) -> SessionRef:
        if write.table == "participants":
            return self._binding_of(write).session
        return self._new(write.values) if write.action is Action.INSERT else self._existing(write)

    # Sessions

    def _create(self, values: Mapping[str, Value]) -> Request:
        ref = self._new(values)
        body = {self._fields["session_id"]: ref.session, **self._body(values)}
        return Request(self._calls.create_session(ref.namespace, body), ref)

    def _new(self, values: Mapping[str, Value]) -> SessionRef:
        """The session that an INSERT makes, from ``name`` or from ``session_id``."""
        where = f"{self._source}.sessions"
        name, session_id = values.get("name"), values.get("session_id")
        if name is not None:
            ref = self._named(name, where)
            self._agree(values, {"session_id": ref.session, "namespace": ref.namespace}, where)
        elif session_id is None:
            raise MissingParameterError(f"{where}: session_id is required. {_NOTHING}")
        else:
            ref = SessionRef(self._settings.default_namespace(values), str(session_id))
        if not ref.session:
            raise InvalidValueError(f"{where}: session_id is empty. {_NOTHING}")
        return ref

    def _update(self, ref: SessionRef, values: Mapping[str, Value]) -> Request:
        where = f"{self._source}.sessions"
        if "deleted" in values:
            if len(values) > 1:
                raise InvalidValueError(
                    f"{where}: deleted cannot be combined with other columns; set it in a"
                    f" separate UPDATE. {_NOTHING}"
                )
            restores = values["deleted"] == 0
            make = self._calls.undelete_session if restores else self._calls.delete_session
            return Request(make(ref), ref)
        for column in ("session_id", "enabled"):
            if column in values and values[column] in {None, ""}:
                raise InvalidValueError(f"{where}.{column} cannot be empty. {_NOTHING}")
        body = self._body(values)
        if "session_id" not in values:
            return Request(self._calls.update_session(ref, body), ref)
        renamed = SessionRef(ref.namespace, str(values["session_id"]))
        body = {self._fields["session_id"]: renamed.session, **body}
        return Request(self._calls.update_session(ref, body, renames=True), renamed)

    def _body(self, values: Mapping[str, Value]) -> dict[str, Any]:
        fields, where = self._fields, f"{self._source}.sessions"
        body: dict[str, Any] = {}
        if "description" in values:
            body[fields["description"]] = values["description"]
        if "enabled" in values:
            body[fields["enabled"]] = bool(values["enabled"])
        if "settings" in values:
            given = values["settings"]
            settings = {} if given is None else load_json(given, f"{where}.settings")
            if not isinstance(settings, dict):
                raise InvalidValueError(f"{where}.settings must be a JSON object. {_NOTHING}")
            body[fields["settings"]] = settings
        return body

    def _existing(self, write: Write) -> SessionRef:
        return self._named(write.key, f"{self._source}.{write.table}")

    def _named(self, name: Value, where: str) -> SessionRef:
        ref = parse_session(name)
        if ref is None:
            raise InvalidValueError(
                f"{where}: {name!r:.120} is not a valid session name"
                f" (namespaces/../sessions/..). {_NOTHING}"
            )
        self._settings.allowed(ref.namespace)
        return ref

    # Participants

    def _binding(self, write: Write) -> Request:
        binding = self._binding_of(write)
        binds = write.action is Action.INSERT
        make = self._calls.bind_participant if binds else self._calls.unbind_participant
        call = make(binding.session, binding.participant)
        return Request(call, binding.session, binding.participant)

    def _binding_of(self, write: Write) -> ParticipantRef:
        where = f"{self._source}.participants"
        values = write.values
        name = write.key if write.action is Action.DELETE else values.get("name")
        if name is None:
            return ParticipantRef(self._session_of(values, where), str(values["participant"]))
        binding = parse_participant(name)
        if binding is None:
            raise InvalidValueError(
                f"{where}: {name!r:.120} is not a valid binding name"
                f" (namespaces/../sessions/../participants/..). {_NOTHING}"
            )
        ref = binding.session
        self._settings.allowed(ref.namespace)
        named = {"session_id": ref.session, "session_name": ref.name, "namespace": ref.namespace}
        self._agree(values, {**named, "participant": binding.participant}, where)
        return binding

    def _session_of(self, values: Mapping[str, Value], where: str) -> SessionRef:
        name, session_id = values.get("session_name"), values.get("session_id")
        if name is not None:
            ref = self._named(name, where)
            self._agree(values, {"session_id": ref.session, "namespace": ref.namespace}, where)
            return ref
        if session_id is None:
            raise MissingParameterError(
                f"{where}: session_id (or session_name) is required. {_NOTHING}"
            )
        return SessionRef(self._settings.default_namespace(values), str(session_id))

    def _agree(self, values: Mapping[str, Value], named: Mapping[str, str], where: str) -> None:
        """Raises if a value contradicts the same part of the resource name."""
        for column, value in named.items():
            if values.get(column) not in {None, value}:
                raise InvalidValueError(
                    f"{where}: {column} = {values[column]!r:.80} contradicts the name. Give"
                    f" only one of them. {_NOTHING}"
                )
