"""The application: the routes of every service on one port, and the control API for tests.

The control API is below `/_emulator/`; every request needs the control token.

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

from collections.abc import Awaitable, Callable
from typing import Any

from fastapi import APIRouter, FastAPI
from starlette.requests import Request
from starlette.responses import JSONResponse, Response
from starlette.routing import Route

from sessions_vtab.emulator import (
    deepset,
    eleanor,
    embedding_studio,
    vertex,
    whylabs,
)
from sessions_vtab.emulator.faults import Fault
from sessions_vtab.emulator.front import Front
from sessions_vtab.emulator.service import Emulator, EmulatorSettings

_UNCHANGED = object()


def router(emulator: Emulator) -> APIRouter:
    """Return the routes of the control API."""
    control = _Control(emulator)
    routes: list[tuple[str, str, Callable[[Any], Any]]] = [
        ("GET", "requests", control.requests),
        ("DELETE", "requests", control.forget_requests),
        ("GET", "faults", control.faults),
        ("POST", "faults", control.add_fault),
        ("DELETE", "faults", control.clear_faults),
        ("POST", "reset", control.reset),
        ("GET", "data", control.data),
        ("PUT", "data", control.load),
        ("POST", "delay", control.delay),
        ("GET", "summary", control.summary),
    ]
    result = APIRouter()
    for method, name, handler in routes:
        result.routes.append(Route(f"/_emulator/{name}", _endpoint(handler), methods=[method]))
    return result


def _endpoint(handler: Callable[[Any], Any]) -> Callable[[Request], Awaitable[Response]]:
    """Return an endpoint: JSON in, JSON out, 400 for what the handler refuses."""

    async def endpoint(request: Request) -> Response:
        try:
            body = await request.json() if await request.body() else {}
            return JSONResponse(handler(body))
        except (ValueError, TypeError, LookupError, AttributeError) as error:
            return JSONResponse({"error": f"{type(error).__name__}: {error}"}, status_code=400)

    return endpoint


class _Control:
    def __init__(self, emulator: Emulator) -> None:
        self._emulator = emulator

    def requests(self, _: Any) -> Any:
        log = self._emulator.log
        return {
            "requests": log.entries(),
            "total": log.total,
            "max_in_flight": log.max_in_flight,
        }

    def forget_requests(self, _: Any) -> Any:
        self._emulator.log.reset()
        return {}

    def faults(self, _: Any) -> Any:
        return {"faults": self._emulator.faults.as_json()}

    def add_fault(self, body: Any) -> Any:
        return {"id": self._emulator.faults.add(Fault.model_validate(body))}

    def clear_faults(self, _: Any) -> Any:
        self._emulator.clear_faults()
        return {}

    def reset(self, body: Any) -> Any:
        seed = body.get("seed", _UNCHANGED)
        if seed is _UNCHANGED:
            seed = self._emulator.settings.seed
        elif seed is not None and not isinstance(seed, int):
            raise TypeError("seed must be a number or null")
        self._emulator.reset(seed)
        return {}

    def data(self, _: Any) -> Any:
        return self._emulator.dump()

    def load(self, body: Any) -> Any:
        self._emulator.load(body)
        return {}

    def delay(self, body: Any) -> Any:
        self._emulator.delay = max(0.0, float(body["seconds"]))
        return {}

    def summary(self, _: Any) -> Any:
        return {"summary": self._emulator.summary()}


SERVICES = (
    vertex.service,
    deepset.service,
    whylabs.service,
    eleanor.service,
    embedding_studio.service,
)
"""Makers of the emulated APIs, in the order of the start-up line."""


def create_app(settings: EmulatorSettings) -> FastAPI:
    """Return an emulator with all services; its `state.emulator` is the `Emulator`."""
    emulator = Emulator(settings, [make(settings) for make in SERVICES])
    app = FastAPI(title="sessions_vtab emulator", openapi_url=None)
    app.state.emulator = emulator
    for service in emulator.services:
        app.include_router(service.router)
    app.include_router(router(emulator))
    app.add_middleware(Front, emulator=emulator)
    return app
