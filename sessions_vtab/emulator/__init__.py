"""The emulator: five session APIs on one loopback port, for tests, demos and offline work.

It is an independent witness: written from the API contracts alone and sharing no code with the
rest of the package, so that a misreading of a contract cannot hide on both sides of a test.

* `settings`: what a user can switch
* `service`: what one emulated API offers to the application
* `app`, `control`, `serve`: the application, its control API, and how it is run
* `vertex`, `deepset`, `whylabs`, `eleanor`, `embedding_studio`: one emulated API each
"""

from __future__ import annotations
