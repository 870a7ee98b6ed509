"""The store's file: its path, what it may be, how it is configured and migrated, what fails.

Files and folders are made so that only their owner can read them, whatever the umask.
"""

from __future__ import annotations

import errno
import os
import re
import sys
from collections.abc import Sequence
from pathlib import Path
from typing import Final, NamedTuple, TypeAlias

import apsw

from sessions_vtab.backends.local.ddl import APPLICATION_ID, MIGRATIONS, add_function
from sessions_vtab.errors import (
    BusyError,
    ConflictError,
    InvalidValueError,
    SessionsError,
    StoreError,
)
from sessions_vtab.settings import user_folder

MEMORY: Final = ":memory:"
"""The location of a store in memory, which exists as long as its connection."""

# WAL requires memory shared by all processes that use the file (https://sqlite.org/wal.html).
_NETWORK: Final = frozenset(
    (
        *("afs", "afpfs", "ceph", "cifs", "coda", "davfs", "fuse.davfs2", "fuse.glusterfs"),
        *("fuse.rclone", "fuse.s3fs", "fuse.sshfs", "glusterfs", "lustre", "ncpfs", "nfs", "nfs4"),
        *("smb2", "smb3", "smbfs", "webdav"),
    )
)


def default_path() -> Path:
    """Returns the default file of the store, in the user's data folder."""
    return user_folder("data", os.environ, sys.platform) / "sessions.db"


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

    Raises:
        StoreError: the operating system does not allow it.
    """
    try:
        make_private(path.parent)
        create_private(path)
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


_CACHE_KIB: Final = 32_768


class Opening(NamedTuple):
    """How one file is opened.

    Attributes:
        path: the file, absolute; ``:memory:`` for none.
        place: source and file, for errors.
        read_only: whether nothing may be written, not even a missing file.
        migrations: SQL scripts, see ``ddl``.
        application: the file's ``PRAGMA application_id``.
    """

    path: str
    place: str
    read_only: bool = False
    migrations: Sequence[str] = MIGRATIONS
    application: int = APPLICATION_ID

    def connect(self) -> apsw.Connection:
        """Returns a connection to the file, which is created unless ``read_only``.

        Raises:
            StoreError: the file is on a network, missing, not a database, or not permitted.
        """
        if self.path == MEMORY:
            return apsw.Connection(MEMORY)
        path = Path(self.path)
        kind = network_file_system(path)
        if kind:
            raise StoreError(
                f"{self.place} is on a network file system ({kind}), where SQLite cannot lock"
                " it safely. Use a file on a local disk: local:///path/to/sessions.db"
            )
        if self.read_only:
            if not path.exists():
                raise StoreError(
                    f"{self.place} does not exist, and a read-only source does not create it."
                )
            require_database(path, self.place)
            return apsw.Connection(str(path), flags=apsw.SQLITE_OPEN_READONLY)
        create_file(path)
        require_database(path, self.place)
        return apsw.Connection(str(path), flags=apsw.SQLITE_OPEN_READWRITE)

    def prepare(self, connection: apsw.Connection) -> None:
        """Configures and checks the connection; a file that may be written is migrated.

        Raises:
            StoreError: the file belongs to another program, or to another version of this one.
        """
        _configure(connection)
        version = self._identify(connection)
        if self.read_only:
            if version < len(self.migrations):
                raise StoreError(
                    f"{self.place} has schema version {version}, but this program reads version"
                    f" {len(self.migrations)}. Open it once without read_only to upgrade it."
                )
            return
        mode = connection.pragma("journal_mode", "wal")
        if self.path != MEMORY and mode != "wal":
            raise StoreError(
                f"{self.place}: its file system has no shared memory, so several processes"
                " could not use the store. Use a file on a local disk:"
                " local:///path/to/sessions.db"
            )
        if version < len(self.migrations):
            self._migrate(connection)

    def _identify(self, connection: apsw.Connection) -> int:
        """Returns the schema version; StoreError if the file is neither empty nor a known store."""
        # One statement sees one state of the file, although another process may be creating the
        # store.
        application, version, tables = connection.execute(
            "SELECT (SELECT application_id FROM pragma_application_id),"
            " (SELECT user_version FROM pragma_user_version), count(*) FROM sqlite_schema"
        ).get
        empty = not (application or version or tables)
        if application != self.application and not empty:
            raise StoreError(
                f"{self.place} belongs to another program and was left unchanged. Use another"
                " file: local:///path/to/sessions.db"
            )
        if version > len(self.migrations):
            raise StoreError(
                f"{self.place} has schema version {version}, but this program supports only"
                f" {len(self.migrations)}. Upgrade sessions_vtab, or use another file."
            )
        return int(version)

    def _migrate(self, connection: apsw.Connection) -> None:
        """Migrates the file to the newest version in one transaction; a second process waits."""
        connection.execute("BEGIN IMMEDIATE")
        try:
            version = self._identify(connection)
            for script in self.migrations[version:]:
                connection.execute(script)
            connection.pragma("application_id", self.application)
            connection.pragma("user_version", len(self.migrations))
            connection.execute("COMMIT")
        except BaseException:
            if connection.in_transaction:
                connection.execute("ROLLBACK")
            raise


def _configure(connection: apsw.Connection) -> None:
    add_function(connection)
    connection.config(apsw.SQLITE_DBCONFIG_DQS_DML, 0)
    connection.config(apsw.SQLITE_DBCONFIG_DQS_DDL, 0)
    connection.pragma("foreign_keys", True)
    connection.pragma("cache_size", -_CACHE_KIB)
    connection.pragma("trusted_schema", False)
    # The store may contain personal data, so deleted content is overwritten.
    connection.pragma("secure_delete", True)


_BUSY: Final = (
    "another process or connection is writing to it and did not finish within 5 seconds."
    " Nothing was written. Try again, or find out what holds a transaction"
    " open."
)
_STALE: Final = (
    "another process or connection has written to it, or is writing, since this transaction read"
    " it. Nothing was written. ROLLBACK, then repeat the transaction; one that begins with BEGIN"
    " IMMEDIATE waits for the others instead."
)
_FULL: Final = "the disk is full. The transaction was rolled back; free some space and repeat it."
_NO_DATABASE: Final = "it is not an SQLite database. Use another file: local:///path/to/sessions.db"
_DAMAGED: Final = (
    "the file is damaged. Restore a backup, or recover what is left with `sqlite3 FILE .recover`."
)
_READ_ONLY: Final = (
    "the file or its folder is not writable. SQLite needs write access even to read, because"
    " of the -wal and -shm files beside it. Nothing was written. Change the"
    " permissions, copy the file, or use another one:"
    " local:///path/to/sessions.db"
)
_CLOSED: Final = (
    "it cannot be opened. Check that you have read and write permission for the file, its"
    " folder, and the files beside it that end in -wal and -shm."
)
_BROKEN: Final = "reading or writing the disk failed. Nothing was written."
_TOO_BIG: Final = "a value is larger than SQLite's limit of 1 GB."
_CONTRADICTS: Final = "the row conflicts with another one. Nothing was written."
_STRANGE: Final = "its tables are not as expected. Another program may have changed the file."

Meanings: TypeAlias = tuple[tuple[type[apsw.Error], type[SessionsError], str], ...]
"""What errors of SQLite become, with a hint; the first that fits (https://sqlite.org/rescode.html)."""

MEANINGS: Final[Meanings] = (
    (apsw.BusyError, BusyError, _BUSY),
    (apsw.LockedError, BusyError, _BUSY),
    (apsw.FullError, StoreError, _FULL),
    (apsw.NotADBError, StoreError, _NO_DATABASE),
    (apsw.CorruptError, StoreError, _DAMAGED),
    (apsw.FormatError, StoreError, _DAMAGED),
    (apsw.ReadOnlyError, StoreError, _READ_ONLY),
    (apsw.CantOpenError, StoreError, _CLOSED),
    (apsw.PermissionsError, StoreError, _CLOSED),
    (apsw.AuthError, StoreError, _CLOSED),
    (apsw.IOError, StoreError, _BROKEN),
    (apsw.NoLFSError, StoreError, _BROKEN),
    (apsw.TooBigError, InvalidValueError, _TOO_BIG),
    (apsw.ConstraintError, ConflictError, _CONTRADICTS),
    (apsw.SchemaChangeError, StoreError, _STRANGE),
    (apsw.SQLError, StoreError, _STRANGE),
)
_TAKEN: Final = (apsw.SQLITE_CONSTRAINT_PRIMARYKEY, apsw.SQLITE_CONSTRAINT_UNIQUE)


def is_taken(error: apsw.ConstraintError) -> bool:
    """Whether the error means that a key already exists; false if another constraint failed."""
    return getattr(error, "extendedresult", 0) in _TAKEN


def stale(error: apsw.BusyError, place: str) -> BusyError:
    """Returns the error for a transaction that has read and can no longer write."""
    return BusyError(f"{place}: {_STALE} ({error})")


def translate(error: apsw.Error, place: str, meanings: Meanings = MEANINGS) -> Exception:
    """Returns the error to raise for an error of SQLite.

    Returns:
        An error of this package with the place and a hint; an interrupt is returned unchanged.
    """
    if isinstance(error, apsw.InterruptError):
        return error
    if isinstance(error, apsw.SQLError) and "JSON path" in str(error):
        return InvalidValueError(f"{place}: a key after ->> is not a valid JSON path. ({error})")
    for kind, made, hint in meanings:
        if isinstance(error, kind):
            return made(f"{place}: {hint} ({error})")
    return StoreError(f"{place}: SQLite failed. ({error})")


_PRIVATE = 0o700


def make_private(folder: Path) -> None:
    """Makes a folder, and those above it, where they are missing: each with mode 0700.

    ``Path.mkdir(parents=True)`` gives its mode to the last one only.

    Raises:
        OSError: the system does not allow it, or a file is in the way.
    """
    missing = []
    for one in (folder, *folder.parents):
        if one.exists():
            break
        missing.append(one)
    for one in reversed(missing):
        one.mkdir(mode=_PRIVATE, exist_ok=True)
    folder.mkdir(mode=_PRIVATE, exist_ok=True)  # A file in its place is an error.


def create_private(path: Path) -> None:
    """Creates an empty file with mode 0600.

    An existing file is not even opened: closing it would give up the locks that SQLite has on it in
    this process (https://sqlite.org/howtocorrupt.html, section 2.2).

    Raises:
        FileExistsError: it is there.
        OSError: the system does not allow it.
    """
    os.close(os.open(path, os.O_CREAT | os.O_EXCL | os.O_RDWR, 0o600))


def identity(path: str | Path) -> tuple[int, int] | None:
    """What tells a file from others whatever its path; None if it does not exist."""
    try:
        found = os.stat(path)  # noqa: PTH116  # Six times as fast, and once a statement.
    except OSError:
        return None
    return found.st_dev, found.st_ino
