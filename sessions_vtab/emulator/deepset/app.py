"""deepset Cloud as a service of the emulator."""

from __future__ import annotations

from typing import TYPE_CHECKING

from fastapi import APIRouter

from sessions_vtab.emulator.deepset.cloud import Cloud
from sessions_vtab.emulator.deepset.files import FileRoutes
from sessions_vtab.emulator.deepset.sessions import SessionRoutes
from sessions_vtab.emulator.deepset.uploads import UploadTarget
from sessions_vtab.emulator.routing import Route
from sessions_vtab.emulator.service import Service

if TYPE_CHECKING:
    from sessions_vtab.emulator.settings import Settings


def service(settings: Settings) -> Service:
    """Return an emulated deepset Cloud with its own state.

    Its paths are `/api/v1/workspaces/...` and, for the presigned uploads, `/deepset-uploads/...`.
    """
    cloud = Cloud(settings)
    router = APIRouter(route_class=Route)
    for routes in (SessionRoutes(cloud), FileRoutes(cloud), UploadTarget(cloud)):
        routes.mount(router)
    return Service("deepset", router, cloud.reset, cloud.summary, cloud.dump, cloud.load)
