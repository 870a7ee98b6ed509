"""The sources on which the generated cases run, with rows that each service can store."""

from __future__ import annotations

import re
from collections.abc import Callable, Iterator, Mapping
from contextlib import closing, contextmanager
from dataclasses import dataclass, field, replace
from datetime import UTC, datetime, timedelta
from typing import Any, TypeAlias
from urllib.parse import unquote
from uuid import UUID

from sessions_vtab import Connection, connect
from sessions_vtab.contract.backend import Source
from sessions_vtab.contract.predicate import Field, Member, Op, Value, fields, known
from sessions_vtab.contract.scan import Scan
from sessions_vtab.emulator.serve import Running
from sessions_vtab.registry import backend_class
from sessions_vtab.testing import hostile
from sessions_vtab.testing.conformance import Suite
from sessions_vtab.testing.generated import Shown, paths_of

NOW = datetime(2026, 3, 1, 12, tzinfo=UTC)
KEYS = {"DEEPSET_API_KEY": "api_key", "WHYLABS_API_KEY": "canarycana." + "w" * 53}

IDS = ("s-a", "S-B", "1")
"""Ids of sessions that the shapes use."""

NAMES = (
    "plain.txt",
    "Plain.txt",
    "100%.txt",
    "under_score.txt",
    "[abc]*?.txt",
    'O\'Brien "x".txt',
    "caf\u00e9 \U0001f600.txt",
    "a/b;c&d=e+f.txt",
    " padded ",
    "2026-01-01",
    "01",
    "\u05e9\u05dc\u05d5\u05dd",
)
METAS: tuple[dict[str, Any], ...] = (
    {},
    {"category": "news", "year": 2020},
    {"category": "news", "year": "2020"},
    {"category": "O'Brien", "year": 1.5},
    {"category": None, "year": True},
    {"category": ["news"], "year": {"n": 1}},
    {"category": "", "a.b": "odd", "in": "x"},
    {"category": "News", "in": "y"},
    {"category": "[1]"},
    {"other": "news"},
    {"category": "caf\u00e9 \U0001f600", "year": 2**53},
    {"category": "news"},
)
"""Metadata of one key with values of every type."""


Fill: TypeAlias = Callable[[dict[str, Any], Connection], None]
"""Puts rows into the emulator's state, which is then loaded, or into the source itself."""


@dataclass(frozen=True)
class Stage:
    """One source.

    Attributes:
        source: the source's URL without the emulator's address.
        fill: see ``Fill``.
        keys: as for ``Suite``, from the emulator's state.
        parameters: as for ``Suite``.
        empty: as for ``Suite``: what the emulator's data has nothing for.
        shown: as for ``Traffic``.
    """

    source: Source
    fill: Fill
    keys: Callable[[dict[str, Any]], Any] = lambda _: {}
    parameters: Mapping[str, Mapping[str, list[Value]]] = field(default_factory=dict)
    empty: Mapping[str, list[str]] = field(default_factory=dict)
    shown: Mapping[str, Shown] = field(default_factory=dict)

    @property
    def paths(self) -> list[tuple[str, str]]:
        """Table and path of each access path that the backend declares."""
        with closing(
            backend_class(self.source.backend).open(self._at("http://127.0.0.1:1"))
        ) as one:
            return list(paths_of(one.resources))

    def connect(self, emulator: Running) -> Connection:
        """A further connection to the filled source, which has read nothing yet."""
        return connect(sources=[self._at(emulator.url)])

    @contextmanager
    def suite(self, emulator: Running) -> Iterator[Suite]:
        """The suite on a filled source."""
        with closing(self.connect(emulator)) as connection:
            state = emulator.control.dump()
            self.fill(state, connection)
            emulator.control.load(state)
            suite = Suite(
                connection,
                self.source.name,
                keys=self.keys(state),
                parameters=self.parameters,
                empty=self.empty,
            )
            yield suite
            suite.close()

    def _at(self, url: str) -> Source:
        if self.source.backend == "local":
            return self.source
        return replace(self.source, options={"base_url": url})


def _part(place: int) -> Shown:
    """Returns the id at a position of a resource name; other names cause no request."""

    def show(_scan: Scan, _field: Field, _op: Op, value: Value) -> str | None:
        parts = str(value).split("/")
        return unquote(parts[place]) if len(parts) > place else None

    return show


# deepset


def _deepset(state: dict[str, Any], _: Connection) -> None:
    cloud = state["deepset"]
    every = list(cloud["sessions"].values())
    sessions = [*every[:5], *every[-6:]]
    for number, session in enumerate(sessions):
        (upload, *_rest) = session["uploads"].values()
        names = NAMES if number == 0 else NAMES[number : number + 1]
        session["uploads"] = {
            name: {**upload, "name": name, "ingestion_status": _STATUSES[place % 2]}
            for place, name in enumerate(names)
        }
        session["ingested"] = True
    for session in sessions[-2:]:
        session |= {"closed_at": None, "ingested": False}
        for upload in session["uploads"].values():
            upload["ingestion_status"] = "PENDING"
    cloud["sessions"] = {one["session_id"]: one for one in sessions}
    cloud["files"] = {
        "demo": {
            str(UUID(int=number + 1)): {
                "file_id": str(UUID(int=number + 1)),
                "name": name,
                "content": ("", "eA==", "eHh4")[number % 3],
                "meta": meta,
                "created_at": (NOW - timedelta(hours=number // 2)).isoformat(),
            }
            for number, (name, meta) in enumerate(zip(NAMES, METAS, strict=True))
        }
    }


_STATUSES = ("FINISHED", "FAILED")
_LISTS = {"OPEN": "false", "CLOSED": "false", "EXPIRED": "true"}


LISTED = frozenset(("status", "write_mode", "create_time", "is_expired", "created_by"))
"""Columns of deepset's ``upload_sessions`` that only its lists contain."""

DETAILED = frozenset(("failed_files", "finished_files", "documentation_url"))
"""Columns that only a GET of the session contains."""


def _upload_session(scan: Scan, _field: Field, _op: Op, value: Value) -> str | None:
    """By id, unless the lists contain all that is wanted."""
    if scan.columns & LISTED and not scan.columns & DETAILED:
        return None
    return _session_in(str(value))


def _session_in(value: str) -> str | None:
    """Returns the id, or the one in a name; other names cause no request."""
    parts = value.split("/")
    return (parts[3] if len(parts) > 3 else None if "-" not in value else value.lower()) or None


def _is_expired(_scan: Scan, _field: Field, _op: Op, value: Value) -> str | None:
    return {0: "is_expired=false", 1: "is_expired=true"}.get(value)  # type: ignore[call-overload]


def _status(scan: Scan, _field: Field, _op: Op, value: Value) -> str | None:
    """The value decides which of the two lists is read."""
    expired = _LISTS.get(str(value))
    if expired is None or scan.given("is_expired") is not None:
        return None
    return f"is_expired={expired}"


def _ingestion_status(scan: Scan, _field: Field, _op: Op, value: Value) -> str | None:
    """Only the values that the API documents."""
    given = scan.given("ingestion_status") or ()
    known = {"PENDING", *_STATUSES}.issuperset(map(str, given))
    return f"ingestion_status={value}" if known else None


def _file_name(_scan: Scan, _field: Field, op: Op, value: Value) -> str | None:
    """A part of the name. LIKE ignores case, but the service does not."""
    text = str(value)
    if op is Op.LIKE:
        text = max(re.split("[%_A-Za-z]", text), key=len)
    elif op is Op.GLOB:
        text = "" if set(text) & set("[?") else text.rstrip("*")
    return f"name={text}" if text else None


def _meta(_scan: Scan, field: Field, _op: Op, value: Value) -> str | None:
    """OData, if key and value can be written in it."""
    text = str(value)
    fits = str(field.key) in {"category", "year"} and text.isprintable() and text[:1] not in "[{"
    return f"{field.key} eq '{text.replace(chr(39), chr(39) * 2)}'" if fits else None


# whylabs


def _whylabs(state: dict[str, Any], _: Connection) -> None:
    ids = [*IDS, *(f"session-{number:04d}" for number in range(len(NAMES) - len(IDS)))]
    state["whylabs"]["sessions"] = {
        session_id: {
            "session_id": session_id,
            "org_id": f"org-{number % 3}",
            "user_id": NAMES[number],
            "expires_at": (NOW + timedelta(days=1)).isoformat(),
        }
        for number, session_id in enumerate(ids)
    }


def _no_dots(_scan: Scan, _field: Field, _op: Op, value: Value) -> str | None:
    """An empty segment or dots would change the path; no session has such an id."""
    return None if value in {"", ".", ".."} else str(value)


# eleanor


def _eleanor(state: dict[str, Any], _: Connection) -> None:
    sessions = list(state["eleanor"]["sessions"].values())
    for session, name in zip(sessions, NAMES, strict=False):
        session["name"] = name.replace("/", "_").strip(".")
    for number, session in enumerate(sessions):
        session["settings"] = METAS[number % len(METAS)]
        session["create_ts"] = (NOW - timedelta(days=number // 2)).isoformat()
    kept = sessions[:14]
    state["eleanor"]["sessions"] = {session["pkid"]: session for session in kept}


def _gets_it(show: Shown) -> Shown:
    """By id, unless a list is read because deleted rows or several rows may be wanted."""

    def shown(scan: Scan, field: Field, op: Op, value: Value) -> str | None:
        listed = scan.parameters.get("include_deleted") == 1
        listed = listed or any(one.column == "deleted" for one in fields(scan.where))
        several = len(scan.given(field.column) or ()) > 3
        return None if listed or several else show(scan, field, op, value)

    return shown


def _as_it_is(_scan: Scan, _field: Field, _op: Op, value: Value) -> str | None:
    return None if value in {"", ".", ".."} else str(value)


def _deleted(_scan: Scan, _field: Field, op: Op, value: Value) -> str | None:
    wanted = op not in {Op.EQ, Op.IN} or value == 1
    return "include_deleted" if wanted else None


# embedding_studio


def _studio(state: dict[str, Any], _: Connection) -> None:
    studio = state["embedding_studio"]
    every = list(studio["sessions"].values())
    sessions = [*every[1:9], *every[-6:]]
    events = {}
    for number, session in enumerate(sessions):
        clicked = studio["events"].get(session["session_id"])
        session["session_id"] = (*IDS, session["session_id"])[min(number, len(IDS))]
        session["search_meta"] = METAS[number % len(METAS)] or None
        session["user_id"] = NAMES[number] if number < len(NAMES) else None
        session["created_at"] = session["created_at"] // 7200 * 7200
        if clicked:
            events[session["session_id"]] = clicked
    for number, event in enumerate(one for some in events.values() for one in some.values()):
        event["meta"] = METAS[number % len(METAS)] or None
        event["event_type"] = NAMES[number % 4]
    studio["sessions"] = {one["session_id"]: one for one in sessions}
    studio["events"] = events


def _studio_keys(state: dict[str, Any]) -> dict[str, dict[str, list[Value]]]:
    """Reads batches first, because only they tell the batch of a session."""
    studio = state["embedding_studio"]
    keys = {
        "batch_id": [one["batch_id"] for one in studio["batches"]],
        "session_id": list(studio["sessions"]),
    }
    return {"sessions": keys, "events": keys}


def _session_number(scan: Scan, _field: Field, op: Op, value: Value) -> str | None:
    """The number before the first; an upper limit has no parameter, and ends the read."""
    if op not in {Op.GT, Op.GE, Op.EQ} or not isinstance(value, int) or not 0 < value < 2**60:
        return None
    if scan.given("batch_id") is None:
        return None
    return f"after_number={value if op is Op.GT else value - 1}"


def _batch(scan: Scan, _field: Field, _op: Op, value: Value) -> str | None:
    """Batches are searched for a session until it is found."""
    return str(value) if scan.path.name == "list" else None


def _in_batch(scan: Scan, field: Field, _op: Op, value: Value) -> str | None:
    """The session itself, unless it is searched for in a batch."""
    if scan.given("batch_id") is not None:
        return None
    show = _part(1) if field.column != "session_id" else _as_it_is
    return show(scan, field, Op.EQ, value)


# vertex


def _vertex(state: dict[str, Any], _: Connection) -> None:
    (engine,) = state["vertex"]["engines"]
    for number, session in enumerate(engine["sessions"]):
        if number < len(NAMES):
            session["displayName"] = NAMES[number]
        session["labels"] |= {"odd": NAMES[number % 8]} if number % 2 else {}


def _literal(scan: Scan, field: Field, op: Op, value: Value) -> str | None:
    """In a filter text, unless it contains ``*``, which would match any text."""
    listed = [one for one in scan.where.terms if isinstance(one, Member) and one.field == field]
    texts = [str(one) for term in listed for one in known(*term.operands)] or [str(value)]
    fits = all(text.isprintable() and not set(text) & set('"\\*') for text in texts)
    return str(value) if fits and (field.key is None or field.key.isidentifier()) else None


def _if_an_id(scan: Scan, field: Field, _op: Op, value: Value) -> str | None:
    """Session ids consist of letters, digits and hyphens; many ids are read from the list."""
    several = len(scan.given(field.column) or ()) > 3
    return None if several or not str(value).replace("-", "").isalnum() else str(value)


def _by_time(_scan: Scan, field: Field, _op: Op, _value: Value) -> str:
    """The list is read in order, up to the first row outside the range."""
    return f"orderBy={field.column}"


# local


def _local(_state: dict[str, Any], connection: Connection) -> None:
    tables = connection.sources["loc"].backend.resources
    sessions = hostile.session_rows()[:14]
    kept = {row["name"] for row in sessions}
    events = [row for row in hostile.event_rows() if row["session_name"] in kept]
    with connection:
        for table, rows in (("sessions", sessions), ("events", events)):
            columns = tables[table].capability.writes.insert
            hostile.load(connection.execute, "loc", table, rows, columns)
        connection.execute("DELETE FROM sessions WHERE session_id IN ('s-000', 's-001')")
        connection.executemany(
            "INSERT INTO participants(session_id, participant) VALUES (?, ?)",
            [("s-a", name.replace("/", "_")) for name in NAMES[:8]]
            + [("S-B", "plain.txt"), ("1", "01")],
        )
        connection.executemany(
            "INSERT INTO upload_sessions(session_id, write_mode) VALUES (?, ?)",
            [(f"u{number}", ("KEEP", "FAIL")[number % 2]) for number in range(10)],
        )
    for name in NAMES:
        connection.execute("SELECT * FROM upload_file('u1', ?, 'x')", (name,)).fetchall()
    connection.execute("SELECT * FROM close_upload_session('u1')").fetchall()


_PAGES: Mapping[str, list[Value]] = {"page_size": [2]}
_VERTEX = {"page_size": [3], "order_by": ["create_time desc"]}

STAGES = {
    "deepset": Stage(
        Source("docs", "deepset", "demo"),
        _deepset,
        parameters=dict.fromkeys(("upload_sessions", "upload_session_files", "files"), _PAGES),
        shown={
            "name": _upload_session,
            "session_name": _upload_session,
            "session_id": _upload_session,
            "is_expired": _is_expired,
            "status": _status,
            "ingestion_status": _ingestion_status,
            "file_name": _file_name,
            "meta->>": _meta,
        },
        # Known only to the connection that opened the session.
        empty={"upload_sessions": ["upload_url", "upload_fields"]},
    ),
    "whylabs": Stage(
        Source("guest", "whylabs"),
        _whylabs,
        keys=lambda state: {"sessions": {"session_id": list(state["whylabs"]["sessions"])}},
        shown={"name": _part(1), "session_id": _no_dots},
    ),
    "eleanor": Stage(
        Source("acts", "eleanor", "demo"),
        _eleanor,
        shown={
            "name": _gets_it(_part(3)),
            "session_name": _gets_it(_part(3)),
            "session_id": _gets_it(_as_it_is),
            "deleted": _deleted,
        },
    ),
    "embedding_studio": Stage(
        Source("clicks", "embedding_studio"),
        _studio,
        keys=_studio_keys,
        parameters={"sessions": {"page_size": [3]}},
        empty={"sessions": ["payload_filter", "sort_by"]},
        shown={
            "batch_id": _batch,
            "name": _in_batch,
            "session_name": _in_batch,
            "session_id": _in_batch,
            "session_number": _session_number,
        },
    ),
    "vertex": Stage(
        Source("prod", "vertex", "demo/us-central1/42"),
        _vertex,
        parameters={"sessions": _VERTEX, "events": {"page_size": [5]}},
        empty={
            "events": ["error_code", "error_message", "raw_event"],
            "event_parts": ["thought", "mime_type", "file_uri", "size"],
        },
        shown={
            "name": _part(7),
            "session_id": _if_an_id,
            "session_name": _part(7),
            "event_name": _part(7),
            "user_id": _literal,
            "display_name": _literal,
            "labels->>": _literal,
            "create_time": _by_time,
            "update_time": _by_time,
        },
    ),
    "local": Stage(
        Source("loc", "local", ":memory:"),
        _local,
        # Columns of other backends, which copies fill.
        empty={
            "sessions": [
                "description",
                "settings",
                "search_query",
                "search_results",
                "search_meta",
                "payload_filter",
                "sort_by",
                "batch_id",
                "session_number",
            ],
            "events": ["actions", "error_code", "error_message", "event_metadata", "raw_event"],
            "event_parts": ["thought", "call_id", "response", "mime_type", "file_uri", "size"],
            "upload_sessions": ["documentation_url", "upload_url", "upload_fields"],
        },
    ),
}
