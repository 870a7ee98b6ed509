r"""What users of other shells type, as this shell has it: ``exit``, ``\dt``, ``show tables``."""

from __future__ import annotations

import functools
import re
from collections.abc import Sequence
from typing import Final

from sessions_vtab.errors import did_you_mean

_SOURCES: Final = (
    "Each source is a schema. Write its name before the table, such as prod.sessions; the first"
    " --source given is the default."
)
_BEGINNINGS: Final = ("\\", "?", "exit", "quit", "help", "show", "desc", "use")
"""How the lines begin that stand for a command."""
_NAME: Final = r'([\w"]+(?:\.[\w"]+)?)'

ELSEWHERE: Final = {
    "use": _SOURCES,
    "clone": "To copy a source to a file: sessions-vtab snapshot FILE.db",
    "save": "To copy a source to a file: sessions-vtab snapshot FILE.db",
    "recover": "The tables are not stored here. To copy a source to a file: sessions-vtab snapshot"
    " FILE.db",
    "excel": "Spreadsheets open CSV: .mode csv, .once FILE.csv, then the statement.",
    "www": "Browsers open HTML: .mode html, .once FILE.html, then the statement.",
    "expert": "The services have no indexes that could be created. .explain SELECT .. shows what is"
    " sent.",
    "lint": "The services have no indexes that could be created. .explain SELECT .. shows what is"
    " sent.",
    "scanstats": ".stats on lists the requests of each statement, .explain SELECT .. the next.",
    "auth": "Start the shell with --read-only, or limit a source by its scopes (.help sources).",
    "session": "A change log is written with --audit FILE when starting the shell.",
    "archive": "Archives cannot be opened. ATTACH 'file.db' AS f opens a database.",
}
"""Commands of other shells that do not exist here, with what there is instead."""


@functools.cache
def _lines() -> Sequence[tuple[re.Pattern[str], str]]:
    """What a line is, and the command of this shell for it, with groups of the line's text."""
    lines = (
        (r"(?:exit|quit)(?:\s*\(\s*\))?", ".exit"),
        (r"\?|help", ".help"),
        (r"(?:\?\s*|help\s+)([\w.]+)", r".help \1"),
        (r"show\s+(?:full\s+)?tables", ".tables"),
        (r"show\s+(?:databases|schemas|sources)", ".sources"),
        (rf"(?:describe|desc)\s+(?:table\s+)?{_NAME}", r".inspect \1"),
        (rf"show\s+(?:full\s+)?(?:columns|fields)\s+(?:from|in)\s+{_NAME}", r".inspect \1"),
        (rf"show\s+create\s+table\s+{_NAME}", r".schema \1"),
        (r"use\s+\w+", ".use"),
        (r"\\q", ".exit"),
        (r"\\(?:\?|h)\s*(\S*)", r".help \1"),
        (r"\\d[tvms]?[+S]*", ".tables"),
        (rf"\\d[tvms]?[+S]*\s+{_NAME}", r".inspect \1"),
        (r"\\(?:l|dn)\+?", ".sources"),
        (r"\\(?:c|connect)\b.*", ".use"),
        (r"\\x(?:\s+(?:on|1))?", ".mode line"),
        (r"\\x\s+(?:off|auto|0)", ".mode auto"),
        (r"\\i\s+(.+)", r".read \1"),
        (r"\\o\s*(.*)", r".output \1"),
        (r"\\timing(?:\s+on)?", ".timer on"),
        (r"\\timing\s+off", ".timer off"),
        (r"\\!\s*(.+)", r".shell \1"),
        (r"\\(\S+).*", r".\1"),  # Not known here: the shell says what is nearest.
    )
    return tuple((re.compile(pattern, re.IGNORECASE), command) for pattern, command in lines)


def shell_command(line: str) -> str | None:
    """The command of this shell that a line stands for; None for SQL.

    Args:
        line: a line as it was typed, also one that is a command of this shell.
    """
    text = line.strip()
    if text.startswith("."):
        return text.partition("\n")[0]
    text = text.rstrip(";").rstrip()
    if not text.lower().startswith(_BEGINNINGS):
        return None
    for pattern, command in _lines():
        match = pattern.fullmatch(text)
        if match:
            return match.expand(command).strip()
    return None


def command_name(typed: str, known: Sequence[str]) -> str:
    """The command that is meant by a name or by the beginning of one.

    Args:
        typed: the name without its dot.
        known: names of all commands.

    Raises:
        LookupError: there is no such command, or there are several; the text says which are near.
    """
    name = typed.lower().replace("_", "-")
    if name in known or name in ELSEWHERE:
        return name
    begun = [one for one in known if name and one.startswith(name)]
    shortest = min(begun, key=len, default="")
    # "header" is not ambiguous because of "headers", which is the same.
    if shortest and all(one.startswith(shortest) for one in begun):
        return shortest
    if begun:
        raise LookupError(f".{typed} can be {' or '.join(f'.{one}' for one in begun)}.")
    meant = did_you_mean(name, known)
    raise LookupError(f"There is no command .{typed}.{meant} .help all lists the commands.")
