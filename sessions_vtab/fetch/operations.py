"""Long-running operations: asked about until they are done (https://google.aip.dev/151)."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from sessions_vtab.errors import (
    ConflictError,
    ForbiddenError,
    NotFoundError,
    ProtocolError,
    RefusedError,
    SessionsError,
    ThrottledError,
    UnavailableError,
    UnknownOutcomeError,
)
from sessions_vtab.fetch.call import RequestSpec, Response
from sessions_vtab.fetch.client import Sender
from sessions_vtab.fetch.problems import acted_unreadably
from sessions_vtab.fetch.redact import plain

_FIRST, _GROWTH, _LONGEST, _OVERALL = 0.5, 1.5, 5.0, 120.0

# Numbers of google.rpc.Code that mean something more exact than "refused".
_CODES: dict[object, type[SessionsError]] = {
    5: NotFoundError,
    6: ConflictError,
    7: ForbiddenError,
    8: ThrottledError,
    14: UnavailableError,
}


def finish_operation(
    sender: Sender, started: Response, look: Callable[[dict[str, Any]], RequestSpec]
) -> dict[str, Any]:
    """The operation as it is when done; asks after 0.5 s, then x1.5 up to 5 s, 120 s in all.

    Args:
        sender: of the job that started it.
        started: the answer that holds the operation.
        look: the call that asks about an operation; checks its name.

    Raises:
        UnknownOutcomeError: it did not end in time, or could not be asked about.
        SessionsError: it ended in an error, and what it was for was not done.
    """
    operation, waited, pause = _held(started), 0.0, _FIRST
    while not operation.get("done"):
        if waited >= _OVERALL:
            raise _unknown(sender, operation, f"did not finish within {_OVERALL:g} s")
        try:
            sender.pause(pause)
            operation = sender.send(look(operation)).object()
        except SessionsError as error:
            raise _unknown(sender, operation, f"could not be followed ({error})") from error
        waited, pause = waited + pause, min(_LONGEST, pause * _GROWTH)
    if operation.get("error"):
        sender.in_doubt = False
        raise _failure(sender, started, operation)
    return operation


def _held(started: Response) -> dict[str, Any]:
    try:
        operation = started.object()
    except ProtocolError as error:
        raise acted_unreadably(started, error) from None
    if not (operation.get("done") or operation.get("name")):
        unnamed = ProtocolError(f"{started.what}: the field name is not a valid operation name.")
        raise acted_unreadably(started, unnamed)
    return operation


def _unknown(sender: Sender, operation: dict[str, Any], what: str) -> UnknownOutcomeError:
    name = plain(str(operation.get("name") or "without a name"), 300)
    return UnknownOutcomeError(
        f"{sender.where}: the operation {name} {what}; the service may still finish it."
    )


def _failure(sender: Sender, started: Response, operation: dict[str, Any]) -> SessionsError:
    status = operation["error"]
    code, said = (
        (status.get("code"), status.get("message")) if isinstance(status, dict) else ("", "")
    )
    kind = _CODES.get(code, RefusedError)
    return kind(
        f"{sender.where}: {started.call.method} {started.url} was accepted, but its"
        f" operation ended in an error (code {plain(str(code), 20)}): {plain(str(said))}"
    )
