"""SQLAlchemy dialect ``sessions://`` over the sources' tables.

::

    from sqlalchemy import create_engine, text

    engine = create_engine("sessions+vertex://my-project/us-central1/42")
    with engine.connect() as db:
        rows = db.execute(text("SELECT session_id FROM sessions WHERE user_id = :u"), {"u": "ann"})

An engine only reads unless its URL says ``writable=1``. Schemas are sources; tables, types, keys
and comments come from what the backends declare, so that looking around sends no request. A time
is a naive ``datetime`` in UTC for ``DateTime()``, an aware one for ``DateTime(timezone=True)``; of
nine digits six are kept. What an INSERT does not give (``name``, ids, times) comes back by
RETURNING.

Hidden columns are not reflected. They are named where they are used::

    select(sessions).where(column("page_size") == 20)
    Table("sessions", MetaData(), Column("ttl", Text), autoload_with=engine)   # for INSERT

Works with SQLAlchemy 2.0 and 2.1; with 1.4 for reading and for INSERT, UPDATE and DELETE without
RETURNING.

* `url`: the forms of an engine's URL; `dialect`, `reflection`: the dialect
* `superset`: what Apache Superset has to know besides
"""

from __future__ import annotations

from sqlalchemy.dialects import registry as dialects

from sessions_vtab import registry
from sessions_vtab.sqlalchemy.dialect import SessionsDialect
from sessions_vtab.sqlalchemy.reflection import DateTime, JsonOrText
from sessions_vtab.sqlalchemy.url import engine_url

__all__ = ["DateTime", "JsonOrText", "SessionsDialect", "engine_url"]

# Those of other packages, too: SQLAlchemy itself finds only what is an entry point of its own.
# A backend that has registered a dialect of its own keeps it.
for _name in registry.names():
    if f"sessions.{_name}" not in dialects.impls:
        dialects.register(f"sessions.{_name}", __name__, SessionsDialect.__name__)
