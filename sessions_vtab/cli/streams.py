"""Text that comes in and goes out: UTF-8 wherever no terminal says otherwise.

Output goes to a stream, or to a file that appears complete or not at all.
"""

from __future__ import annotations

import errno
import io
import os
import shlex
import stat
import sys
from collections.abc import Iterator, Sequence
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import IO, Final

from sessions_vtab.errors import ConfigurationError


def write_whole() -> None:
    """Makes standard output keep what a signal cuts off a write.

    With PYTHONUNBUFFERED, Python's text layer stands on the bare file, whose ``write`` may take
    less than it is given; a window that is resized while a slow terminal is full is enough
    (https://docs.python.org/3/library/io.html#io.RawIOBase.write).
    """
    stream = _own("stdout")
    if stream is not None and isinstance(stream.buffer, io.RawIOBase):
        sys.stdout = open(  # noqa: SIM115  # The descriptor stays open, as the old one does.
            stream.fileno(), "w", 1, encoding=stream.encoding, errors=stream.errors, closefd=False
        )


def use_utf8() -> None:
    """Makes the standard streams able to carry any text.

    A terminal keeps its encoding, and characters it does not have are written as escapes.
    Everything else is UTF-8 whatever the locale says (on Windows a redirected stream would be in
    the code page of the computer), unless PYTHONIOENCODING asks for something else.
    """
    asked = bool(os.environ.get("PYTHONIOENCODING"))
    for name, errors in (
        ("stdin", "strict"),  # In a C locale Python lets every byte pass.
        ("stdout", "strict"),
        ("stderr", "backslashreplace"),
    ):
        stream = _own(name)
        if stream is None:
            continue
        if stream.isatty():
            if name != "stdin":
                stream.reconfigure(errors="backslashreplace")
        elif not asked:
            stream.reconfigure(encoding="utf-8", errors=errors)


def _own(name: str) -> io.TextIOWrapper | None:
    """A standard stream of the process; None for one that another program has put there."""
    stream = getattr(sys, name)
    own = stream is getattr(sys, f"__{name}__")
    return stream if own and isinstance(stream, io.TextIOWrapper) else None


def unwritable(error: UnicodeEncodeError) -> str:
    """Why output could not be written, and what to do."""
    return (
        f"The output contains characters that {error.encoding} does not have. Unset"
        " PYTHONIOENCODING, or set it to utf-8."
    )


def unusable(error: OSError) -> str:
    """Which file could not be used, and why: without a number of the system's."""
    if error.strerror is None or error.filename is None:
        return str(error)
    return f"{error.filename}: {error.strerror}."


def require_text(argv: Sequence[str]) -> None:
    """Checks that arguments are text.

    Raises:
        ConfigurationError: the bytes of one are not valid in the encoding of the system.
    """
    for number, argument in enumerate(argv, 1):
        try:
            argument.encode()
        except UnicodeEncodeError:  # Such bytes arrive as lone surrogates (PEP 383).
            shown = os.fsencode(argument).decode("utf-8", "backslashreplace")
            raise ConfigurationError(
                f"Argument {number} ({shown[:80]}) is not valid {sys.getfilesystemencoding()} text."
            ) from None


@contextmanager
def output(path: str | None) -> Iterator[IO[str]]:
    """The stream to write to.

    A file is written beside its place, readable by its owner only, and takes its place when the
    block ends without an exception; otherwise what was there before stays. A pipe or a device, such
    as /dev/stdout, is written to and never replaced.

    Args:
        path: the file; None for standard output.

    Raises:
        OSError: the file cannot be written.
    """
    if path is None:
        yield sys.stdout
    elif _is_regular(path):
        target = Path(path).resolve()
        with _naming(str(target)), _replacing(target) as file:
            yield file
    else:
        # Not by its resolved name: /dev/stdout is a link to "pipe:[4711]", which is no path.
        with _naming(path), Path(path).open("w", encoding="utf-8", newline="") as device:
            yield device


def _is_regular(path: str) -> bool:
    """Whether a path leads to a regular file or to nothing."""
    try:
        return stat.S_ISREG(Path(path).stat().st_mode)
    except FileNotFoundError:
        return True


_NO_ROOM: Final = frozenset((errno.ENOSPC, errno.EFBIG, errno.EIO))
"""What writing to a disk fails with; another system's error in the block is its own."""


@contextmanager
def _naming(path: str) -> Iterator[None]:
    """Adds the file to an error of writing, which names none."""
    try:
        yield
    except OSError as error:
        if error.filename is None and error.errno in _NO_ROOM:
            raise OSError(error.errno, error.strerror, path) from None
        raise


@contextmanager
def _replacing(target: Path) -> Iterator[IO[str]]:
    import tempfile  # noqa: PLC0415  # Slow to import, and only files need it.

    try:
        handle, temporary = tempfile.mkstemp(prefix=f".{target.name}.", dir=target.parent)
    except OSError as error:  # It names a file that nobody has asked for.
        raise OSError(error.errno, error.strerror, str(target)) from None
    try:
        with os.fdopen(handle, "w", encoding="utf-8", newline="") as file:
            yield file
            file.flush()
            os.fsync(file.fileno())
        Path(temporary).replace(target)
    except BaseException:
        with suppress(OSError):
            Path(temporary).unlink()
        raise


def read_sql(path: str) -> str:
    """The text of a file, or of standard input for ``-``; a byte order mark is dropped.

    Raises:
        ConfigurationError: it cannot be read, or is not UTF-8.
    """
    name = "Standard input" if path == "-" else path
    try:
        if path == "-":
            return sys.stdin.read().removeprefix("\ufeff")
        return Path(path).read_text("utf-8-sig")
    except OSError as error:
        raise ConfigurationError(f"{name} cannot be read: {error.strerror}.") from None
    except UnicodeDecodeError:
        raise ConfigurationError(f"{name} is not UTF-8 text.") from None


_NAME: Final = "sessions-vtab"


def program() -> str:
    """The name if it is on the path, else what was typed: a script's path, or ``python -m``."""
    from shutil import which  # noqa: PLC0415  # Only hints need it.

    typed = Path(sys.argv[0])
    if typed.parts[-2:] == ("sessions_vtab", "__main__.py"):
        return f"{shlex.quote(sys.executable)} -m sessions_vtab"
    if typed.stem != _NAME:
        return _NAME  # Called from other code.
    found = which(_NAME)
    same = found is not None and typed.exists() and Path(found).samefile(typed)
    return _NAME if same else shlex.quote(str(typed))


def help_command() -> str:
    """How help is asked for outside the shell."""
    return f"{program()} help"
