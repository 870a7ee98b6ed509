"""The control API of the emulator: its routes, and a client of it for tests and scripts.

It is below `/_emulator/`; every request needs the control token.

GET    /_emulator/requests   {requests, total, max_in_flight}
DELETE /_emulator/requests   forget them
GET    /_emulator/faults     {faults}, each with its id and hits
POST   /_emulator/faults     put a `Fault` in force -> {id}
DELETE /_emulator/faults     take all out of force
POST   /_emulator/reset      {seed?}: fresh data, no faults, empty log
GET    /_emulator/data       the state of all services, as in the data file
PUT    /_emulator/data       replace it
POST   /_emulator/delay      {seconds}: latency of each API response from now on
GET    /_emulator/summary    {summary}
"""

from __future__ import annotations

import asyncio
import json
from collections.abc import Awaitable, Callable
from http.client import HTTPConnection
from typing import Any, TypeAlias
from urllib.parse import urlsplit

from fastapi import APIRouter
from starlette.requests import Request
from starlette.responses import JSONResponse, Response
from starlette.routing import Route

from sessions_vtab.emulator.faults import Fault
from sessions_vtab.emulator.service import Emulator

_TIMEOUT = 60.0


class ControlError(Exception):
    """The control API refused a request; the text is its reason."""


class Control:
    """Controls an emulator that runs somewhere on this machine.

    Every method raises `ControlError` if the emulator refuses, `OSError` if it is not there.
    """

    def __init__(self, url: str, token: str) -> None:
        self._address = urlsplit(url).netloc
        self._token = token

    def requests(self, method: str | None = None, contains: str = "") -> list[dict[str, Any]]:
        """Return the logged requests in order of arrival, of a method and path only if given.

        Keys: `number method path raw_path query headers body status bytes started ended in_flight
        fault`; times are seconds since the log was reset.
        """
        found: list[dict[str, Any]] = self.log()["requests"]
        return [
            entry
            for entry in found
            if method in {None, entry["method"]} and contains in entry["path"]
        ]

    def log(self) -> dict[str, Any]:
        """Return `{requests, total, max_in_flight}`; the last is a high-water mark."""
        result: dict[str, Any] = self._call("GET", "requests")
        return result

    def reset_log(self) -> None:
        """Forget the logged requests and the high-water mark."""
        self._call("DELETE", "requests")

    def reset(self, *, seed: int | None = None, empty: bool = False) -> None:
        """Start anew: no faults, an empty log, and the data of the start.

        With a `seed` the data of that seed, with `empty` none at all.
        """
        self._call("POST", "reset", {"seed": seed} if empty or seed is not None else {})

    def fault(self, kind: str, **fields: Any) -> int:
        """Put a fault in force and return its number; fields are those of `faults.Fault`."""
        number: int = self._call("POST", "faults", {"kind": kind, **fields})["id"]
        return number

    def faults(self) -> list[dict[str, Any]]:
        """Return the faults in force, each with its `id` and its `hits`."""
        found: list[dict[str, Any]] = self._call("GET", "faults")["faults"]
        return found

    def clear_faults(self) -> None:
        """Take all faults out of force."""
        self._call("DELETE", "faults")

    def delay(self, seconds: float) -> None:
        """Set the latency of each API response from now on."""
        self._call("POST", "delay", {"seconds": seconds})

    def dump(self) -> dict[str, Any]:
        """Return the state of all services, as in the data file."""
        state: dict[str, Any] = self._call("GET", "data")
        return state

    def load(self, state: dict[str, Any]) -> None:
        """Replace the state of the services that `state` has."""
        self._call("PUT", "data", state)

    def summary(self) -> str:
        """Return what is loaded, as in the start-up line."""
        text: str = self._call("GET", "summary")["summary"]
        return text

    def _call(self, method: str, name: str, body: Any = None) -> Any:
        connection = HTTPConnection(self._address, timeout=_TIMEOUT)
        headers = {"X-Emulator-Token": self._token, "Connection": "close"}
        content = None if body is None else json.dumps(body).encode()
        try:
            connection.request(method, f"/_emulator/{name}", content, headers)
            response = connection.getresponse()
            answer = json.loads(response.read())
        finally:
            connection.close()
        if response.status != 200:  # noqa: PLR2004 (OK)
            raise ControlError(answer["error"])
        return answer


class NearControl(Control):
    """Controls an emulator of its own process: on the emulator's loop, without a socket."""

    def __init__(self, url: str, emulator: Emulator, loop: asyncio.AbstractEventLoop) -> None:
        super().__init__(url, emulator.settings.control_token)
        self._handlers = _handlers(emulator)
        self._loop = loop

    def _call(self, method: str, name: str, body: Any = None) -> Any:
        sent = json.dumps({} if body is None else body)

        # On the loop, where what a request has still to note when it is answered is noted before.
        async def answer() -> str:
            return json.dumps(self._handlers[method, name](json.loads(sent)) or {})

        try:
            done = asyncio.run_coroutine_threadsafe(answer(), self._loop).result(_TIMEOUT)
        except _REFUSALS as error:
            raise ControlError(_reason(error)) from error
        return json.loads(done)


_Handler: TypeAlias = Callable[[Any], Any]

_REFUSALS = (ValueError, TypeError, LookupError, AttributeError)
"""What a handler raises for a body that it does not take."""


def _reason(error: Exception) -> str:
    return f"{type(error).__name__}: {error}"


def _handlers(emulator: Emulator) -> dict[tuple[str, str], _Handler]:
    """Return what each method and path below `/_emulator/` does with its body."""
    log, faults = emulator.log, emulator.faults
    return {
        ("GET", "requests"): lambda _: log.as_json(),
        ("DELETE", "requests"): lambda _: log.reset(),
        ("GET", "faults"): lambda _: {"faults": faults.as_json()},
        ("POST", "faults"): lambda body: {"id": faults.add(Fault.model_validate(body))},
        ("DELETE", "faults"): lambda _: emulator.clear_faults(),
        ("POST", "reset"): lambda body: _reset(emulator, body),
        ("GET", "data"): lambda _: emulator.dump(),
        ("PUT", "data"): emulator.load,
        ("POST", "delay"): lambda body: _delay(emulator, float(body["seconds"])),
        ("GET", "summary"): lambda _: {"summary": emulator.summary()},
    }


def router(emulator: Emulator) -> APIRouter:
    """Return the routes of the control API."""
    result = APIRouter()
    for (method, name), handler in _handlers(emulator).items():
        result.routes.append(Route(f"/_emulator/{name}", _endpoint(handler), methods=[method]))
    return result


def _endpoint(handler: _Handler) -> Callable[[Request], Awaitable[Response]]:
    """Return an endpoint: JSON in, JSON out, 400 for what the handler refuses."""

    async def endpoint(request: Request) -> Response:
        try:
            body = await request.json() if await request.body() else {}
            return JSONResponse(handler(body) or {})
        except _REFUSALS as error:
            return JSONResponse({"error": _reason(error)}, status_code=400)

    return endpoint


def _reset(emulator: Emulator, body: Any) -> None:
    seed = body.get("seed", emulator.settings.seed)
    if seed is not None and not isinstance(seed, int):
        raise TypeError("seed must be a number or null")
    emulator.reset(seed)


def _delay(emulator: Emulator, seconds: float) -> None:
    emulator.delay = max(0.0, seconds)
