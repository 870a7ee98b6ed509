"""Handlers for sessions and their events (Vertex contract, sections 3 to 6)."""

from __future__ import annotations

import unicodedata
from typing import TYPE_CHECKING, Any

from sessions_vtab.emulator.vertex import listing, operations, wire
from sessions_vtab.emulator.vertex.listing import event_filter, session_filter
from sessions_vtab.emulator.vertex.messages import (
    BAD_ARGUMENT,
    BAD_SESSION_ID,
    MESSAGES,
    SECOND,
    format_time,
    found_errors,
    invalid,
    not_found,
    snake,
)
from sessions_vtab.emulator.vertex.store import (
    Event,
    Position,
    Rows,
    Session,
    plausible_session_id,
    valid_session_id,
)
from sessions_vtab.emulator.vertex.wire import read_body

if TYPE_CHECKING:
    from sessions_vtab.emulator.faults import OperationPlan
    from sessions_vtab.emulator.vertex import EmulatedRequest, Vertex
    from sessions_vtab.emulator.vertex.listing import SessionFilter
    from sessions_vtab.emulator.vertex.store import Engine, Orders

DAY = 24 * 3600 * SECOND
DEFAULT_LIFE = 365 * DAY
MINIMUM_LIFE = DAY
_RESPONSE_SKEW = 10_000_000
"""Create's response shows times about 10 ms off what get returns (section 4, recorded)."""
_MAX_LABEL = 64
_REQUIRED = "Required field is not set."
_OUTPUT_ONLY = {"name", "createTime", "updateTime"}
_PATHS = {spelling: name for name in MESSAGES["Session"] for spelling in (name, snake(name))}


def create(vertex: Vertex, call: EmulatedRequest) -> bytes:
    """Create a session and answer with the operation."""
    engine = vertex.engine(call)
    message = read_body("Session", call.body, call.version, "session")
    session_id = listing.parameter(call.query, "sessionId", "session_id")
    _check_new(message, session_id)
    session_id = session_id or vertex.new_id()
    if session_id in engine.sessions:
        name = f"{engine.key.name()}/sessions/{session_id}"
        raise invalid(f"Session with user-provided ID '{name}' already exists.")
    session = _new_session(vertex, engine, session_id, message)
    name = call.name("reasoningEngines", engine.key.engine, "sessions", session.id)
    response = "Session", _create_response(name, message, session.create_time)

    def effect(plan: OperationPlan) -> None:
        session.hidden = plan.hidden_gets
        engine.add(session)
        engine.merge_state(session, message.get("sessionState", {}))

    # The operation's name must have the session's id in the third-last place.
    kind, scope = "CreateSessionOperationMetadata", (*engine.key, session.id)
    return operations.run(vertex, call, kind, name, scope, effect, response)


def _new_session(
    vertex: Vertex, engine: Engine, session_id: str, message: dict[str, Any]
) -> Session:
    now = vertex.now()
    return Session(
        id=session_id,
        number=engine.next_number,
        user=engine.user(message["userId"]),
        create_time=now,
        update_time=now,
        expire_time=_expiry(vertex, message, now, now),
        display_name=message.get("displayName", ""),
        labels=message.get("labels", {}),
    )


def _create_response(name: str, message: dict[str, Any], now: int) -> dict[str, Any]:
    """Return the session as the operation shows it: what was sent, without its expiry."""
    moment = format_time(now - _RESPONSE_SKEW)
    sent = {key: value for key, value in message.items() if key not in {"ttl", "expireTime"}}
    return {**sent, "name": name, "createTime": moment, "updateTime": moment}


def _check_new(message: dict[str, Any], session_id: str) -> None:
    if session_id and not valid_session_id(session_id):
        raise invalid(BAD_SESSION_ID, [("session_id", BAD_SESSION_ID)])
    if not message.get("userId"):
        raise found_errors(("session.user_id", _REQUIRED))
    _check_labels(message.get("labels", {}))


def _check_labels(labels: dict[str, str]) -> None:
    problems = [
        ("session.labels", f"Invalid label: {key!r}: {value!r}.")
        for key, value in labels.items()
        if not (key and _is_label(key) and _is_label(value))
    ]
    if problems:
        raise found_errors(*problems)


def _is_label(text: str) -> bool:
    return len(text) <= _MAX_LABEL and all(map(_is_label_character, text))


def _is_label_character(character: str) -> bool:
    """Allow `_`, `-`, digits and letters of any script that are not upper case."""
    category = unicodedata.category(character)
    return character in "_-" or (category[0] in "LNM" and category not in {"Lu", "Lt"})


def _expiry(vertex: Vertex, message: dict[str, Any], now: int, created: int) -> int:
    """Return when a session expires: from `ttl`, from `expireTime`, or 365 days after creation."""
    if "ttl" in message:
        ttl: int = message["ttl"]
        if ttl < (1 if vertex.settings.lenient_ttl else MINIMUM_LIFE):
            raise found_errors(("session.ttl", "The minimum value is 24 hours."))
        return now + ttl
    if "expireTime" in message:
        expiry: int = message["expireTime"]
        least = now + 1 if vertex.settings.lenient_ttl else max(now + 1, created + MINIMUM_LIFE)
        if expiry < least:
            text = "The minimum value is 24 hours from the time of creation."
            raise found_errors(("session.expire_time", text))
        return expiry
    return created + DEFAULT_LIFE


def get(vertex: Vertex, call: EmulatedRequest) -> bytes:
    """Answer with one session."""
    engine, session = vertex.session(call)
    if session.hidden:
        session.hidden -= 1
        raise not_found(engine.missing(session.id))
    return _answer(call, engine, session)


def _answer(call: EmulatedRequest, engine: Engine, session: Session) -> bytes:
    return wire.resource(_prefix(call, engine), wire.session_tail(engine, session))


def _prefix(call: EmulatedRequest, engine: Engine) -> str:
    return call.name("reasoningEngines", engine.key.engine, "sessions", "")


def list_page(vertex: Vertex, call: EmulatedRequest) -> bytes:
    """Answer with a page of an engine's sessions."""
    size = listing.page_size(call.query)
    filter_text = call.query.get("filter", "")
    order_text = listing.parameter(call.query, "orderBy", "order_by")
    terms = listing.parse_order(order_text, listing.SESSION_FIELDS, listing.SESSION_DEFAULT)
    wanted = session_filter(filter_text, vertex.settings.strict_filters)
    engine = vertex.engine(call)
    parameters = ("sessions", *engine.key, filter_text, order_text)
    after = listing.decode(listing.page_token(call.query), parameters)
    found, more = _page(engine, wanted, terms, size, after)
    tails = [wire.session_tail(engine, session) for session in found]
    token = listing.encode(more, parameters) if more else None
    return wire.page("sessions", _prefix(call, engine), tails, token)


def _page(
    engine: Engine,
    wanted: SessionFilter,
    terms: tuple[listing.OrderTerm, ...],
    size: int,
    after: Position | None,
) -> tuple[list[Session], Position | None]:
    orders = engine.orders
    if wanted.user_id is not None:
        user = engine.users.get(wanted.user_id)
        if user is None:
            return [], None
        orders = user.orders
    rows, descending = _rows(orders, terms)
    return rows.page(size, after=after, descending=descending, keep=wanted.test)


def _rows(orders: Orders, terms: tuple[listing.OrderTerm, ...]) -> tuple[Rows[Session], bool]:
    """Return sessions in an order; one by two fields is rare and sorted on the spot."""
    if len(terms) == 1:
        by_create = terms[0].field == "create_time"
        return orders.by_create if by_create else orders.by_update, terms[0].descending
    return Rows((_sort_key(item, terms), item.number, item) for item in orders.by_create), False


def _sort_key(session: Session, terms: tuple[listing.OrderTerm, ...]) -> tuple[int, ...]:
    moments = {"create_time": session.create_time, "update_time": session.update_time}
    return tuple(-moments[field] if falling else moments[field] for field, falling in terms)


def patch(vertex: Vertex, call: EmulatedRequest) -> bytes:
    """Change what the mask names, else what the body has; answer with the session itself."""
    message = read_body("Session", call.body, call.version, "session")
    engine, session = vertex.session(call)
    fields = _masked(listing.parameter(call.query, "updateMask", "update_mask"), message)
    now = vertex.now()
    if "userId" in fields and message.get("userId") != session.user.id:
        problem = "Field is immutable." if message.get("userId") else _REQUIRED
        raise found_errors(("session.user_id", problem))
    if "labels" in fields:
        _check_labels(message.get("labels", {}))
    if fields & {"ttl", "expireTime"}:
        session.expire_time = _expiry(vertex, message, now, session.create_time)
        engine.note_expiry(session)
    _assign(engine, session, message, fields)
    engine.touch(session, now)
    return _answer(call, engine, session)


def _assign(engine: Engine, session: Session, message: dict[str, Any], fields: set[str]) -> None:
    if "displayName" in fields:
        session.display_name = message.get("displayName", "")
    if "labels" in fields:
        session.labels = message.get("labels", {})
    if "sessionState" in fields:
        engine.replace_state(session, message.get("sessionState", {}))


def _masked(mask: str, message: dict[str, Any]) -> set[str]:
    """Return the fields to change, in camelCase.

    `*` replaces all of them, but an expiry that the body does not give stays as it is; fields
    that only the server sets are ignored (AIP-203).
    """
    if not mask.strip():
        return set(message) - _OUTPUT_ONLY
    if mask.strip() == "*":
        given = set(message) & {"ttl", "expireTime"}
        return {"displayName", "labels", "sessionState", "userId"} | given
    paths = [path.strip() for path in mask.split(",")]
    unknown = [path for path in paths if path not in _PATHS]
    if unknown:
        text = f"Invalid field mask path: {unknown[0]}."
        raise found_errors(("update_mask", text))
    return {_PATHS[path] for path in paths} - _OUTPUT_ONLY


def delete(vertex: Vertex, call: EmulatedRequest) -> bytes:
    """Delete a session with its events; the operation's name has no session in it."""
    engine, session = vertex.session(call)
    location = f"projects/{call.project}/locations/{call.location}"
    kind, scope = "DeleteOperationMetadata", (*engine.key, session.id)
    return operations.run(vertex, call, kind, location, scope, lambda _: engine.remove(session))


_EVENT_FIELDS = {
    "author": "event.author",
    "invocationId": "event.invocation_id",
    "timestamp": "event.timestamp",
}
_MASKED_RESPONSE = 4096
"""Compaction masks a tool's response whose JSON is longer than this many bytes."""


def append_event(vertex: Vertex, call: EmulatedRequest) -> bytes:
    """Add an event and merge its state delta; there is no check for duplicates."""
    if not plausible_session_id(call.path[3]):
        raise invalid(BAD_ARGUMENT, [("name", BAD_SESSION_ID)])
    message = read_body("SessionEvent", call.body, call.version, "event")
    problems = [
        (path, "Required field is not set.")
        for field, path in _EVENT_FIELDS.items()
        if field not in message
    ]
    if problems:
        raise found_errors(*problems)
    engine, session = vertex.session(call)
    store_event(engine, session, vertex.new_id(), message)
    engine.touch(session, vertex.now())
    return b"{}"


def store_event(engine: Engine, session: Session, event_id: str, message: dict[str, Any]) -> None:
    """Put an event into a session, in the order of the clients' timestamps."""
    tail = wire.make_tail(event_id, wire.event_fields(message))
    event = Event(event_id, session.event_count, message["timestamp"], tail)
    session.event_count += 1
    session.events.add(event.timestamp, event.number, event)
    engine.merge_state(session, message.get("actions", {}).get("stateDelta", {}))


def list_events(vertex: Vertex, call: EmulatedRequest) -> bytes:
    """Answer with a page of a session's events, by timestamp."""
    size = listing.page_size(call.query)
    filter_text = call.query.get("filter", "")
    order_text = listing.parameter(call.query, "orderBy", "order_by")
    terms = listing.parse_order(order_text, listing.EVENT_FIELDS, listing.EVENT_DEFAULT)
    wanted = event_filter(filter_text, vertex.settings.strict_filters)
    engine, session = vertex.session(call, "parent")
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


def compact(vertex: Vertex, call: EmulatedRequest) -> bytes:
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
    engine, session = vertex.session(call)

    def effect(_: OperationPlan) -> None:
        if "eventEditing" in enabled:
            _edit(session)
        engine.touch(session, vertex.now())

    kind, scope = "CompactSessionOperationMetadata", (*engine.key, session.id)
    return operations.run(vertex, call, kind, call.name(*call.path[:4]), scope, effect)


def _edit(session: Session) -> None:
    for event in session.events:
        fields = wire.parse_tail(event.tail)
        parts = fields["content"].get("parts", [])
        kept = [_masked_part(part) for part in parts if not part.get("thought")]
        if kept != parts:
            fields["content"]["parts"] = kept
            event.tail = wire.make_tail(event.id, fields)


def _masked_part(part: dict[str, Any]) -> dict[str, Any]:
    answer = part.get("functionResponse", {})
    if len(wire.dumps(answer.get("response"))) <= _MASKED_RESPONSE:
        return part
    return {**part, "functionResponse": {**answer, "response": {"masked": True}}}
