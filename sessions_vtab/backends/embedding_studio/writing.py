"""Embedding Studio: rows as JSON bodies, and writes that are read back.

For a repeated id the service reports success but stores nothing, it silently ignores fields that it
does not know, and it stores ``payload_filter`` changed or truncated. So what it would discard is
refused here, a session is compared with what was stored, and the events of a session are read
before others are sent: a known id is an error before anything is sent. Events that another client
stores in between are found when the events are read back, for RETURNING.
"""

from __future__ import annotations

import uuid
from collections.abc import Iterator, Mapping, Sequence
from typing import TYPE_CHECKING, Any, Final

from sessions_vtab import rest
from sessions_vtab.backends.embedding_studio import reading
from sessions_vtab.contract import times
from sessions_vtab.contract.tables import EVENTS

if TYPE_CHECKING:
    from sessions_vtab.backends.embedding_studio import EmbeddingStudioBackend

EVENT: Final = f"{reading.SESSION}/events/{{event_id}}"

_NOTHING: Final = "Nothing was sent."
_SECOND: Final = 1_000_000_000

_RESULT: Final = frozenset(("object_id", "rank", "meta"))
_SORT: Final = frozenset(("field", "order", "force_not_payload"))

# Forms of payload_filter.query that the service stores (contract, section 6): one
# of these alone, an object that only names a field, or the four parts of a boolean query.
_TEXT, _LIST = ("match", "match_phrase", "wildcard"), ("terms", "all", "any")
_FORMS: Final = frozenset((*_TEXT, *_LIST, "term"))
_SCALAR: Final = (str, int, float)
_PARTS: Final = frozenset(("must", "should", "filter", "must_not"))
_FIELD: Final = frozenset(("field", "force_not_payload"))
_BOUNDS: Final = frozenset(("gte", "lte", "gt", "lt", "eq"))
_EXACT: Final = 2**53
"""Bounds are returned as floats, which represent every integer up to this one exactly."""


def _differing(
    sent: Mapping[str, Any], kept: Mapping[str, Any], optional: frozenset[str] = frozenset()
) -> list[str]:
    """The fields whose stored value differs from what was sent.

    Args:
        sent: the body that was sent.
        kept: the object that was read back.
        optional: fields that are null unless sent; for the others, the service has defaults.
    """
    names = [*sent, *sorted(optional - sent.keys())]
    return [name for name in names if not _covers(sent.get(name), kept.get(name))]


def _covers(sent: Any, kept: Any) -> bool:
    """Whether ``kept`` contains all of ``sent``; additional keys may only be null or false."""
    if isinstance(sent, dict) and isinstance(kept, dict):
        added = (kept[key] for key in kept.keys() - sent.keys())
        inside = (key in kept and _covers(value, kept[key]) for key, value in sent.items())
        return all(inside) and all(value is None or value is False for value in added)
    if isinstance(sent, list) and isinstance(kept, list):
        pairs = zip(sent, kept, strict=False)
        return len(sent) == len(kept) and all(_covers(one, other) for one, other in pairs)
    # True equals 1 in Python, but not in JSON.
    return bool(sent == kept) and isinstance(sent, bool) == isinstance(kept, bool)


def _seconds(value: rest.Value, what: str) -> int:
    seconds, fraction = divmod(times.require(value, what), _SECOND)
    if fraction:
        raise rest.refused(
            what,
            "must be in whole seconds, because the service stores nothing finer;"
            f" {value!r:.60} has a fraction. datetime(..) truncates it",
        )
    return seconds


def _results(value: rest.Value, what: str) -> list[dict[str, Any]]:
    loaded = rest.json_array(value, what)
    for number, result in enumerate(loaded):
        here = f"{what}[{number}]"
        if not isinstance(result, dict) or not isinstance(result.get("object_id"), str):
            raise rest.refused(here, "must be an object with a text object_id")
        _check_keys(result, _RESULT, here)
        rank, meta = result.get("rank"), result.get("meta")
        if not isinstance(rank, int | float | None) or isinstance(rank, bool):
            raise rest.refused(f"{here}.rank", "must be a number")
        if not isinstance(meta, dict | None):
            raise rest.refused(f"{here}.meta", "must be an object")
    return loaded


def _sort_by(value: rest.Value, what: str) -> dict[str, Any]:
    loaded = rest.json_object(value, what)
    _check_keys(loaded, _SORT, what)
    return {"order": "asc", **loaded}


def _check_keys(value: Mapping[str, Any], known: frozenset[str], what: str) -> None:
    unknown = sorted(value.keys() - known)
    if unknown:
        raise rest.refused(
            f"{what}:",
            f"the service would discard {', '.join(unknown):.100}; it stores only"
            f" {', '.join(sorted(known))}",
        )


def _filter(value: rest.Value, what: str) -> dict[str, Any]:
    loaded = rest.json_object(value, what)
    if loaded.keys() != {"query"} or not _is_kept(loaded["query"], top=True):
        raise rest.refused(
            f"{what}:",
            'the service would not store this filter. It accepts {"query": X},'
            f" where X is one of {', '.join(sorted(_FORMS))}, or has"
            f" {', '.join(sorted(_PARTS))} as lists of those; a range is allowed only"
            " inside such a list, and only with numbers. Put the rest into search_meta",
        )
    return loaded


def _is_kept(query: Any, *, top: bool) -> bool:
    """Whether the service stores a query; it replaces others with an empty boolean query."""
    if not isinstance(query, dict) or not query:
        return False
    keys = query.keys()
    if keys <= _PARTS:
        return all(
            parts is None
            or (isinstance(parts, list) and all(_is_kept(part, top=False) for part in parts))
            for parts in query.values()
        )
    if len(keys) == 1 and keys <= _FORMS:
        ((form, inner),) = query.items()
        return isinstance(inner, dict) and _is_form(form, inner)
    if not _names_field(query):
        return False
    if top:
        return keys <= _FIELD
    return keys <= _FIELD | {"range"} and _is_range(query.get("range"))


def _names_field(query: Mapping[str, Any]) -> bool:
    forced = query.get("force_not_payload", False)
    return isinstance(query.get("field"), str) and isinstance(forced, bool)


def _is_range(bounds: Any) -> bool:
    if not isinstance(bounds, dict) or not bounds.keys() <= _BOUNDS:
        return False
    return all(
        bound is None or isinstance(bound, float) or (type(bound) is int and abs(bound) <= _EXACT)
        for bound in bounds.values()
    )


def _is_form(form: str, inner: Mapping[str, Any]) -> bool:
    """Whether the content of a form has the types that the form requires."""
    name = "values" if form in _LIST else "value"
    if name not in inner or not inner.keys() <= _FIELD | {name} or not _names_field(inner):
        return False
    if form in _TEXT:
        return isinstance(inner[name], str)
    listed = inner[name] if form in _LIST else [inner[name]]
    return isinstance(listed, list) and all(isinstance(one, _SCALAR) for one in listed)


SESSION_BODY: Final[rest.Body] = {
    **{one: one for one in ("session_id", "search_query", "user_id")},
    "search_results": rest.Sent("search_results", _results),
    "search_meta": rest.Sent("search_meta", rest.json_object),
    "payload_filter": rest.Sent("payload_filter", _filter),
    "sort_by": rest.Sent("sort_by", _sort_by),
    "create_time": rest.Sent("created_at", _seconds),
}
"""The body that registers a session: what the service would discard or reject is refused."""

_EVENT_BODY: Final[rest.Body] = {
    **{one: one for one in ("event_id", "object_id", "event_type")},
    "timestamp": rest.Sent("created_at", _seconds),
    "meta": rest.Sent("meta", rest.json_object),
}


def events_body(values: Mapping[str, rest.Value], where: str) -> dict[str, Any]:
    """The body that stores one event of a session, with an id made here unless one is given.

    Raises:
        InvalidValueError: a value is not valid; the error names the column.
    """
    given = values.get("event_id")
    named = {**values, "event_id": str(uuid.uuid4()) if given is None else given}
    event = rest.body_of(_EVENT_BODY, named, where, EVENTS.columns)
    return {"session_id": values["session_id"], "events": [event]}


# Null unless a registration gives them, so a value that was not sent reveals another registration.
_OPTIONAL: Final = frozenset(("search_meta", "payload_filter", "sort_by", "user_id"))


def irrelevant_body(values: Mapping[str, rest.Value], where: str) -> dict[str, rest.Value]:
    """The body that marks a session, which is the only change."""
    if values.get("is_irrelevant") != 1:
        raise rest.refused(
            f"{where}.is_irrelevant", "can only be set to 1, and this cannot be undone"
        )
    return {"session_id": values["session_id"]}


class StudioSessionWriter(rest.Writer):
    """Rows of ``sessions``: registered, then read, since the response does not say what is kept."""

    def perform(self, write: rest.Write, sender: rest.Sender) -> rest.Outcome:
        if write.action is rest.Action.UPDATE:
            return super().perform(write, sender)
        change = self.change(write)
        response = sender.send(change.call)
        found = self.after(response, change.places, sender)
        self._compare(change.call.json, found.item, sender)
        return self.answered(write, found, response.status)

    def _compare(self, body: rest.Item, kept: rest.Item, sender: rest.Sender) -> None:
        """Raises if the registered session differs from the one that was sent."""
        fields = _differing(body, kept, _OPTIONAL)
        which = f"{self.where}: session {body['session_id']!r:.80}"
        # If they do, it is known what is registered, and that it is not this row.
        sender.in_doubt = sender.in_doubt and not fields
        if fields == ["payload_filter"]:
            filtered = rest.plain(rest.dump_json(kept.get("payload_filter")), 200)
            raise rest.RefusedError(
                f"{which} is registered with a different payload_filter: {filtered}. Either"
                " it was registered before, or the service did not store what was sent."
            )
        if fields:
            raise rest.ConflictError(
                f"{which} was already registered with different values of"
                f" {', '.join(fields)}. The first registration stays; nothing from this one"
                " was stored."
            )


class StudioEventWriter(rest.Writer):
    """Rows of ``events``: those of one session go in one request, and none of them twice."""

    backend: EmbeddingStudioBackend

    def together(self, members: Sequence[rest.Write], sender: rest.Sender) -> list[rest.Outcome]:
        """Sends events of one session; sends nothing if one of them already exists."""
        bodies = [self.change(member).call.json["events"][0] for member in members]
        session_id = self.places(members[0])["session_id"]
        named = (m.values["batch_id"] for m in members if "batch_id" in m.values)
        batch_id = next(map(str, named), None)
        given = any("event_id" in self.places(member) for member in members)
        taken = self.known(session_id, sender, batch_id=batch_id, whole=given)
        fresh: dict[int, dict[str, Any]] = {}
        for member, body in zip(members, bodies, strict=True):
            if body["event_id"] not in taken:
                fresh[member.number] = body
                taken.add(body["event_id"])
            elif not member.ignore:
                return list(_refused(members, member, self.conflict(session_id, body["event_id"])))
        if not fresh:
            return [rest.Outcome(member, rest.OutcomeState.SKIPPED) for member in members]
        response = self.push(session_id, list(fresh.values()), sender)
        look = any(member.returning for member in members)
        kept = self._kept(session_id, sender, batch_id) if look else {}
        return [
            self._outcome(member, fresh[member.number], kept, session_id, response)
            if member.number in fresh
            else rest.Outcome(member, rest.OutcomeState.SKIPPED)
            for member in members
        ]

    def known(
        self, session_id: str, sender: rest.Sender, *, batch_id: str | None, whole: bool
    ) -> set[str]:
        """The ids of the session's events: all of them, or those in one response.

        Raises:
            NotFoundError: the session does not exist. The service would store the events anyway,
                but nobody could read them.
            MissingParameterError: all ids are needed, but the batch is not known.
        """
        found = self.look({"session_id": session_id}, sender)
        if found is None:
            raise rest.NotFoundError(
                f"{self.where}: session {session_id!r:.80} does not exist. Register"
                " it first with INSERT INTO sessions(session_id, search_query,"
                f" search_results). {_NOTHING}"
            )
        try:
            return set(self._by_id(found, sender, batch_id, whole=whole))
        except rest.MissingParameterError as error:
            raise rest.MissingParameterError(
                f"{error} Without that, a reused event_id cannot be detected; leave event_id"
                f" out. {_NOTHING}"
            ) from None

    def _by_id(
        self, found: rest.Found, sender: rest.Sender, batch_id: str | None, *, whole: bool = True
    ) -> dict[str, rest.Item]:
        """The events of a session."""
        if whole:
            found = self.backend.batches.whole(found, sender.send, batch_id)
        return {str(one.item.get("event_id")): one.item for one in self.resource.inside(found)}

    def conflict(self, session_id: str, event_id: str) -> rest.ConflictError:
        """The error for an event that already exists."""
        return rest.ConflictError(
            f"{self.where}: session {session_id!r:.80} already has an event {event_id!r:.80},"
            " which was kept. INSERT OR IGNORE skips existing events."
        )

    def push(self, session_id: str, events: list[Any], sender: rest.Sender) -> rest.Response:
        """Sends events of a session."""
        body = {"session_id": session_id, "events": events}
        return sender.send(self.operation(rest.Action.INSERT).call({}, json=body))

    def _kept(
        self, session_id: str, sender: rest.Sender, batch_id: str | None
    ) -> dict[str, rest.Item]:
        """The events of a session as the service has them now."""
        found = self.look({"session_id": session_id}, sender)
        if found is None:
            return {}
        try:
            return self._by_id(found, sender, batch_id)
        except rest.MissingParameterError:
            # The events are stored; only the times that the service set cannot be read.
            return self._by_id(found, sender, batch_id, whole=False)

    def _outcome(
        self,
        write: rest.Write,
        sent: rest.Item,
        kept: Mapping[str, rest.Item],
        session_id: str,
        response: rest.Response,
    ) -> rest.Outcome:
        """The outcome of an event as it was read back, or as it was sent if it cannot be read."""
        event_id = sent["event_id"]
        places, event = {"session_id": session_id}, kept.get(event_id, sent)
        key = rest.name_of(EVENT, {**places, "event_id": event_id})
        if _differing(sent, event):  # Another client stored one at the same moment.
            error = self.conflict(session_id, event_id)
            return rest.Outcome(write, rest.OutcomeState.FAILED, key=key, error=error)
        row = self.resource.row(event, rest.RestFrame(response.what, places))
        return rest.Outcome(write, rest.OutcomeState.SENT, row, key, http_status=response.status)


def _refused(
    members: Sequence[rest.Write], cause: rest.Write, conflict: rest.ConflictError
) -> Iterator[rest.Outcome]:
    """Outcomes if an event already exists: its row failed, and the other rows were not sent."""
    yield rest.Outcome(cause, rest.OutcomeState.FAILED, error=conflict)
    unsent = rest.SessionsError("Not sent: another event of the same request already exists.")
    for member in members:
        if member is not cause:
            yield rest.Outcome(member, rest.OutcomeState.NOT_SENT, error=unsent)
