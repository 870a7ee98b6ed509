"""EulerSearch's Embedding Studio: search sessions, their clicks, and batches for improvement.

What the service does not say by itself, and how it is told here:

- There is no list of sessions: they are read by id, or by batch. A batch's id is known from
  ``release_batch`` only; those that a connection has seen are remembered, with their sessions.
- A session's route shows 100 events at most, silently. Beyond that the batch is asked; where it is
  not known, that is an error.
- Registering an id twice changes nothing and is answered with success: what was stored is read
  back, and a difference is an error. Events are checked before they are sent.
- ``payload_filter`` comes back changed or cut: forms that are known to be lost are refused, the
  rest is compared with what was stored.
- Times are whole seconds, at most 12 hours back and 5 minutes ahead.

``settings`` (a source), ``names``, ``tables`` (what there is), ``calls`` (requests), ``bodies``
(rows to JSON), ``wire`` (answers to rows), ``batches`` (where sessions are), ``sessions`` and
``events`` (reading), ``requests``, ``pushing`` and ``writing``, ``routines`` (functions).
"""

from __future__ import annotations

from sessions_vtab.backends.embedding_studio.backend import EmbeddingStudioBackend

__all__ = ["EmbeddingStudioBackend"]
