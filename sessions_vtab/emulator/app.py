"""The application: the routes of every service on one port."""

from __future__ import annotations

from typing import TYPE_CHECKING

from fastapi import FastAPI

from sessions_vtab.emulator import (
    control,
    deepset,
    eleanor,
    embedding_studio,
    vertex,
    whylabs,
)
from sessions_vtab.emulator.front import Front
from sessions_vtab.emulator.state import Emulator

if TYPE_CHECKING:
    from sessions_vtab.emulator.settings import Settings

SERVICES = (
    vertex.service,
    deepset.service,
    whylabs.service,
    eleanor.service,
    embedding_studio.service,
)
"""Makers of the emulated APIs, in the order of the start-up line."""


def create_app(settings: Settings) -> FastAPI:
    """Return an emulator with all services; its `state.emulator` is the `Emulator`."""
    emulator = Emulator(settings, [make(settings) for make in SERVICES])
    app = FastAPI(title="sessions_vtab emulator", openapi_url=None)
    app.state.emulator = emulator
    for service in emulator.services:
        app.include_router(service.router)
    app.include_router(control.router(emulator))
    app.add_middleware(Front, emulator=emulator)
    return app
