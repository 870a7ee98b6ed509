"""What a list is asked with: filters applied to rows, `orderBy`, page sizes and page tokens.

Vertex contract, section 5; AIP-132, AIP-158. A key or field that is not there satisfies no
comparison, `!=` included; NOT turns that around.

A token names the last row that was read, not an offset: rows may come and go without a row being
skipped or repeated. It is handed out only if a row follows. Its text is standard base64, so
that a client has to encode the `=` at its end.
"""

from __future__ import annotations

import base64
import hashlib
import json
import operator
import re
from collections.abc import Callable, Mapping
from typing import NamedTuple, TypeAlias, TypeVar

from sessions_vtab.emulator.vertex import messages
from sessions_vtab.emulator.vertex.filters import (
    AndTerms,
    Node,
    NotTerm,
    OrTerms,
    Restriction,
    Value,
    bad_filter,
    parse_filter,
    require_documented,
)
from sessions_vtab.emulator.vertex.messages import found_errors, invalid
from sessions_vtab.emulator.vertex.store import Event, Position, Session

SessionTest: TypeAlias = "Callable[[Session], bool]"
EventTest: TypeAlias = "Callable[[Event], bool]"
_TextTest: TypeAlias = "Callable[[str], bool]"
_Reader: TypeAlias = "Callable[[Session], str | None]"

_COMPARISONS: dict[str, Callable[[str, str], bool]] = {
    "<": operator.lt,
    "<=": operator.le,
    ">": operator.gt,
    ">=": operator.ge,
}
_DISPLAY_NAME = {"display_name", "displayName"}
_USER_ID = {"user_id", "userId"}


class SessionFilter(NamedTuple):
    """What a session has to satisfy: its user, if one is required, and a test, if any."""

    user_id: str | None = None
    test: SessionTest | None = None


class EventFilter(NamedTuple):
    """What an event has to satisfy: a timestamp in [first, last), and a test, if any."""

    first: int | None = None
    last: int | None = None
    test: EventTest | None = None


def session_filter(text: str, strict: bool) -> SessionFilter:
    """Return what a filter on sessions asks for; fields `display_name`, `user_id`, `labels`.

    Raises:
        ApiError: 400 INVALID_ARGUMENT.
    """
    if strict:
        require_documented(text, ("=",))
    tests: list[SessionTest] = []
    user_id = None
    for term in _conjuncts(parse_filter(text)):
        test = _node_test(term, _session_restriction)
        wanted = _required_user(term)
        if wanted is None or user_id is not None:
            tests.append(test)
        else:
            user_id = wanted
    return SessionFilter(user_id, _every(tests))


def _conjuncts(node: Node | None) -> tuple[Node, ...]:
    if node is None:
        return ()
    if isinstance(node, AndTerms):
        return tuple(inner for term in node.terms for inner in _conjuncts(term))
    return (node,)


def _required_user(node: Node) -> str | None:
    if isinstance(node, Restriction) and node.operator == "=" and node.path[0] in _USER_ID:
        return node.value.literal
    return None


_Row = TypeVar("_Row")


def _every(tests: list[Callable[[_Row], bool]]) -> Callable[[_Row], bool] | None:
    if len(tests) <= 1:
        return tests[0] if tests else None
    return lambda row: all(test(row) for test in tests)


def _node_test(
    node: Node, restriction: Callable[[Restriction], Callable[[_Row], bool]]
) -> Callable[[_Row], bool]:
    """Whether a row meets a tree; ``restriction`` makes the tests of its leaves."""
    if isinstance(node, NotTerm):
        inner = _node_test(node.term, restriction)
        return lambda row: not inner(row)
    if isinstance(node, AndTerms | OrTerms):
        tests = [_node_test(term, restriction) for term in node.terms]
        if isinstance(node, AndTerms):
            return lambda row: all(test(row) for test in tests)
        return lambda row: any(test(row) for test in tests)
    return restriction(node)


def _session_restriction(node: Restriction) -> SessionTest:
    if node.path == ("labels",):
        return _labels_test(node)
    read = _session_reader(node.path)
    is_label = node.path[0] == "labels"
    if node.operator == ":" and node.value.is_star:
        if is_label:
            return lambda session: read(session) is not None
        return lambda session: bool(read(session))
    if node.operator == ":" and not is_label:
        raise bad_filter(f"operator ':' is not supported on {node.path[0]}")
    matches = _text_test("=" if node.operator == ":" else node.operator, node.value)

    def test(session: Session) -> bool:
        text = read(session)
        return text is not None and matches(text)

    return test


def _labels_test(node: Restriction) -> SessionTest:
    """Return the test of `labels:key` (the map has the key) and `labels:*` (it has any)."""
    if node.operator != ":":
        raise bad_filter(f"operator {node.operator!r} is not supported on labels")
    if node.value.is_star:
        return lambda session: bool(session.labels)
    key = node.value.literal
    if key is None:
        raise bad_filter("a label key has no wildcards")
    return lambda session: key in session.labels


def _session_reader(path: tuple[str, ...]) -> _Reader:
    if len(path) == 1 and path[0] in _DISPLAY_NAME:
        return lambda session: session.display_name
    if len(path) == 1 and path[0] in _USER_ID:
        return lambda session: session.user.id
    if len(path) == 2 and path[0] == "labels":  # noqa: PLR2004 (map and key)
        key = path[1]
        return lambda session: session.labels.get(key)
    raise bad_filter(f"unknown field {'.'.join(path)!r}")


def _text_test(name: str, value: Value) -> _TextTest:
    literal = value.literal
    if name in _COMPARISONS:
        if literal is None:
            raise bad_filter(f"operator {name!r} takes no wildcards")
        compare = _COMPARISONS[name]
        return lambda text: compare(text, literal)
    if literal is not None:
        return literal.__eq__ if name == "=" else literal.__ne__
    pattern = re.compile(".*".join(map(re.escape, value.parts)), re.DOTALL)
    wanted = name == "="
    return lambda text: (pattern.fullmatch(text) is not None) is wanted


def event_filter(text: str, strict: bool) -> EventFilter:
    """Return what a filter on events asks for; the only field is `timestamp`.

    Raises:
        ApiError: 400 INVALID_ARGUMENT.
    """
    if strict:
        require_documented(text, ("<", "<=", ">", ">=", "="))
    bounds: list[tuple[int | None, int | None]] = []
    tests: list[EventTest] = []
    for term in _conjuncts(parse_filter(text)):
        found = _bounds(term)
        if found is None:
            tests.append(_node_test(term, _event_restriction))
        else:
            bounds.append(found)
    first = max((low for low, _ in bounds if low is not None), default=None)
    last = min((high for _, high in bounds if high is not None), default=None)
    return EventFilter(first, last, _every(tests))


def _bounds(node: Node) -> tuple[int | None, int | None] | None:
    """Return a comparison as [first, last) in nanoseconds, None if it is not an interval."""
    if not isinstance(node, Restriction) or node.operator in {"!=", ":"}:
        return None
    moment = _moment(node)
    return {
        "=": (moment, moment + 1),
        "<": (None, moment),
        "<=": (None, moment + 1),
        ">": (moment + 1, None),
        ">=": (moment, None),
    }[node.operator]


def _moment(node: Restriction) -> int:
    if node.path != ("timestamp",):
        raise bad_filter(f"unknown field {'.'.join(node.path)!r}")
    literal = node.value.literal
    if not node.value.quote or literal is None:
        raise bad_filter("timestamp must be compared with a quoted RFC 3339 text")
    try:
        return messages.parse_time(literal)
    except ValueError as error:
        raise bad_filter(f"{literal!r} is not an RFC 3339 timestamp with a zone") from error


def _event_restriction(node: Restriction) -> EventTest:
    moment = _moment(node)
    if node.operator == "!=":
        return lambda event: event.timestamp != moment
    bounds = _bounds(node)
    if bounds is None:
        raise bad_filter(f"operator {node.operator!r} is not supported on timestamp")
    first, last = bounds
    return lambda event: (
        (first is None or event.timestamp >= first) and (last is None or event.timestamp < last)
    )


class OrderTerm(NamedTuple):
    """One field of an order, in its snake_case spelling."""

    field: str
    descending: bool


SESSION_FIELDS = {
    "create_time": "create_time",
    "createTime": "create_time",
    "update_time": "update_time",
    "updateTime": "update_time",
}
EVENT_FIELDS = {"timestamp": "timestamp"}

SESSION_DEFAULT = (OrderTerm("create_time", True),)
EVENT_DEFAULT = (OrderTerm("timestamp", False),)


def parse_order(
    text: str, fields: Mapping[str, str], default: tuple[OrderTerm, ...]
) -> tuple[OrderTerm, ...]:
    """Return the terms of a comma list such as `create_time desc, update_time`.

    `desc` is the only suffix documented, so `asc` is refused.

    Raises:
        ApiError: 400 INVALID_ARGUMENT: an unknown field, one named twice, another suffix.
    """
    if not text.strip():
        return default
    terms = tuple(_parse_term(part, fields) for part in text.split(","))
    if len({term.field for term in terms}) < len(terms):
        raise found_errors(("order_by", f"A field is named twice in order_by: {text}."))
    return terms


def _parse_term(text: str, fields: Mapping[str, str]) -> OrderTerm:
    words = text.split()
    if len(words) == 2 and words[1] == "desc" and words[0] in fields:  # noqa: PLR2004 (pair)
        return OrderTerm(fields[words[0]], True)
    if len(words) == 1 and words[0] in fields:
        return OrderTerm(fields[words[0]], False)
    raise found_errors(("order_by", f"Invalid order_by: {text.strip()}."))


MAX_PAGE = 100
_INT32 = 2**31


def parameter(query: Mapping[str, str], name: str, proto_name: str) -> str:
    """Return a query parameter under either spelling, `""` if absent."""
    return query.get(name) or query.get(proto_name) or ""


def page_size(query: Mapping[str, str]) -> int:
    """Return the page size: 100 if unset, 0 or more than 100.

    Raises:
        ApiError: 400 INVALID_ARGUMENT: it is negative or no int32.
    """
    text = parameter(query, "pageSize", "page_size")
    try:
        size = int(text or 0)
    except ValueError:
        size = _INT32
    if size >= _INT32 or size < -_INT32:
        problem = f"Invalid value at 'page_size' (TYPE_INT32), \"{text}\""
        raise invalid(problem, [("page_size", problem)])
    if size < 0:
        raise invalid("Page size must not be negative.", [("page_size", "Must not be negative.")])
    return min(size or MAX_PAGE, MAX_PAGE)


def page_token(query: Mapping[str, str]) -> str:
    """Return the page token, `""` for a first page."""
    return parameter(query, "pageToken", "page_token")


def encode(position: Position, parameters: tuple[str, ...]) -> str:
    """Return a token for the page behind a position, good for these parameters only."""
    text = json.dumps([_digest(parameters), position.key, position.number])
    return base64.b64encode(text.encode()).decode()


def decode(token: str, parameters: tuple[str, ...]) -> Position | None:
    """Return the position that a token names, None for no token.

    Raises:
        ApiError: 400 INVALID_ARGUMENT: it is not a page token, or it belongs to another list.
    """
    if not token:
        return None
    try:
        digest, key, number = json.loads(base64.b64decode(token, validate=True))
        position = Position(_key(key), int(number))
    except (ValueError, TypeError) as error:
        raise invalid("The page token is invalid.") from error
    if digest != _digest(parameters):
        raise invalid("The page token does not match the other parameters of the request.")
    return position


def _key(value: object) -> int | tuple[int, ...]:
    return tuple(map(int, value)) if isinstance(value, list) else int(str(value))


def _digest(parameters: tuple[str, ...]) -> str:
    return hashlib.blake2b(repr(parameters).encode(), digest_size=9).hexdigest()
