"""The emulator: five session APIs on one loopback port, for tests, demos and offline work.

It is an independent witness: written from the API contracts alone and sharing no code with the
rest of the package, so that a misreading of a contract cannot hide on both sides of a test.

* `service`: settings, and what one emulated API offers to the application
* `app`, `front`, `serve`: the application with its control API, its middleware, and how it is run
* `faults`: the request log, and what goes wrong on demand
* `draws`: ids; `client`: the control API from a test
* `vertex`, `deepset`, `whylabs`, `eleanor`, `embedding_studio`: one emulated API each
"""

from __future__ import annotations
