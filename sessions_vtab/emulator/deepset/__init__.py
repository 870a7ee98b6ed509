"""deepset Cloud: upload sessions, presigned uploads and workspace files.

Written from the deepset contract, with its [INF] choices; where the contract leaves more open:

* any workspace exists; a key that starts with `invalid` gets 401, one that starts with `free`
  stands for the free plan (402 on opening a session), none at all 403
* error bodies come in all the shapes that the SDK's own parsing accepts (contract, section 6)
* an open session that nobody closes is closed, and so ingested, when it expires
* ingestion is done `INGESTION_DELAY` after the close by the clock of the settings

* `state`: what is kept, and how files move from a session into a workspace
* `app`, `files`: the routes; `answers`: error bodies, pages, and the filter of the files listing
"""

from __future__ import annotations

from sessions_vtab.emulator.deepset.app import service

__all__ = ["service"]
