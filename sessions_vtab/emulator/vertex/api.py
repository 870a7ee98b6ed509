"""The service as the application includes it."""

from __future__ import annotations

from typing import TYPE_CHECKING

from fastapi import APIRouter
from starlette.routing import Route

from sessions_vtab.emulator.service import Service
from sessions_vtab.emulator.vertex import seed, snapshot
from sessions_vtab.emulator.vertex.context import Context
from sessions_vtab.emulator.vertex.routes import UI, VERSIONS, Endpoint

if TYPE_CHECKING:
    from sessions_vtab.emulator.settings import Settings


def service(settings: Settings) -> Service:
    """Return the emulated Vertex AI Agent Engine Sessions API with a state of its own."""
    context = Context(settings)

    def reset(number: int | None) -> None:
        context.reset(number)
        if number is not None:
            seed.fill(context, number)

    def summary() -> str:
        sessions, events = context.store.counts()
        return f"{sessions} sessions, {events} events" if sessions else ""

    reset(settings.seed)
    return Service(
        name="vertex",
        router=_router(context),
        reset=reset,
        summary=summary,
        dump=lambda: snapshot.dump(context.store),
        load=lambda value: snapshot.load(context.store, value),
    )


def _router(context: Context) -> APIRouter:
    router = APIRouter()
    endpoint = Endpoint(context)
    for version in (*VERSIONS, UI):
        router.routes.append(Route(f"/{version}/{{rest:path}}", endpoint))
    return router
