"""Request bodies and answers as bytes, by the rules of proto JSON (Vertex contract, section 2).

Both spellings of a field are accepted and camelCase comes out; free-form values are left alone;
everything wrong in one body is collected and refused in one error (section 7).

A session or event is kept as the JSON *after* its name's prefix: everything from its id on. The
prefix depends on the request (project number or express path), so a page is one `bytes.join` of
what is kept, and a row costs nothing until it changes.
"""

from __future__ import annotations

import json
import math
from collections.abc import Callable, Sequence
from functools import cache
from typing import Any, NoReturn, TypeAlias

from sessions_vtab.emulator.vertex import messages
from sessions_vtab.emulator.vertex.messages import (
    ENUMS,
    LENIENT,
    MESSAGES,
    ONEOFS,
    ONLY_V1BETA1,
    format_duration,
    format_time,
    invalid,
    snake,
)
from sessions_vtab.emulator.vertex.store import Engine, Event, Session

_INT32 = 2**31
_NO_LIST = "Proto field is not repeating, cannot start list."


class Body:
    """One body being read: the version of the URL and the problems found so far."""

    def __init__(self, version: str) -> None:
        self.version = version
        self.problems: list[tuple[str, str]] = []
        self.lenient = False

    def unknown(self, name: str, path: str, reason: str = "Cannot find field.") -> None:
        """Note a field that is not there, or that cannot take a value of this shape."""
        text = f"Invalid JSON payload received. Unknown name \"{name}\" at '{path}': {reason}"
        self.problems.append((path, text))

    def wrong(self, path: str, kind: str, value: Any) -> None:
        """Note a value that its type refuses; `kind` is the type as the service words it."""
        self.problems.append((path, f"Invalid value at '{path}' ({kind}), {value}"))

    def finish(self) -> None:
        """Raise one 400 with all problems, if there are any."""
        if self.problems:
            raise invalid("\n".join(text for _, text in self.problems), self.problems)


Reader: TypeAlias = "Callable[[Any, str, Body], Any]"
"""Takes a JSON value, its path and the body; returns the stored value, or None after a problem."""


def read_body(message: str, raw: bytes, version: str, path: str) -> dict[str, Any]:
    """Return a request body as the message of that name, camelCase and defaults left out.

    Args:
        message: A key of `MESSAGES`.
        raw: The bytes received; none at all count as `{}`.
        version: `v1` or `v1beta1`.
        path: What the body is called in error texts: `session`, `event`.

    Raises:
        ApiError: 400 INVALID_ARGUMENT naming every problem.
    """
    value = parse_json(raw)
    if not isinstance(value, dict):
        raise invalid(
            'Invalid JSON payload received. Unknown name "": Root element must be a message.'
        )
    body = Body(version)
    result = _read_message(message, value, path, body)
    body.finish()
    return result


def parse_json(raw: bytes) -> Any:
    """Return the JSON value of a body, `{}` for an empty one.

    Raises:
        ApiError: 400 INVALID_ARGUMENT: it is not JSON, or its text is not valid Unicode.
    """
    if not raw.strip():
        return {}
    try:
        value = json.loads(raw, parse_constant=_refuse_constant)
        if b"\\u" in raw:
            # An escaped lone surrogate is not valid text and could not be sent back.
            json.dumps(value, ensure_ascii=False).encode()
    except (ValueError, RecursionError) as error:
        raise invalid(f"Invalid JSON payload received. {error}") from error
    return value


def _refuse_constant(name: str) -> NoReturn:
    raise ValueError(f"Unexpected token. {name}")


def _read_message(message: str, value: dict[str, Any], path: str, body: Body) -> dict[str, Any]:
    fields = _fields(message)
    result: dict[str, Any] = {}
    for key, item in value.items():
        field = fields.get(key)
        if field is None or (body.version == "v1" and (message, field[0]) in ONLY_V1BETA1):
            if body.lenient:
                result[key] = item
            else:
                body.unknown(key, path)
            continue
        name, kind, reader = field
        if item is None and kind != "null":
            continue
        if name in result:
            body.unknown(key, path, "The field is set twice.")
        elif isinstance(item, list) and not kind.endswith("[]") and kind != "any":
            body.unknown(key, path, _NO_LIST)
        else:
            result[name] = reader(item, f"{path}.{key}", body)
    _check_oneofs(message, result, path, body)
    return _without_defaults(message, result)


@cache
def _fields(message: str) -> dict[str, tuple[str, str, Reader]]:
    """Return name, type and reader of each field, under both spellings."""
    table = {}
    for name, kind in MESSAGES[message].items():
        table[name] = table[snake(name)] = (name, kind, _reader(kind))
    return table


def _check_oneofs(message: str, result: dict[str, Any], path: str, body: Body) -> None:
    for oneof, names in ONEOFS.get(message, {}).items():
        given = [name for name in result if name in names]
        for name in given[1:]:
            text = f"oneof field '{oneof}' is already set. Cannot set '{name}'"
            body.wrong(path, "oneof", text)


def _without_defaults(message: str, result: dict[str, Any]) -> dict[str, Any]:
    """Leave out defaults, as proto JSON does; a message or a oneof's member has none."""
    chosen = {name for names in ONEOFS.get(message, {}).values() for name in names}
    kinds = MESSAGES[message]
    return {
        name: value
        for name, value in result.items()
        if name in chosen or not _is_default(kinds.get(name, "any"), value)
    }


def _is_default(kind: str, value: Any) -> bool:
    if kind in {"struct", "any", "time", "duration"} or kind in MESSAGES:
        return False
    return value in (False, 0, "", [], {}) or (
        kind.startswith("enum:") and bool(value == ENUMS[kind[5:]][0])
    )


@cache
def _reader(kind: str) -> Reader:
    if kind.endswith("[]"):
        return _list_reader(kind.removesuffix("[]"))
    if kind.startswith("map:"):
        return _map_reader(kind.removeprefix("map:"))
    if kind.startswith("enum:"):
        return _enum_reader(kind.removeprefix("enum:"))
    if kind in MESSAGES:
        return _message_reader(kind)
    return _SCALARS[kind]


def _message_reader(message: str) -> Reader:
    def read(value: Any, path: str, body: Body) -> Any:
        if not isinstance(value, dict):
            return body.wrong(path, f"type.googleapis.com/{message}", _shown(value))
        outer, body.lenient = body.lenient, body.lenient or message in LENIENT
        result = _read_message(message, value, path, body)
        body.lenient = outer
        return result

    return read


def _list_reader(kind: str) -> Reader:
    def read(value: Any, path: str, body: Body) -> Any:
        if not isinstance(value, list):
            # The service takes a single value for a list of one (proto JSON leniency is not
            # recorded): refused, as json_format does.
            return body.wrong(path, "repeated field", _shown(value))
        reader = _reader(kind)
        return [reader(item, f"{path}[{index}]", body) for index, item in enumerate(value)]

    return read


def _map_reader(kind: str) -> Reader:
    def read(value: Any, path: str, body: Body) -> Any:
        if not isinstance(value, dict):
            return body.wrong(path, "Map", _shown(value))
        reader = _reader(kind)
        return {key: reader(value[key], f"{path}[{key}]", body) for key in sorted(value)}

    return read


def _enum_reader(name: str) -> Reader:
    names = ENUMS[name]

    def read(value: Any, path: str, body: Body) -> Any:
        if isinstance(value, str) and value in names:
            return value
        if isinstance(value, int) and not isinstance(value, bool) and 0 <= value < len(names):
            return names[value]
        return body.wrong(path, f"type.googleapis.com/{name}", _shown(value))

    return read


def _shown(value: Any) -> str:
    return json.dumps(value, ensure_ascii=False)


def _scalar_reader(kind: str, convert: Callable[[Any], Any], refusal: str = "{value}") -> Reader:
    """Return the reader of a type without parts.

    Args:
        kind: The type as the service words it.
        convert: Returns the stored value; raises an error for one that the type refuses.
        refusal: What is said of such a value; `{field}` is the last part of its path.
    """

    def read(value: Any, path: str, body: Body) -> Any:
        try:
            return convert(value)
        except (ValueError, TypeError, OverflowError) as error:
            words = {"value": _shown(value), "field": path.rpartition(".")[2], "error": error}
            return body.wrong(path, kind, refusal.format(**words))

    return read


def _text(value: Any) -> str:
    if not isinstance(value, str):
        raise TypeError
    return value


def _bytes(value: Any) -> str:
    return messages.parse_bytes(_text(value))


def _bool(value: Any) -> bool:
    if value not in (True, "true", False, "false"):
        raise ValueError
    return value in (True, "true")


def _null(value: Any) -> None:
    if value not in (None, "NULL_VALUE"):
        raise ValueError


def _number(value: Any) -> float:
    """Return a JSON number, or a text that holds one, as a finite double."""
    if isinstance(value, bool):
        raise TypeError
    number = float(value)
    if not math.isfinite(number):
        raise ValueError
    return number


def _double(value: Any) -> float:
    return messages.double(_number(value))


def _int32(value: Any) -> int:
    number = _number(value)
    if not number.is_integer() or not -_INT32 <= number < _INT32:
        raise ValueError
    return int(number)


def _time(value: Any) -> int:
    """Return nanoseconds; ADK before mid-2025 sent the object form (section 2)."""
    if isinstance(value, dict):
        seconds = messages.in_range(int(value.get("seconds", 0)))
        return seconds * messages.SECOND + int(value.get("nanos", 0))
    return messages.parse_time(value)


def _struct(value: Any) -> Any:
    if not isinstance(value, dict):
        raise TypeError(_shown(value))
    return messages.struct(value)


_ILLEGAL_TIME = (
    "Field '{field}', Illegal timestamp format; timestamps must end with 'Z' or have a valid"
    " timezone offset."
)
_ILLEGAL_DURATION = "Field '{field}', Illegal duration format; duration must end with 's'"
_PROTO = "type.googleapis.com/google.protobuf."

_SCALARS: dict[str, Reader] = {
    "string": _scalar_reader("TYPE_STRING", _text),
    "bool": _scalar_reader("TYPE_BOOL", _bool),
    "int32": _scalar_reader("TYPE_INT32", _int32),
    "double": _scalar_reader("TYPE_DOUBLE", _double),
    "float": _scalar_reader("TYPE_DOUBLE", _double),
    "bytes": _scalar_reader("TYPE_BYTES", _bytes, "Base64 decoding failed for {value}"),
    "time": _scalar_reader(_PROTO + "Timestamp", _time, _ILLEGAL_TIME),
    "duration": _scalar_reader(_PROTO + "Duration", messages.parse_duration, _ILLEGAL_DURATION),
    "struct": _scalar_reader(_PROTO + "Struct", _struct, "{error}"),
    "any": lambda value, _path, _body: value,
    "null": _scalar_reader(_PROTO + "NullValue", _null),
}


ALWAYS_LISTED = ("content", "actions", "eventMetadata")
"""Fields of an event that are there as `{}` even if they were not sent (section 2, recorded)."""


def dumps(value: Any) -> bytes:
    """Return a JSON value as UTF-8 without spaces."""
    return json.dumps(value, ensure_ascii=False, separators=(",", ":")).encode()


def make_tail(resource_id: str, fields: dict[str, Any]) -> bytes:
    """Return a resource's JSON from its id on, without the closing brace."""
    rest = dumps(fields)[1:-1]
    return resource_id.encode() + (b'",' + rest if rest else b'"')


def resource(prefix: str, tail: bytes) -> bytes:
    """Return one resource; `prefix` is its name up to the id, ending in a slash."""
    return b'{"name":"' + prefix.encode() + tail + b"}"


def page(field: str, prefix: str, tails: Sequence[bytes], token: str | None) -> bytes:
    """Return a page of resources; an empty one is `{}` (section 2)."""
    if not tails:
        return b"{}"
    opening = b'{"name":"' + prefix.encode()
    end = b"}]}" if token is None else b'}],"nextPageToken":' + dumps(token) + b"}"
    return b'{"' + field.encode() + b'":[' + opening + (b"}," + opening).join(tails) + end


def session_tail(engine: Engine, session: Session) -> bytes:
    """Return a session's JSON from its id on, made anew only after a change."""
    versions = (engine.state_version, session.user.version)
    if session.tail is None or session.tail_versions != versions:
        session.tail = make_tail(session.id, session_fields(engine, session))
        session.tail_versions = versions
    return session.tail


def session_fields(engine: Engine, session: Session) -> dict[str, Any]:
    """Return the fields of a session but its name; defaults are left out."""
    fields: dict[str, Any] = {
        "createTime": format_time(session.create_time),
        "updateTime": format_time(session.update_time),
        "expireTime": format_time(session.expire_time),
        "sessionState": engine.merged_state(session),
        "userId": session.user.id,
        "displayName": session.display_name,
        "labels": session.labels,
    }
    return {name: value for name, value in fields.items() if value}


def event_fields(message: dict[str, Any]) -> dict[str, Any]:
    """Return the fields of an event as listed, but its name."""
    fields: dict[str, Any] = {**{name: {} for name in ALWAYS_LISTED}, **message}
    order = [name for name in MESSAGES["SessionEvent"] if name in fields and name != "name"]
    return {name: written("SessionEvent", name, fields[name]) for name in order}


def event_tail(event: Event, version: str) -> bytes:
    """Return an event's JSON from its id on, as this version of the API knows it."""
    if version == "v1" and b'"mediaProcessing"' in event.tail:
        fields = parse_tail(event.tail)
        for part in fields.get("content", {}).get("parts", []):
            part.pop("mediaProcessing", None)
        return make_tail(event.id, fields)
    return event.tail


def parse_tail(tail: bytes) -> dict[str, Any]:
    """Return the fields kept in a tail, without the name."""
    fields: dict[str, Any] = json.loads(b'{"name":"' + tail + b"}")
    del fields["name"]
    return fields


def written(message: str, field: str, value: Any) -> Any:
    """Return a field as it is written: times and durations, at any depth, become texts."""
    kind = MESSAGES[message].get(field, "any")
    if kind == "time":
        return format_time(value)
    if kind == "duration":
        return format_duration(value)
    inner = kind.removesuffix("[]")
    if inner not in MESSAGES:
        return value
    if kind != inner:
        return [_written_message(inner, item) for item in value]
    return _written_message(inner, value)


def _written_message(message: str, value: dict[str, Any]) -> dict[str, Any]:
    return {name: written(message, name, item) for name, item in value.items()}
