"""The `status` in every Eleanor body, and the error map (contract, section 2)."""

from __future__ import annotations

from typing import Any
from uuid import uuid4

from sessions_vtab.emulator.routing import Refusal

SUCCESS = "SUCCESS"

ERRORS = {
    "GENERAL_SERVICE_ERROR": 500,
    "INVALID_INPUT": 400,
    "RESOURCE_INVALID_STATE": 400,
    "RESOURCE_NOT_FOUND": 404,
    "RESOURCE_ALREADY_EXISTS": 409,
    "RESOURCE_DELETED": 410,
    "RESOURCE_DISABLED": 403,
    "RESOURCE_INVALID_OWNERSHIP": 403,
}
"""Error code to HTTP status; documented, in this order."""

CODES = {name: number for number, name in enumerate([SUCCESS, *ERRORS])}
"""Code numbers: PROPOSED, SUCCESS is 0 and the errors follow in their order."""


def success(**fields: Any) -> dict[str, Any]:
    """Return the body of a success: its fields beside the status."""
    return {"status": _status(SUCCESS, SUCCESS), **fields}


def fault(code: str, message: str) -> Refusal:
    """Make the answer for an error of the map, with the HTTP status that the map gives it."""
    return Refusal.json(ERRORS[code], {"status": _status(code, message)})


def _status(code: str, message: str) -> dict[str, Any]:
    return {"code": CODES[code], "message": message, "trace": str(uuid4())}
