"""A snapshot's tables as Parquet files: times as timestamps in UTC, JSON as text.

The schema is the declared one, so files of all snapshots of a source can be read together. Where a
service gives nine digits of a second, the last three are in the snapshot only.
"""

from __future__ import annotations

import json
from collections.abc import Iterator
from contextlib import closing, suppress
from importlib import import_module
from itertools import islice
from pathlib import Path
from typing import Final

import apsw

from sessions_vtab.backends.local.file import make_private
from sessions_vtab.columnar import Declared, require_pyarrow
from sessions_vtab.contract.model import ColumnType, quoted
from sessions_vtab.errors import StoreError
from sessions_vtab.snapshot.work import create_file, require_regular, translated

_ROWS_A_GROUP: Final = 20_000


def write_parquet(path: Path, folder: Path) -> list[Path]:
    """Writes each table of a snapshot as ``FOLDER/TABLE.parquet``.

    All files are written beside their places before the first takes its place, so each is always
    whole; a reader that opens several while they are replaced may see one of the last snapshot.

    Returns:
        The files.

    Raises:
        MissingExtraError: pyarrow is not installed.
        StoreError: the folder cannot be written, or one of the names is not a regular file.
    """
    require_pyarrow("Parquet")
    written: dict[Path, Path] = {}
    try:
        make_private(folder)
        reading = apsw.SQLITE_OPEN_READONLY
        with translated(path), closing(apsw.Connection(str(path), flags=reading)) as connection:
            for table, columns in _tables(connection):
                target = folder / f"{table}.parquet"
                partial = target.with_name(target.name + ".partial")
                require_regular(target)
                require_regular(partial)
                written[target] = partial
                _write(connection, table, columns, written[target])
        for target, partial in written.items():
            partial.replace(target)
    except OSError as error:
        raise StoreError(
            f"{folder} cannot be written ({error.strerror or error}). The snapshot {path} is"
            " complete."
        ) from error
    finally:
        for partial in written.values():
            with suppress(OSError):
                partial.unlink()
    return list(written)


def _tables(connection: apsw.Connection) -> Iterator[tuple[str, dict[str, ColumnType]]]:
    listed = connection.execute("SELECT name, columns FROM _snapshot_tables ORDER BY rowid")
    for name, columns in listed.fetchall():
        described = json.loads(str(columns))
        yield str(name), {column: ColumnType(kind) for column, kind in described.items()}


def _write(
    connection: apsw.Connection, table: str, columns: dict[str, ColumnType], partial: Path
) -> None:
    parquet = import_module("pyarrow.parquet")
    # The same schema in every snapshot. Times have microseconds, as in the files of earlier
    # versions: Spark does not read Parquet files with nanoseconds, and pyarrow does not read files
    # of both kinds together.
    declared = Declared(columns.items(), unit="us")
    selected = ", ".join(
        f"CAST({quoted(name)} AS BLOB)" if kind is ColumnType.BLOB else quoted(name)
        for name, kind in columns.items()
    )
    cursor = connection.execute(f"SELECT {selected} FROM {quoted(table)}")
    partial.unlink(missing_ok=True)
    create_file(partial)
    with parquet.ParquetWriter(partial, declared.schema, compression="zstd") as writer:
        while rows := list(islice(cursor, _ROWS_A_GROUP)):
            writer.write_batch(declared.batch(rows))
