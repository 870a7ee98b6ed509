"""EXEC: a method of StackQL as a call of one of our functions."""

from __future__ import annotations

import json
from collections.abc import Callable, Sequence
from typing import Any

from sessions_vtab.errors import (
    InvalidValueError,
    MissingParameterError,
    StatementError,
    UnknownNameError,
)
from sessions_vtab.schema.functions import FUNCTIONS
from sessions_vtab.sql.lexer import Kind, Token, name_of
from sessions_vtab.sql.stackql.dialect import Answer, Query, Scope, resource_of
from sessions_vtab.sql.stackql.provider import RESOURCES, Method

__all__ = ["execute"]

_PAYLOAD = {
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


def execute(
    tokens: Sequence[Token], hints: frozenset[str], schema_for: Callable[[Scope], str | None]
) -> Query:
    """EXEC google.aiplatform.sessions.append_event @a='..', .. @@json='{..}'.

    Commas between the variables may be missing: in the reference's own text they are inside
    comments.

    Raises:
        UnknownNameError: a method or payload key that is not there.
        MissingParameterError: a required variable that is not given.
        InvalidValueError: a payload that is no JSON object.
    """
    parts, at = _name(tokens)
    method = _method(parts)
    given, payload = _variables(tokens, at)
    for name in method.required:
        if not given.get(name.lower()):
            raise MissingParameterError(
                f"required param not supplied for exec: could not find variable '{name}'"
            )
    path = [given[name.lower()] for name in method.required]
    session = "projects/{}/locations/{}/reasoningEngines/{}/sessions/{}".format(*path)
    schema = schema_for(Scope(*path[:3]))
    arguments = _arguments(session, payload)
    function = "append_event" if schema is None else f'"{schema}".append_event'
    results = ", ".join(column.name for column in FUNCTIONS["append_event"].results)
    shown = Answer.ROWS if "SHOWRESULTS" in hints else Answer.MESSAGE
    sql = f"SELECT {results} FROM {function}({', '.join(arguments)})"
    return Query(sql, shown, scope=Scope(*path[:3]))


def _name(tokens: Sequence[Token]) -> tuple[list[str], int]:
    parts, at = [], 1
    while at < len(tokens) and tokens[at].kind in (Kind.WORD, Kind.QUOTED):
        parts.append(name_of(tokens[at]))
        at += 1
        if at >= len(tokens) or tokens[at].text != ".":
            break
        at += 1
    return parts, at


def _method(parts: Sequence[str]) -> Method:
    resource = resource_of([*parts, "", "", ""][:3])
    for method in resource.methods:
        if method.verb == "EXEC" and [method.name] == list(parts[3:]):
            return method
    known = [
        f"google.aiplatform.{one.name}.{method.name}"
        for one in RESOURCES.values()
        for method in one.methods
        if method.verb == "EXEC"
    ]
    raise UnknownNameError(f"EXEC {'.'.join(parts)}: there is {', '.join(known)}.")


def _variables(tokens: Sequence[Token], at: int) -> tuple[dict[str, str], dict[str, Any]]:
    """The variables by name in lower case, and the payload."""
    given: dict[str, str] = {}
    payload: dict[str, Any] = {}
    while at < len(tokens) and tokens[at].text != ";":
        if tokens[at].text == ",":
            at += 1
            continue
        double = tokens[at].text == "@" and tokens[at].kind is Kind.ILLEGAL
        at += double
        name, value = _variable(tokens, at)
        if double:
            payload = _object(value)
        else:
            given[name.lower()] = value
        at += 3
    return given, payload


def _variable(tokens: Sequence[Token], at: int) -> tuple[str, str]:
    """``@name = 'value'`` at an index."""
    whole = list(tokens[at : at + 3])
    shape = [token.kind for token in whole]
    value_kinds = (Kind.STRING, Kind.NUMBER)
    if len(whole) == 3 and shape[0] is Kind.PARAMETER and shape[2] in value_kinds:  # noqa: PLR2004
        name, sign, value = whole
        if name.text[0] == "@" and sign.text == "=":
            return name.text[1:], name_of(value)
    near = tokens[at].text if at < len(tokens) else "the end"
    raise StatementError(f"syntax error in EXEC near {near}: write @name='value'.")


def _object(text: str) -> dict[str, Any]:
    try:
        payload = json.loads(text)
    except ValueError as error:
        raise InvalidValueError(f"EXEC: @@json is no JSON ({error}).") from None
    if not isinstance(payload, dict):
        raise InvalidValueError("EXEC: @@json has to be a JSON object.")
    return payload


def _arguments(session: str, payload: dict[str, Any]) -> list[str]:
    """The arguments of append_event, up to the last that is given."""
    unknown = [key for key in payload if key not in _PAYLOAD]
    if unknown:
        known = ", ".join(_PAYLOAD)
        raise UnknownNameError(f"EXEC: append_event has no {unknown[0]}; there are {known}.")
    values: dict[str, Any] = {"session": session}
    values |= {_PAYLOAD[key]: value for key, value in payload.items()}
    names = [column.name for column in FUNCTIONS["append_event"].parameters]
    arguments = [_literal(values.get(name)) for name in names]
    while arguments[-1] == "NULL":
        arguments.pop()
    return arguments


def _literal(value: Any) -> str:
    """A payload value as an SQL literal; '' and null are not sent."""
    if value is None or value == "":
        return "NULL"
    text = value if isinstance(value, str) else json.dumps(value, ensure_ascii=False)
    return "'" + text.replace("'", "''") + "'"
