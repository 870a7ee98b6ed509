"""The command of a hint works in the environment it is printed in."""

from __future__ import annotations

import importlib.util
import sys
from pathlib import Path

import pytest

import sessions_vtab
from sessions_vtab.errors import install_command, packages_of


def test_it_names_this_python_and_quotes_the_packages() -> None:
    assert install_command("a>=1", "b") == f"{sys.executable} -m pip install 'a>=1' b"


def test_an_environment_without_pip_is_served_by_uv(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(importlib.util, "find_spec", lambda _: None)

    assert install_command("b") == f"uv pip install --python {sys.executable} b"


@pytest.mark.parametrize(
    ("extra", "first"),
    [
        ("vertex", "google-auth"),
        ("emulator", "fastapi"),
        ("arrow", "pyarrow"),
        ("spark", "pyarrow"),  # By way of the extra arrow.
    ],
)
def test_an_extra_is_its_packages(extra: str, first: str) -> None:
    assert packages_of(extra)[0].startswith(f"{first}>=")


def test_an_unknown_extra_is_named() -> None:
    assert packages_of("nosuch") == ("sessions_vtab[nosuch]",)


def test_no_text_sends_a_user_to_an_index_that_need_not_have_the_project() -> None:
    package = Path(sessions_vtab.__file__).parent
    texts = {path: path.read_text("utf-8") for path in package.rglob("*.py")}

    assert len(texts) > 200
    assert [path for path, text in texts.items() if "pip install 'sessions_vtab" in text] == []
