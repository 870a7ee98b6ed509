"""From responses to rows: JSON objects of the API as tuples of SQLite values.

Items are read by hand rather than with a model, because a page of 100 must cost well under a
millisecond; only the columns that a statement uses are built. Each field is checked when it is
read. A field of the wrong type raises a ProtocolError that names field and URL. Unknown fields are
ignored.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from functools import lru_cache
from typing import Any, TypeAlias

from sessions_vtab.backends.vertex.encoder import encode_all
from sessions_vtab.backends.vertex.names import Engine, EventRef, SessionRef
from sessions_vtab.contract import times
from sessions_vtab.contract.agent_events import FACTS, Documents, Fact
from sessions_vtab.contract.content import part_columns, text_of
from sessions_vtab.contract.model import Table
from sessions_vtab.contract.predicate import Value
from sessions_vtab.contract.scan import Row
from sessions_vtab.errors import ProtocolError
from sessions_vtab.fetch import Item, Reply

__all__ = [
    "Frame",
    "RowMaker",
    "engine_fields",
    "event_fields",
    "instant_of",
    "last_segment",
    "part_rows",
    "session_fields",
    "session_ref",
    "time_text",
]

_MICROSECONDS = re.compile(r"\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d\.\d{6}Z", re.ASCII).fullmatch
_AS_ZEROS = bytes.maketrans(b"123456789", b"000000000")

# RFC 3339 in UTC as the service writes it (contract, section 2): 0, 3, 6 or 9 fractional digits.
_TIME = re.compile(r"(\d{4}-\d\d-\d\d)T(\d\d:\d\d:\d\d)(?:\.(\d{3}|\d{6}|\d{9}))?Z", re.ASCII)
_MICROS = 6
_ID = "[A-Za-z0-9_-]{1,128}"
_SEGMENT = re.compile(_ID, re.ASCII)
_ONLY_SEGMENTS = re.compile(rf"(?:{_ID}\n)*{_ID}", re.ASCII).fullmatch


@dataclass(frozen=True, slots=True)
class Frame:
    """Values that all items of one page share.

    Attributes:
        engine: the engine of the items, spelled as in the request.
        what: the response, for errors.
        session_id: for events, the session they belong to.
        next_token: token of the next page; '' on the last page.
    """

    engine: Engine
    what: str
    session_id: str = ""
    next_token: str = ""

    @classmethod
    def of(cls, reply: Reply, engine: Engine, session_id: str = "") -> Frame:
        """Returns the frame of a response."""
        token = "" if reply.missing else reply.object().get("nextPageToken", "")
        return cls(engine, reply.what, session_id, token if isinstance(token, str) else "")

    def wrong(self, field: str, expected: str) -> ProtocolError:
        """Returns the error for a field that differs from the API's description."""
        return ProtocolError(
            f"{self.what}: the field {field} should be {expected}. The response was"
            " discarded. Does base_url point to the service itself?"
        )

    @property
    def session(self) -> SessionRef:
        """The session that the events belong to."""
        return SessionRef(self.engine, self.session_id)


class Batch:
    """Items of one page, read column by column, which is several times faster than row by row.

    Attributes:
        items: the JSON objects.
        frame: the values that they share.
    """

    __slots__ = ("_documents", "_ids", "frame", "items")

    def __init__(self, items: Sequence[Item], frame: Frame) -> None:
        self.items = items
        self.frame = frame
        self._ids: list[str] | None = None
        self._documents: list[Documents] | None = None

    @property
    def documents(self) -> list[Documents]:
        """What the facts of each event are read from."""
        if self._documents is None:
            self._documents = [
                Documents(item.get("actions"), item.get("eventMetadata"), item.get("rawEvent"))
                for item in self.items
            ]
        return self._documents

    @property
    def ids(self) -> list[str]:
        """The last segment of each item's name."""
        if self._ids is None:
            self._ids = _last_segments(self.items) or [
                last_segment(item, self.frame) for item in self.items
            ]
        return self._ids

    def same(self, value: Value) -> list[Value]:
        """A column that has the same value in every row."""
        return [value] * len(self.items)

    def named(self, prefix: str) -> list[Value]:
        """Full names: a prefix and the id, with the project spelled as in the request."""
        return [prefix + one for one in self.ids]


Getter: TypeAlias = Callable[[Batch], Sequence[Value]]
"""Builds one column of a page."""


class RowMaker:
    """Builds rows of one table with the columns that a scan uses.

    Args:
        table: the table, which determines the order of the columns.
        fields: the function that builds each column; columns without an entry are NULL.
        columns: the columns to build; None for all.
    """

    def __init__(
        self, table: Table, fields: Mapping[str, Getter], columns: Iterable[str] | None = None
    ) -> None:
        used = set(table.names if columns is None else columns)
        self._getters = [fields.get(name) if name in used else None for name in table.names]

    def __call__(self, item: Item, frame: Frame) -> Row:
        """Returns the row of one item."""
        return self.page((item,), frame)[0]

    def page(self, items: Sequence[Item], frame: Frame) -> list[Row]:
        """Returns the rows of a page."""
        batch = Batch(items, frame)
        nulls = batch.same(None)
        columns = [nulls if getter is None else getter(batch) for getter in self._getters]
        return list(zip(*columns, strict=True))


def _last_segments(items: Sequence[Item]) -> list[str] | None:
    """The ids of all items, validated with one regex match; None to check each item."""
    try:
        segments = [item["name"].rpartition("/")[2] for item in items]
    except (KeyError, AttributeError):
        return None
    return segments if _ONLY_SEGMENTS("\n".join(segments)) else None


def last_segment(item: Item, frame: Frame) -> str:
    """The id in an item's name; names in responses spell the project as its number."""
    name = item.get("name")
    segment = name.rpartition("/")[2] if isinstance(name, str) else ""
    if not _SEGMENT.fullmatch(segment):
        raise frame.wrong("name", "a resource name")
    return segment


def instant_of(item: Item, field: str, frame: Frame) -> int:
    """A required time field, in nanoseconds since 1970."""
    instant = times.parse(item.get(field))
    if instant is None:
        raise frame.wrong(field, "an RFC 3339 time")
    return instant


def time_text(value: Any) -> str | None:
    """Canonical text of the service's time; None if it is not a valid time."""
    if not isinstance(value, str):
        return None
    if _MICROSECONDS(value):
        return f"{value[:10]} {value[11:26]}"
    match = _TIME.fullmatch(value)
    if match is None:
        instant = times.parse(value)
        return None if instant is None else times.to_text(instant)
    day, clock, fraction = match.groups()
    digits = (fraction or "").ljust(_MICROS, "0")
    if len(digits) > _MICROS and digits.endswith("000"):
        digits = digits[:_MICROS]
    return f"{day} {clock}.{digits}"


def session_ref(item: Item, frame: Frame) -> SessionRef:
    """The session that an item describes."""
    return SessionRef(frame.engine, last_segment(item, frame))


def part_rows(item: Item, frame: Frame, table: Table) -> Iterator[Row]:
    """Returns the rows of ``event_parts`` for one event."""
    content = item.get("content")
    parts = content.get("parts", []) if isinstance(content, dict) else []
    if not isinstance(parts, list):
        raise frame.wrong("content.parts", "a list")
    event = EventRef(frame.session, last_segment(item, frame)).name
    batch = Batch((item,), frame)
    of_event = {name: event_fields[name](batch)[0] for name in _OF_EVENT} if parts else {}
    for number, part in enumerate(parts):
        if not isinstance(part, dict):
            raise frame.wrong(f"content.parts[{number}]", "an object")
        values = {
            "event_name": event,
            "session_name": frame.session.name,
            "part": number,
            "name": f"{event}#{number}",
            "session_id": frame.session_id,
            "project": frame.engine.project,
            "location": frame.engine.location,
            "reasoning_engine": frame.engine.engine,
            **of_event,
            **part_columns(part),
        }
        yield tuple(values.get(name) for name in table.names)


_OF_EVENT = ("timestamp", "author", "invocation_id")
"""Columns of ``event_parts`` that are those of the event."""

_NULLABLE_TEXT = {str, type(None)}
_NULLABLE_OBJECT = {dict, type(None)}


def _text(field: str) -> Getter:
    def column(batch: Batch) -> Sequence[Value]:
        values = [item.get(field) for item in batch.items]
        if not set(map(type, values)) <= _NULLABLE_TEXT:
            raise batch.frame.wrong(field, "text")
        return [value or None for value in values]

    return column


def _time(field: str, *, always: bool = False) -> Getter:
    """A time; ``always``: one that the service never leaves out (``Table.filled``)."""

    def value_of(value: Any, frame: Frame) -> Value:
        text = None if value is None else time_text(value)
        if text is None and (always or value is not None):
            raise frame.wrong(field, "an RFC 3339 time")
        return text

    def column(batch: Batch) -> Sequence[Value]:
        values = [item.get(field) for item in batch.items]
        texts = _all_microseconds(values)
        return texts or [value_of(value, batch.frame) for value in values]

    return column


def _all_microseconds(values: Sequence[Any]) -> list[str] | None:
    """Converts a whole page of timestamps at once; None if one of them has an unusual form."""
    try:
        joined = "\n".join(values)
    except TypeError:
        return None
    if not (values and joined.isascii()):
        return None
    if joined.encode().translate(_AS_ZEROS) != _usual(len(values)):
        return None
    return joined.replace("T", " ").replace("Z", "").split("\n")


@lru_cache(maxsize=128)
def _usual(count: int) -> bytes:
    """As many times in the usual form, one per line, with every digit a zero."""
    return b"\n".join([b"0000-00-00T00:00:00.000000Z"] * count)


def _object(field: str) -> Getter:
    # The service adds {} if nothing was sent, so {} is read as NULL, like an absent field.
    def column(batch: Batch) -> Sequence[Value]:
        values = [item.get(field) for item in batch.items]
        if not set(map(type, values)) <= _NULLABLE_OBJECT:
            raise batch.frame.wrong(field, "an object")
        try:
            return encode_all([value or None for value in values])
        except ValueError:
            raise batch.frame.wrong(field, "JSON without infinite numbers") from None

    return column


def _fact(fact: Fact) -> Getter:
    return lambda batch: [fact.read(documents) for documents in batch.documents]


_SCOPE: dict[str, Getter] = {
    "project": lambda batch: batch.same(batch.frame.engine.project),
    "location": lambda batch: batch.same(batch.frame.engine.location),
    "reasoning_engine": lambda batch: batch.same(batch.frame.engine.engine),
    "next_page_token": lambda batch: batch.same(batch.frame.next_token or None),
}

session_fields: Mapping[str, Getter] = {
    **_SCOPE,
    "name": lambda batch: batch.named(f"{batch.frame.engine.name}/sessions/"),
    "session_id": lambda batch: batch.ids,
    "user_id": _text("userId"),
    "display_name": _text("displayName"),
    "labels": _object("labels"),
    "state": _object("sessionState"),
    "create_time": _time("createTime", always=True),
    "update_time": _time("updateTime", always=True),
    "expire_time": _time("expireTime"),
}
"""Columns of ``sessions``."""

engine_fields: Mapping[str, Getter] = {
    "name": lambda batch: batch.named("/".join((*batch.frame.engine.segments[:-1], ""))),
    "reasoning_engine": lambda batch: batch.ids,
    "display_name": _text("displayName"),
    "create_time": _time("createTime"),
    "update_time": _time("updateTime"),
    "project": _SCOPE["project"],
    "location": _SCOPE["location"],
}
"""Columns of ``reasoning_engines``."""

event_fields: Mapping[str, Getter] = {
    **_SCOPE,
    "name": lambda batch: batch.named(f"{batch.frame.session.name}/events/"),
    "session_name": lambda batch: batch.same(batch.frame.session.name),
    "session_id": lambda batch: batch.same(batch.frame.session_id),
    "event_id": lambda batch: batch.ids,
    "timestamp": _time("timestamp", always=True),
    "author": _text("author"),
    "content": _object("content"),
    "text": lambda batch: [text_of(item.get("content")) for item in batch.items],
    "invocation_id": _text("invocationId"),
    "actions": _object("actions"),
    "error_code": _text("errorCode"),
    "error_message": _text("errorMessage"),
    "event_metadata": _object("eventMetadata"),
    "raw_event": _object("rawEvent"),
    # Events have no number that grows; their list's order is one only while it is read.
    "sequence": lambda batch: batch.same(None),
    **{name: _fact(read) for name, read in FACTS.items()},
}
"""Columns of ``events``."""
