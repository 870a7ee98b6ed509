"""An emulator in a process of its own, so that its work does not count as ours.

    python -m tests.benchmarks.served '{"seed": 7, "delay": 0.05}'

serves until a line comes in; benchmarks use ``emulator``.
"""

from __future__ import annotations

import json
import subprocess
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

from sessions_vtab.emulator.control import Control
from sessions_vtab.emulator.serve import running
from sessions_vtab.emulator.service import EmulatorSettings

_ROOT = Path(__file__).parents[2]


@contextmanager
def emulator(**settings: Any) -> Iterator[tuple[str, Control]]:
    """URL and control of an emulator with these settings."""
    with subprocess.Popen(
        [sys.executable, "-m", "tests.benchmarks.served", json.dumps(settings)],
        cwd=_ROOT,
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        encoding="utf-8",
    ) as process:
        assert process.stdout is not None
        url, token = process.stdout.readline().split()
        try:
            yield url, Control(url, token)
        finally:
            process.communicate("\n")


if __name__ == "__main__":
    with running(EmulatorSettings(**json.loads(sys.argv[1]))) as served:
        print(served.url, served.token, flush=True)
        input()
