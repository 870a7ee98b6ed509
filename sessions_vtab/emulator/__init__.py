"""The emulator: five session APIs on one loopback port, for tests, demos and offline work.

It is an independent witness: written from the API contracts alone and sharing no code with the
rest of the package, so that a misreading of a contract cannot hide on both sides of a test.

* `service`: settings, ids, and what one emulated API offers to the application
* `serve`, `front`: the application and how it is run, and its middleware
* `control`: the control API, and a client of it
* `faults`: the request log, and what goes wrong on demand
* `vertex`, `deepset`, `whylabs`, `eleanor`, `embedding_studio`: one emulated API each

Here are the options of `sessions-vtab emulator`, which can be asked for before its packages are
there.
"""

from __future__ import annotations

import argparse
from pathlib import Path

DEFAULT_PORT = 8787


def parser() -> argparse.ArgumentParser:
    """The parser of ``sessions-vtab emulator``."""
    made = argparse.ArgumentParser(
        prog="sessions-vtab emulator",
        description="Serve the session APIs on this machine, for tests, demos and offline work.",
    )
    add = made.add_argument
    add("--port", type=int, default=DEFAULT_PORT, help="port on 127.0.0.1 (default %(default)s)")
    add("--data", type=Path, metavar="FILE", help="keep the state in FILE between runs")
    add("--seed", type=int, metavar="N", help=("start with the deterministic data set of seed N"))
    add(
        "--strict-filters",
        action="store_true",
        help=("reject filters that Google does not document"),
    )
    add(
        "--delay",
        type=_seconds,
        default=0.0,
        metavar="SECONDS",
        help=("latency of each response, in seconds"),
    )
    return made


def _seconds(text: str) -> float:
    value = float(text)
    if not 0 <= value < 3600:  # noqa: PLR2004 (an hour)
        raise argparse.ArgumentTypeError("must be at least 0 and below 3600 seconds")
    return value
