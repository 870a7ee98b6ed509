"""The picture of the terminal in the README: what its commands print, against the emulator.

``python tests/picture.py`` writes it anew; ``test_readme`` holds the README to it.
"""

from __future__ import annotations

import contextlib
import io
import os
import re
import shlex
import tempfile
from datetime import UTC, datetime
from pathlib import Path

from sessions_vtab.cli import main
from sessions_vtab.emulator.serve import running
from sessions_vtab.emulator.service import EmulatorSettings

README = Path(__file__).parents[1] / "README.md"
BLOCK = re.compile(r"(?<=```text\n).*?(?=```)", re.DOTALL)

COMMANDS = (
    """sessions-vtab query "SELECT s.user_id, count(*) AS turns
>   FROM sessions AS s JOIN events AS e USING (session_id)
>   WHERE s.labels->>'env' = 'prod' GROUP BY 1 ORDER BY 2 DESC LIMIT 3\"""",
    """sessions-vtab explain "SELECT * FROM sessions WHERE user_id = 'ann' AND state IS NOT NULL\"""",
    'sessions-vtab query "SELECT usr_id FROM sessions"',
)

SETTINGS = EmulatorSettings(
    seed=7, sessions=90, events=900, clock=lambda: datetime(2026, 1, 1, tzinfo=UTC)
)


def picture() -> str:
    """Each command as it is typed, and what it prints, as on a terminal."""
    shown = []
    with (
        running(SETTINGS) as emulator,
        tempfile.TemporaryDirectory() as folder,
    ):
        file = Path(folder) / "config.toml"
        url = f"vertex://demo/us-central1/42?base_url={emulator.url}"
        file.write_text(f'[sources.prod]\nurl = "{url}"\n', "utf-8")
        for command in COMMANDS:
            shown += [f"$ {command}\n", _printed(command, file), "\n"]
    return "".join(shown).rstrip("\n") + "\n"


def _printed(command: str, config: Path) -> str:
    _, *arguments = shlex.split(command.replace("\n>", "\n"))
    wide = ["--format", "table"] if arguments[0] == "query" else []
    printed = io.StringIO()
    with contextlib.redirect_stdout(printed), contextlib.redirect_stderr(printed):
        main([*arguments, "--config", os.fspath(config), *wide])
    return printed.getvalue()


if __name__ == "__main__":
    text = README.read_text("utf-8")
    README.write_text(BLOCK.sub(lambda _: picture(), text, count=1), "utf-8")
