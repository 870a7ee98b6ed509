from __future__ import annotations

from pathlib import Path

import pytest

from sessions_vtab import config


@pytest.fixture(autouse=True)
def home(tmp_path, monkeypatch):
    """A home without a configuration file; the test runs in another folder."""
    monkeypatch.delenv(config.VARIABLE, raising=False)
    for name in ("XDG_CONFIG_HOME", "APPDATA"):
        monkeypatch.setenv(name, str(tmp_path / "config"))
    for name in ("HOME", "USERPROFILE"):
        monkeypatch.setenv(name, str(tmp_path))
    work = tmp_path / "work"
    work.mkdir()
    monkeypatch.chdir(work)
    return tmp_path


def written(folder: Path, text: str, name: str = "config.toml") -> Path:
    path = folder / name
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text(text, "utf-8")
    path.chmod(0o600)
    return path
