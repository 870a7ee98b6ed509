"""Folders that are made for a store, a snapshot or the history are their owner's only."""

from __future__ import annotations

import os
import stat
from pathlib import Path

import pytest

from sessions_vtab import connect
from sessions_vtab.backends.local.file import make_private

pytestmark = pytest.mark.skipif(os.name != "posix", reason="modes are POSIX's")


@pytest.fixture(autouse=True)
def generous():
    """A umask that leaves everything to others."""
    before = os.umask(0)
    yield
    os.umask(before)


def mode(path: Path) -> int:
    return stat.S_IMODE(path.stat().st_mode)


def test_every_folder_that_was_missing_is_private(tmp_path: Path) -> None:
    tmp_path.chmod(0o755)
    (tmp_path / "there").mkdir(mode=0o755)
    make_private(tmp_path / "there" / "a" / "b" / "c")
    made = ["there/a", "there/a/b", "there/a/b/c"]
    assert [mode(tmp_path / one) for one in made] == [0o700] * 3
    assert [mode(tmp_path), mode(tmp_path / "there")] == [0o755] * 2
    make_private(tmp_path / "there" / "a" / "b")


def test_a_file_in_the_way_is_an_error(tmp_path: Path) -> None:
    (tmp_path / "file").touch()
    with pytest.raises(FileExistsError):
        make_private(tmp_path / "file")
    with pytest.raises(NotADirectoryError):
        make_private(tmp_path / "file" / "a")


def test_a_new_store_is_in_private_folders(tmp_path: Path) -> None:
    with connect(f"local://{tmp_path}/a/b/s.db") as connection:
        connection.execute("INSERT INTO sessions(user_id) VALUES ('ann')")
    connection.close()
    assert [mode(tmp_path / "a"), mode(tmp_path / "a/b"), mode(tmp_path / "a/b/s.db")] == [
        0o700,
        0o700,
        0o600,
    ]
