"""Vertex AI Agent Engine Sessions over REST, written from `docs/contracts/vertex.md` alone.

From the outside in: `routes` turns a request into a `call` and picks the handler; `engines`,
`sessions`, `events` and `operations` hold the handlers; `wire` (with `schema` and `scalars`) reads
request bodies by the rules of proto JSON, `filters`, `ordering` and `pages` read list parameters;
`store` keeps the rows and `render` their bytes; `seed` and `snapshot` fill and save them.
"""

from __future__ import annotations

from sessions_vtab.emulator.vertex.api import service

__all__ = ["service"]
