"""The whole state as JSON and back, for the data file."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from sessions_vtab.emulator.vertex import wire
from sessions_vtab.emulator.vertex.messages import format_time, parse_time
from sessions_vtab.emulator.vertex.store import Engine, EngineKey, Event, Session

if TYPE_CHECKING:
    from sessions_vtab.emulator.service import JSON
    from sessions_vtab.emulator.vertex.store import EngineStore, User


def dump(store: EngineStore) -> JSON:
    """Return all engines, users, sessions and events; operations are not kept."""
    return {
        "engines": [_dump_engine(engine) for engine in store.engines.values()],
        "deleted": [list(key) for key in sorted(store.deleted)],
    }


def _dump_engine(engine: Engine) -> dict[str, Any]:
    return {
        "key": list(engine.key),
        "createTime": format_time(engine.create_time),
        "updateTime": format_time(engine.update_time),
        "displayName": engine.display_name,
        "state": engine.state,
        "users": {user.id: user.state for user in engine.users.values()},
        "sessions": [_dump_session(session) for session in engine.sessions.values()],
    }


def _dump_session(session: Session) -> dict[str, Any]:
    return {
        "id": session.id,
        "user": session.user.id,
        "createTime": format_time(session.create_time),
        "updateTime": format_time(session.update_time),
        "expireTime": format_time(session.expire_time),
        "displayName": session.display_name,
        "labels": session.labels,
        "state": session.state,
        "events": [{"id": event.id, **wire.parse_tail(event.tail)} for event in session.events],
    }


def load(store: EngineStore, value: JSON) -> None:
    """Replace the content of a store by what `dump` once returned.

    Engines of the file exist even if `Settings.engines` does not name them.

    Raises:
        ValueError: The value is not of that shape; the store is then unchanged.
    """
    part: Any = value
    try:
        engines = [_load_engine(item) for item in part["engines"]]
        deleted = {EngineKey(*key) for key in part["deleted"]}
    except (KeyError, TypeError, AttributeError) as error:
        raise ValueError(f"the vertex part of the data is malformed: {error}") from error
    store.engines = {engine.key: engine for engine in engines}
    store.deleted = deleted


def _load_engine(item: dict[str, Any]) -> Engine:
    engine = Engine(EngineKey(*item["key"]), parse_time(item["createTime"]), item["displayName"])
    engine.update_time = parse_time(item["updateTime"])
    engine.state = dict(item["state"])
    for user_id, state in item["users"].items():
        engine.user(user_id).state = dict(state)
    for session in item["sessions"]:
        _load_session(engine, engine.user(session["user"]), session)
    return engine


def _load_session(engine: Engine, user: User, item: dict[str, Any]) -> None:
    session = Session(
        id=item["id"],
        number=engine.next_number,
        user=user,
        create_time=parse_time(item["createTime"]),
        update_time=parse_time(item["updateTime"]),
        expire_time=parse_time(item["expireTime"]),
        display_name=item["displayName"],
        labels=dict(item["labels"]),
        state=dict(item["state"]),
    )
    for number, fields in enumerate(item["events"]):
        event = _load_event(number, fields)
        session.events.add(event.timestamp, number, event)
    session.event_count = len(session.events)
    engine.add(session)


def _load_event(number: int, item: dict[str, Any]) -> Event:
    fields = dict(item)
    event_id = fields.pop("id")
    tail = wire.make_tail(event_id, fields)
    return Event(event_id, number, parse_time(fields["timestamp"]), tail)
