"""The rows of the emulated service: engines, their sessions, users' shared state and events.

State scopes are kept where they belong (Vertex contract, section 3): `app:` keys with the engine,
`user:` keys with the user of an engine, all others with the session; `temp:` keys nowhere.
Times are nanoseconds since 1970. Rows are kept in one order, so that a page costs its own length
and not the table's. Resource names: sections 1 and 3.
"""

from __future__ import annotations

import hashlib
import heapq
import re
from bisect import bisect_left, insort
from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass, field
from typing import Any, Generic, NamedTuple, TypeVar

_SESSION_ID = re.compile(r"[a-z0-9](?:[a-z0-9-]{0,61}[a-z0-9])?", re.ASCII)
_SESSION_TEXT = re.compile(r"[a-z0-9-]+", re.ASCII)


def project_number(project: str) -> str:
    """Return the number that answers carry for a project, itself if it is a number already.

    The service answers with the project's number whatever the request said; the emulator's number
    is derived from the id, so that both spellings reach the same data.
    """
    if project.isascii() and project.isdigit():
        return project
    digest = hashlib.sha256(project.encode("utf-8", "replace")).digest()
    return str(10**11 + int.from_bytes(digest[:8], "big") % (9 * 10**11))


def valid_session_id(text: str) -> bool:
    """Say whether an id may be given to a new session (section 3)."""
    return _SESSION_ID.fullmatch(text) is not None


def plausible_session_id(text: str) -> bool:
    """Say whether an id has only the characters of session ids; other ids are 400, not 404."""
    return _SESSION_TEXT.fullmatch(text) is not None


T = TypeVar("T")


class Position(NamedTuple):
    """Where a row stands in an order: its sort key, then its number of insertion."""

    key: Any
    number: int


class Rows(Generic[T]):
    """Items sorted by a key; items of equal key stay in the order of their numbers."""

    __slots__ = ("_rows",)

    def __init__(self, rows: Iterable[tuple[Any, int, T]] = ()) -> None:
        # A number is never used twice, so that comparing two rows never reaches the items.
        self._rows = sorted(rows, key=lambda row: row[:2])

    def __len__(self) -> int:
        return len(self._rows)

    def __iter__(self) -> Iterator[T]:
        return (row[2] for row in self._rows)

    def add(self, key: Any, number: int, item: T) -> None:
        """Put an item at its place."""
        insort(self._rows, (key, number, item), key=lambda row: row[:2])

    def remove(self, key: Any, number: int) -> None:
        """Take the item at this position out; it must be there."""
        index = self._index(Position(key, number))
        if self._rows[index][:2] != (key, number):
            raise LookupError(f"no row at {key}, {number}")
        del self._rows[index]

    def _index(self, position: tuple[Any, ...]) -> int:
        return bisect_left(self._rows, position)

    def page(
        self,
        size: int,
        *,
        after: Position | None = None,
        descending: bool = False,
        bounds: tuple[Any, Any] = (None, None),
        keep: Callable[[T], bool] | None = None,
    ) -> tuple[list[T], Position | None]:
        """Return at most `size` items and, if more follow, the position of the last of them.

        Args:
            size: The number of items wanted, at least 1.
            after: Start behind this position; the row itself need not exist any more.
            descending: Read from the end.
            bounds: Only rows whose key is in [first, last), where None means unbounded.
            keep: Only items for which this is true.
        """
        low, high = self._window(after, descending, bounds)
        if keep is None:
            if descending:
                found = self._rows[max(low, high - size - 1) : high][::-1]
            else:
                found = self._rows[low : min(high, low + size + 1)]
        else:
            found = self._search(range(low, high), descending, size + 1, keep)
        items = [row[2] for row in found[:size]]
        if len(found) <= size:
            return items, None
        return items, Position(*found[size - 1][:2])

    def _window(
        self, after: Position | None, descending: bool, bounds: tuple[Any, Any]
    ) -> tuple[int, int]:
        first, last = bounds
        low = 0 if first is None else self._index((first,))
        high = len(self._rows) if last is None else self._index((last,))
        if after is not None and descending:
            high = min(high, self._index(after))
        elif after is not None:
            low = max(low, self._index((after.key, after.number + 1)))
        return low, max(low, high)

    def _search(
        self, span: range, descending: bool, wanted: int, keep: Callable[[T], bool]
    ) -> list[tuple[Any, int, T]]:
        found: list[tuple[Any, int, T]] = []
        for index in reversed(span) if descending else span:
            row = self._rows[index]
            if keep(row[2]):
                found.append(row)
                if len(found) == wanted:
                    break
        return found


State = dict[str, Any]


class EngineKey(NamedTuple):
    """What identifies an engine; the project is always its number."""

    project: str
    location: str
    engine: str

    def name(self) -> str:
        """Return the engine's full resource name."""
        project, location, engine = self
        return f"projects/{project}/locations/{location}/reasoningEngines/{engine}"


@dataclass(slots=True)
class Event:
    """One event: its id, the client's timestamp, and its JSON behind the name (see `render`)."""

    id: str
    number: int
    timestamp: int
    tail: bytes


class Orders:
    """Sessions in the orders the API can list them in."""

    __slots__ = ("by_create", "by_update")

    def __init__(self) -> None:
        self.by_create: Rows[Session] = Rows()
        self.by_update: Rows[Session] = Rows()

    def add(self, session: Session) -> None:
        """Put a session into both orders."""
        self.by_create.add(session.create_time, session.number, session)
        self.by_update.add(session.update_time, session.number, session)

    def remove(self, session: Session) -> None:
        """Take a session out of both orders."""
        self.by_create.remove(session.create_time, session.number)
        self.by_update.remove(session.update_time, session.number)

    def touch(self, session: Session, moment: int) -> None:
        """Move a session to its new update time; the session itself is not changed."""
        self.by_update.remove(session.update_time, session.number)
        self.by_update.add(moment, session.number, session)


@dataclass(slots=True, eq=False)
class User:
    """What an engine knows of one user; it outlives the user's sessions.

    `version` counts the changes of `state`, which invalidate the rendered sessions.
    """

    id: str
    state: State = field(default_factory=dict)
    version: int = 0
    orders: Orders = field(default_factory=Orders)


@dataclass(slots=True, eq=False)
class Session:
    """One session. `state` has its own keys only; `tail` is its JSON behind the name, if current.

    `hidden` is the number of GETs that will still not find it (section 4, before 2026-06).
    """

    id: str
    number: int
    user: User
    create_time: int
    update_time: int
    expire_time: int
    display_name: str = ""
    labels: dict[str, str] = field(default_factory=dict)
    state: State = field(default_factory=dict)
    events: Rows[Event] = field(default_factory=Rows)
    event_count: int = 0
    hidden: int = 0
    tail: bytes | None = None
    tail_versions: tuple[int, int] = (0, 0)


class Engine:
    """A reasoning engine with its sessions."""

    def __init__(self, key: EngineKey, now: int, display_name: str = "") -> None:
        self.key = key
        self.create_time = now
        self.update_time = now
        self.display_name = display_name
        self.state: State = {}
        self.state_version = 0
        self.users: dict[str, User] = {}
        self.sessions: dict[str, Session] = {}
        self.orders = Orders()
        self.next_number = 1
        self._expiries: list[tuple[int, int, str]] = []

    def user(self, user_id: str) -> User:
        """Return a user, known from now on."""
        user = self.users.get(user_id)
        if user is None:
            user = self.users[user_id] = User(user_id)
        return user

    def add(self, session: Session) -> None:
        """Add a session whose number is `next_number`."""
        self.next_number = max(self.next_number, session.number) + 1
        self.sessions[session.id] = session
        self.orders.add(session)
        session.user.orders.add(session)
        self.note_expiry(session)

    def remove(self, session: Session) -> None:
        """Remove a session with its events; state of the app and the user stays."""
        del self.sessions[session.id]
        self.orders.remove(session)
        session.user.orders.remove(session)

    def missing(self, session_id: str) -> str:
        """Say, as recorded, that a session is not there."""
        return f"Session {self.key.name()}/sessions/{session_id} not found."

    def note_expiry(self, session: Session) -> None:
        """Remember when to look at a session again; call it after each change of its expiry."""
        heapq.heappush(self._expiries, (session.expire_time, session.number, session.id))

    def sweep(self, now: int) -> None:
        """Remove what has expired: such a session is neither found nor listed."""
        while self._expiries and self._expiries[0][0] <= now:
            _, number, session_id = heapq.heappop(self._expiries)
            session = self.sessions.get(session_id)
            if session and session.number == number and session.expire_time <= now:
                self.remove(session)

    def touch(self, session: Session, now: int) -> None:
        """Record a write to a session: its update time moves and its JSON is made anew."""
        self.orders.touch(session, now)
        session.user.orders.touch(session, now)
        session.update_time = now
        session.tail = None

    def merge_state(self, session: Session, delta: State) -> None:
        """Merge top-level keys, each into its scope; null is a value, `temp:` keys are dropped."""
        app, user, own = split_scopes(delta)
        session.state.update(own)
        self.share(session.user, app, user)

    def replace_state(self, session: Session, state: State) -> None:
        """Replace a session's own keys; keys of the shared scopes are merged as ever."""
        app, user, own = split_scopes(state)
        session.state = own
        self.share(session.user, app, user)

    def share(self, user: User, app_delta: State, user_delta: State) -> None:
        """Merge into the shared scopes; rendered sessions notice by the versions."""
        if app_delta:
            self.state.update(app_delta)
            self.state_version += 1
        if user_delta:
            user.state.update(user_delta)
            user.version += 1

    def merged_state(self, session: Session) -> State:
        """Return a session's state as get and list show it, keys sorted."""
        merged = {**self.state, **session.user.state, **session.state}
        return {key: merged[key] for key in sorted(merged)}


def split_scopes(delta: State) -> tuple[State, State, State]:
    """Return the keys of the app, of the user and of the session itself."""
    app: State = {}
    user: State = {}
    own: State = {}
    for key, value in delta.items():
        if key.startswith("app:"):
            app[key] = value
        elif key.startswith("user:"):
            user[key] = value
        elif not key.startswith("temp:"):
            own[key] = value
    return app, user, own


def _is_number(text: str) -> bool:
    return text.isascii() and text.isdigit()


class EngineStore:
    """All engines, and the rule which of them exist.

    With `known` (ids) only those engines and created ones exist. Without, an engine exists from
    its first use on if its id is a number that does not begin with `404`: such an id can always
    serve as a missing engine. A deleted engine stays deleted. Raises `ValueError` if an id of
    `known` is not a number.
    """

    def __init__(self, known: tuple[str, ...] | None = None) -> None:
        if not all(_is_number(engine) for engine in known or ()):
            raise ValueError(f"the id of a reasoning engine must be a number: {known}")
        self.known = known
        self.engines: dict[EngineKey, Engine] = {}
        self.deleted: set[EngineKey] = set()

    def find(self, key: EngineKey, now: int) -> Engine | None:
        """Return an engine without its expired sessions, or None if there is no such engine."""
        engine = self.engines.get(key)
        if engine is None:
            if key in self.deleted or not self._may_exist(key.engine):
                return None
            engine = self.engines[key] = Engine(key, now)
        engine.sweep(now)
        return engine

    def _may_exist(self, engine: str) -> bool:
        if self.known is not None:
            return engine in self.known
        return _is_number(engine) and not engine.startswith("404")

    def delete(self, engine: Engine) -> None:
        """Delete an engine with everything in it."""
        del self.engines[engine.key]
        self.deleted.add(engine.key)

    def under(self, project: str, location: str, now: int) -> Iterator[Engine]:
        """Yield the engines of a project and location, oldest first, also those of `known`."""
        for engine_id in self.known or ():
            self.find(EngineKey(project, location, engine_id), now)
        for key, engine in self.engines.items():
            if key[:2] == (project, location):
                yield engine

    def counts(self) -> dict[str, int]:
        """Return how many sessions and events there are."""
        sessions = [item for engine in self.engines.values() for item in engine.sessions.values()]
        return {"sessions": len(sessions), "events": sum(len(one.events) for one in sessions)}
