"""Rules for what is written: ids, resource names, labels, JSON shapes, time to live, content.

Also finding the session that a row or a call refers to.
"""

from __future__ import annotations

import json
import re
from collections.abc import Mapping
from typing import Any, Final, NoReturn
from unicodedata import category
from urllib.parse import unquote

from sessions_vtab.backends.local.store import Store
from sessions_vtab.contract import times
from sessions_vtab.contract.agent_events import text_of
from sessions_vtab.contract.model import encoded
from sessions_vtab.contract.predicate import literal
from sessions_vtab.contract.values import is_object, load_json
from sessions_vtab.errors import (
    ConflictError,
    InvalidValueError,
    MissingParameterError,
    NotFoundError,
)

_LONGEST: Final = 255
_REFUSED: Final = re.compile(r"[/\x00-\x1f\x7f-\x9f]")


def check_id(identifier: str, where: str) -> str:
    """Returns the id; raises InvalidValueError unless it has 1 to 255 valid characters."""
    if not 0 < len(identifier) <= _LONGEST or _REFUSED.search(identifier):
        raise InvalidValueError(
            f"{where} must have 1 to {_LONGEST} characters, without '/' or control"
            f" characters; {identifier!r:.60} is not valid. Nothing was written."
        )
    return identifier


def session_name(session_id: str) -> str:
    """``sessions/{id}``."""
    return "sessions/" + encoded(session_id)


def upload_session_name(session_id: str) -> str:
    """``upload_sessions/{id}``."""
    return "upload_sessions/" + encoded(session_id)


def child(parent: str, collection: str, identifier: str) -> str:
    """``{parent}/{collection}/{id}``."""
    return f"{parent}/{collection}/{encoded(identifier)}"


def event_name(session_id: str, event_id: str) -> str:
    """``sessions/{id}/events/{id}``."""
    return child(session_name(session_id), "events", event_id)


def last_segment(name: str) -> str:
    """Returns the id in the last segment of a resource name of any backend."""
    return unquote(name.rpartition("/")[2])


def id_of(name: str, prefix: str) -> str | None:
    """Returns the id in ``{prefix}{id}``; None unless the name is spelled as in the store."""
    if not name.startswith(prefix):
        return None
    try:
        identifier = unquote(name[len(prefix) :], errors="strict")
    except UnicodeDecodeError:
        return None
    return identifier if prefix + encoded(identifier) == name else None


def given_id(values: Mapping[str, Any], where: str, column: str = "session_id") -> str | None:
    """Returns the id of a new row from its column, from ``name`` or both; None if neither is given.

    Raises:
        InvalidValueError: they contradict each other, or the id is not valid.
    """
    found: str | None = values.get(column)
    name = values.get("name")
    if name is not None:
        named = last_segment(name)
        if found not in {None, named}:
            raise InvalidValueError(
                f"{where}: {column} {found!r:.60} does not match the last part of name"
                f" {name!r:.120}. Give only one of them. Nothing was written."
            )
        found = named
    return None if found is None else check_id(found, f"{where}.{column}")


def new_id() -> str:
    """A new random id: a UUID of version 4 as text."""
    from uuid import uuid4  # noqa: PLC0415  # It imports platform, which takes 4 ms.

    return str(uuid4())


def session_id_of(session: str) -> str:
    """Returns the id of a session given by id or by full name; ids contain no slash."""
    return last_segment(session) if "/" in session else session


def session_of(values: Mapping[str, Any], where: str, parent: str = "") -> str:
    """Returns the session's id from ``session_id`` and names, which must agree.

    Args:
        values: canonical values of the columns; ``session_name`` is one of the names.
        where: ``source.table``, for errors.
        parent: name of the session within the name of a row; '' if that is not given.

    Raises:
        MissingParameterError: nothing names a session.
        InvalidValueError: they name different sessions.
    """
    found: str | None = values.get("session_id")
    for name in (values.get("session_name"), parent or None):
        if name is None:
            continue
        identifier = last_segment(name)
        if found is not None and identifier != found:
            raise InvalidValueError(
                f"{where}: session_id {found!r:.60} does not match the session in name"
                f" {name!r:.120}. Give only one of them. Nothing was written."
            )
        found = identifier
    if found is None:
        raise MissingParameterError(
            f"{where} needs session_id or session_name. Nothing was written."
        )
    return found


def require_session(store: Store, session: str, table: str) -> str:
    """Returns the id of a session that exists and is not deleted.

    Args:
        store: the store of the session.
        session: its id or full name.
        table: the table or function, for errors.

    Raises:
        NotFoundError: the session does not exist or has expired.
        ConflictError: the session is soft-deleted.
    """
    session_id = session_id_of(session)
    found = store.row(
        "SELECT 1 FROM sessions WHERE session_id = ? AND deleted = 0"
        " AND (expire_time IS NULL OR expire_time > ?)",
        (session_id, store.now()),
    )
    if found is None:
        refuse_session(store, session_id, table)
    return session_id


def refuse_session(store: Store, session_id: str, table: str) -> NoReturn:
    """Raises the error for a session that does not exist, has expired, or is deleted."""
    found = store.row(
        "SELECT deleted, expire_time <= ? FROM sessions WHERE session_id = ?",
        (store.now(), session_id),
    )
    deleted, expired = found or (0, 0)
    if deleted and not expired:
        raise ConflictError(
            f"{store.source}.{table}: session {session_id!r} is deleted. Nothing was written."
            f" Restore it with SELECT * FROM undelete_session({literal(session_id)})."
        )
    what = "has expired" if expired else "does not exist"
    raise NotFoundError(
        f"{store.source}.{table}: session {session_id!r} {what}."
        " Nothing was written; INSERT INTO sessions creates one."
    )


_encode: Final = json.JSONEncoder(ensure_ascii=False).encode


def read_content(value: str, author: str) -> tuple[str, str | None]:
    """Returns the content as it is stored, and its text.

    Args:
        value: minified JSON of an object, or plain text, which is stored as one text part.
        author: author of the event, which determines the role of plain text.
    """
    if is_object(value):
        return value, text_of(json.loads(value))
    role = "user" if author == "user" else "model"
    return f'{{"role":"{role}","parts":[{{"text":{_encode(value)}}}]}}', value


def require_object(value: str, where: str) -> str:
    """Returns minified JSON text unchanged; raises InvalidValueError unless it is an object."""
    if not value.startswith("{"):
        raise InvalidValueError(
            f"{where} must be a JSON object, not {value!r:.60}. Nothing was written."
        )
    return value


_OBJECTS: Final = ("state", "settings", "search_meta", "payload_filter", "sort_by")
_LABEL: Final = re.compile(r"[a-z0-9_-]{0,64}", re.ASCII)
_LONGEST_LABEL: Final = 64
# Letters other than upper case, combining marks and digits, of any script.
_LABEL_KINDS: Final = frozenset(("Ll", "Lo", "Lm", "Mn", "Mc", "Nd"))
# Eleven digits are at most 3 170 years, so that no sum leaves the calendar.
_TTL: Final = re.compile(r"(\d{1,11})(?:\.(\d{1,9}))?s?", re.ASCII)
_SECOND: Final = 1_000_000_000


def check_session(values: Mapping[str, Any], where: str) -> None:
    """Checks labels and the shapes of JSON columns.

    Args:
        values: canonical values of the columns to be written.
        where: ``source.table``, for errors.

    Raises:
        InvalidValueError: a value is not valid; the error names its column and the rule.
    """
    for column in _OBJECTS:
        if values.get(column) is not None:
            require_object(values[column], f"{where}.{column}")
    if values.get("labels") is not None:
        _check_labels(require_object(values["labels"], f"{where}.labels"), f"{where}.labels")
    results = values.get("search_results")
    if results is not None and not results.startswith("["):
        raise InvalidValueError(
            f"{where}.search_results must be a JSON array, not {results!r:.60}. Nothing was"
            " written."
        )


def expiry(values: Mapping[str, Any], now: int, where: str) -> str | None:
    """Returns when a session that is written now expires, from ``ttl`` or ``expire_time``.

    Args:
        values: canonical values of the columns to be written.
        now: the current time in nanoseconds since 1970.
        where: ``source.table``, for errors.

    Raises:
        InvalidValueError: both are given, or the ttl is not a positive duration.
    """
    expire_time: str | None = values.get("expire_time")
    ttl = values.get("ttl")
    if ttl is None:
        return expire_time
    if expire_time is not None:
        raise InvalidValueError(f"{where}: give ttl or expire_time, not both. Nothing was written.")
    match = _TTL.fullmatch(ttl)
    seconds, fraction = match.groups() if match else ("0", None)
    lifetime = int(seconds) * _SECOND + int((fraction or "").ljust(9, "0"))
    if lifetime:
        return times.to_text(now + lifetime)
    raise InvalidValueError(
        f"{where}.ttl must be a duration such as '172800s' or a number of seconds, not"
        f" {ttl!r:.60}. Nothing was written."
    )


def _check_labels(labels: str, where: str) -> None:
    for key, value in load_json(labels, where).items():
        if not (key and _is_label(key)):
            raise InvalidValueError(f"{where}: {key!r:.80} is not a valid key. {_RULE}")
        if not isinstance(value, str):
            raise InvalidValueError(f"{where}: the value of {key!r} must be text. {_RULE}")
        if not _is_label(value):
            raise InvalidValueError(
                f"{where}: {value!r:.80} is not a valid value for {key!r}. {_RULE}"
            )


_RULE: Final = (
    "Keys and values may contain lowercase letters of any script, digits, '_' and '-', and"
    f" have at most {_LONGEST_LABEL} characters. Nothing was written."
)


def _is_label(text: str) -> bool:
    if _LABEL.fullmatch(text):
        return True
    return len(text) <= _LONGEST_LABEL and all(
        one in "_-" or category(one) in _LABEL_KINDS for one in text
    )
