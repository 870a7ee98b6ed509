"""EulerSearch's Embedding Studio: search sessions, their clicks, and batches for improvement.

Peculiarities of the service, and how this backend handles them:

- There is no list of all sessions: they are read by id or by batch. A batch's id is returned only
  by ``release_batch``. Each connection remembers the batches it has seen, with their sessions.
- A session's route returns at most 100 events and does not say whether there are more. The others
  are read from its batch; it is an error if the batch is not known.
- Registering an id twice changes nothing but is reported as success. So the stored session is read
  back, and a difference is an error. Events are checked before they are sent.
- ``payload_filter`` is stored changed or truncated. Forms that are known to be lost are refused;
  all others are compared with what was stored.
- Times are whole seconds, at most 12 hours in the past and 5 minutes in the future.

``backend`` declares it and has its functions, ``reading`` reads batches, ``writing`` makes bodies
and compares what was stored.
"""

from __future__ import annotations

from sessions_vtab.backends.embedding_studio.backend import EmbeddingStudioBackend

__all__ = ["EmbeddingStudioBackend"]
