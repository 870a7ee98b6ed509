"""SQL over session APIs: virtual tables for agent sessions, events and upload sessions.

::

    import sessions_vtab

    with sessions_vtab.connect() as db:
        db.execute("INSERT INTO sessions(user_id) VALUES ('ann')")
        for session_id, user_id in db.execute("SELECT session_id, user_id FROM sessions"):
            ...

Importing the package loads nothing else; ``connect`` and ``register`` load SQLite.

From what knows nothing of the rest to what uses it all:

* `errors`, `progress`: the error tree, and how far a statement is
* `contract`: what a backend declares and implements
* `sql`, `plan`, `fetch`: a statement's text, the plan of a scan, and how pages arrive
* `rest`, `backends`, `registry`: the engine of declared services, the services and stores, by name
* `vtab`: virtual tables, as SQLite calls them
* `settings`, `config`: what a source is configured with
* `rewriter`, `cursor`, `connection`, `hints`: executing a statement, and explaining its errors
* the interfaces: `cli`, `dbapi`, `sqlalchemy`, `harlequin`, `mcp`, and `extension`, for
  any SQLite; copies and reports: `snapshot`, `report`
* bulk reading: `columnar`, `scanning`, `spark`, `daft`
* `emulator`: the APIs on this machine; `testing`: the test kit for backends

``docs/architecture.md`` follows a SELECT, an INSERT and a COMMIT through them.
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
