"""Embedding Studio: clickstream sessions, their events, batches and improvement requests.

Written from the Embedding Studio contract, whose observed behaviours are kept as they are, the
lossy ones too. What is not emulated: the worker that later takes the queued improvements (no
route shows them), and CORS. There is no authentication.

* `state`: what is kept, and what a registration, an event or a release does to it
* `app`: the routes; `payload`: the filter that does not survive a round trip
"""

from __future__ import annotations

from sessions_vtab.emulator.embedding_studio.app import service

__all__ = ["service"]
