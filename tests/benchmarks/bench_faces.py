"""Two threads with a connection each, for a minute: no wrong row, no deadlock, nothing left behind.

::

    python -m tests.benchmarks.bench_faces [SECONDS] [THREADS]

Every thread reads and writes sessions of its own through ``sessions_vtab.dbapi``, against the
emulator and against one local store, and compares each answer with what it has written. Cursors
are dropped half-read, statements interrupted and timed out on the way. Exits with 1 if a row was
wrong, a thread did not come back, or a thread, a file or a socket is left.
"""

from __future__ import annotations

import gc
import random
import sys
import tempfile
import threading
import time
from collections import Counter
from collections.abc import Callable
from contextlib import closing
from pathlib import Path

from sessions_vtab import dbapi
from sessions_vtab.emulator.serve import running
from sessions_vtab.emulator.service import EmulatorSettings

INSERT = "INSERT INTO sessions(session_id, user_id, display_name) VALUES (?, ?, ?)"
MINE = "SELECT session_id, display_name FROM sessions WHERE user_id = ? ORDER BY session_id"
JOINED = (
    "SELECT s.session_id, count(e.name) FROM sessions s LEFT JOIN events e"
    " ON e.session_id = s.session_id WHERE s.user_id = ? GROUP BY 1 ORDER BY 1"
)
ENDLESS = "WITH RECURSIVE c(x) AS (SELECT 1 UNION ALL SELECT x + 1 FROM c) SELECT count(*) FROM c"
_PATIENCE = 60.0


class Worker:
    """One user with a connection of its own, who knows what is to be found.

    Args:
        name: the user, whom no other worker writes for.
        url: of the source.
    """

    def __init__(self, name: str, url: str) -> None:
        self.name = name
        self.done: Counter[str] = Counter()
        self.wrong: list[str] = []
        self._url = url
        self._mine: dict[str, str] = {}
        self._events: Counter[str] = Counter()
        self._count = 0
        self._random = random.Random(name)

    def run(self, until: float) -> None:
        """Works until a time of ``time.monotonic``."""
        steps: list[Callable[[dbapi.Connection], None]] = [
            *(self.read, self.read, self.join, self.write, self.write, self.take_back),
            *(self.rename, self.append, self.half_read, self.time_out),
        ]
        while time.monotonic() < until:
            with closing(dbapi.connect(self._url, timeout=30, guarded=True)) as db:
                for step in self._random.choices(steps, k=25):
                    step(db)
                    self.done[step.__name__] += 1

    def read(self, db: dbapi.Connection) -> None:
        """All sessions of the user."""
        found = dict(db.execute(MINE, [self.name]).fetchall())
        if found != self._mine:
            self.wrong.append(f"{self.name}: {len(found)} rows, expected {len(self._mine)}")

    def join(self, db: dbapi.Connection) -> None:
        """How many events each has."""
        found = dict(db.execute(JOINED, [self.name]).fetchall())
        if found != {session: self._events[session] for session in self._mine}:
            self.wrong.append(f"{self.name}: a join gave {found}")

    def write(self, db: dbapi.Connection) -> None:
        """New sessions; some old ones go, so that the reads stay small."""
        new = {self._id(): f"made {self._count}" for _ in range(3)}
        gone = list(self._mine)[:3] if len(self._mine) > 12 else []
        with db:
            db.executemany(INSERT, [(one, self.name, text) for one, text in new.items()])
        for one in gone:
            with db:
                db.execute("DELETE FROM sessions WHERE session_id = ?", [one])
            self._events.pop(one, None)
        self._mine = {k: v for k, v in self._mine.items() if k not in gone} | new

    def take_back(self, db: dbapi.Connection) -> None:
        """Sessions that are never sent."""
        db.executemany(INSERT, [(self._id(), self.name, "never") for _ in range(3)])
        db.rollback()

    def rename(self, db: dbapi.Connection) -> None:
        """One session gets another name."""
        if self._mine:
            one, text = self._random.choice(list(self._mine)), f"renamed {self._count}"
            with db:
                update = "UPDATE sessions SET display_name = ? WHERE session_id = ?"
                db.execute(update, [text, one])
            self._mine[one] = text

    def append(self, db: dbapi.Connection) -> None:
        """An event, at once."""
        if self._mine:
            one = self._random.choice(list(self._mine))
            append = "SELECT event_name FROM append_event(?, 'user', 'hello')"
            db.execute(append, [one]).fetchall()
            self._events[one] += 1

    def half_read(self, db: dbapi.Connection) -> None:
        """A cursor that nobody reads to its end."""
        db.execute("SELECT * FROM sessions").fetchone()

    def time_out(self, db: dbapi.Connection) -> None:
        """A statement that takes too long; the connection is used again."""
        db.timeout = 0.01
        try:
            db.execute(ENDLESS).fetchall()
        except dbapi.OperationalError:
            db.timeout = 30
        else:
            self.wrong.append(f"{self.name}: no time limit")

    def _id(self) -> str:
        self._count += 1
        return f"{self.name}-{self._count:06d}"


def load(kind: str, url: str, seconds: float, threads: int) -> bool:
    """Runs the workers; says what they did and whether all was right."""
    workers = [Worker(f"{kind}-user-{number}", url) for number in range(threads)]
    failed: list[str] = []

    def run(worker: Worker) -> None:
        try:
            worker.run(time.monotonic() + seconds)
        except Exception as error:  # noqa: BLE001  # It is reported.
            failed.append(f"{worker.name}: {error!r}, from {error.__cause__!r}")

    running_ = [threading.Thread(target=run, args=(one,), daemon=True) for one in workers]
    for thread in running_:
        thread.start()
    for thread in running_:
        thread.join(seconds + _PATIENCE)
    stuck = sum(thread.is_alive() for thread in running_)
    wrong = [text for worker in workers for text in worker.wrong] + failed
    done = sum((worker.done for worker in workers), Counter())
    print(f"{kind}: {sum(done.values())} steps, {len(wrong)} wrong, {stuck} stuck; {dict(done)}")
    print(*wrong[:5], sep="\n", end="\n" if wrong else "")
    return not (wrong or stuck)


def left() -> tuple[int, int]:
    """Threads, and open files and sockets, of this process."""
    gc.collect()
    return threading.active_count(), len(list(Path("/proc/self/fd").iterdir()))


def main() -> int:
    """Runs both loads."""
    seconds = float(sys.argv[1]) if len(sys.argv) > 1 else 60.0
    threads = int(sys.argv[2]) if len(sys.argv) > 2 else 2
    right = True
    before = left()
    with tempfile.TemporaryDirectory() as folder:
        url = f"local://{Path(folder) / 'store.db'}"
        first = dbapi.connect(url)
        first.execute("SELECT 1 FROM sessions").fetchall()
        first.close()
        right &= load("local", url, seconds, threads)
    print(f"threads and files before {before}, after {left()}")
    right &= left() == before
    with running(EmulatorSettings()) as emulator:
        url = f"vertex://demo/us-central1/42?base_url={emulator.url}"
        right &= load("vertex", url, seconds, threads)
    time.sleep(0.5)
    print(f"threads and files before {before}, after {left()}")
    return 0 if right and left() == before else 1


if __name__ == "__main__":
    sys.exit(main())
