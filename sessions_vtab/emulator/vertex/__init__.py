"""Vertex AI Agent Engine Sessions over REST, written from `docs/contracts/vertex.md` alone.

From the outside in: `service` turns a request into an `EmulatedRequest` of `context` and picks the
handler; `engines`, `sessions`, `events` and `operations` hold the handlers; `wire` (with
`messages`) reads request bodies by the rules of proto JSON and writes answers, `filters` and
`listing` read list parameters; `store` keeps the rows; `data` fills and saves them;
`errors` has the service's words.
"""

from __future__ import annotations

from sessions_vtab.emulator.vertex.service import service

__all__ = ["service"]
