"""The file that Google's Agent Development Kit (ADK) keeps its sessions in, read-only.

* `backend`: opening and reading a file, and its tables; `tables`: the file's layouts and columns
* `values`, `pickled`: what ADK stores, as values of the columns and resource names

Facts: files written by google-adk 0.5.0 to 2.13.0 on SQLite, compared with what its own
``get_session`` returns; the sources of adk-js and adk-go.
"""

from __future__ import annotations

from sessions_vtab.backends.adk.backend import AdkBackend

__all__ = ["AdkBackend"]
