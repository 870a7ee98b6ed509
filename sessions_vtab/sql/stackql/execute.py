"""EXEC: a method of StackQL as a call of one of our functions."""

from __future__ import annotations

import json
from collections.abc import Callable, Sequence
from typing import Any

from sessions_vtab.contract.functions import FUNCTIONS
from sessions_vtab.contract.predicate import literal
from sessions_vtab.errors import (
    InvalidValueError,
    MissingParameterError,
    StatementError,
    UnknownNameError,
    UnsupportedError,
)
from sessions_vtab.sql.lexer import Edit, Token, TokenKind, apply, name_of
from sessions_vtab.sql.shapes import partners
from sessions_vtab.sql.stackql import is_exec
from sessions_vtab.sql.stackql.dialect import (
    RESOURCES,
    EngineScope,
    Method,
    ResultShape,
    Translation,
    parts_at,
    places,
    resource_of,
)
from sessions_vtab.sql.stackql.naming import Sources

_EVENT = {
    "author": "author",
    "content": "content",
    "invocationId": "invocation_id",
    "timestamp": "timestamp",
    "actions": "actions",
    "errorCode": "error_code",
    "errorMessage": "error_message",
    "eventMetadata": "event_metadata",
    "name": "name",
    "rawEvent": "raw_event",
}
"""Keys of the payload of append_event, and the parameters of our function."""
_WAYS = {"summarization": "summarization", "eventEditing": "event_editing"}
"""Keys of ``compaction``, and the parameters of our function."""


def execute(tokens: Sequence[Token], hints: frozenset[str], sources: Sources) -> Translation:
    """EXEC google.aiplatform.sessions.append_event @a='..', .. @@json='{..}'.

    Commas between the variables may be missing: in the reference's own text they are inside
    comments.

    Raises:
        UnknownNameError: a method or payload key that is not there.
        MissingParameterError: a required variable that is not given.
        InvalidValueError: a payload that is not a JSON object.
    """
    function, call = _call(tokens, sources)
    results = ", ".join(column.name for column in FUNCTIONS[function].results)
    shown = ResultShape.ROWS if "SHOWRESULTS" in hints else ResultShape.MESSAGE
    return Translation(f"SELECT {results} FROM {call}", shown)


def inlined(text: str, tokens: Sequence[Token], sources: Sources) -> Translation | None:
    """``SELECT .. FROM (EXEC ..) AS x``: the rows of the call; None where there is no such EXEC.

    Raises:
        StatementError: its bracket is not closed.
        UnsupportedError: something else is read beside it, for which it could run again and again.
        SessionsError: as ``execute``.
    """
    at = next((index for index in range(len(tokens)) if is_exec(tokens, index)), None)
    if at is None:
        return None
    closing = partners(tokens).get(at)
    if closing is None:
        raise StatementError("syntax error: a ) is missing after EXEC.")
    if at == 0 or tokens[at - 1].upper != "FROM" or places(tokens):
        raise UnsupportedError("(EXEC ..) must be alone in FROM: SELECT .. FROM (EXEC ..) AS x.")
    _, call = _call(tokens[at + 1 : closing], sources)
    edit = Edit(tokens[at].start, tokens[closing].end, call)
    return Translation(apply(text, [edit]))


def _call(tokens: Sequence[Token], sources: Sources) -> tuple[str, str]:
    """The function of ours that a method is, and its call as SQL."""
    parts, at = parts_at(tokens, 1)
    method = _method(parts)
    given, payload = _variables(tokens, at)
    for name in method.required:
        if not given.get(name.lower()):
            raise MissingParameterError(
                f"required param not supplied for exec: could not find variable '{name}'"
            )
    path = [given[name.lower()] for name in method.required]
    session = "projects/{}/locations/{}/reasoningEngines/{}/sessions/{}".format(*path)
    function, read = _METHODS[method.name]
    arguments = ", ".join(_arguments(function, {"session": session, **read(payload)}))
    prefix = sources.schema(sources.named(EngineScope(*path[:3])))
    return function, f"{prefix}{function}({arguments})"


def _method(parts: Sequence[str]) -> Method:
    resource = resource_of(parts)
    for method in resource.methods:
        if method.verb == "EXEC" and [method.name] == list(parts[3:]):
            return method
    known = [
        f"google.aiplatform.{one.name}.{method.name}"
        for one in RESOURCES.values()
        for method in one.methods
        if method.verb == "EXEC"
    ]
    raise UnknownNameError(
        f"EXEC {'.'.join(parts)}: there is no such method; available: {', '.join(known)}."
    )


def _variables(tokens: Sequence[Token], at: int) -> tuple[dict[str, str], dict[str, Any]]:
    """The variables by name in lower case, and the payload."""
    given: dict[str, str] = {}
    payload: dict[str, Any] = {}
    while at < len(tokens) and tokens[at].text != ";":
        if tokens[at].text == ",":
            at += 1
            continue
        double = tokens[at].text == "@" and tokens[at].kind is TokenKind.ILLEGAL
        at += double
        name, value = _variable(tokens, at)
        if double:
            payload = _object(value, "@@json")
        else:
            given[name.lower()] = value
        at += 3
    return given, payload


def _variable(tokens: Sequence[Token], at: int) -> tuple[str, str]:
    """``@name = 'value'`` at an index."""
    whole = list(tokens[at : at + 3])
    shape = [token.kind for token in whole]
    value_kinds = (TokenKind.STRING, TokenKind.NUMBER)
    if len(whole) == 3 and shape[0] is TokenKind.PARAMETER and shape[2] in value_kinds:  # noqa: PLR2004
        name, sign, value = whole
        if name.text[0] == "@" and sign.text == "=":
            return name.text[1:], name_of(value)
    near = tokens[at].text if at < len(tokens) else "the end"
    raise StatementError(f"syntax error in EXEC near {near}: write @name='value'.")


def _object(text: str, what: str) -> dict[str, Any]:
    try:
        payload = json.loads(text)
    except (ValueError, RecursionError) as error:
        raise InvalidValueError(f"EXEC: {what} is not valid JSON ({error}).") from None
    if not isinstance(payload, dict):
        raise InvalidValueError(f"EXEC: {what} must be a JSON object.")
    return payload


def _compaction(payload: dict[str, Any]) -> dict[str, Any]:
    """The payload of compact, ``{"compaction": {"summarization": {"mode": "AUTO"}}}``."""
    inner = _renamed("compact", payload, {"compaction": "compaction"}).get("compaction") or {}
    inner = _object(inner, "compaction") if isinstance(inner, str) else inner
    if not isinstance(inner, dict):
        raise InvalidValueError("EXEC: compaction must be a JSON object.")
    ways = _renamed("compaction", inner, _WAYS)
    return {name: _mode(name, way) for name, way in ways.items()}


def _mode(name: str, way: Any) -> Any:
    if not isinstance(way, dict) or way.keys() - {"mode"}:
        raise InvalidValueError(
            f'EXEC: {name} of compaction must be written as {{"mode": "AUTO"}}.'
        )
    return way.get("mode")


_METHODS: dict[str, tuple[str, Callable[[dict[str, Any]], dict[str, Any]]]] = {
    "append_event": ("append_event", lambda payload: _renamed("append_event", payload, _EVENT)),
    "compact": ("compact_session", _compaction),
}
"""Our function for each method of EXEC, and what reads its payload."""


def _renamed(what: str, given: dict[str, Any], names: dict[str, str]) -> dict[str, Any]:
    unknown = [key for key in given if key not in names]
    if unknown:
        raise UnknownNameError(
            f"EXEC: {what} has no field {unknown[0]}; valid fields: {', '.join(names)}."
        )
    return {names[key]: value for key, value in given.items()}


def _arguments(function: str, values: dict[str, Any]) -> list[str]:
    """The arguments of a call, up to the last that is given."""
    arguments = [_literal(values.get(one.name)) for one in FUNCTIONS[function].parameters]
    while arguments[-1] == "NULL":
        arguments.pop()
    return arguments


def _literal(value: Any) -> str:
    """A payload value as an SQL literal; '' and null are not sent."""
    if value is None or value == "":
        return "NULL"
    return literal(value if isinstance(value, str) else json.dumps(value, ensure_ascii=False))
