"""Corrupts the answers of the extension's Python process, with the C side under sanitizers.

Run it by hand after a change to the C sources::

    python tests/extension/fuzz.py --statements 1000 --seed 1

It compiles the library with AddressSanitizer and UndefinedBehaviorSanitizer, has the ``sqlite3`` shell
run random statements with it, and spoils every other answer. It ends with 1 if a sanitizer reported
anything, or if too few statements met a spoilt answer. Needs gcc and the shell (Debian: sqlite3).
"""

from __future__ import annotations

import argparse
import os
import random
import shutil
import subprocess
import sys
import tempfile
from collections.abc import Iterator
from pathlib import Path

from sessions_vtab.extension import compiling

_FLAGS = ("-g", "-O1", "-fno-omit-frame-pointer", "-fsanitize=address,undefined")
_CHILD = """#!{python} -I
import sys
sys.argv[1:] = sys.argv[4:]  # -I -c CODE
sys.path.append(sys.argv[1])
sys.path.insert(0, {here!r})
import fuzz
fuzz.serve(3, {seed})
"""


def _other_bytes(payload: bytearray, chance: random.Random) -> None:
    for _ in range(chance.randint(1, 8)):
        payload[chance.randrange(len(payload))] = chance.randrange(256)


def _other_types(payload: bytearray, chance: random.Random) -> None:
    for _ in range(chance.randint(1, 4)):
        payload[chance.randrange(len(payload))] = chance.choice(b"NTF.ilgus([RE")


def _too_short(payload: bytearray, chance: random.Random) -> None:
    del payload[chance.randrange(len(payload) + 1) :]


def _something_behind(payload: bytearray, chance: random.Random) -> None:
    payload += chance.randbytes(chance.randint(1, 40))


def _nothing_of_it(payload: bytearray, chance: random.Random) -> None:
    payload[:] = chance.randbytes(chance.randint(0, 200))


def _large_counts(payload: bytearray, chance: random.Random) -> None:
    place = payload.find(chance.choice(b"([usl"))
    payload[place + 1 : place + 5] = chance.choice((b"\xff" * 4, b"\xff\xff\xff\x7f"))


_SPOILERS = (
    *(_other_bytes, _other_types, _too_short),
    *(_something_behind, _nothing_of_it, _large_counts),
)


def spoilt(frame: bytes, chance: random.Random) -> tuple[bytes, bool]:
    """A frame that is not what it was, and whether the connection can go on after it."""
    head, payload = bytearray(frame[:8]), bytearray(frame[8:])
    kind = chance.randrange(len(_SPOILERS) + 3)
    if kind < len(_SPOILERS):
        _SPOILERS[kind](payload, chance)
    elif kind == len(_SPOILERS):  # Another kind of answer.
        head[4] = chance.choice(b"REJX\0\xff")
    elif kind == len(_SPOILERS) + 1:  # A length that is not its own; then there is no way on.
        length = chance.choice((0, 1, len(payload) + 1, 2**30, 2**32 - 1))
        return length.to_bytes(4, "little") + bytes(head[4:]) + bytes(payload), False
    else:  # It ends in the middle.
        return frame[: chance.randrange(len(frame) + 1)], False
    return len(payload).to_bytes(4, "little") + bytes(head[4:]) + bytes(payload), True


def serve(descriptor: int, seed: int) -> None:
    """What the real process does, with spoilt answers."""
    from sessions_vtab.extension import child, hosted  # noqa: PLC0415

    chance = random.Random(f"{seed}/{os.getpid()}")  # Each process of a run has others.
    spared = 60  # The answers of the first load, so that there is something to ask.
    write = hosted.SocketLink.write

    def spoiling(self: hosted.SocketLink, kind: bytes, value: object) -> None:
        nonlocal spared
        spared -= 1
        if spared > 0 or chance.random() < 0.5:
            write(self, kind, value)
            return
        frame, whole = spoilt(hosted.encoded(kind, value), chance)
        with Path(os.environ["FUZZ_COUNT"]).open("a") as count:
            count.write("x")
        self._socket.sendall(frame)
        if not whole:
            raise EOFError

    hosted.SocketLink.write = spoiling  # type: ignore[method-assign]
    child.main(descriptor)


_STATEMENTS = (
    "SELECT * FROM sessions;",
    "SELECT * FROM sessions WHERE session_id = 'f{}';",
    "SELECT * FROM local.events WHERE session_id IN ('f1', 'f{}') ORDER BY timestamp DESC LIMIT 3;",
    "SELECT count(*) FROM events WHERE text LIKE '%{}%' OR author = 'user';",
    "SELECT s.user_id, e.text FROM sessions s LEFT JOIN events e USING (session_id);",
    "SELECT (SELECT count(*) FROM events e WHERE e.session_id = s.session_id) FROM sessions s;",
    "SELECT * FROM sessions WHERE labels->>'k' = {} AND create_time > '2020-01-01T00:00:00Z';",
    "SELECT a.name FROM sessions a JOIN sessions b ON a.update_time = b.create_time;",
    "INSERT INTO sessions(session_id, user_id, labels) VALUES ('f{}', 'u', '{{\"k\":1}}');",
    "INSERT OR IGNORE INTO sessions(session_id, user_id) VALUES ('f{}', 'u'), ('g{}', 'v');",
    "INSERT INTO events(session_id, author, content) VALUES ('f{}', 'user', 'hello {}');",
    "UPDATE sessions SET display_name = 'n{}' WHERE session_id = 'f{}';",
    "UPDATE sessions SET session_id = session_id || 'x' WHERE user_id = 'u';",
    "DELETE FROM sessions WHERE session_id = 'f{}';",
    "SELECT * FROM append_event('f{}', 'user', 'from a function');",
    "SELECT * FROM local.append_event('f{}', 'user', 'x');",
    "BEGIN;",
    "COMMIT;",
    "ROLLBACK;",
    "SAVEPOINT s;",
    "ROLLBACK TO s;",
    "RELEASE s;",
    "SELECT * FROM sessions_vtab_info();",
    "SELECT '2020-01-01T00:00Z' < '{}' COLLATE TIMESTAMP;",
    "CREATE VIRTUAL TABLE IF NOT EXISTS temp.other{} USING sessions_vtab(local, sessions);",
    "SELECT count(*) FROM other{};",
    "DROP TABLE IF EXISTS temp.other{};",
    "PRAGMA table_info(events);",
    "EXPLAIN QUERY PLAN SELECT * FROM events WHERE session_id = 'f{}';",
)


def statements(count: int, seed: int) -> Iterator[str]:
    """Random ones; every few, a new process that answers well for a while."""
    chance = random.Random(seed)
    for _ in range(count):
        one = chance.choice(_STATEMENTS)
        yield one.format(*(chance.randint(1, 9) for _ in range(one.count("{}"))))


def _library_of(name: str) -> str:
    return subprocess.check_output(["gcc", f"-print-file-name={name}"], text=True).strip()


def main() -> int:
    """Runs the statements; the exit status."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--statements", type=int, default=1000)
    parser.add_argument("--seed", type=int, default=1)
    given = parser.parse_args()
    shell = shutil.which("sqlite3")
    if shell is None or shutil.which("gcc") is None:
        print("SKIPPED: this needs gcc and the sqlite3 shell.")
        return 0
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        library = folder / compiling.FILE_NAME
        problem = compiling.compile_library(library, _FLAGS)
        if problem:
            print(problem)
            return 1
        return _run(
            folder, library, shell, list(statements(given.statements, given.seed)), given.seed
        )


def _run(folder: Path, library: Path, shell: str, texts: list[str], seed: int) -> int:
    python, count, config = folder / "python", folder / "count", folder / "config.toml"
    here = str(Path(__file__).parent)
    python.write_text(_CHILD.format(python=sys.executable, here=here, seed=seed))
    python.chmod(0o755)
    config.write_text(f'[sources.local]\nurl = "local://{folder}/store.db"\n')
    count.write_text("")
    environment = {
        **os.environ,
        "SESSIONS_VTAB_PYTHON": str(python),
        "SESSIONS_VTAB_CONFIG": str(config),
        "SESSIONS_VTAB_WRITABLE": "1",
        "FUZZ_COUNT": str(count),
        # The shell itself is not instrumented, and the Python process must not be.
        "ASAN_OPTIONS": "detect_leaks=0:halt_on_error=1",
        "UBSAN_OPTIONS": "halt_on_error=1:print_stacktrace=1",
    }
    program = folder / "run.sh"
    preload = f"{_library_of('libasan.so')} {_library_of('libubsan.so')}"
    program.write_text(f'#!/bin/sh\nLD_PRELOAD="{preload}" exec {shell} -batch :memory:\n')
    program.chmod(0o755)
    done = subprocess.run(
        [str(program)],
        input=f".load {library}\n" + "\n".join(texts) + "\n.print THE END\n",
        capture_output=True,
        text=True,
        errors="replace",
        env=environment,
        check=False,
    )
    reports = [line for line in done.stderr.splitlines() if _is_report(line)]
    met = len(count.read_text())
    ended = "THE END" in done.stdout
    malformed = done.stderr.count("malformed answer")
    print(f"{len(texts)} statements, {met} spoilt answers, {malformed} told as malformed,"
          f" {len(reports)} reports, the shell {'ended well' if ended else 'DIED'}"
          f" (status {done.returncode})")  # fmt: skip
    if reports or not ended or met == 0:
        print(done.stderr[-6000:])
    return int(bool(reports) or not ended or met < len(texts) // 20)


def _is_report(line: str) -> bool:
    return "Sanitizer" in line or "runtime error:" in line


if __name__ == "__main__":
    sys.exit(main())
