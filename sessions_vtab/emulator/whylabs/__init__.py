"""WhyLabs: guest sessions and their profile uploads.

Written from the WhyLabs contract. A session cannot be enumerated: its id is the bearer token that
opens it. Where the contract leaves a choice:

* sessions live for `SESSION_LIFETIME` by the clock of the settings (the real length is not public)
* the joint link of a batch of references shows the first three, as every joint link does
* a reference may have any `datasetTimestamp`; a dataset upload may not be older than five years
* a key that names its org (`...:org-1`) may claim for that org alone
* a route that Songbird does not have answers 404 with an empty body, or 401 without a key

* `models`: request bodies and what is kept; `links`: the observatory's URLs
* `songbird`: keys and error bodies; `app`: the routes
"""

from __future__ import annotations

from sessions_vtab.emulator.whylabs.app import service

__all__ = ["service"]
