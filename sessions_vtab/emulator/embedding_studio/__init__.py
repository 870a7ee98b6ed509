"""Embedding Studio: clickstream sessions, their events, batches and improvement requests.

Written from the Embedding Studio contract, whose observed behaviours are kept as they are, the
lossy ones too. What is not emulated: the worker that later takes the queued improvements (no
route shows them), and CORS. There is no authentication.

* `payload`: the filter that does not survive a round trip; `models`: bodies and what is kept
* `clickstream`: what a registration, an event or a release does to that
* `app`: the routes; `seed`: the data set of a seed
"""

from __future__ import annotations

from sessions_vtab.emulator.embedding_studio.app import service

__all__ = ["service"]
