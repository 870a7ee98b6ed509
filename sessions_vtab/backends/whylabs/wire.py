"""From answers to rows."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from sessions_vtab.errors import ProtocolError
from sessions_vtab.fetch import Item, Reply, redact
from sessions_vtab.fetch.rows import Frame, Getter, text_of
from sessions_vtab.spec import times
from sessions_vtab.spec.names import resource_name
from sessions_vtab.spec.predicate import Value
from sessions_vtab.spec.scan import Row
from sessions_vtab.spec.values import dump_json

__all__ = [
    "dataset_row",
    "link_rows",
    "reference_row",
    "reference_rows",
    "response_of",
    "session_fields",
    "session_id_in",
    "session_name",
]

_JOINT = 3
"""Profiles that a joint link shows; further ones are left out (contract, section 4)."""

_DAY = 86_400_000
_MS = 1_000_000


def session_name(session_id: str) -> str:
    """Full name of a session."""
    return resource_name(("sessions", session_id))


def session_id_in(item: Item, frame: Frame, field: str = "sessionId") -> str:
    """A session's id, which has to be there."""
    return _required(item, field, frame)


session_fields: Mapping[str, Getter[Frame]] = {
    "name": lambda item, frame: session_name(session_id_in(item, frame)),
    "session_id": session_id_in,
    "user_id": text_of("userId"),
    "org_id": text_of("orgId"),
    "model_id": text_of("modelId"),
}
"""Columns of ``sessions``."""


def response_of(reply: Reply) -> str | None:
    """The body as JSON, without signatures and without the session's id; None if it is empty."""
    return None if reply.json is None else redact(dump_json(reply.json), reply.call.secrets)


def dataset_row(reply: Reply) -> Row:
    """The row of ``create_dataset_profile_upload``."""
    item, frame = reply.object(), Frame(reply.what)
    ids = (_required(item, name, frame) for name in ("id", "uploadUrl", "observatoryUrl"))
    upload_time = _time(item, frame)
    return (*ids, _required(item, "datasetId", frame), upload_time, response_of(reply))


def reference_row(reply: Reply) -> Row:
    """The row of ``create_reference_profile_upload``."""
    return (*_reference(reply.object(), Frame(reply.what)), response_of(reply))


def reference_rows(reply: Reply, count: int) -> list[Row]:
    """The rows of ``batch_create_reference_profile_upload``; ProtocolError if not ``count``."""
    item, frame = reply.object(), Frame(reply.what)
    given = item.get("references")
    if not isinstance(given, list) or len(given) != count:
        raise frame.wrong("references", f"a list of {count}")
    joint, response = _required(item, "observatoryUrl", frame), response_of(reply)
    return [(*_reference(_object(one, frame), frame), joint, response) for one in given]


def link_rows(reply: Reply) -> list[Row]:
    """The rows of ``session_profile_observatory_link``: references first, then times."""
    item, frame = reply.object(), Frame(reply.what)
    sent = reply.call.json
    # A link names a day, and so does the row: two times of one day are one profile.
    days = [str(stamp - stamp % _DAY) for stamp in sent["batchProfileTimestamps"]]
    profiles = [*sent["referenceProfileIds"], *days]
    links = item.get("individualObservatoryUrls")
    texts = isinstance(links, list) and all(isinstance(link, str) for link in links)
    if not isinstance(links, list) or not texts or len(links) != len(profiles):
        raise frame.wrong("individualObservatoryUrls", f"a list of {len(profiles)} strings")
    joint, response = _required(item, "observatoryUrl", frame), response_of(reply)
    return [
        (profile, link, joint, int(place < _JOINT), response)
        for place, (profile, link) in enumerate(zip(profiles, links, strict=True))
    ]


def _reference(item: Item, frame: Frame) -> tuple[Value, ...]:
    names = ("id", "alias", "modelId", "uploadUrl", "observatoryUrl")
    return (*(_required(item, name, frame) for name in names), _time(item, frame))


def _required(item: Item, name: str, frame: Frame) -> str:
    value = item.get(name)
    if not isinstance(value, str):
        raise frame.wrong(name, "text")
    return value


def _object(value: Any, frame: Frame) -> Item:
    if not isinstance(value, dict):
        raise frame.wrong("references", "a list of objects")
    return value


def _time(item: Item, frame: Frame) -> str | None:
    """``uploadTimestamp``, which is optional: milliseconds as canonical text."""
    value = item.get("uploadTimestamp")
    if value is None:
        return None
    try:
        if isinstance(value, int) and not isinstance(value, bool):
            return times.to_text(value * _MS)
    except (ValueError, OverflowError):
        pass
    raise ProtocolError(f"{frame.what}: the field uploadTimestamp should be milliseconds.")
