"""EleanorAI: activity sessions and who takes part in them.

Its documentation names ten operations with their parameters, the columns of its tables and the
HTTP status of each error. It does not say at which paths the operations are, nor what their bodies
look like, and no server is public. So:

Documented: the operations; ``namespace``, ``activity_session`` and ``participant`` as path
parameters; ``include_deleted``; a ``status`` in every answer; 400, 403, 404, 409, 410 and 500 as
error statuses; a session's name, description, enabled, managed, auto_created, deleted, create_ts.

Assumed: every path and method (``routes``), the names and types of fields in bodies (``fields``),
that the answer holds the session, and that a bearer key is the credential if there is one. The
settings ``api_prefix``, ``routes`` and ``fields`` correct all of it without code::

    [sources.x]
    backend = "eleanor"
    location = "NAMESPACE"
    base_url = "https://eleanor.example"
    api_key_env = "ELEANOR_KEY"
    [sources.x.routes]
    undelete = "POST /sessions/{namespace}/{session}/undelete"
    [sources.x.fields]
    session_id = "name"

There is no operation that reads or appends turns: sessions can be listed, made, renamed, deleted,
truncated and integrated, not read.

``settings`` and ``routes`` (a source), ``names``, ``tables`` (what there is), ``calls`` (requests),
``wire`` (answers to rows), ``reading``, ``requests`` and ``writing``.
"""

from __future__ import annotations

from sessions_vtab.backends.eleanor.backend import EleanorBackend

__all__ = ["EleanorBackend"]
