"""URLs of engines over backends that other packages add, or that the process registered."""

from __future__ import annotations

import os
import subprocess
import sys
from importlib.metadata import entry_points
from pathlib import Path

import pytest
from sqlalchemy import create_engine, inspect, text

from sessions_vtab import registry
from sessions_vtab.sqlalchemy import engine_url
from tests.memory import MemoryBackend

_ROOT = Path(__file__).parents[2]
_OURS = "[sessions_vtab.backends]\ndesk = desk_backend:Desk\n"
_DIALECT = "[sqlalchemy.dialects]\nsessions.desk = sessions_vtab.sqlalchemy:SessionsDialect\n"
_MODULE = "from tests.memory import MemoryBackend\nclass Desk(MemoryBackend):\n    name = 'desk'\n"
_PROGRAM = (
    "from sqlalchemy import create_engine, text\n"
    "engine = create_engine('sessions+desk://')\n"
    "with engine.connect() as db:\n"
    "    print(db.execute(text('SELECT count(*) FROM desk.sessions')).scalar())\n"
)


@pytest.mark.parametrize(
    "url", ["sessions+desk://", engine_url("desk=local://:memory:"), "sessions://?source=d=desk://"]
)
def test_a_registered_backend_has_engines(monkeypatch: pytest.MonkeyPatch, url) -> None:
    monkeypatch.setattr(registry, "_registered", {})
    registry.register("desk", type("Desk", (MemoryBackend,), {"name": "desk"}))
    engine = create_engine(url)

    with engine.connect() as db:
        assert db.execute(text("SELECT count(*) FROM sessions")).scalar() == 0
        assert "sessions" in inspect(db).get_table_names()
    engine.dispose()


@pytest.mark.parametrize(
    ("points", "first"),
    [
        (_OURS + _DIALECT, ""),
        (_OURS, "import sessions_vtab.sqlalchemy\n"),
        (
            "",
            "import desk_backend, sessions_vtab.registry as r; r.register('desk', desk_backend.Desk)\n",
        ),
    ],
    ids=["by two entry points", "by one", "in the process"],
)
def test_a_package_s_backend_has_engines(tmp_path: Path, points: str, first: str) -> None:
    (tmp_path / "desk_backend.py").write_text(_MODULE)
    info = tmp_path / "desk-1.dist-info"
    info.mkdir()
    (info / "METADATA").write_text("Metadata-Version: 2.1\nName: desk\nVersion: 1\n")
    (info / "entry_points.txt").write_text(points)

    run = subprocess.run(
        [sys.executable, "-W", "ignore", "-c", first + _PROGRAM],
        env={**os.environ, "PYTHONPATH": f"{tmp_path}{os.pathsep}{_ROOT}"},
        capture_output=True,
        text=True,
        check=False,
    )

    assert run.stdout == "0\n", run.stderr


@pytest.mark.parametrize("name", registry.BUILT_IN)
def test_every_built_in_backend_has_a_dialect(name: str) -> None:
    """By its entry point, without importing our dialect first."""
    assert f"sessions.{name}" in entry_points(group="sqlalchemy.dialects").names
