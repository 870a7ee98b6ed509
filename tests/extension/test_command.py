"""``sessions-vtab extension``, and how the extension is built."""

from __future__ import annotations

import importlib
import os
from importlib.util import find_spec
from pathlib import Path
from types import SimpleNamespace

import apsw
import pytest

from sessions_vtab import extension
from sessions_vtab.cli import main
from sessions_vtab.cli.pages import TOPICS, Grid


@pytest.fixture
def installed(library: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.setattr(extension, "_FOLDER", library.parent)
    return library


def test_it_prints_the_path_alone_for_a_command_line(
    installed: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    assert main(["extension"]) == 0

    assert capsys.readouterr().out == f"{installed.with_suffix('')}\n"


def test_on_a_terminal_it_says_what_to_type_for_each_program(
    installed: Path, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("sessions_vtab.cli.copies.is_terminal", lambda _: True)

    assert main(["extension"]) == 0

    lines = capsys.readouterr().out.splitlines()
    (programs,) = (one for one in TOPICS["extension"].blocks if isinstance(one, Grid))
    assert [line.split("  ")[1] for line in lines[1:]] == [name for name, _ in programs.rows]
    assert "PATH" not in "".join(lines)


def test_without_the_extension_it_says_why_and_what_to_do(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setattr(extension, "_FOLDER", tmp_path)
    (tmp_path / "not_built.txt").write_text("there was no C compiler (cc, gcc, clang)\n")

    assert main(["extension"]) == 2

    said = capsys.readouterr().err
    assert "there was no C compiler (cc, gcc, clang). Install a C compiler" in said
    assert "pip install --force-reinstall --no-deps sessions_vtab" in said


def test_the_catalog_is_written_once(
    both: SimpleNamespace, installed: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    file = tmp_path / "catalog.db"

    assert main(["extension", "--catalog", str(file)]) == 0
    assert main(["extension", "--catalog", str(file)]) == 2

    told = capsys.readouterr()
    assert "prod_sessions" in told.out
    assert "exists already. It was left unchanged." in told.err
    connection = apsw.Connection(str(file))
    assert connection.execute("SELECT count(*) FROM sqlite_schema").get > 5
    connection.close()


@pytest.mark.parametrize("place", ["nosuch/catalog.db", "."])
def test_a_catalog_that_cannot_be_written_says_so(
    both: SimpleNamespace,
    installed: Path,
    tmp_path: Path,
    capsys: pytest.CaptureFixture[str],
    place: str,
) -> None:
    assert main(["extension", "--catalog", str(tmp_path / place)]) == 2

    assert str(tmp_path) in capsys.readouterr().err


@pytest.mark.skipif(
    find_spec("sessions_vtab.extension.compiling") is None,
    reason="the sources are not in an installed package",
)
@pytest.mark.parametrize(
    ("environment", "problem"),
    [
        ({"CC": "/bin/false"}, "/bin/false failed"),
        ({"CC": "/nonexistent/cc -m64"}, "/nonexistent/cc cannot be run: No such file"),
        ({"CC": "", "PATH": "/nonexistent"}, "there was no C compiler (cc, gcc, clang"),
        ({"CFLAGS": "-DMSG_NOSIGNAL=("}, "failed: "),
    ],
)
def test_what_stands_in_the_way_of_a_build_is_told(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, environment: dict[str, str], problem: str
) -> None:
    compiling = importlib.import_module("sessions_vtab.extension.compiling")
    for name, value in environment.items():
        monkeypatch.setenv(name, value)
    library = tmp_path / compiling.FILE_NAME
    library.write_text("of before")

    assert problem in compiling.compile_library(library)

    # Neither half a library nor a draft is left.
    assert library.read_text() == "of before"
    assert os.listdir(tmp_path) == [library.name]  # noqa: PTH208


def test_the_programs_that_are_run_by_hand_find_what_they_import() -> None:
    assert importlib.import_module("tests.extension.programs").main
    if find_spec("sessions_vtab.extension.compiling") is not None:
        assert importlib.import_module("tests.extension.fuzz").main
