"""The path of the store's file, and whether processes can share the file there."""

from __future__ import annotations

import errno
import os
import re
import sys
from pathlib import Path
from typing import Final

from sessions_vtab.contract.folders import make_private
from sessions_vtab.errors import StoreError

__all__ = [
    "MEMORY",
    "create_file",
    "default_path",
    "identity",
    "located",
    "network_file_system",
    "require_database",
    "tilde",
]

MEMORY: Final = ":memory:"
"""The location of a store in memory, which exists as long as its connection."""

# WAL requires memory shared by all processes that use the file (https://sqlite.org/wal.html).
_NETWORK: Final = frozenset(
    [
        "afs",
        "afpfs",
        "ceph",
        "cifs",
        "coda",
        "davfs",
        "fuse.davfs2",
        "fuse.glusterfs",
        "fuse.rclone",
        "fuse.s3fs",
        "fuse.sshfs",
        "glusterfs",
        "lustre",
        "ncpfs",
        "nfs",
        "nfs4",
        "smb2",
        "smb3",
        "smbfs",
        "webdav",
    ]
)


def default_path() -> Path:
    """Returns the default file of the store, in the user's data folder."""
    if sys.platform == "win32":
        base = os.environ.get("LOCALAPPDATA") or Path.home() / "AppData" / "Local"
    elif sys.platform == "darwin":
        base = Path.home() / "Library" / "Application Support"
    else:
        base = os.environ.get("XDG_DATA_HOME") or Path.home() / ".local" / "share"
    return Path(base) / "sessions-vtab" / "sessions.db"


def located(location: str) -> str:
    """Returns the path of a location; ``local:///C:/x.db`` has a slash before the drive."""
    if sys.platform == "win32" and re.match(r"/[A-Za-z]:", location):
        location = location[1:]
    return str(Path(location).expanduser()) if location else str(default_path())


def tilde(path: str) -> str:
    """Returns the path as it is usually written, with ``~`` for the home folder."""
    home = str(Path.home())
    return "~" + path[len(home) :] if path.startswith(home + os.sep) else path


def create_file(path: Path) -> None:
    """Creates an empty file that only its owner can read, and its folder; keeps an existing file.

    An existing file is not even opened: closing it would give up the locks that SQLite has on it
    in this process (https://sqlite.org/howtocorrupt.html, section 2.2).

    Raises:
        StoreError: the operating system does not allow it.
    """
    try:
        make_private(path.parent)
        os.close(os.open(path, os.O_CREAT | os.O_EXCL | os.O_RDWR, 0o600))
    except FileExistsError:
        if not os.access(path, os.R_OK | os.W_OK):
            raise _not_writable(path, os.strerror(errno.EACCES)) from None
    except OSError as error:
        raise _not_writable(path, str(error.strerror)) from error


def _not_writable(path: Path, reason: str) -> StoreError:
    return StoreError(
        f"The store {path} cannot be created or written ({reason}). Use another file"
        " (local:///path/to/sessions.db), or open it with read_only=1."
    )


def require_database(path: Path, place: str) -> None:
    """Raises StoreError for a file of one byte, which SQLite treats as empty.

    See ``unixFileSize`` in https://sqlite.org/src/file/src/os_unix.c. Other files that are
    not databases are refused by SQLite itself.
    """
    if path.exists() and path.stat().st_size == 1:
        raise StoreError(
            f"{place}: it is not an SQLite database and was left unchanged. Use another file:"
            " local:///path/to/sessions.db"
        )


def identity(path: str) -> tuple[int, int] | None:
    """Returns what identifies a file whatever its path; None if it does not exist."""
    try:
        found = os.stat(path)  # noqa: PTH116  # Six times as fast, and once a statement.
    except OSError:
        return None
    return found.st_dev, found.st_ino


def network_file_system(path: Path, mounts: str | None = None) -> str | None:
    """Returns the type of the network file system of a path; None if it is local or unknown.

    Args:
        path: an absolute path.
        mounts: text in the format of ``/proc/self/mounts``; read from there by default.
    """
    if str(path).startswith("\\\\"):
        return "a Windows share"
    if mounts is None:
        try:
            mounts = Path("/proc/self/mounts").read_text(encoding="utf-8", errors="replace")
        except OSError:
            return None
    above = {str(path), *map(str, path.parents)}
    best = ("", "")
    for line in mounts.splitlines():
        _, point, kind, *_ = [*line.split(" "), "", "", ""]
        point = point.replace("\\040", " ")
        if point in above and len(point) >= len(best[0]):
            best = (point, kind)
    return best[1] if best[1] in _NETWORK else None
