"""deepset Cloud: upload sessions, their files, and the files of a workspace.

``settings`` (a source's URL), ``names`` (resource names), ``tables`` (what there is, what it can
do), ``conditions`` (conditions as query parameters), ``calls`` (requests), ``wire`` (answers to
rows), ``sessions`` and ``files`` (reading), ``writing`` (INSERT, UPDATE), ``uploads`` (presigned
targets), ``backend`` (all of it together).
"""

from __future__ import annotations

from sessions_vtab.backends.deepset.backend import DeepsetBackend

__all__ = ["DeepsetBackend"]
