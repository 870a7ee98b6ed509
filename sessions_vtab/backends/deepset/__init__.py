"""deepset Cloud: upload sessions, their files, and the files of a workspace.

``backend`` declares it and has its functions, ``reading`` merges the two lists of upload sessions
and makes conditions of queries, ``uploads`` opens sessions and posts files to presigned targets.
"""

from __future__ import annotations

from sessions_vtab.backends.deepset.backend import DeepsetBackend

__all__ = ["DeepsetBackend"]
