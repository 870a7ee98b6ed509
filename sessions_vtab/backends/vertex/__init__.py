"""Google Vertex AI Agent Engine: sessions and their events, over REST.

Modules: ``settings`` (a source's URL), ``names`` (resource names), ``tables`` (the tables and
their capabilities), ``filters`` (conditions as filter text), ``calls`` (requests), ``wire``
(responses to rows), ``sessions``, ``events`` and ``engines`` (reading), ``bodies``, ``requests``
and ``writing`` (writing).
"""

from __future__ import annotations

from sessions_vtab.backends.vertex.backend import VertexBackend

__all__ = ["VertexBackend"]
