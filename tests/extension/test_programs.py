"""Random transactions in a host leave the rows that the same text leaves in native tables.

The programs are those of ``tests/vtab/test_transactions.py``; EXTENSION_PROGRAMS=20 runs that many.
"""

from __future__ import annotations

import os
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import apsw
import pytest

from sessions_vtab.errors import QueuedWritesError
from tests.extension.conftest import Setting
from tests.vtab.test_transactions import _duel, _fight

_PROGRAMS = int(os.environ.get("EXTENSION_PROGRAMS", "1"))
_TRANSACTIONS = 25
_ROOT = Path(__file__).parents[2]
_SOURCES = {"local": 'url = "local://{store}"', "memory": 'backend = "memory"'}

# As the extension starts it, with the backend that is for tests only.
_SERVE = """#!/bin/sh
exec {python} -I -c "
import sys; sys.path.append('{root}')
from sessions_vtab import registry
registry.BUILT_IN = {{**registry.BUILT_IN, 'memory': 'tests.memory:MemoryBackend'}}
from sessions_vtab.extension.child import main
main(3)"
"""


class Hosted(apsw.Connection):
    """Tells by its class the one error that native tables do not have."""

    def execute(self, *arguments: Any, **options: Any) -> Any:
        try:
            return super().execute(*arguments, **options)
        except apsw.SQLError as error:
            if "not been sent" in str(error) or "has not sent" in str(error):
                raise QueuedWritesError(str(error)) from error
            raise


@pytest.fixture(scope="module")
def module_setting(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Setting]:
    folder = tmp_path_factory.mktemp("programs")
    python = folder / "python"
    python.write_text(_SERVE.format(python=sys.executable, root=_ROOT))
    python.chmod(0o755)
    with pytest.MonkeyPatch.context() as patch:
        one = Setting(folder, patch)
        one.configure("", SESSIONS_VTAB_WRITABLE="1", SESSIONS_VTAB_PYTHON=str(python))
        yield one
        one.end()


@pytest.fixture
def hosted(
    request: pytest.FixtureRequest, module_setting: Setting, library: Path, tmp_path: Path
) -> Iterator[Hosted]:
    """A connection whose only source is of this backend, empty."""
    text = _SOURCES[request.param].format(store=tmp_path / "store.db")
    module_setting.file.write_text(f"[sources.src]\n{text}\n")
    connection = Hosted(":memory:")
    connection.enable_load_extension(True)
    connection.load_extension(str(library))
    yield connection
    connection.close()


@pytest.mark.parametrize("seed", range(2_000, 2_000 + _PROGRAMS))
@pytest.mark.parametrize("hosted", ["local"], indirect=True)
def test_a_transactional_source(hosted: Hosted, seed: int) -> None:
    _fight(_duel(hosted, like_local=True), seed, like_local=True, transactions=_TRANSACTIONS)


@pytest.mark.parametrize("seed", range(3_000, 3_000 + _PROGRAMS))
@pytest.mark.parametrize("hosted", ["memory"], indirect=True)
def test_a_queued_source_which_is_sent_nothing_else(hosted: Hosted, seed: int) -> None:
    duel = _duel(hosted, like_local=False)

    _fight(duel, seed, like_local=False, transactions=_TRANSACTIONS)

    sent = hosted.execute(
        "SELECT action, coalesce(key, answer_key) FROM writes WHERE outcome = 'sent'"
    ).fetchall()
    assert sorted(sent) == sorted(duel.native.execute("SELECT change, key FROM log"))
    assert hosted.execute("SELECT DISTINCT outcome FROM writes").get == "sent"
