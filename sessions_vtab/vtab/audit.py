"""The audit file: who wrote what, when, and what came of it. Off unless a path is given.

One JSON object a line, one line for each row written and each call of a function that acts, with no
values and no bodies: what was stored is the service's to say. Lines are appended whole and
unbuffered, each when its outcome is known, so that several processes may share a file.
"""

from __future__ import annotations

import errno
import getpass
import json
import os
import stat
import sys
import warnings
from collections.abc import Mapping
from itertools import count
from typing import Any, Final

from sessions_vtab.contract import times
from sessions_vtab.errors import (
    ConfigurationError,
    StoreError,
    UnsupportedError,
    inherited,
)

_connections = count(1)

_LINE: Final = 512
"""Bytes that a line takes at most, but for unusual names; for the look at what the disk has free.
"""
_LONGEST_KEY: Final = 1_000


class Audit:
    """Appends to one file; opened at once, so that a path that cannot be written is told first.

    Args:
        path: the file; made with mode 0600 if it is not there. Nothing but a regular file will do:
            a pipe would wait for a reader, and a device keeps no line.

    Raises:
        ConfigurationError: it cannot be written.
    """

    def __init__(self, path: str | os.PathLike[str]) -> None:
        self._file = -1
        self._path = os.path.expanduser(os.fspath(path))  # noqa: PTH111  # No error without home.
        try:
            self._file = _opened(self._path)
        except OSError as error:
            raise ConfigurationError(
                f"The audit file {self._path} cannot be written: {error.strerror}."
            ) from None
        if not stat.S_ISREG(os.fstat(self._file).st_mode):
            self.close()
            raise ConfigurationError(
                f"The audit file {self._path} must be a regular file, not a device or a pipe."
            )
        # SQL numbers statements by connection, of which a process may have several.
        self._process = os.getpid()
        about = {"process": self._process, "connection": next(_connections)}
        self._about = {"user": _user(), **about}
        self._broken: OSError | None = None
        self._measured = hasattr(os, "fstatvfs")

    def add(self, line: Mapping[str, Any]) -> None:
        """Appends a line about a write that has happened; a failure to do so only warns."""
        key = line.get("key")
        cut = {} if key is None else {"key": key[:_LONGEST_KEY]}
        whole = {"time": times.to_rfc3339(times.now()), **self._about, **line, **cut}
        data = json.dumps(whole, separators=(",", ":")).encode() + b"\n"
        try:
            self._append(data)
        except OSError as error:
            self._broken = error
            _tell(
                f"The audit file {self._path} could not be written: {error.strerror}. It"
                f" lacks this line: {data.decode().rstrip()}"
            )

    def require(self, lines: int = 1) -> None:
        """Before something is written.

        Raises:
            StoreError: an earlier line could not be appended, or the disk has no room for these.
            UnsupportedError: this process inherited the connection, whose lines name another.
        """
        if os.getpid() != self._process:
            raise UnsupportedError(inherited(f"The audit file {self._path}"))
        if self._broken is not None:
            raise StoreError(
                f"The audit file {self._path} cannot be written ({self._broken.strerror}), so"
                " this connection sends nothing more. Free some space and connect again."
            )
        if self._measured and _free(self._file) < lines * _LINE:
            raise StoreError(
                f"The disk of the audit file {self._path} has no room for {lines} more"
                f" {'line' if lines == 1 else 'lines'},"
                " so nothing was sent. Free some space first."
            )

    def close(self) -> None:
        """Closes the file. May be called twice."""
        if self._file >= 0:
            os.close(self._file)
            self._file = -1

    __del__ = close

    def _append(self, data: bytes) -> None:
        if os.write(self._file, data) < len(data):
            raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC))


def _opened(path: str) -> int:
    # Without O_NONBLOCK, opening a pipe would wait for a reader; for a file it changes nothing.
    flags = os.O_WRONLY | os.O_APPEND | os.O_CREAT
    for name in ("O_CLOEXEC", "O_NONBLOCK", "O_NOCTTY"):
        flags |= getattr(os, name, 0)
    return os.open(path, flags, 0o600)


def _tell(message: str) -> None:
    """Warns. Raised, it would end the sending and lose the outcomes of the rows that follow."""
    try:
        warnings.warn(message, RuntimeWarning, stacklevel=3)
    except RuntimeWarning:
        sys.stderr.write(f"{message}\n")


def _free(file: int) -> int:
    found = os.fstatvfs(file)
    return found.f_bavail * found.f_frsize


def _user() -> str | None:
    """The user as the system knows it: the environment, which ``getpass`` asks first, may lie."""
    if sys.platform == "win32":
        return getpass.getuser()
    import pwd  # noqa: PLC0415  # Not on every platform.

    try:
        return pwd.getpwuid(os.geteuid()).pw_name
    except KeyError:  # No name for this user id, as in some containers.
        return str(os.geteuid())
