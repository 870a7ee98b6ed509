"""SHOW and DESCRIBE: what StackQL's registry would list, without a request."""

from __future__ import annotations

import json
import re
from collections.abc import Sequence

from sessions_vtab import __version__
from sessions_vtab.errors import StatementError, UnknownNameError, UnsupportedError
from sessions_vtab.sql.lexer import Token, name_of
from sessions_vtab.sql.stackql import SERVICE
from sessions_vtab.sql.stackql.dialect import (
    RESOURCES,
    StaticResult,
    parts_at,
    resource_of,
)

_TITLE = "Agent Engine sessions and events"
_Rows = list[tuple[str, ...]]


def show(text: str, tokens: Sequence[Token]) -> StaticResult:
    """SHOW [EXTENDED] PROVIDERS, SERVICES, RESOURCES, METHODS, INSERT or VERSION.

    Raises:
        UnknownNameError: a provider, service or resource that is not there.
        UnsupportedError: another SHOW.
        StatementError: words that SHOW does not take.
    """
    rest = list(tokens[1:])
    extended = bool(rest) and rest[0].upper == "EXTENDED"
    rest = rest[1:] if extended else rest
    what = rest[0].upper if rest else ""
    if what == "INSERT":
        return _insert(rest)
    if what == "VERSION":
        return StaticResult(("name", "version"), (("sessions-vtab", __version__),))
    if what not in _NAMED:
        raise UnsupportedError(_OTHER.get(what, f"SHOW {what}: {_KNOWN}"))
    rest, where = _where(text, rest)
    name, pattern = _in_and_like(rest[1:])
    columns, rows = _listed(what, name)
    kept = [row for row in rows if pattern is None or _like(pattern, row[_NAMED[what]])]
    width = len(columns) - (0 if extended else 1)
    return StaticResult(columns[:width], tuple(row[:width] for row in kept), where)


_KNOWN = "use SHOW PROVIDERS, SERVICES, RESOURCES, METHODS, INSERT or VERSION."
_OTHER = {
    "AUTH": (
        "SHOW AUTH: credentials belong to the sources and are never shown; sessions-vtab"
        " sources --check tests whether they work."
    )
}
_NAMED = {"PROVIDERS": 0, "SERVICES": 1, "RESOURCES": 0, "METHODS": 0}


def _listed(what: str, name: Sequence[str]) -> tuple[tuple[str, ...], _Rows]:
    match what:
        case "PROVIDERS":
            return ("name", "version", "description"), [(SERVICE[0], "v1", _TITLE)]
        case "SERVICES":
            _expect(name, SERVICE[:1])
            row = (f"{SERVICE[1]}:v1", SERVICE[1], "Vertex AI API", _TITLE)
            return ("id", "name", "title", "description"), [row]
        case "RESOURCES":
            _expect(name, SERVICE)
            rows: _Rows = [
                (one.name, ".".join((*SERVICE, one.name)), one.doc) for one in RESOURCES.values()
            ]
            return ("name", "id", "description"), rows
        case _:
            _expect(name[:2], SERVICE)
            rows = [
                (one.name, ", ".join(one.required), one.verb, one.doc)
                for one in resource_of(name).methods
            ]
            return ("MethodName", "RequiredParams", "SQLVerb", "description"), rows


def _expect(name: Sequence[str], wanted: Sequence[str]) -> None:
    if tuple(name) != tuple(wanted):
        raise UnknownNameError(f"could not find '{'.'.join(name)}'; available: {'.'.join(wanted)}.")


def _where(text: str, tokens: Sequence[Token]) -> tuple[list[Token], str]:
    """The tokens before WHERE, and the condition after it."""
    end = len(tokens) - (tokens[-1].text == ";")
    at = next((index for index in range(end) if tokens[index].upper == "WHERE"), None)
    if at is None:
        return list(tokens), ""
    if at + 1 == end:
        raise StatementError("SHOW: a condition is missing after WHERE.")
    return list(tokens[:at]), text[tokens[at + 1].start : tokens[end - 1].end]


def _in_and_like(tokens: Sequence[Token]) -> tuple[list[str], str | None]:
    name: list[str] = []
    pattern = None
    index = 0
    while index < len(tokens):
        word = tokens[index].upper
        if word in {"IN", "FROM"}:
            name, index = parts_at(tokens, index + 1)
        elif word == "LIKE" and tokens[index + 1 : index + 2]:
            pattern, index = name_of(tokens[index + 1]), index + 2
        elif word == ";":
            break
        else:
            raise StatementError(
                f"SHOW: {tokens[index].text} is not supported; use IN, LIKE or WHERE."
            )
    return name, pattern


def _like(pattern: str, value: str) -> bool:
    parts = [".*" if c == "%" else "." if c == "_" else re.escape(c) for c in pattern]
    return re.fullmatch("".join(parts), value, re.IGNORECASE | re.DOTALL) is not None


def _insert(tokens: Sequence[Token]) -> StaticResult:
    """SHOW INSERT INTO resource: a template of the statement."""
    start = 2 if tokens[1:2] and tokens[1].upper == "INTO" else 1
    name, _ = parts_at(tokens, start)
    resource = resource_of(name)
    create = next((method for method in resource.methods if method.verb == "INSERT"), None)
    if create is None:
        raise UnsupportedError(f"{'.'.join(name)} has no method for INSERT.")
    made_there = {"createTime", "updateTime"}
    fields = [f"data__{one.name}" for one in resource.columns if one.name not in made_there]
    columns = ",\n  ".join((*fields, *create.required))
    values = ",\n  ".join(
        (
            *(f"'{{{{ {column} }}}}'" for column in fields),
            *(f"'{{{{ .values.{column} }}}}'" for column in create.required),
        )
    )
    text = f"INSERT INTO {'.'.join(name)} (\n  {columns}\n)\nSELECT\n  {values}\n;"
    return StaticResult(("insert_statement",), ((text,),))


def describe(tokens: Sequence[Token]) -> StaticResult:
    """DESCRIBE [EXTENDED] resource, or DESCRIBE METHOD [EXTENDED] resource.method.

    Raises:
        UnknownNameError: a resource or method that is not there.
    """
    words = [token.upper for token in tokens[1:3]]
    method, extended = "METHOD" in words[:1], "EXTENDED" in words
    name, _ = parts_at(tokens, 1 + method + extended)
    if method:
        columns: tuple[str, ...] = ("name", "type", "param_type", "shape", "description")
        rows = _parameters(name)
    else:
        columns = ("name", "type", "description")
        rows = [(one.name, one.type, one.doc) for one in resource_of(name).columns]
    width = len(columns) - (0 if extended else 1)
    return StaticResult(columns[:width], tuple(row[:width] for row in rows))


def _parameters(name: Sequence[str]) -> _Rows:
    resource = resource_of(name)
    found = [method for method in resource.methods if [method.name] == list(name[3:])]
    if not found:
        known = ", ".join(method.name for method in resource.methods)
        raise UnknownNameError(f"could not find method '{'.'.join(name)}'; available: {known}.")
    method = found[0]
    shape = json.dumps({"type": "string"})
    rows: _Rows = [(one, "string", "input_required", shape, "") for one in method.required]
    rows += [(one, "string", "input_optional", shape, "") for one in method.optional]
    if method.verb == "SELECT":
        rows += [
            (column.name, column.type, "output", json.dumps({"type": column.type}), column.doc)
            for column in resource.columns
        ]
    return rows
