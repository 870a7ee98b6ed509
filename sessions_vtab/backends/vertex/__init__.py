"""Google Vertex AI Agent Engine: sessions and their events, over REST.

``tables`` declares tables, operations and columns; ``backend`` has the settings of a source and its
functions; ``filters`` conditions as filter text; ``reading`` and ``writing`` what the service does
differently than others.
"""

from __future__ import annotations

from sessions_vtab.backends.vertex.backend import VertexBackend

__all__ = ["VertexBackend"]
