"""Declared functions: a call about one session, and its rows."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from typing import TYPE_CHECKING

from sessions_vtab.contract.backend import Arguments, Context, Routine
from sessions_vtab.contract.model import ColumnType
from sessions_vtab.contract.scan import Row
from sessions_vtab.contract.templates import Places, name_of
from sessions_vtab.contract.values import dump_json
from sessions_vtab.errors import MissingParameterError, NotFoundError
from sessions_vtab.fetch import RequestSpec, Response, Sender, message_of, plain, redact, run_job
from sessions_vtab.fetch.rows import Getter
from sessions_vtab.rest.bodies import body_of
from sessions_vtab.rest.declaration import RestFrame, RestFunction
from sessions_vtab.rest.decoding import getter_of

if TYPE_CHECKING:
    from sessions_vtab.rest.backend import RestBackend


def response_of(response: Response) -> str | None:
    """The body as JSON, without secrets; None if it is empty."""
    return redact(dump_json(response.json), response.call.secrets) if response.content else None


def routine_of(declared: RestFunction, backend: RestBackend) -> Routine:
    """The implementation of a declared function."""
    name = declared.function.name

    def routine(arguments: Arguments, context: Context) -> Iterable[Row]:
        given = {**_defaults(declared, backend), **arguments}
        # A function that is not about a session has no such parameter.
        places = backend.resolve(given["session"]) if "session" in given else {}
        call = _call(declared, backend, given, places)

        def job(sender: Sender) -> list[Row]:
            placed = {one: str(given[one]) for one in declared.operation.places if one in given}
            response = backend.act(name, call, {**placed, **places}, sender)
            if response.missing:
                raise _gone(response, name, backend)
            if declared.rows is None:
                return [(*backend.core_of(response, places, sender), dump_json(response.object()))]
            if callable(declared.rows):
                return list(declared.rows(response, {**given, **places}))
            return [_row(declared, declared.rows, backend, response, {**given, **places})]

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


def _defaults(declared: RestFunction, backend: RestBackend) -> Arguments:
    settings = {
        parameter: getattr(backend.settings, setting)
        for parameter, setting in declared.defaults.items()
    }
    return {name: value for name, value in settings.items() if value is not None}


def _call(
    declared: RestFunction, backend: RestBackend, given: Arguments, places: Places
) -> RequestSpec:
    """The request of a function; raises MissingParameterError naming a default that is not set."""
    where = f"{backend.source.name}.{declared.function.name}"
    for parameter, setting in declared.defaults.items():
        if parameter not in given:
            names = ", ".join(column.name for column in declared.function.parameters)
            raise MissingParameterError(
                f"{where} requires {parameter}: call {declared.function.name}({names}), or set"
                f" {setting} in the source's settings. Nothing was sent."
            )
    operation, values = declared.operation, {**given, **places}
    body = body_of(operation.body, values, where, declared.function.parameters)
    return backend.call(operation, values, json=body)


def _gone(response: Response, function: str, backend: RestBackend) -> NotFoundError:
    words = message_of(response) or "no message"
    said = plain(backend.client.shown(words, response.call)).rstrip(".")
    error = NotFoundError(
        f"{backend.source.name}.{function}: {response.call.method} {response.url} returned"
        f" {response.status} Not Found: {said}. {backend.gone}".rstrip()
    )
    error.status = response.status
    return error
