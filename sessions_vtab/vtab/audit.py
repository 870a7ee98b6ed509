"""The audit file: who wrote what, when, and what came of it. Off unless a path is given.

One JSON object a line, one line for each row written and each call of a function that acts, with no
values and no bodies: what was stored is the service's to say. Lines are appended whole, so that
several processes may share a file.
"""

from __future__ import annotations

import getpass
import json
import os
import warnings
from collections.abc import Mapping
from typing import Any

from sessions_vtab.errors import ConfigurationError, StoreError
from sessions_vtab.spec import times

__all__ = ["Audit"]


class Audit:
    """Appends to one file; opened at once, so that a path that cannot be written is told first.

    Args:
        path: the file; made with mode 0600 if it is not there.

    Raises:
        ConfigurationError: it cannot be written.
    """

    def __init__(self, path: str | os.PathLike[str]) -> None:
        self._path = os.path.expanduser(os.fspath(path))  # noqa: PTH111  # May be bytes to come.
        flags = os.O_WRONLY | os.O_APPEND | os.O_CREAT | getattr(os, "O_CLOEXEC", 0)
        try:
            self._file = os.open(self._path, flags, 0o600)
        except OSError as error:
            raise ConfigurationError(
                f"The audit file {self._path} cannot be written: {error.strerror}."
            ) from None
        self._about = {"user": _user(), "process": os.getpid()}
        self._broken: OSError | None = None

    def add(self, line: Mapping[str, Any]) -> None:
        """Appends a line. What it tells of has happened: if it fails, a warning says so."""
        whole = {"time": times.to_rfc3339(times.now()), **self._about, **line}
        data = json.dumps(whole, separators=(",", ":")).encode() + b"\n"
        try:
            if os.write(self._file, data) < len(data):
                raise OSError(28, "No space left on device")  # noqa: TRY301
        except OSError as error:
            self._broken = error
            warnings.warn(
                f"The audit file {self._path} could not be written: {error.strerror}. This line is"
                f" missing there: {data.decode().rstrip()}",
                RuntimeWarning,
                stacklevel=2,
            )

    def require(self) -> None:
        """Before something is written.

        Raises:
            StoreError: an earlier line could not be appended.
        """
        if self._broken is not None:
            raise StoreError(
                f"The audit file {self._path} cannot be written ({self._broken.strerror}): nothing"
                " more is sent on this connection. Make room and connect again."
            )

    def close(self) -> None:
        """Closes the file. May be called twice."""
        if self._file >= 0:
            os.close(self._file)
            self._file = -1


def _user() -> str | None:
    try:
        return getpass.getuser()
    except (OSError, KeyError):  # No name for this user id, as in some containers.
        return None
