"""The tables of vertex: fields of columns, bodies that are written, operations."""

from __future__ import annotations

import re
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field, replace
from typing import Any, Final, TypeVar

from sessions_vtab import rest
from sessions_vtab.contract import agent_events
from sessions_vtab.contract.tables import (
    AGENT_EVENTS,
    EVENT_PARTS,
    FACT_COLUMNS,
    FACT_REMEDY,
    REASONING_ENGINES,
    SCOPE_COLUMNS,
    SESSIONS,
    event_columns,
    session_columns,
)

PAGE_CAP = 100
"""The maximum number of rows per page (contract of Vertex AI, section 5)."""

# https://docs.cloud.google.com/agent-builder/quotas; for each project and region.
WRITES, APPENDS = 100, 300
"""Sessions that may be written in a minute, and events that may be appended."""

SORTED = ("create_time", "update_time")
"""Columns that lists of sessions can be sorted by."""

SCOPE = ("project", "location", "reasoning_engine")
_PLACE = SCOPE[:2]

LISTING = ("filter", "order_by", "page_size", "page_token", "next_page_token")
"""List parameters that a statement can give."""

# Recorded: "Session {name} not found."; in 2025 a list of ids took the place of the name. An engine
# that does not exist has another text, and is an error.
_NO_SESSION = (rest.ResponseMatcher(404, r"^Session\b.*\bnot found"),)
_NO_ENGINE = (rest.ResponseMatcher(404, r"^The ReasoningEngine does not exist\.?$"),)

_MATCHING = rest.EQUALITY | {rest.Op.NE, rest.Op.NOT_IN}
_SESSION_FILTERS = (
    rest.Filter("user_id", _MATCHING),
    rest.Filter("display_name", _MATCHING),
    rest.Filter(
        "labels", _MATCHING | {rest.Op.IS_NULL, rest.Op.IS_NOT_NULL}, keyed=True, texts=True
    ),
    rest.Filter("create_time", rest.RANGE | {rest.Op.EQ}, by_order=True),
    rest.Filter("update_time", rest.RANGE | {rest.Op.EQ}, by_order=True),
)
_EVENT_FILTERS = (rest.Filter("timestamp", rest.RANGE | {rest.Op.EQ}),)

_HINT = (
    "The source has no engine. Add WHERE reasoning_engine = '..', or put it into the source's"
    " URL (vertex://PROJECT/LOCATION/ENGINE)."
)
_DEPLOYED = "Engines are deployed and deleted with Google's own tools."

_SESSIONS = SESSIONS.extended(
    *session_columns(*SCOPE),
    hidden=session_columns("ttl", *LISTING, "update_mask"),
    filled=("create_time", "update_time"),
)
_EVENTS = AGENT_EVENTS.extended(hidden=event_columns(*SCOPE, *LISTING), filled=("timestamp",))
_PARTS = EVENT_PARTS.extended(
    hidden=tuple(SCOPE_COLUMNS[name] for name in SCOPE), filled=("timestamp",)
)
_ENGINES = REASONING_ENGINES.extended(hidden=tuple(SCOPE_COLUMNS[name] for name in _PLACE))

# From responses to rows.

_T = TypeVar("_T")

_ID = "[A-Za-z0-9_-]{1,128}"
_SEGMENT = re.compile(_ID, re.ASCII).fullmatch
_ONLY_SEGMENTS = re.compile(rf"(?:{_ID}\n)*{_ID}", re.ASCII).fullmatch


@dataclass(frozen=True, slots=True)
class PageFrame(rest.RestFrame):
    """What the items of one page have in common.

    Attributes:
        next_token: token of the next page; '' on the last page.
        read: what several columns of some items are made of.
    """

    next_token: str = ""
    read: dict[str, tuple[Any, Any]] = field(default_factory=dict, compare=False, repr=False)


def last_segment(item: rest.Item, frame: rest.DecodeContext) -> str:
    """The id in an item's name; names in responses spell the project as its number."""
    name = item.get("name")
    segment = name.rpartition("/")[2] if isinstance(name, str) else ""
    if not _SEGMENT(segment):
        raise frame.wrong("name", "a resource name")
    return segment


def _ids(items: Sequence[rest.Item], frame: rest.DecodeContext) -> list[str]:
    """The last segment of each item's name, validated with one regex match if it can be."""
    return _once(
        "ids", items, frame, lambda: _segments(items) or [last_segment(one, frame) for one in items]
    )


def _once(
    name: str, items: Sequence[rest.Item], frame: rest.DecodeContext, read: Callable[[], _T]
) -> _T:
    """What is read of a page's items for one of its columns, and again for the next one."""
    memo = frame.read if isinstance(frame, PageFrame) else {}
    if name not in memo or memo[name][0] is not items:
        memo[name] = items, read()
    found: _T = memo[name][1]
    return found


def _documents(
    items: Sequence[rest.Item], frame: rest.DecodeContext
) -> list[agent_events.Documents]:
    names = ("actions", "eventMetadata", "rawEvent")
    read = (agent_events.Documents(*map(item.get, names)) for item in items)
    return _once("documents", items, frame, lambda: list(read))


def _segments(items: Sequence[rest.Item]) -> list[str] | None:
    try:
        segments = [item["name"].rpartition("/")[2] for item in items]
    except (KeyError, AttributeError):
        return None
    return segments if _ONLY_SEGMENTS("\n".join(segments)) else None


# NULL for what is empty: the service adds {} where nothing was sent.


def _text(name: str) -> rest.OfPage[rest.DecodeContext, str | None]:
    return rest.null_if("", rest.text_of(name))


def _object(name: str) -> rest.OfPage[rest.DecodeContext, str | None]:
    return rest.null_if("{}", rest.json_of(name))


def _next_token(items: Sequence[rest.Item], frame: rest.RestFrame) -> list[rest.Value]:
    token = frame.next_token if isinstance(frame, PageFrame) else ""
    return [token or None] * len(items)


def _fact(fact: agent_events.Fact) -> rest.OfPage[rest.RestFrame, rest.Value]:
    return rest.OfPage(lambda items, frame: [fact.read(one) for one in _documents(items, frame)])


_SESSION_FIELDS: Final[Mapping[str, str | rest.Getter[rest.RestFrame]]] = {
    "session_id": rest.OfPage(_ids),
    "next_page_token": rest.OfPage(_next_token),
    "user_id": _text("userId"),
    "display_name": _text("displayName"),
    "labels": _object("labels"),
    "state": _object("sessionState"),
    "create_time": rest.time_of("createTime", required=True),
    "update_time": rest.time_of("updateTime", required=True),
    "expire_time": rest.time_of("expireTime"),
}
_OF_EVENT: Final[Mapping[str, rest.Getter[rest.RestFrame]]] = {
    "timestamp": rest.time_of("timestamp", required=True),
    "author": _text("author"),
    "invocation_id": _text("invocationId"),
}
"""Columns of ``events`` that ``event_parts`` has, too."""
# Events have no number that grows; their list's order is one only while it is read.
_EVENT_FIELDS: Final[Mapping[str, str | rest.Getter[rest.RestFrame]]] = {
    "event_id": rest.OfPage(_ids),
    "next_page_token": rest.OfPage(_next_token),
    **_OF_EVENT,
    "content": _object("content"),
    "text": lambda item, _: agent_events.text_of(item.get("content")),
    "actions": _object("actions"),
    "error_code": _text("errorCode"),
    "error_message": _text("errorMessage"),
    "event_metadata": _object("eventMetadata"),
    "raw_event": _object("rawEvent"),
    **{name: _fact(read) for name, read in agent_events.FACTS.items()},
}
_ENGINE_FIELDS: Final[Mapping[str, str | rest.Getter[rest.RestFrame]]] = {
    "reasoning_engine": rest.OfPage(_ids),
    "display_name": _text("displayName"),
    "create_time": "createTime",
    "update_time": "updateTime",
}


def parts_in(item: rest.Item, frame: rest.RestFrame, event_name: str) -> Iterator[rest.Item]:
    """The items of ``event_parts`` in an event: its columns by their names."""
    held = item.get("content")
    parts = held.get("parts", []) if isinstance(held, dict) else []
    if not isinstance(parts, list):
        raise frame.wrong("content.parts", "a list")
    of_event = {name: read(item, frame) for name, read in _OF_EVENT.items()} if parts else {}
    for number, part in enumerate(parts):
        if not isinstance(part, dict):
            raise frame.wrong(f"content.parts[{number}]", "an object")
        own = {"part": number, "name": f"{event_name}#{number}", "event_name": event_name}
        yield {**own, **of_event, **agent_events.part_columns(part)}


_PART_FIELDS: Final[Mapping[str, rest.Getter[rest.RestFrame]]] = {
    name: rest.value_of(name)
    for name in (*(column.name for column in _PARTS.visible), "name", "event_id")
    if name not in ("session_name", "session_id", *SCOPE)
}


# From SQL values to request bodies, checked before anything is sent.

_EXACT = 2**53
_TTL = re.compile(r"(\d+(?:\.\d{1,9})?)s?", re.ASCII)


def refuse_inexact(value: Any, where: str) -> None:
    """Raises InvalidValueError for an integer beyond 2^53, with its JSON path.

    The service stores every number as a double, so a larger integer would come back changed.
    """
    for place in _inexact(value, "$"):
        raise rest.refused(
            f"{where}: the integer at {place}",
            "is beyond 2^53, and the service would change it, because it stores numbers as doubles."
            " Write it as text",
        )


def _inexact(value: Any, place: str) -> Iterator[str]:
    if isinstance(value, dict):
        for key, held in value.items():
            yield from _inexact(
                held, f"{place}.{key}" if key.isidentifier() else f'{place}."{key}"'
            )
    elif isinstance(value, list):
        for index, held in enumerate(value):
            yield from _inexact(held, f"{place}[{index}]")
    elif isinstance(value, int) and not isinstance(value, bool) and abs(value) > _EXACT:
        yield place


def _object_sent(value: rest.Value, where: str) -> dict[str, Any]:
    loaded = rest.json_object(value, where)
    refuse_inexact(loaded, where)
    return loaded


def _labels_sent(value: rest.Value, where: str) -> dict[str, Any]:
    loaded = _object_sent(value, where)
    wrong = next((key for key, held in loaded.items() if not isinstance(held, str)), None)
    if wrong is not None:
        raise rest.InvalidValueError(f"{where}: label values must be text, not {wrong!r:.60}.")
    return loaded


def _ttl(value: rest.Value, where: str) -> str:
    match = _TTL.fullmatch(str(value))
    if match is None:
        why = f"must be a number of seconds or a duration such as '172800s', not {value!r:.60}"
        raise rest.refused(where, why)
    return f"{match.group(1)}s"


SESSION_BODY: Final[Mapping[str, str | rest.Sent]] = {
    "user_id": "userId",
    "display_name": "displayName",
    "labels": rest.Sent("labels", _labels_sent),
    "state": rest.Sent("sessionState", _object_sent),
    "expire_time": rest.Sent("expireTime", rest.rfc3339),
    "ttl": rest.Sent("ttl", _ttl),
}
EVENT_BODY: Final[Mapping[str, str | rest.Sent]] = {
    **{one: one for one in ("name", "author")},
    "timestamp": rest.Sent("timestamp", rest.rfc3339),
    "content": rest.Sent("content", lambda value, _: value),  # Its role depends on the author.
    "actions": rest.Sent("actions", _object_sent),
    "invocation_id": "invocationId",
    "error_code": "errorCode",
    "error_message": "errorMessage",
    "event_metadata": rest.Sent("eventMetadata", _object_sent),
    "raw_event": rest.Sent("rawEvent", _object_sent),
}
_LASTING = tuple(SESSION_BODY)
_CHANGEABLE = tuple(name for name in _LASTING if name != "user_id")
_EVENT_INSERT = tuple(name for name in EVENT_BODY if name != "name")


# Operations.


def tables_of(version: str, *, express: bool) -> tuple[rest.RestTable, ...]:
    """The tables of a source.

    Args:
        version: the first segment of every path.
        express: the service is reached with an API key, without project and location.
    """
    place = "" if express else "projects/{project}/locations/{location}/"
    engine = f"{place}reasoningEngines/{{reasoning_engine}}"
    one = f"/{version}/{engine}/sessions/{{session_id}}"
    name = engine.replace("{project}", "{+project}")
    session = f"{name}/sessions/{{session_id}}"
    event = f"{session}/events/{{event_id}}"
    events = rest.List(
        f"GET {one}/events",
        items="sessionEvents",
        pages=rest.TokenPages(cap=PAGE_CAP),
        takes=_EVENT_FILTERS,
        orders=("timestamp",),
        missing=_NO_SESSION,
    )
    tables = (
        _sessions(f"/{version}/{engine}/sessions", one, session),
        rest.RestTable(
            _EVENTS,
            event,
            _EVENT_FIELDS,
            list=events,
            insert=rest.Insert(
                f"POST {one}:appendEvent", columns=_EVENT_INSERT, required=("author",)
            ),
            parent="sessions",
            hints={
                "update": "Events cannot be changed: append another one.",
                "delete": "Single events cannot be deleted; delete their session.",
                **dict.fromkeys(FACT_COLUMNS, FACT_REMEDY),
            },
            hint=_HINT,
            rows=100_000,
            # appendEvent sets it to the server's time (recorded responses).
            follows="update_time",
            per_minute={"insert": APPENDS},
        ),
        rest.RestTable(
            _PARTS,
            f"{event}#{{part}}",
            _PART_FIELDS,
            list=replace(events, orders=()),
            parent="sessions",
            under={"event_name": event},
            made_from="events",
            hint=_HINT,
            rows=200_000,
            follows="update_time",
        ),
    )
    return tables if express else (*tables, _engines(f"/{version}/{place}reasoningEngines", name))


def _sessions(every: str, one: str, name: str) -> rest.RestTable:
    return rest.RestTable(
        _SESSIONS,
        name,
        _SESSION_FIELDS,
        get=rest.Get(f"GET {one}", missing=_NO_SESSION),
        list=rest.List(
            f"GET {every}",
            items="sessions",
            pages=rest.TokenPages(cap=PAGE_CAP),
            takes=_SESSION_FILTERS,
            orders=SORTED,
            ordered_by=("order_by", "page_token"),
        ),
        insert=rest.Insert(
            f"POST {every}", columns=(*SCOPE, "session_id", *_LASTING), required=("user_id",)
        ),
        update=rest.Update(f"PATCH {one}", columns=(*_CHANGEABLE, "update_mask")),
        delete=rest.Delete(f"DELETE {one}", done=_NO_SESSION),
        hints={
            "user_id": "A session's user cannot be changed; insert a new session for another user."
        },
        hint=_HINT,
        per_minute=dict.fromkeys(("insert", "update", "delete"), WRITES),
    )


def _engines(every: str, name: str) -> rest.RestTable:
    """Table of engines; an API key without a project cannot list them (contract, section 1)."""
    return rest.RestTable(
        _ENGINES,
        name,
        _ENGINE_FIELDS,
        get=rest.Get(f"GET {every}/{{reasoning_engine}}", missing=_NO_ENGINE),
        list=rest.List(
            f"GET {every}",
            items="reasoningEngines",
            pages=rest.TokenPages(cap=PAGE_CAP),
        ),
        hints=dict.fromkeys(("insert", "update", "delete"), _DEPLOYED),
        rows=20,
    )
