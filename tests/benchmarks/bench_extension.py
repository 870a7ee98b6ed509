"""The extension in the system's Python beside register(): a join with 50 ms added to each answer.

    python -m tests.benchmarks.bench_extension [--rounds 5] [--python /usr/bin/python3]

The events of a user who has 55 sessions: requests of each, and the ratio of the medians. The two
take turns, so that a busy machine slows both. Ratios of one run can be compared; seconds cannot.
"""

from __future__ import annotations

import argparse
import os
import statistics
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable
from pathlib import Path

import apsw

import sessions_vtab
from sessions_vtab import extension
from sessions_vtab.connection import close_sources
from sessions_vtab.emulator.serve import Running, running
from sessions_vtab.emulator.service import EmulatorSettings

_DELAY = 0.05
_SESSIONS = 55
_JOIN = (
    "SELECT count(*), count(e.text) FROM prod.sessions s JOIN prod.events e"
    " ON e.session_name = s.name WHERE s.user_id = '{user}'"
)
_SERVE = """
import sqlite3, sys
db = sqlite3.connect(":memory:")
db.enable_load_extension(True)
db.load_extension(sys.argv[1])
for line in sys.stdin:
    print(db.execute(line).fetchall(), flush=True)
"""


def _measured(emulator: Running, run: Callable[[], object]) -> tuple[float, int]:
    emulator.log.reset()
    started = time.perf_counter()
    run()
    return time.perf_counter() - started, len(emulator.log.entries())


def _user(connection: apsw.Connection) -> str:
    sql = "SELECT user_id FROM prod.sessions GROUP BY user_id ORDER BY abs(count(*) - ?) LIMIT 1"
    return str(connection.execute(sql, (_SESSIONS,)).get)


def main() -> None:
    """Measures and prints."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0] if __doc__ else "")
    parser.add_argument("--rounds", type=int, default=5)
    parser.add_argument("--python", default="/usr/bin/python3")
    arguments = parser.parse_args()
    with tempfile.TemporaryDirectory() as folder, running(EmulatorSettings(seed=7)) as emulator:
        config = Path(folder, "config.toml")
        config.write_text(
            f'[sources.prod]\nurl = "vertex://demo/us-central1/42?base_url={emulator.url}"\n'
        )
        plain = apsw.Connection(":memory:")
        sources = sessions_vtab.register(plain, config=config)
        sql = _JOIN.format(user=_user(plain))
        host = subprocess.Popen(
            [arguments.python, "-I", "-c", _SERVE, str(extension.loadable_path())],
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            text=True,
            env={**os.environ, "SESSIONS_VTAB_CONFIG": str(config)},
        )
        assert host.stdin is not None
        assert host.stdout is not None
        ask, answers = host.stdin, host.stdout

        def theirs() -> None:
            print(sql, file=ask, flush=True)
            answers.readline()

        ways = {"register()": lambda: plain.execute(sql).fetchall(), "the extension": theirs}
        for run in ways.values():
            run()
        emulator.control.delay(_DELAY)
        found: dict[str, list[tuple[float, int]]] = {name: [] for name in ways}
        for _ in range(arguments.rounds):
            for name, run in ways.items():
                found[name].append(_measured(emulator, run))
        ask.close()
        host.wait()
        close_sources(sources.values())
    medians = {name: statistics.median(took for took, _ in runs) for name, runs in found.items()}
    for name, runs in found.items():
        print(f"{name:14} {medians[name] * 1e3:7.0f} ms  requests {sorted({n for _, n in runs})}")
    print(f"ratio          {medians['the extension'] / medians['register()']:7.2f}")


if __name__ == "__main__":
    sys.exit(main())
