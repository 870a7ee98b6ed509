"""Writing vertex: operations that are waited for, and reading back what a lost response left."""

from __future__ import annotations

import uuid
from collections import Counter
from collections.abc import Hashable, Iterable, Mapping
from dataclasses import replace
from itertools import islice
from types import MappingProxyType
from typing import TYPE_CHECKING, Any

from sessions_vtab import rest
from sessions_vtab.backends.vertex import filters, tables
from sessions_vtab.contract import times
from sessions_vtab.contract.agent_events import camel

if TYPE_CHECKING:
    from sessions_vtab.backends.vertex import VertexBackend
    from sessions_vtab.backends.vertex.reading import Events

APPEND = "append"
"""Kind of the calls that append events, which have a separate quota."""

_VISIBLE_AFTER = (0.0, 0.5, 1.0, 2.0, 3.0)
"""Seconds before each GET of a new resource: it was 404 for up to 3 s (contract, section 4)."""

_NAMED = ("userId", "displayName", "labels")
"""Fields of a session that are stored as they are sent."""


class _VertexWriter(rest.Writer):
    """What both tables have in common."""

    backend: VertexBackend

    def queue_key(self, write: rest.Write) -> Hashable:
        """The id and the number of a project name the same project."""
        key = super().queue_key(write)
        return key[1:] if isinstance(key, tuple) and not self.backend.express else key


class SessionWriter(_VertexWriter):
    """Rows of ``sessions``: creating and deleting are operations, which are waited for."""

    def change(self, write: rest.Write) -> rest.Change:
        """An UPDATE that changes nothing reads the row."""
        places, operation = self.places(write), self.operation(write.action)
        if write.action is rest.Action.DELETE:
            return rest.Change(self.backend.call(operation, places), places)
        if write.action is rest.Action.INSERT:
            query = ("sessionId", places.get("session_id"))
            body = session_body(write.values, self.where)
        elif not write.values and self.spec.get is not None:
            return rest.Change(self.backend.call(self.spec.get, places), places)
        else:
            mask, body = patch_body(write.values, self.where)
            query = ("updateMask", mask)
        return rest.Change(self.backend.call(operation, places, query=(query,), json=body), places)

    def send(
        self, call: rest.RequestSpec, places: rest.Places, sender: rest.Sender
    ) -> rest.Response:
        if call.method in {"GET", "PATCH"}:
            return sender.send(call)
        try:
            response = sender.send(call)
            return response if response.already else self.backend.finished(response, places, sender)
        except rest.UnknownOutcomeError as unknown:
            if "session_id" in places:
                raise
            raise rest.UnknownOutcomeError(
                f"{unknown} Look for the session with SELECT session_id FROM sessions WHERE"
                " user_id = '..' ORDER BY create_time DESC LIMIT 1. A row with its own"
                " session_id can safely be sent again."
            ) from None

    def outcome(
        self, write: rest.Write, response: rest.Response, places: rest.Places, sender: rest.Sender
    ) -> rest.Outcome:
        """With the operation of a new or a deleted session."""
        body, whole = {} if response.already else response.object(), True
        if write.action is rest.Action.INSERT:
            places = {**places, "session_id": places.get("session_id") or _created_session_id(body)}
            whole = not write.returning and isinstance(body.get("response"), dict)
        elif write.action is rest.Action.UPDATE:
            self._check_shared(write, body, places, sender)
            whole = "expireTime" in body or not (write.returning or response.missing)
        if whole:
            outcome = super().outcome(write, response, places, sender)
        else:
            outcome = self.answered(write, self.shown(places, sender), response.status)
        if write.action is rest.Action.UPDATE:
            return outcome
        return replace(outcome, response=rest.dump_json(body))

    def _check_shared(
        self, write: rest.Write, body: Mapping[str, Any], places: rest.Places, sender: rest.Sender
    ) -> None:
        """Raises if an UPDATE would change ``app:`` or ``user:`` keys, which are not sent."""
        wanted, state = _shared_keys(write.values.get("state")), body.get("sessionState") or {}
        changed = sorted(key for key in wanted if wanted[key] != state.get(key))
        if changed and "sessionState" in body:
            sender.in_doubt = False  # It is certain what was done and what was not.
            raise rest.RefusedError(
                f"{self.where}: the state of {self.name(places)} was"
                f" written without {rest.plain(', '.join(changed), 200)}. These keys are shared"
                " with other sessions and can be changed only by an event: INSERT INTO"
                ' events(session_id, author, actions) VALUES (.., .., \'{"stateDelta":'
                " {..}}')."
            )

    def shown(self, places: rest.Places, sender: rest.Sender) -> rest.Found:
        """The stored session; a new one may not be visible at once.

        Raises:
            UnknownOutcomeError: it cannot be read within some seconds.
        """
        for pause in _VISIBLE_AFTER:
            if pause:
                sender.pause(pause)
            if found := self.look(places, sender):
                return found
        raise rest.UnknownOutcomeError(
            f"{self.where}: {self.name(places)} was written, but cannot be read yet. Try again"
            " later."
        )

    def differs(self, write: rest.Write, change: rest.Change, found: rest.Found) -> bool:  # noqa: ARG002
        """Whether it is another session than the one that was sent.

        The service omits empty values, and ``temp:`` keys never enter a state (contract, sections 2
        and 3).
        """
        kept, sent = found.item, change.call.json
        state = kept.get("sessionState") or {}
        wanted = (sent.get("sessionState") or {}).items()
        return any((kept.get(one) or None) != (sent.get(one) or None) for one in _NAMED) or any(
            key not in state or state[key] != value
            for key, value in wanted
            if not key.startswith("temp:")
        )


def _created_session_id(operation: Mapping[str, Any]) -> str:
    """The id of the session that an operation created, from its response or else its name."""
    frame = rest.RestFrame("The operation of a new session")
    response = operation.get("response")
    if isinstance(response, dict) and "name" in response:
        return tables.last_segment(response, frame)
    head = str(operation.get("name", "")).rpartition("/operations/")[0]
    return tables.last_segment({"name": head}, frame)


class EventWriter(_VertexWriter):
    """Rows of ``events``: the response of an append is empty, so that RETURNING looks for it.

    Attributes:
        before: how many equal events are sent before a write, by its number.
    """

    resource: Events
    before: Mapping[int, int] = MappingProxyType({})

    def change(self, write: rest.Write) -> rest.Change:
        self.operation(write.action)
        return self.append_to(self.places(write), write.values, self.where)

    def append_to(
        self, places: rest.Places, values: Mapping[str, rest.Value], where: str
    ) -> rest.Change:
        """The request that appends an event.

        Args:
            places: the session.
            values: values by column of ``events``; timestamp and invocation id have defaults.
            where: the table or function, for errors.
        """
        if values.get("author") in {None, ""}:
            raise rest.MissingParameterError(
                f"{where}: author is required: 'user' or an agent's name."
            )
        filled = {
            **values,
            "timestamp": values.get("timestamp") or times.to_text(times.now()),
            # In the form that ADK uses.
            "invocation_id": values.get("invocation_id") or f"e-{uuid.uuid4()}",
        }
        body = event_body(filled, where)
        operation = self.operation(rest.Action.INSERT)
        return rest.Change(self.backend.call(operation, places, json=body, kind=APPEND), places)

    def perform(self, write: rest.Write, sender: rest.Sender) -> rest.Outcome:
        change, before = self.change(write), self.before.get(write.number, 0)
        response, found = self.append(change, sender, find=write.returning, before=before)
        status = response.status if response else None
        if found is None:
            # An event that cannot be read yet is stored anyway: return it as sent, without a name.
            sent = {**change.call.json, "name": "events/unknown"}
            row = list(self.resource.row(sent, rest.RestFrame("An event", change.places)))
            for column in ("name", "event_id"):
                row[self.spec.table.positions[column]] = None
            return rest.Outcome(write, rest.OutcomeState.SENT, tuple(row), http_status=status)
        return self.answered(write, found, status)

    def append(
        self, change: rest.Change, sender: rest.Sender, *, find: bool, before: int = 0
    ) -> tuple[rest.Response | None, rest.Found | None]:
        """Appends an event; ``before`` equal ones were sent earlier and are not taken for it.

        Args:
            change: the request from ``append_to``.
            sender: sends the calls of the job.
            find: whether the event's name is wanted, which the response does not contain.
            before: number of equal events.

        Returns:
            The response, None if it was lost; and the event, None if it was not found.

        Raises:
            UnknownOutcomeError: the response was lost, and the event cannot be found.
        """
        try:
            response = sender.send(change.call)
        except rest.UnknownOutcomeError as unknown:
            try:
                found = self._find(change, sender, before)
            except rest.SessionsError as error:
                raise unknown from error
            if found is None:
                raise
            return None, found
        if not find:
            return response, None
        try:
            return response, self._find(change, sender, before)
        except rest.SessionsError:
            return response, None  # It cannot be read.

    def _find(self, change: rest.Change, sender: rest.Sender, before: int) -> rest.Found | None:
        """Finds the event that was sent among those with its timestamp; None if it is not there."""
        sent, frame = change.call.json, rest.RestFrame("An event", change.places)
        instant = times.require(sent["timestamp"], "timestamp")
        text = filters.timestamp_filter(filters.TimeBounds(instant, instant)).text
        query = filters.Listing().query(text, "timestamp desc", None)
        call = self.backend.call(self.resource.rows_list(), change.places, query=query)
        for pause in _VISIBLE_AFTER[:3]:
            if pause:
                sender.pause(pause)
            pages = rest.pages_of(call, rest.TokenPages(), sender.send)
            items = (item for response in pages for item in response.items())
            equal = (item for item in items if is_event(item, sent))
            found = next(islice(equal, before, None), None)
            if found is not None:
                tables.last_segment(found, frame)
                return rest.Found(found, frame)
        return None


def equal_before(writes: Iterable[rest.Write]) -> dict[int, int]:
    """For each write, the number of equal events queued before it; writes without any are omitted.

    A row without a timestamp or an invocation id of its own gets one that no other row has.
    """
    counts: Counter[frozenset[tuple[str, rest.Value]]] = Counter()
    before: dict[int, int] = {}
    for write in writes:
        values = write.values
        if write.table == "events" and values.get("timestamp") and values.get("invocation_id"):
            row = frozenset(values.items())
            if counts[row]:
                before[write.number] = counts[row]
            counts[row] += 1
    return before


# Whether an event in a response is the one that was sent: equal in all that the service stores. It
# responds in camelCase, omits default values, and writes bytes in the standard base64 alphabet
# (contract, section 2). Both events are brought into one form before they are compared.

_TEXTS = ("author", "invocationId", "errorCode", "errorMessage")
_MESSAGES = ("content", "actions", "eventMetadata", "rawEvent")

_STANDARD = str.maketrans("-_", "+/")


def is_event(item: rest.Item, sent: Mapping[str, Any]) -> bool:
    """Whether a listed event equals the one that was sent.

    Args:
        item: the event as the service returned it.
        sent: the body of the append call.
    """
    if times.parse(item.get("timestamp")) != times.parse(sent["timestamp"]):
        return False
    if any((item.get(field) or "") != (sent.get(field) or "") for field in _TEXTS):
        return False
    return all(_form(item.get(field)) == _form(sent.get(field)) for field in _MESSAGES)


def _form(value: Any) -> Any:
    """A JSON value in one spelling and without default values; None if nothing is left."""
    if isinstance(value, dict):
        fields = {camel(key): _form(held) for key, held in value.items()}
        return {key: held for key, held in fields.items() if held is not None} or None
    if isinstance(value, list):
        return [_form(held) for held in value] or None
    if isinstance(value, str):
        return value.translate(_STANDARD).rstrip("=") or None
    return value or None  # Zero and false are default values.


# Keys that the service stores per engine or per user, and shows in every session.
_SHARED = ("app:", "user:")


def session_body(values: Mapping[str, rest.Value], where: str) -> dict[str, Any]:
    """Returns the Session of a create or patch call, without what is NULL.

    Args:
        values: values by column name.
        where: ``source.table``, for errors.

    Raises:
        InvalidValueError: a value is not valid; the error names the column, and the place within
            JSON.
    """
    if values.get("ttl") is not None and values.get("expire_time") is not None:
        raise rest.refused(f"{where}:", "give ttl or expire_time, not both")
    given = {name: value for name, value in values.items() if value is not None}
    body: dict[str, Any] = rest.body_of(tables.SESSION_BODY, given, where, ())
    return body


def patch_body(values: Mapping[str, rest.Value], where: str) -> tuple[str, dict[str, Any]]:
    """Returns the updateMask and the Session of a patch call.

    The mask lists the changed columns, or repeats ``update_mask`` verbatim. A column set to NULL
    is in the mask but not in the body, which clears the field. ``app:`` and ``user:`` keys of the
    state are shared with other sessions and are not sent.
    """
    body = session_body(values, where)
    if "sessionState" in body:
        own = body["sessionState"]
        body["sessionState"] = {key: own[key] for key in own if not key.startswith(_SHARED)}
    given = values.get("update_mask")
    if isinstance(given, str) and given:
        return given, body
    changed = (sent for name, sent in tables.SESSION_BODY.items() if name in values)
    return ",".join(one.field if isinstance(one, rest.Sent) else one for one in changed), body


def _shared_keys(state: rest.Value) -> dict[str, Any]:
    """The ``app:`` and ``user:`` keys of a state's JSON text."""
    loaded = rest.load_json(state, "state") if isinstance(state, str) else {}
    return {key: loaded[key] for key in loaded if key.startswith(_SHARED)}


def event_body(values: Mapping[str, rest.Value], where: str) -> dict[str, Any]:
    """Returns the SessionEvent of an append call; author, invocation id and timestamp must be set.

    A rawEvent is never added, because ADK would read the whole event from it.
    """
    given = {name: value for name, value in values.items() if value is not None}
    body: dict[str, Any] = rest.body_of(tables.EVENT_BODY, given, where, ())
    if "content" in body:
        what = f"{where}.content"
        body["content"] = _content_of(body["content"], str(values.get("author")), what)
        tables.refuse_inexact(body["content"], what)
    return body


def _content_of(value: rest.Value, author: str, where: str) -> dict[str, Any]:
    """Returns the Content for a value: a JSON object if it begins with ``{``, else plain text.

    Raises:
        InvalidValueError: it begins with ``{`` but is not a JSON object.
    """
    text = value if isinstance(value, str) else str(value)
    if rest.is_object(text):
        loaded: dict[str, Any] = rest.load_json(text, where)
        return loaded
    return {"role": "user" if author == "user" else "model", "parts": [{"text": text}]}
