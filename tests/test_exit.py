"""Programs that end without closing their connections."""

from __future__ import annotations

import subprocess
import sys

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


@pytest.mark.parametrize("opened", _OPENED.values(), ids=list(_OPENED))
def test_the_process_ends_without_a_word(opened: str) -> None:
    with running(EmulatorSettings(seed=7)) as served:
        program = opened.format(url=f"vertex://demo/us-central1/42?base_url={served.url}") + _KEPT
        done = subprocess.run(
            [sys.executable, "-c", program], capture_output=True, encoding="utf-8", check=False
        )
    assert (done.returncode, done.stderr, done.stdout) == (0, "", "")
