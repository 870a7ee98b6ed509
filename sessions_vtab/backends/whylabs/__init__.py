"""WhyLabs: guest sessions and the uploads of their profiles.

``settings`` (a source's URL), ``tables`` (what there is, what it can do), ``bodies`` (arguments as
request bodies), ``calls`` (requests), ``wire`` (answers to rows), ``sessions`` (reading and
creating), ``profiles`` (the functions), ``backend`` (all of it together).

The id of a guest session opens it to anyone: it is cut from logs and errors like a credential.
"""

from __future__ import annotations

from sessions_vtab.backends.whylabs.backend import WhylabsBackend

__all__ = ["WhylabsBackend"]
