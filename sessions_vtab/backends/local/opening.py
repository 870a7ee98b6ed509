"""Opening the store's file: what it may be, how it is configured, and its migrations."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Final

import apsw

from sessions_vtab.backends.local.ddl import APPLICATION_ID, MIGRATIONS
from sessions_vtab.backends.local.facts import add_function
from sessions_vtab.backends.local.paths import (
    MEMORY,
    create_file,
    network_file_system,
    require_database,
)
from sessions_vtab.errors import StoreError

__all__ = ["Opening"]

_CACHE_KIB: Final = 32_768


@dataclass(frozen=True, slots=True)
class Opening:
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
            self._require_version(version)
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

    def _require_version(self, version: int) -> None:
        if version < len(self.migrations):
            raise StoreError(
                f"{self.place} has schema version {version}, but this program reads version"
                f" {len(self.migrations)}. Open it once without read_only to upgrade it."
            )

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
