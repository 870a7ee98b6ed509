"""The command of a hint works in the environment it is printed in."""

from __future__ import annotations

import importlib.util
import sys

import pytest

from sessions_vtab.contract.install import install_command, packages_of


def test_it_names_this_python_and_quotes_the_packages() -> None:
    assert install_command("a>=1", "b") == f"{sys.executable} -m pip install 'a>=1' b"


def test_an_environment_without_pip_is_served_by_uv(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(importlib.util, "find_spec", lambda _: None)

    assert install_command("b") == f"uv pip install --python {sys.executable} b"


@pytest.mark.parametrize(
    ("extra", "first"), [("vertex", "google-auth"), ("emulator", "fastapi"), ("arrow", "pyarrow")]
)
def test_an_extra_is_its_packages(extra: str, first: str) -> None:
    assert packages_of(extra)[0].startswith(f"{first}>=")


def test_an_unknown_extra_is_named() -> None:
    assert packages_of("nosuch") == ("sessions_vtab[nosuch]",)
