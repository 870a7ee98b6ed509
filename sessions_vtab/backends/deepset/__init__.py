"""deepset Cloud: upload sessions, their files, and the files of a workspace.

Modules: ``settings`` (a source's URL), ``names`` (resource names), ``tables`` (the tables and
their capabilities), ``conditions`` (conditions as query parameters), ``calls`` (requests), ``wire``
(responses to rows), ``sessions`` and ``files`` (reading), ``writing`` (INSERT, UPDATE), ``uploads``
(presigned targets), ``backend`` (which combines them).
"""

from __future__ import annotations

from sessions_vtab.backends.deepset.backend import DeepsetBackend

__all__ = ["DeepsetBackend"]
