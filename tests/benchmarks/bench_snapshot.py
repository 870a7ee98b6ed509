"""A large snapshot from the emulator in a process of its own: requests, memory, kills.

    python -m tests.benchmarks.bench_snapshot [--sessions 10000] [--events 200000] [--kills 10]

First a fresh snapshot, then one after 1 % of the sessions changed, then one that is killed at
random moments (kill -9) and continued until it is whole; at the end all three files are compared.
"""

from __future__ import annotations

import argparse
import os
import random
import resource
import signal
import subprocess
import sys
import tempfile
import time
from math import ceil
from pathlib import Path

import apsw

import sessions_vtab
from sessions_vtab.emulator.control import Control
from sessions_vtab.snapshot import SnapshotProgress, SnapshotReport, snapshot
from tests.benchmarks.served import emulator

_PAGE = 100


def rows(path: Path, table: str) -> list[tuple[object, ...]]:
    """The rows of a snapshot, in the order of their names."""
    connection = apsw.Connection(str(path), flags=apsw.SQLITE_OPEN_READONLY)
    try:
        return connection.execute(f"SELECT * FROM {table} ORDER BY name").fetchall()
    finally:
        connection.close()


class Memory:
    """The most memory this process ever took, looked at as a snapshot goes on."""

    def __init__(self) -> None:
        self.at: list[tuple[int, int]] = []

    def __call__(self, progress: SnapshotProgress) -> None:
        """Notes the peak after so many sessions."""
        if progress.table == "events" and (not self.at or progress.done >= self.at[-1][0] + 1_000):
            self.at.append((progress.done, peak()))


def peak() -> int:
    """MiB of memory at the most, so far."""
    return resource.getrusage(resource.RUSAGE_SELF).ru_maxrss // 1024


def minimum(path: Path, sessions: int, read: list[str]) -> int:
    """The fewest requests: a page for each 100 sessions, and for each 100 events of those read."""
    counts = rows_by_session(path)
    lists = sum(max(1, ceil(counts.get(name, 0) / _PAGE)) for name in read)
    return ceil(sessions / _PAGE) + lists


def rows_by_session(path: Path) -> dict[str, int]:
    """Events by session."""
    connection = apsw.Connection(str(path), flags=apsw.SQLITE_OPEN_READONLY)
    try:
        return dict(
            connection.execute("SELECT session_name, count(*) FROM events GROUP BY 1").fetchall()
        )
    finally:
        connection.close()


def all_of(path: Path) -> list[str]:
    """Names of all sessions."""
    connection = apsw.Connection(str(path), flags=apsw.SQLITE_OPEN_READONLY)
    try:
        return [str(name) for (name,) in connection.execute("SELECT name FROM sessions")]
    finally:
        connection.close()


def change(url: str, path: Path, share: float) -> list[str]:
    """Appends an event to some of the sessions; which."""
    names = all_of(path)
    chosen = random.Random(1).sample(names, max(1, int(len(names) * share)))
    connection = sessions_vtab.connect(url)
    connection.executemany(
        "INSERT INTO events(session_name, author, content) VALUES (?, 'user', 'changed')",
        [(name,) for name in chosen],
    )
    connection.close()
    return chosen


def report_on(
    what: str, report: SnapshotReport, control: Control, fewest: int, memory: int
) -> None:
    """Prints what a snapshot cost."""
    total = control.log()["total"]
    print(
        f"{what}: {dict(report.rows)}, {report.requests} requests (logged {total}, fewest {fewest},"
        f" ratio {total / fewest:.3f}), {report.seconds:.1f} s, peak memory {memory} MiB"
    )


def killed(url: str, path: Path, kills: int, spent: float, control: Control) -> SnapshotReport:
    """A snapshot killed at random moments of the time a whole one takes, then continued."""
    source = random.Random(2)
    moments = sorted(source.uniform(0.3, max(spent, 1.0)) for _ in range(kills))
    done = 0.0
    for moment in moments:
        command = [sys.executable, "-m", "sessions_vtab", "snapshot", "--source", url, str(path)]
        with subprocess.Popen(
            command, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL
        ) as process:
            time.sleep(0.5 + moment - done)
            done = moment
            os.kill(process.pid, signal.SIGKILL)
            ended = process.wait()
        left = path.with_name(path.name + ".partial")
        print(
            f"  killed at {moment:.1f} s ({ended}): {'whole' if path.exists() else 'not whole'},"
            f" {left.stat().st_size // 2**20 if left.exists() else 0} MiB kept,"
            f" {control.log()['total']} requests so far"
        )
    return snapshot(url, path)


def main() -> None:
    """Runs everything and prints it."""
    parser = argparse.ArgumentParser()
    parser.add_argument("--sessions", type=int, default=10_000)
    parser.add_argument("--events", type=int, default=200_000)
    parser.add_argument("--kills", type=int, default=10)
    options = parser.parse_args()
    with (
        emulator(seed=7, sessions=options.sessions, events=options.events) as (base, control),
        tempfile.TemporaryDirectory() as folder,
    ):
        url = f"prod=vertex://demo/us-central1/42?base_url={base}"
        path = Path(folder) / "out.db"
        print(f"before: peak memory {peak()} MiB")
        control.reset_log()
        memory = Memory()
        first = snapshot(url, path, progress=memory)
        used = peak()
        report_on("first", first, control, minimum(path, options.sessions, all_of(path)), used)
        print("  peak MiB after sessions:", ", ".join(f"{n}: {mib}" for n, mib in memory.at))
        print(f"  file {path.stat().st_size // 2**20} MiB")
        changed = change(url, path, 0.01)
        control.reset_log()
        second = snapshot(url, path)
        used = peak()
        report_on("second", second, control, minimum(path, options.sessions, changed), used)
        print(f"  {100 * second.requests / first.requests:.1f} % of the first; {second.changed}")
        control.reset_log()
        other = Path(folder) / "killed.db"
        third = killed(url, other, options.kills, first.seconds, control)
        print(f"continued: {third.requests} requests at the end, {control.log()['total']} in all")
        fresh = Path(folder) / "fresh.db"
        snapshot(url, fresh)
        for table in ("sessions", "events"):
            whole = rows(fresh, table)
            print(f"  {table}: killed and continued equal to fresh: {rows(other, table) == whole},")
            print(f"  {table}: incremental equal to fresh: {rows(path, table) == whole}")


if __name__ == "__main__":
    main()
