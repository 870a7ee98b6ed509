"""SQLAlchemy dialect: ``sessions://``, for SQLAlchemy 2 (and 1.4, which Apache Superset has).

::

    from sqlalchemy import create_engine

    engine = create_engine("sessions+vertex://my-project/us-central1/42")
    engine = create_engine("sessions+local:////home/ann/sessions.db?writable=1")
    engine = create_engine("sessions://?config=/etc/sessions-vtab.toml&default=prod")
    engine = create_engine("sessions://?source=prod%3Dvertex%3A%2F%2F..&source=local%3A%2F%2F..")

``sessions+BACKEND://`` takes a source as ``config`` has it; ``sessions://`` alone the user's own
configuration, or what ``source`` (several), ``config`` and ``default`` say. Further parameters are
the source's settings, and these:

* ``writable=1``: INSERT, UPDATE, DELETE and functions that act; otherwise all are refused, since
  what looks like a SELECT in a BI tool may act.
* ``name``: what SQL calls the source.
* ``timeout_s``, ``max_rows``: limits of a statement; more is an error.

ATTACH, DETACH, virtual tables, extensions and pragmas that change something are refused always.
Schemas are sources; ``main`` holds the default source's tables. Hidden columns are not reflected:
they can be named in ``text()`` and ``literal_column()``. Reflection, pings and the questions that
SQLAlchemy asks by itself send no request.
"""

from __future__ import annotations

from sessions_vtab.sqlalchemy.dialect import SessionsDialect

__all__ = ["SessionsDialect"]
