"""SQLAlchemy's own dialect compliance suite, in a process of its own: its plugin takes over pytest.

cd tests/sqlalchemy_dialect/compliance && PYTHONPATH=. python -m pytest -p no:xdist -c suite.ini .
"""

from __future__ import annotations

import os
import re
import subprocess
import sys
from pathlib import Path

import pytest

pytest.importorskip("sqlalchemy", minversion="2.0")

FOLDER = Path(__file__).parent / "compliance"


def test_the_suite_passes() -> None:
    command = [sys.executable, "-m", "pytest", "-q", "-p", "no:xdist", "-c", "suite.ini", "."]
    run = subprocess.run(
        command,
        cwd=FOLDER,
        env={**os.environ, "PYTHONPATH": os.pathsep.join((".", *sys.path)), "PYTEST_ADDOPTS": ""},
        capture_output=True,
        text=True,
        timeout=280,
        check=False,
    )

    assert run.returncode == 0, run.stdout[-3_000:]
    passed = re.search(r"(\d+) passed", run.stdout)
    assert passed
    assert int(passed[1]) > 400
