from __future__ import annotations

import re
import subprocess
import sys
from pathlib import Path

import apsw
import pytest

import sessions_vtab

_ROOT = Path(__file__).parents[1]
_GOLDEN = Path(__file__).parent / "data" / "examples.out"


def _run(folder: Path) -> str:
    """The tour in a process of its own, with the user's data folder in ``folder``."""
    done = subprocess.run(
        [sys.executable, "-m", "sessions_vtab", "run", str(_ROOT / "examples.sql")],
        env={"XDG_DATA_HOME": str(folder), "XDG_CONFIG_HOME": str(folder), "HOME": str(folder)},
        cwd=folder,
        capture_output=True,
        encoding="utf-8",
        check=False,
    )
    assert done.returncode == 0, done.stderr
    *lines, footer = done.stdout.splitlines(keepends=True)
    assert re.fullmatch(r".*examples.sql: \d+ statements, no errors, \d+\.\d s\n", footer)
    return "".join(lines)


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return tmp_path_factory.mktemp("home")


def test_the_tour_prints_what_the_golden_file_says(folder: Path) -> None:
    assert _run(folder) == _GOLDEN.read_text("utf-8")


def test_the_tour_can_be_run_again(folder: Path) -> None:
    assert _run(folder) == _run(folder)


def test_the_tour_leaves_the_store_as_it_was(folder: Path) -> None:
    _run(folder)

    (file,) = folder.rglob("*.db")
    store = apsw.Connection(str(file))
    tables = store.execute(
        "SELECT name FROM sqlite_schema WHERE type = 'table' AND name NOT LIKE 'sqlite_%'"
    ).fetchall()
    counts = {name: store.execute(f'SELECT count(*) FROM "{name}"').get for (name,) in tables}
    store.close()

    assert set(counts.values()) <= {0, 1}
    assert counts["sessions"] == counts["events"] == counts["upload_sessions"] == 0


def test_the_tour_meets_every_function_of_the_store() -> None:
    text = (_ROOT / "examples.sql").read_text("utf-8")
    with sessions_vtab.connect("local://:memory:") as db:
        backend = db.sources["local"].backend
        names = [*backend.resources, *backend.routines]
    db.close()

    assert [name for name in names if name not in text] == []
