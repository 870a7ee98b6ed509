from __future__ import annotations

import sys
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest

from sessions_vtab.cli.streams import help_command, program


@pytest.fixture
def script(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Any:
    """A script in a folder that is not on the path, and a way to run it under a name."""
    made = tmp_path / "bin" / "sessions-vtab"
    made.parent.mkdir()
    made.write_text("#!/bin/sh\n")
    made.chmod(0o755)
    monkeypatch.setenv("PATH", "/nowhere")
    return SimpleNamespace(
        path=made, run_as=lambda typed: monkeypatch.setattr(sys, "argv", [str(typed)])
    )


def test_on_the_path_it_is_the_name(script: Any, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("PATH", str(script.path.parent))
    script.run_as(script.path)

    assert (program(), help_command()) == ("sessions-vtab", "sessions-vtab help")


def test_elsewhere_it_is_the_path_that_was_typed(script: Any) -> None:
    script.run_as(script.path)

    assert program() == str(script.path)


def test_another_installation_on_the_path_is_not_meant(
    script: Any, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    other = tmp_path / "other"
    other.mkdir()
    (other / "sessions-vtab").write_text("#!/bin/sh\n")
    (other / "sessions-vtab").chmod(0o755)
    monkeypatch.setenv("PATH", str(other))
    script.run_as(script.path)

    assert program() == str(script.path)


@pytest.mark.parametrize("typed", ["", "-c", "/x/pytest/__main__.py", "/x/bin/jupyter"])
def test_called_from_other_code_it_is_the_name(script: Any, typed: str) -> None:
    script.run_as(typed)

    assert program() == "sessions-vtab"


def test_as_a_module_it_is_this_python(script: Any) -> None:
    script.run_as("/x/sessions_vtab/__main__.py")

    assert program() == f"{sys.executable} -m sessions_vtab"
