"""The data of the service: that of `--seed N`, and the whole state as JSON for the data file.

A seed gives engine 42 of project `demo` in `us-central1`, with a support agent's conversations. The
same seed and the same clock give the same bytes. A third of the sessions each are labelled `env`
prod, dev and test; all times lie within the 60 days before now.
"""

from __future__ import annotations

import random
from typing import TYPE_CHECKING, Any

from sessions_vtab.emulator.vertex import wire
from sessions_vtab.emulator.vertex.messages import SECOND, format_time, parse_time
from sessions_vtab.emulator.vertex.sessions import DAY, DEFAULT_LIFE, store_event
from sessions_vtab.emulator.vertex.store import Engine, EngineKey, Event, Session, project_number

if TYPE_CHECKING:
    from collections.abc import Iterator

    from sessions_vtab.emulator.service import JSON
    from sessions_vtab.emulator.vertex import Vertex
    from sessions_vtab.emulator.vertex.store import EngineStore, User

PROJECT, LOCATION, ENGINE = "demo", "us-central1", "42"
SPAN = 60 * DAY

_MICROSECOND = 1000
_FIRST = ("ann", "bob", "chen", "dana", "émile", "farah", "goran", "hana", "ines", "юрий")
_ENVIRONMENTS = ("prod", "dev", "test")
_TEAMS = ("support", "billing", "sales", "größe", "qa_1")
_AGENTS = ("root_agent", "order_agent", "billing_agent")
_QUESTIONS = (
    "Where is my order {n}?",
    "Can I return item {n}? It is the wrong size 👟",
    'The app says "error {n}" and stops.',
    "Was kostet der Versand nach Österreich für Bestellung {n}?",
    "注文 {n} の状況を教えてください。",
    "Please change the address of order {n}\nto 5 Rue de l'Église.",
)
_ANSWERS = (
    "Your order {n} ships on Monday.",
    "I have opened a return for item {n}; the label is on its way ✉️",
    "Error {n} means that the session ran out. Please sign in again.",
    "Der Versand kostet {n} Cent.",
    "I could not find {n}. Could you check the number?",
)
_TOOLS = ("lookup_order", "open_return", "search_help", "quote_shipping")
_ERRORS = (
    ("RESOURCE_EXHAUSTED", "Quota exceeded for the model."),
    ("SAFETY", "The answer was blocked."),
)


def fill(vertex: Vertex, seed: int) -> None:
    """Fill an empty service; from now on only this engine, configured and created ones exist."""
    now = vertex.now()
    key = EngineKey(project_number(PROJECT), LOCATION, ENGINE)
    engine = Engine(key, now - SPAN, "Support agent")
    vertex.store.engines[key] = engine
    vertex.store.known = vertex.settings.engines or ()
    generator = _Generator(engine, random.Random(seed), now)
    generator.run(vertex.settings.sessions, vertex.settings.events)


class _Generator:
    """Makes users, sessions and events out of one sequence of random numbers."""

    def __init__(self, engine: Engine, source: random.Random, now: int) -> None:
        self._engine = engine
        self._random = source
        self._now = now
        names = (*_FIRST, *(f"{name}{turn}" for turn in (2, 3) for name in _FIRST))
        self._users = [engine.user(name) for name in names]

    def run(self, sessions: int, events_wanted: int) -> None:
        """Make this many sessions and events, a few sessions with far more than the others."""
        if not sessions:
            return
        weights = [self._random.paretovariate(1.6) for _ in range(sessions)]
        shares = self._random.choices(range(sessions), weights, k=events_wanted)
        counts = [0] * sessions
        for index in shares:
            counts[index] += 1
        self._engine.share(self._users[0], {"app:release": "2026.11"}, {})
        starts = sorted(self._random.randrange(SPAN - DAY) for _ in range(sessions))
        for index, start in enumerate(starts):
            session = self._session(index, self._now - SPAN + start - start % _MICROSECOND)
            self._fill_session(session, counts[index])

    def _session(self, index: int, moment: int) -> Session:
        source = self._random
        user: User = source.choice(self._users)
        labels = {"env": _ENVIRONMENTS[index % 3]}
        if source.random() < 0.8:  # noqa: PLR2004 (some have no team)
            labels["team"] = source.choice(_TEAMS)
        # Callers' own ids and ids made by the server, side by side.
        own_id = index % 4 == 0
        session = Session(
            id=f"chat-{index:04d}" if own_id else str(source.randrange(10**16, 10**19)),
            number=self._engine.next_number,
            user=user,
            create_time=moment,
            update_time=moment,
            expire_time=moment + DEFAULT_LIFE,
            display_name=source.choice(_QUESTIONS).format(n=index) if index % 5 else "",
            labels=labels,
            state={"visits": source.randrange(1, 40), "cart": {"items": [], "total": 12.5}},
        )
        self._engine.add(session)
        return session

    def _fill_session(self, session: Session, count: int) -> None:
        moment = session.create_time
        room = self._now - moment
        step = max(room // (count + 1), 1)
        for message in self._messages(count):
            # Now and then two events share a time: their order is that of their appending.
            if self._random.random() > 0.02:  # noqa: PLR2004
                moment += self._random.randrange(1, min(step, 90 * SECOND) + 1)
            message["timestamp"] = moment - moment % (_MICROSECOND if count % 7 else 1)
            event_id = str(self._random.randrange(10**16, 10**19))
            store_event(self._engine, session, event_id, message)
        if count:
            moment -= moment % _MICROSECOND
            self._engine.touch(session, max(moment, session.create_time))

    def _messages(self, count: int) -> Iterator[dict[str, Any]]:
        """Yield events turn by turn: a question, tool calls with their answers, the answer."""
        made = 0
        while made < count:
            for message in self._turn():
                if made == count:
                    return
                made += 1
                yield message

    def _turn(self) -> list[dict[str, Any]]:
        source = self._random
        invocation = f"e-{source.getrandbits(64):016x}"
        number = source.randrange(100, 10_000)
        agent = source.choice(_AGENTS)
        question = source.choice(_QUESTIONS).format(n=number)
        turn = [_event("user", invocation, "user", [{"text": question}])]
        for _ in range(source.randrange(3)):
            turn += self._tool_call(agent, invocation, number)
        turn.append(self._answer(agent, invocation, number))
        return turn

    def _tool_call(self, agent: str, invocation: str, number: int) -> list[dict[str, Any]]:
        call_id = f"call-{self._random.getrandbits(48):012x}"
        tool = self._random.choice(_TOOLS)
        call = {"id": call_id, "name": tool, "args": {"number": number, "verbose": False}}
        result = {"status": "found", "items": [number, number / 4], "note": None}
        answer = {"id": call_id, "name": tool, "response": result}
        return [
            _event(agent, invocation, "model", [{"functionCall": call}]),
            _event(agent, invocation, "user", [{"functionResponse": answer}]),
        ]

    def _answer(self, agent: str, invocation: str, number: int) -> dict[str, Any]:
        source = self._random
        if source.random() < 0.03:  # noqa: PLR2004 (few errors)
            code, text = source.choice(_ERRORS)
            return {
                "author": agent,
                "invocationId": invocation,
                "errorCode": code,
                "errorMessage": text,
            }
        author = "model" if source.random() < 0.2 else agent  # noqa: PLR2004
        text = source.choice(_ANSWERS).format(n=number)
        message = _event(author, invocation, "model", [{"text": text}])
        message["actions"] = {"stateDelta": {"last_number": number, "user:seen": number}}
        message["eventMetadata"] = {"turnComplete": True, "branch": agent}
        return message


def _event(author: str, invocation: str, role: str, parts: list[dict[str, Any]]) -> dict[str, Any]:
    content = {"role": role, "parts": parts}
    return {"author": author, "invocationId": invocation, "content": content}


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
