"""The commands of the command line, and the options of each."""

from __future__ import annotations

import argparse
import re
import shlex
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any, Final

__all__ = [
    "COMMANDS",
    "FORMAT_NAMES",
    "MODE_NAMES",
    "UNASKED",
    "Command",
    "add_common",
    "add_shell",
]

FORMAT_NAMES: Final = (
    *("table", "json", "jsonl", "csv", "tsv", "markdown", "box", "grid", "column", "line", "list"),
    *("quote", "insert", "html"),
)
"""What ``--format`` takes (a test holds it equal to ``formats.FORMATS``)."""

MODE_NAMES: Final = {**{name: name for name in FORMAT_NAMES}, "table": "grid", "tabs": "tsv"}
"""Options such as ``-box``, as in the sqlite3 shell (a test: as in ``formats.SQLITE_MODES``)."""

UNASKED: Final = 200
"""Requests that ``report`` makes without asking."""

_SHELLS: Final = ("bash", "zsh")
_FILES: Final = {"bash": "_shtab_compgen_files", "zsh": "_files"}
"""How shtab is told that an argument is a file."""
_HIGHEST_PORT: Final = 65_535
_NUMBER: Final = re.compile(r"\d{1,6}(\.\d{1,6})?", re.ASCII)


def _count(text: str) -> int:
    if not re.fullmatch(r"\d{1,12}", text, re.ASCII):
        raise argparse.ArgumentTypeError(f"{text!r} is not a whole number of at least 0")
    return int(text)


def _positive(text: str) -> int:
    if (count := _count(text)) == 0:
        raise argparse.ArgumentTypeError(f"{text!r} is not a whole number of at least 1")
    return count


def _port(text: str) -> int:
    if (port := _count(text)) > _HIGHEST_PORT:
        raise argparse.ArgumentTypeError(f"{text!r} is not a port from 0 to {_HIGHEST_PORT}")
    return port


def _names(text: str) -> tuple[str, ...]:
    return tuple(name for part in text.split(",") if (name := part.strip()))


def _minutes(text: str) -> float:
    if not _NUMBER.fullmatch(text):
        raise argparse.ArgumentTypeError(f"{text!r} is not a valid number of minutes")
    return float(text)


def _seconds(text: str) -> float:
    if not _NUMBER.fullmatch(text) or float(text) == 0:
        raise argparse.ArgumentTypeError(f"{text!r} is not a valid number of seconds")
    return float(text)


def add_common(parser: argparse.ArgumentParser, sources: str, default: str | None) -> None:
    """Options that may stand before or after the command.

    A command's parser leaves out what was not given (SUPPRESS), so that it does not undo what
    stood before it.
    """
    add = parser.add_argument_group("sources and limits").add_argument
    add(
        "--source",
        dest=sources,
        action="append",
        metavar="[NAME=]URL",
        default=default,
        help=(
            "URL of a source, such as local:///path/to/file.db; can be repeated, the first"
            " is the default"
        ),
    )
    add("--config", metavar="FILE", default=default, help="configuration file")
    flag = argparse.SUPPRESS if default else False
    add("--read-only", "-readonly", action="store_true", default=flag, help="refuse all writes")
    add(
        "--dry-run",
        action="store_true",
        default=flag,
        help=("show what writes would send, without sending it"),
    )
    add("--audit", metavar="FILE", default=default, help="append one line per write to FILE")
    add(
        "--max-requests",
        type=_count,
        metavar="N",
        default=default,
        help=("maximum number of requests per statement"),
    )
    add(
        "--max-writes",
        type=_count,
        metavar="N",
        default=default,
        help=("maximum number of rows written per statement"),
    )


def add_shell(parser: argparse.ArgumentParser) -> None:
    """Options of the shell, by the names that the sqlite3 shell has for them."""
    group = parser.add_argument_group(
        "shell", "As in the sqlite3 shell. With SQL in place of COMMAND, that is run."
    )
    _add_modes(group, None)
    add = group.add_argument
    add("-init", "--init", metavar="FILE", help="run FILE first")
    add(
        *("-cmd", "--cmd"),
        dest="commands",
        action="append",
        metavar="COMMAND",
        help="run COMMAND before reading input; can be repeated",
    )
    add("-bail", "--bail", action="store_true", help="stop after the first error")
    add("-batch", "--batch", action="store_true", help="read input without prompts")
    add("-echo", dest="commands", action="append_const", const=".echo on", help=argparse.SUPPRESS)
    for name in ("nullvalue", "separator"):
        add(
            *(f"-{name}", f"--{name}"),
            dest="commands",
            action="append",
            type=_Setting(name),
            metavar="TEXT",
            help=argparse.SUPPRESS,
        )


class _Setting:
    """The command of the shell that sets something to an option's value."""

    def __init__(self, name: str) -> None:
        self._name = name

    def __call__(self, value: str) -> str:
        return f".{self._name} {shlex.quote(value)}"


def _add_modes(parser: Any, default: str | None) -> None:
    """``-box``, ``-csv`` and the like; ``-header`` and ``-noheader``."""
    for name, form in MODE_NAMES.items():
        parser.add_argument(
            *(f"-{name}", f"--{name}"),
            dest="format",
            action="store_const",
            const=form,
            default=default,
            help="output format: also -csv, -json, -markdown, .."
            if name == "box"
            else argparse.SUPPRESS,
        )
    heading = argparse.SUPPRESS if default else True
    parser.add_argument(
        *("-header", "--header"),
        dest="heading",
        action="store_true",
        default=heading,
        help=argparse.SUPPRESS,
    )
    parser.add_argument(
        *("-noheader", "--noheader"),
        dest="heading",
        action="store_false",
        default=heading,
        help="leave out the names of columns",
    )


def _add_run(parser: argparse.ArgumentParser) -> None:
    parser.add_argument(
        "file", metavar="FILE.sql", help="SQL file, or - for standard input"
    ).complete = _FILES  # type: ignore[attr-defined]
    _add_output(parser, "table")


def _add_query(parser: argparse.ArgumentParser) -> None:
    parser.add_argument("sql", metavar="SQL", help="SQL statements, or - for standard input")
    parser.add_argument(
        "--fail-if-rows",
        action="store_true",
        help="exit with 1 if there is a row, for alerts",
    )
    _add_output(parser, None)


def _add_completion(parser: argparse.ArgumentParser) -> None:
    parser.add_argument("shell", choices=_SHELLS, help=f"{' or '.join(_SHELLS)}")


def _add_extension(parser: argparse.ArgumentParser) -> None:
    parser.add_argument(
        "--catalog",
        metavar="FILE",
        help="write a new database file whose tables are the live ones, for tools that list those",
    ).complete = _FILES  # type: ignore[attr-defined]


def _add_explain(parser: argparse.ArgumentParser) -> None:
    parser.add_argument("sql", metavar="SQL", help="SQL statement, or - for standard input")
    parser.add_argument(
        "--why",
        action="store_true",
        help="also name the rule by which each condition is sent or not",
    )
    _add_parameters(parser)


def _add_output(parser: argparse.ArgumentParser, default: str | None) -> None:
    note = "" if default else "; default: box or line on a terminal, csv otherwise"
    parser.add_argument(
        "--format",
        choices=FORMAT_NAMES,
        default=argparse.SUPPRESS,
        help=f"output format: {', '.join(FORMAT_NAMES)}{note}; also as --json, --csv, ..",
        metavar="FORMAT",
    )
    _add_modes(parser, argparse.SUPPRESS)
    parser.add_argument(
        "-o",
        "--output",
        metavar="FILE",
        help=("write the output to FILE, which appears only when it is complete"),
    )
    _add_parameters(parser)


def _add_parameters(parser: argparse.ArgumentParser) -> None:
    parser.add_argument(
        "-p",
        "--parameter",
        dest="parameters",
        nargs=2,
        action="append",
        default=[],
        metavar=("NAME", "VALUE"),
        help="set the parameter :NAME to VALUE, as text; can be repeated",
    )


def _add_sources(parser: argparse.ArgumentParser) -> None:
    parser.add_argument(
        "--check", action="store_true", help=("test each source with one cheap request")
    )
    parser.add_argument("names", nargs="*", metavar="NAME", help=("sources to list; default: all"))


def _add_snapshot(parser: argparse.ArgumentParser) -> None:
    add = parser.add_argument
    add("file", metavar="FILE.db", help="output file; an existing snapshot is updated")
    add("--tables", type=_names, metavar="T,..", help="copy only these tables")
    add(
        "--where",
        metavar="SQL",
        help=("copy only sessions that match this condition, and their events"),
    )
    add("--without", type=_names, default=(), metavar="C,..", help="leave out these columns")
    add("--full", action="store_true", help="read everything again")
    add(
        "--overlap",
        type=_minutes,
        default=5.0,
        metavar="MINUTES",
        help=("read sessions again that were younger than this at the last snapshot; default: 5"),
    )
    add(
        "--yes",
        action="store_true",
        help=("do not ask for confirmation before making many requests"),
    )
    add("--parquet", metavar="DIR", help="also write the tables as Parquet files to DIR")


def _add_mcp(parser: argparse.ArgumentParser) -> None:
    add = parser.add_argument
    add(
        "--http",
        type=_port,
        metavar="PORT",
        help=(
            "serve HTTP on this loopback port instead of standard input and output; 0 takes a"
            " free one"
        ),
    )
    add("--writable", action="store_true", help="also offer the tool write")
    add(
        "--max-rows",
        type=_positive,
        metavar="N",
        help="maximum number of rows per call; default: 1000",
    )
    add(
        "--max-bytes",
        type=_positive,
        metavar="N",
        help="maximum size of the rows per call as JSON; default: 100000",
    )
    add(
        "--statement-timeout",
        type=_seconds,
        metavar="SECONDS",
        help="time that a statement may take; default: 60",
    )


def _add_help(parser: argparse.ArgumentParser) -> None:
    parser.add_argument("topic", nargs="?", help="table, function or topic")
    parser.add_argument(
        "--markdown",
        action="store_true",
        help=("print Markdown; without a topic, print the whole reference"),
    )


def _add_new_backend(parser: argparse.ArgumentParser) -> None:
    add = parser.add_argument
    add("name", metavar="NAME", help="name of the backend in URLs: NAME://..")
    add("folder", metavar="FOLDER", nargs="?", default="", help="new folder; default: NAME")


def _add_report(parser: argparse.ArgumentParser) -> None:
    add = parser.add_argument
    file = "sessions-report.html"
    add("-o", "--output", metavar="FILE", default=file, help=f"output file; default: {file}")
    add("--since", metavar="TIME", help="only events from this time on, such as 2026-01-31")
    add(
        "--user",
        dest="users",
        action="append",
        default=[],
        metavar="USER",
        help="only sessions of this user; can be repeated",
    )
    add(
        "--without-text",
        dest="texts",
        action="store_false",
        help="leave out what users and agents said",
    )
    add("--sql", action="store_true", help="show the SELECT of every number")
    add("--yes", action="store_true", help=f"do not ask before more than {UNASKED} requests")


def _add_nothing(_: argparse.ArgumentParser) -> None:
    """For a command without arguments of its own."""


@dataclass(frozen=True, slots=True)
class Command:
    """One command.

    Attributes:
        name: the word for it.
        summary: what it does; begins in small letters.
        add: adds its own arguments to a parser.
        connects: it takes the options about sources and limits.
        epilog: what its help ends with.
    """

    name: str
    summary: str
    add: Callable[[argparse.ArgumentParser], None] = _add_nothing
    connects: bool = True
    epilog: str | None = None


COMMANDS: Final = (
    Command("run", "run the statements in a file", _add_run),
    Command("query", "run statements and print their results", _add_query),
    Command("explain", "show what a SELECT would send, without sending it", _add_explain),
    Command("sources", "list the sources", _add_sources),
    Command("init", "ask for a source and write it to the configuration file"),
    Command(
        "snapshot",
        "copy a source to a file, or update an existing copy",
        _add_snapshot,
        epilog="--max-requests applies to the whole snapshot; default: 100000.",
    ),
    Command(
        "report",
        "write a report on agents' conversations as an HTML file",
        _add_report,
        epilog="--max-requests applies to the whole report; default: 100000.",
    ),
    Command(
        "mcp",
        "serve the sources to AI agents (Model Context Protocol)",
        _add_mcp,
        epilog="--max-requests applies to each call; default: 200.",
    ),
    Command(
        "extension",
        "print where the extension for any SQLite is",
        _add_extension,
        connects=False,
        epilog="The sources are those of the configuration file: sessions-vtab help extension",
    ),
    Command("help", "show the reference: tables, functions and topics", _add_help),
    Command(
        "new-backend",
        "write the package of a new backend, with its test",
        _add_new_backend,
        connects=False,
        epilog="How a backend is written: sessions-vtab help backends",
    ),
    Command(
        "completion",
        "print a script for completion by the shell",
        _add_completion,
        epilog='For bash: eval "$(sessions-vtab completion bash)"',
    ),
    Command("emulator", "serve all APIs on a loopback port, to try things out", connects=False),
)
"""All of them, in the order of the help."""
