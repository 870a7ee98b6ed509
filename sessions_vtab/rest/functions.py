"""Declared functions: a call about one session, and its rows."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from typing import TYPE_CHECKING

from sessions_vtab.contract.backend import Arguments, Context, Routine
from sessions_vtab.contract.model import ColumnType, name_of
from sessions_vtab.contract.scan import Row
from sessions_vtab.contract.values import dump_json
from sessions_vtab.errors import MissingParameterError, NotFoundError
from sessions_vtab.fetch import Response, Sender, message_of, plain, redact, run_job
from sessions_vtab.rest.declaration import Getter, RestFrame, RestFunction
from sessions_vtab.rest.decoding import getter_of
from sessions_vtab.rest.writing import body_of

if TYPE_CHECKING:
    from sessions_vtab.rest.backend import RestBackend


def response_of(response: Response) -> str | None:
    """The body as JSON, without secrets; None if it is empty."""
    return redact(dump_json(response.json), response.call.secrets) if response.content else None


def routine_of(declared: RestFunction, backend: RestBackend) -> Routine:
    """The implementation of a declared function."""
    name, operation = declared.function.name, declared.operation

    def routine(arguments: Arguments, context: Context) -> Iterable[Row]:
        given = backend.arguments(name, arguments)
        # A function that is not about a session has no such parameter.
        places = backend.resolve(given["session"]) if "session" in given else {}
        values, where = {**given, **places}, f"{backend.source.name}.{name}"
        for column in declared.function.parameters:
            if column.name in operation.places and column.name not in values:
                message = f"{where} requires {column.name}: {column.doc} Nothing was sent."
                raise MissingParameterError(message)
        body = body_of(operation.body, values, where, declared.function.parameters)
        call = backend.call(operation, values, json=body)

        def job(sender: Sender) -> list[Row]:
            placed = {one: str(given[one]) for one in operation.places if one in given}
            response = backend.act(name, call, {**placed, **places}, sender)
            if response.missing:
                raise _gone(response, name, backend)
            if declared.rows is None:
                return [(*backend.core_of(response, places, sender), dump_json(response.object()))]
            if callable(declared.rows):
                return list(declared.rows(response, values))
            return [_row(declared, declared.rows, backend, response, values)]

        return run_job(backend.client, context, job)

    return routine


def _row(
    declared: RestFunction,
    fields: Mapping[str, str | Getter[RestFrame]],
    backend: RestBackend,
    response: Response,
    given: Arguments,
) -> Row:
    """The row of a function whose results are declared by name."""
    item = (None if response.json is None else declared.operation.object_in(response)) or {}
    frame = RestFrame(response.what, {name: str(value) for name, value in given.items()})
    values = {**given, "response": response_of(response)}
    if "session" in given:
        values["session_name"] = name_of(backend.main.spec.name, frame.places)
    for one in declared.function.results:
        if one.name in fields:
            # A text that is named is part of the response.
            get = getter_of(fields[one.name], one.type, required=one.type is ColumnType.TEXT)
            values[one.name] = get(item, frame)
    return tuple(values.get(one.name) for one in declared.function.results)


def _gone(response: Response, function: str, backend: RestBackend) -> NotFoundError:
    words = message_of(response) or "no message"
    said = plain(backend.client.shown(words, response.call)).rstrip(".")
    error = NotFoundError(
        f"{backend.source.name}.{function}: {response.call.method} {response.url} returned"
        f" {response.status} Not Found: {said}. {backend.gone}".rstrip()
    )
    error.status = response.status
    return error
