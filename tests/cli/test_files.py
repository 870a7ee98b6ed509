from __future__ import annotations

import os
import sys

import pytest

from sessions_vtab.cli.files import output, read_sql


def test_without_a_file_output_is_standard_output():
    with output(None) as stream:
        assert stream is sys.stdout


def test_a_file_appears_when_all_is_written(tmp_path):
    path = tmp_path / "out.csv"

    with output(str(path)) as stream:
        stream.write("é\n")
        assert not path.exists()

    assert path.read_bytes() == "é\n".encode()
    assert {entry.name for entry in tmp_path.iterdir()} == {"out.csv", "work"}


@pytest.mark.parametrize("error", [ValueError, KeyboardInterrupt])
def test_after_an_error_what_was_there_stays(tmp_path, error):
    path = tmp_path / "out.csv"
    path.write_text("before")

    def fail() -> None:
        with output(str(path)) as stream:
            stream.write("half")
            raise error

    with pytest.raises(error):
        fail()

    assert path.read_text() == "before"
    assert {entry.name for entry in tmp_path.iterdir()} == {"out.csv", "work"}


@pytest.mark.skipif(sys.platform == "win32", reason="file modes are POSIX'")
def test_only_the_owner_can_read_it(tmp_path):
    path = tmp_path / "out.csv"

    with output(str(path)):
        pass

    assert path.stat().st_mode & 0o777 == 0o600


@pytest.mark.skipif(sys.platform == "win32", reason="links need rights there")
def test_a_link_keeps_leading_to_the_file(tmp_path):
    target, link = tmp_path / "target", tmp_path / "link"
    target.write_text("before")
    link.symlink_to(target)

    with output(str(link)) as stream:
        stream.write("after")

    assert link.is_symlink()
    assert target.read_text() == "after"


@pytest.mark.skipif(sys.platform == "win32", reason="there are no such devices")
def test_a_device_is_written_directly():
    with output(os.devnull) as stream:
        stream.write("x")

    assert not os.path.isfile(os.devnull)  # noqa: PTH113


def test_a_byte_order_mark_is_dropped(tmp_path):
    path = tmp_path / "a.sql"
    path.write_bytes(b"\xef\xbb\xbfSELECT 1")

    assert read_sql(str(path)) == "SELECT 1"
