"""Programs that end without closing their connections."""

from __future__ import annotations

import subprocess
import sys
from collections.abc import Iterator

import pytest

from sessions_vtab.emulator.serve import running
from sessions_vtab.emulator.service import EmulatorSettings

# What a class of the standard library refers to lives until the interpreter's last collection.
_KEPT = """
import json
json.JSONEncoder.kept = lambda: db
rows = db.execute("SELECT session_id FROM sessions")
assert next(iter(rows))
"""

_OPENED = {
    "connect": "from sessions_vtab import connect; db = connect({url!r})",
    "register": (
        "import apsw; from sessions_vtab import register;"
        " db = apsw.Connection(''); register(db, {url!r})"
    ),
    "dbapi": "from sessions_vtab import dbapi; db = dbapi.connect({url!r}).cursor()",
}


@pytest.fixture(scope="module")
def url() -> Iterator[str]:
    """With more sessions than are read."""
    with running(EmulatorSettings(seed=7, sessions=400, events=400)) as served:
        yield f"vertex://demo/us-central1/42?base_url={served.url}"


@pytest.mark.parametrize("opened", _OPENED.values(), ids=list(_OPENED))
def test_the_process_ends_without_a_word(url: str, opened: str) -> None:
    done = subprocess.run(
        [sys.executable, "-c", opened.format(url=url) + _KEPT],
        capture_output=True,
        encoding="utf-8",
        check=False,
    )
    assert (done.returncode, done.stderr, done.stdout) == (0, "", "")
