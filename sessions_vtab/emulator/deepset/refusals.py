"""The error answers of deepset Cloud.

The contract, section 6, knows four body shapes and promises none of them for a given status, so
the emulator uses them all: a client has to read any of them.
"""

from __future__ import annotations

from sessions_vtab.emulator.routing import Refusal


def unauthorized() -> Refusal:
    """401: the key is not known."""
    return Refusal.json(401, {"errors": ["Invalid API key."]})


def no_key() -> Refusal:
    """403: there is no key."""
    return Refusal.json(403, {"detail": "Not authenticated"})


def free_plan() -> Refusal:
    """402: upload sessions are not part of the free plan (contract, section 2)."""
    message = "Upload sessions are not available on the free plan."
    return Refusal.json(402, {"details": [{"code": "payment_required", "message": message}]})


def too_many_sessions() -> Refusal:
    """406: the user has ten open sessions (contract, section 2)."""
    message = "You reached the maximum number of upload sessions allowed per user."
    return Refusal.json(406, {"details": [{"code": "max_sessions", "message": message}]})


def not_found(text: str) -> Refusal:
    """404 with a text."""
    return Refusal.json(404, {"errors": [text]})


def conflict(text: str) -> Refusal:
    """409 with a text: already closed, or a file of this name exists."""
    return Refusal.json(409, {"errors": [{"msg": text, "type": "conflict"}]})


def invalid(loc: list[str], msg: str, kind: str = "value_error") -> Refusal:
    """422 for the value at `loc`, in the shape of the spec."""
    return Refusal.json(422, {"detail": [{"loc": loc, "msg": msg, "type": kind}]})
