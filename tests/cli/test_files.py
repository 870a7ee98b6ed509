from __future__ import annotations

import errno
import os
import re
import sys

import pytest

from sessions_vtab.cli.streams import output, read_sql


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
@pytest.mark.parametrize("number", [errno.ENOSPC, errno.EFBIG, errno.EIO])
def test_an_error_of_writing_names_the_file(tmp_path, number):
    """The system's error does not: only opening one does."""
    target = tmp_path / "out.csv"

    with pytest.raises(OSError, match=re.escape(str(target))), output(str(target)):
        raise OSError(number, os.strerror(number))


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


@pytest.mark.skipif(sys.platform == "win32", reason="there are no such devices")
@pytest.mark.parametrize("through_a_link", [False, True])
def test_a_pipe_is_written_to_and_stays_one(tmp_path, through_a_link):
    pipe, link = tmp_path / "pipe", tmp_path / "link"
    os.mkfifo(pipe)
    link.symlink_to(pipe)
    reader = os.open(pipe, os.O_RDONLY | os.O_NONBLOCK)

    with output(str(link if through_a_link else pipe)) as stream:
        stream.write("x")

    assert os.read(reader, 10) == b"x"
    os.close(reader)
    assert pipe.is_fifo()


@pytest.mark.skipif(not os.path.exists("/dev/fd"), reason="there is no /dev/fd")  # noqa: PTH110
def test_an_open_pipe_is_written_to_by_its_number():
    reader, writer = os.pipe()

    with output(f"/dev/fd/{writer}") as stream:
        stream.write("x")

    os.close(writer)
    assert os.read(reader, 10) == b"x"
    os.close(reader)


def test_a_folder_is_no_place_for_output(tmp_path):
    with pytest.raises(OSError, match="directory"), output(str(tmp_path)):
        pass
    assert tmp_path.is_dir()


def test_a_byte_order_mark_is_dropped(tmp_path):
    path = tmp_path / "a.sql"
    path.write_bytes(b"\xef\xbb\xbfSELECT 1")

    assert read_sql(str(path)) == "SELECT 1"
