"""The local store against the same rows in a native table and in a bare virtual table.

    python -m tests.benchmarks.bench_local [ROWS]

Prints the median of several runs as ratios: 1.0 is the native table. Ratios of one run on one
machine can be compared; seconds cannot.
"""

from __future__ import annotations

import gc
import resource
import statistics
import sys
import tempfile
import time
from collections.abc import Callable, Iterator
from pathlib import Path

import apsw
import apsw.ext

import sessions_vtab

_COLUMNS = (
    "name",
    "session_id",
    "user_id",
    "display_name",
    "labels",
    "state",
    "create_time",
    "update_time",
    "expire_time",
    "deleted",
)
_RUNS = 5


def main() -> None:
    """Fills a store and compares."""
    rows = int(sys.argv[1]) if len(sys.argv) > 1 else 200_000
    with tempfile.TemporaryDirectory() as folder:
        store = Path(folder) / "sessions.db"
        _insert(store, rows, folder)
        _reads(store, rows)
        _memory(store)


def _insert(store: Path, rows: int, folder: str) -> None:
    db = sessions_vtab.connect(f"local://{store}")
    sessions = [
        (f"s{n}", f"user{n % 100}", f'{{"env":"e{n % 3}"}}', '{"k":1}', f"2026-01-{n % 28 + 1:02}")
        for n in range(rows)
    ]
    sql = "INSERT INTO sessions(session_id, user_id, labels, state, create_time) VALUES (?,?,?,?,?)"
    db.executemany(sql, sessions)
    events = [(f"s{n % 1000}", "user", f"message {n}") for n in range(100_000)]
    started = time.perf_counter()
    db.executemany("INSERT INTO events(session_id, author, content) VALUES (?,?,?)", events)
    ours = time.perf_counter() - started
    db.close()
    native = _native_insert(Path(folder) / "native.db", events)
    print(f"bulk insert of 100 000 events    {ours / native:6.1f} x native  ({ours:.2f} s)")


def _native_insert(path: Path, events: list[tuple[str, str, str]]) -> float:
    """The columns and indexes of the store's own table, without its rules."""
    db = apsw.Connection(str(path))
    db.pragma("journal_mode", "wal")
    db.execute(
        "CREATE TABLE events(name TEXT PRIMARY KEY, session_id TEXT, event_id TEXT, timestamp TEXT,"
        " author TEXT, content TEXT, text TEXT, invocation_id TEXT) WITHOUT ROWID;"
        "CREATE INDEX by_time ON events(session_id, timestamp)"
    )
    rows = (
        (f"sessions/{s}/events/{n}", s, str(n), "2026-01-01 00:00:00.000000", a, c, c, "e-1")
        for n, (s, a, c) in enumerate(events)
    )
    started = time.perf_counter()
    with db:
        db.executemany("INSERT INTO events VALUES (?,?,?,?,?,?,?,?)", rows)
    return time.perf_counter() - started


def _reads(store: Path, rows: int) -> None:
    db = sessions_vtab.connect(f"local://{store}")
    native = _native(db)
    bare = _bare(native)
    columns = ", ".join(_COLUMNS)
    shapes = {
        f"scan of {rows} rows, 10 columns": f"SELECT {columns} FROM {{0}}",
        f"scan of {rows} rows, 1 column": "SELECT user_id FROM {0}",
        "count(*)": "SELECT count(*) FROM {0}",
        "time range": "SELECT count(*) FROM {0} WHERE create_time > '2026-01-20'",
        "group by": "SELECT user_id, count(*) FROM {0} GROUP BY user_id",
    }
    for title, sql in shapes.items():
        _report(
            title,
            lambda sql=sql: _drain(db, sql.format("sessions")),
            lambda sql=sql: _drain(native, sql.format("sessions")),
            lambda sql=sql: _drain(bare, sql.format("bare")),
        )
    lookup = "SELECT user_id FROM {0} WHERE session_id = ?"
    keys = [(f"s{n * 97 % rows}",) for n in range(2000)]
    _report(
        "2 000 point lookups",
        lambda: [db.execute(lookup.format("sessions"), key).fetchall() for key in keys],
        lambda: [native.execute(lookup.format("sessions"), key).fetchall() for key in keys],
    )
    started = time.perf_counter()
    next(iter(db.execute("SELECT * FROM sessions")))
    print(f"first row of a full scan         {(time.perf_counter() - started) * 1000:6.2f} ms")


def _native(source: apsw.Connection) -> apsw.Connection:
    """The same rows in a plain table."""
    db = apsw.Connection(":memory:")
    db.execute(
        f"CREATE TABLE sessions({', '.join(f'{name} TEXT' for name in _COLUMNS)});"
        "CREATE UNIQUE INDEX by_id ON sessions(session_id)"
    )
    marks = ",".join("?" * len(_COLUMNS))
    with db:
        db.executemany(
            f"INSERT INTO sessions VALUES ({marks})",
            source.execute(f"SELECT {', '.join(_COLUMNS)} FROM sessions"),
        )
    return db


def _bare(native: apsw.Connection) -> apsw.Connection:
    """The same rows behind APSW's own virtual table helper."""
    rows = native.execute("SELECT * FROM sessions").fetchall()
    db = apsw.Connection(":memory:")

    def generate() -> Iterator[tuple[object, ...]]:
        yield from rows

    generate.columns = _COLUMNS  # type: ignore[attr-defined]
    generate.column_access = apsw.ext.VTColumnAccess.By_Index  # type: ignore[attr-defined]
    apsw.ext.make_virtual_module(db, "bare", generate)
    return db


def _drain(db: apsw.Connection, sql: str) -> int:
    return sum(1 for _ in db.execute(sql))


def _report(title: str, ours: Callable[[], object], *others: Callable[[], object]) -> None:
    mine, *theirs = (_median(run) for run in (ours, *others))
    ratios = ", ".join(
        f"{mine / one:5.1f} x {name}" for one, name in zip(theirs, ("native", "bare"), strict=False)
    )
    print(f"{title:32} {ratios}  ({mine:.3f} s)")


def _median(run: Callable[[], object]) -> float:
    times = []
    for _ in range(_RUNS):
        gc.collect()
        started = time.perf_counter()
        run()
        times.append(time.perf_counter() - started)
    return statistics.median(times)


def _memory(store: Path) -> None:
    """Growth of the process while a million events are scanned: ten scans of 100 000."""
    db = sessions_vtab.connect(f"local://{store}")
    before = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
    union = " UNION ALL ".join(["SELECT * FROM events"] * 10)
    read = _drain(db, f"SELECT * FROM ({union})")
    grown = (resource.getrusage(resource.RUSAGE_SELF).ru_maxrss - before) / 1024
    print(f"{f'scan of {read} events':32} {grown:6.1f} MiB more at the peak")


if __name__ == "__main__":
    main()
