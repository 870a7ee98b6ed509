"""Handlers for events: append, list, compact (Vertex contract, sections 5 and 6)."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from sessions_vtab.emulator.vertex import listing, operations, wire
from sessions_vtab.emulator.vertex.errors import (
    BAD_ARGUMENT,
    BAD_SESSION_ID,
    found_errors,
    invalid,
)
from sessions_vtab.emulator.vertex.listing import event_filter
from sessions_vtab.emulator.vertex.operations import LongRunningOperation
from sessions_vtab.emulator.vertex.store import Event, plausible_session_id
from sessions_vtab.emulator.vertex.wire import read_body

if TYPE_CHECKING:
    from sessions_vtab.emulator.vertex.context import EmulatedRequest, ServiceContext
    from sessions_vtab.emulator.vertex.store import Engine, Session

_REQUIRED = {
    "author": "event.author",
    "invocationId": "event.invocation_id",
    "timestamp": "event.timestamp",
}
_MASKED_RESPONSE = 4096
"""Compaction masks a tool's response whose JSON is longer than this many bytes."""


def append(context: ServiceContext, call: EmulatedRequest) -> bytes:
    """Add an event and merge its state delta; there is no check for duplicates."""
    if not plausible_session_id(call.path[3]):
        raise invalid(BAD_ARGUMENT, [("name", BAD_SESSION_ID)])
    message = read_body("SessionEvent", call.body, call.version, "event")
    problems = [
        (path, "Required field is not set.")
        for field, path in _REQUIRED.items()
        if field not in message
    ]
    if problems:
        raise found_errors(*problems)
    engine, session = context.session(call)
    store(engine, session, context.new_id(), message)
    engine.touch(session, context.now())
    return b"{}"


def store(engine: Engine, session: Session, event_id: str, message: dict[str, Any]) -> None:
    """Put an event into a session, in the order of the clients' timestamps."""
    tail = wire.make_tail(event_id, wire.event_fields(message))
    event = Event(event_id, session.event_count, message["timestamp"], tail)
    session.event_count += 1
    session.events.add(event.timestamp, event.number, event)
    engine.merge_state(session, message.get("actions", {}).get("stateDelta", {}))


def list_page(context: ServiceContext, call: EmulatedRequest) -> bytes:
    """Answer with a page of a session's events, by timestamp."""
    size = listing.page_size(call.query)
    filter_text = call.query.get("filter", "")
    order_text = listing.parameter(call.query, "orderBy", "order_by")
    terms = listing.parse_order(order_text, listing.EVENT_FIELDS, listing.EVENT_DEFAULT)
    wanted = event_filter(filter_text, context.settings.strict_filters)
    engine, session = context.session(call, "parent")
    parameters = ("events", *engine.key, session.id, filter_text, order_text)
    found, more = session.events.page(
        size,
        after=listing.decode(listing.page_token(call.query), parameters),
        descending=terms[0].descending,
        bounds=(wanted.first, wanted.last),
        keep=wanted.test,
    )
    tails = [wire.event_tail(event, call.version) for event in found]
    token = listing.encode(more, parameters) if more else None
    prefix = call.name(*call.path[:4], "events", "")
    return wire.page("sessionEvents", prefix, tails, token)


def compact(context: ServiceContext, call: EmulatedRequest) -> bytes:
    """Compact a session's history.

    Event editing strips the model's thoughts and masks long tool responses, as the reference
    describes. Summarization starts only above a threshold that is not published; there is no
    model here, so it leaves the history as it is. The type of the response is not known either:
    Empty.
    """
    message = read_body("CompactSessionRequest", call.body, call.version, "request")
    modes = message.get("compaction", {})
    enabled = {name for name, config in modes.items() if config.get("mode") == "AUTO"}
    if not enabled or len(enabled) < len(modes):
        raise found_errors(("compaction", "At least one category must be enabled, in mode AUTO."))
    engine, session = context.session(call)
    operation_id = context.new_id()
    operation = LongRunningOperation(
        id=operation_id,
        name=call.name(*call.path[:4], "operations", operation_id),
        kind="CompactSessionOperationMetadata",
        scope=(*engine.key, session.id),
        version=call.version,
        create_time=context.now(),
        plan=context.plan(call),
    )

    def effect() -> None:
        if "eventEditing" in enabled:
            _edit(session)
        engine.touch(session, context.now())

    operations.run(context, operation, effect)
    return wire.dumps(operation.message(call.version))


def _edit(session: Session) -> None:
    for event in session.events:
        fields = wire.parse_tail(event.tail)
        parts = fields["content"].get("parts", [])
        kept = [_masked(part) for part in parts if not part.get("thought")]
        if kept != parts:
            fields["content"]["parts"] = kept
            event.tail = wire.make_tail(event.id, fields)


def _masked(part: dict[str, Any]) -> dict[str, Any]:
    answer = part.get("functionResponse", {})
    if len(wire.dumps(answer.get("response"))) <= _MASKED_RESPONSE:
        return part
    return {**part, "functionResponse": {**answer, "response": {"masked": True}}}
