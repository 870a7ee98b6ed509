"""SQL over session APIs: virtual tables for agent sessions, events and upload sessions.

::

    import sessions_vtab

    with sessions_vtab.connect() as db:
        db.execute("INSERT INTO sessions(user_id) VALUES ('ann')")
        for session_id, user_id in db.execute("SELECT session_id, user_id FROM sessions"):
            ...

Importing the package loads nothing else; ``connect`` and ``register`` load SQLite.
"""

from __future__ import annotations

from importlib import import_module
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from sessions_vtab.connection import Connection, connect, register

__all__ = ["Connection", "__version__", "connect", "register"]

__version__ = "0.1.0"


def __getattr__(name: str) -> Any:
    if name in __all__:
        return getattr(import_module("sessions_vtab.connection"), name)
    raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
