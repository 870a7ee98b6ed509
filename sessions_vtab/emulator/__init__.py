"""The emulator: five session APIs on one loopback port, for tests, demos and offline work.

It is an independent witness: written from the API contracts alone and sharing no code with the
rest of the package, so that a misreading of a contract cannot hide on both sides of a test.

* `service`: settings, ids, and what one emulated API offers to the application
* `serve`, `front`: the application and how it is run, and its middleware
* `control`: the control API, and a client of it
* `faults`: the request log, and what goes wrong on demand
* `vertex`, `deepset`, `whylabs`, `eleanor`, `embedding_studio`: one emulated API each
"""

from __future__ import annotations
