"""The commands of the command line, and the options of each."""

from __future__ import annotations

import argparse
import re
import shlex
from collections.abc import Callable
from dataclasses import dataclass
from functools import partial
from typing import Any, Final

from sessions_vtab.cli.formats import AUTO, FORMATS, SQLITE_MODES

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


def _option(group: Any, form: str, text: str, **settings: Any) -> None:
    """Adds an option or argument in the form that its help shows.

    Args:
        group: what it is added to.
        form: such as ``-o --output FILE``; an option without a value is a switch.
        text: its help.
        settings: of ``argparse``, where they do not follow from the form.
    """
    words = form.split()
    flags = [word for word in words if word.startswith("-")]
    if len(flags) < len(words):
        settings.setdefault("metavar", " ".join(words[len(flags) :]))
    else:
        settings.setdefault("action", "store_true")
    group.add_argument(*flags, help=text, **settings)


def add_common(parser: argparse.ArgumentParser, sources: str, default: str | None) -> None:
    """Options that may stand before or after the command.

    A command's parser leaves out what was not given (SUPPRESS), so that it does not undo what
    stood before it.
    """
    group = parser.add_argument_group("sources and limits")
    switch = argparse.SUPPRESS if default else False

    def add(form: str, text: str, **settings: Any) -> None:
        _option(group, form, text, **{"default": default, **settings})

    about = "URL of a source, such as local:///path/to/file.db; can be repeated, the first is the"
    add("--source [NAME=]URL", f"{about} default", dest=sources, action="append")
    add("--config FILE", "configuration file")
    add("--read-only -readonly", "refuse all writes", default=switch)
    add("--dry-run", "show what writes would send, without sending it", default=switch)
    add("--audit FILE", "append one line per write to FILE")
    add("--max-requests N", "maximum number of requests per statement", type=_count)
    add("--max-writes N", "maximum number of rows written per statement", type=_count)


def add_shell(parser: argparse.ArgumentParser) -> None:
    """Options of the shell, by the names that the sqlite3 shell has for them."""
    group = parser.add_argument_group(
        "shell", "As in the sqlite3 shell. With SQL in place of COMMAND, that is run."
    )
    _add_modes(group, None)
    commands = {"dest": "commands", "action": "append"}
    about = "run COMMAND before reading input; can be repeated"
    _option(group, "-init --init FILE", "run FILE first")
    _option(group, "-cmd --cmd COMMAND", about, **commands)
    _option(group, "-bail --bail", "stop after the first error")
    _option(group, "-batch --batch", "read input without prompts")
    echo = {"dest": "commands", "action": "append_const", "const": ".echo on"}
    _option(group, "-echo", argparse.SUPPRESS, **echo)
    for name in ("nullvalue", "separator"):
        form = f"-{name} --{name} TEXT"
        _option(group, form, argparse.SUPPRESS, type=_Setting(name), **commands)


class _Setting:
    """The command of the shell that sets something to an option's value."""

    def __init__(self, name: str) -> None:
        self._name = name

    def __call__(self, value: str) -> str:
        return f".{self._name} {shlex.quote(value)}"


def _add_modes(parser: Any, default: str | None) -> None:
    """``-box``, ``-csv`` and the like; ``-header`` and ``-noheader``."""
    mode = {"dest": "format", "action": "store_const", "default": default}
    about = "output format: also -csv, -json, -markdown, .."
    for name, form in SQLITE_MODES.items():
        if form != AUTO:
            text = about if name == "box" else argparse.SUPPRESS
            _option(parser, f"-{name} --{name}", text, const=form, **mode)
    heading = {"dest": "heading", "default": argparse.SUPPRESS if default else True}
    _option(parser, "-header --header", argparse.SUPPRESS, **heading)
    text = "leave out the names of columns"
    _option(parser, "-noheader --noheader", text, action="store_false", **heading)


def _add_file(parser: argparse.ArgumentParser, *form: str, **settings: Any) -> None:
    """An argument or option whose value a shell completes to a file."""
    parser.add_argument(*form, **settings).complete = _FILES  # type: ignore[attr-defined]


def _add_run(parser: argparse.ArgumentParser) -> None:
    _add_file(parser, "file", metavar="FILE.sql", help="SQL file, or - for standard input")
    _add_output(parser, "table")


def _add_query(parser: argparse.ArgumentParser) -> None:
    parser.add_argument("sql", metavar="SQL", help="SQL statements, or - for standard input")
    _option(parser, "--fail-if-rows", "exit with 1 if there is a row, for alerts")
    _add_output(parser, None)


def _add_completion(parser: argparse.ArgumentParser) -> None:
    parser.add_argument("shell", choices=_SHELLS, help=f"{' or '.join(_SHELLS)}")


def _add_extension(parser: argparse.ArgumentParser) -> None:
    text = "write a new database file whose tables are the live ones, for tools that list those"
    _add_file(parser, "--catalog", metavar="FILE", help=text)


def _add_explain(parser: argparse.ArgumentParser) -> None:
    parser.add_argument("sql", metavar="SQL", help="SQL statement, or - for standard input")
    _option(parser, "--why", "also name the rule by which each condition is sent or not")
    _add_parameters(parser)


def _add_output(parser: argparse.ArgumentParser, default: str | None) -> None:
    note = "" if default else "; default: box or line on a terminal, csv otherwise"
    text = f"output format: {', '.join(FORMATS)}{note}; also as --json, --csv, .."
    _option(parser, "--format FORMAT", text, choices=tuple(FORMATS), default=argparse.SUPPRESS)
    _add_modes(parser, argparse.SUPPRESS)
    text = "write the output to FILE, which appears only when it is complete"
    _option(parser, "-o --output FILE", text)
    _add_parameters(parser)


def _add_parameters(parser: argparse.ArgumentParser) -> None:
    text = "set the parameter :NAME to VALUE, as text; can be repeated"
    pairs = {"dest": "parameters", "nargs": 2, "action": "append", "metavar": ("NAME", "VALUE")}
    _option(parser, "-p --parameter", text, default=[], **pairs)


def _add_sources(parser: argparse.ArgumentParser) -> None:
    _option(parser, "--check", "test each source with one cheap request")
    parser.add_argument("names", nargs="*", metavar="NAME", help="sources to list; default: all")


def _add_snapshot(parser: argparse.ArgumentParser) -> None:
    text = "output file; an existing snapshot is updated"
    parser.add_argument("file", metavar="FILE.db", help=text)
    add = partial(_option, parser)
    add("--tables T,..", "copy only these tables", type=_names)
    add("--where SQL", "copy only sessions that match this condition, and their events")
    add("--without C,..", "leave out these columns", type=_names, default=())
    add("--full", "read everything again")
    text = "read sessions again that were younger than this at the last snapshot; default: 5"
    add("--overlap MINUTES", text, type=_minutes, default=5.0)
    add("--yes", "do not ask for confirmation before making many requests")
    add("--parquet DIR", "also write the tables as Parquet files to DIR")


def _add_mcp(parser: argparse.ArgumentParser) -> None:
    add = partial(_option, parser)
    text = "serve HTTP on this loopback port instead of standard input and output; 0 takes a free"
    add("--http PORT", f"{text} one", type=_port)
    add("--writable", "also offer the tool write")
    add("--max-rows N", "maximum number of rows per call; default: 1000", type=_positive)
    text = "maximum size of the rows per call as JSON; default: 100000"
    add("--max-bytes N", text, type=_positive)
    text = "time that a statement may take; default: 60"
    add("--statement-timeout SECONDS", text, type=_seconds)


def _add_help(parser: argparse.ArgumentParser) -> None:
    parser.add_argument("topic", nargs="?", help="table, function or topic")
    text = "print Markdown; without a topic, print the whole reference"
    _option(parser, "--markdown", text)


def _add_new_backend(parser: argparse.ArgumentParser) -> None:
    add = parser.add_argument
    add("name", metavar="NAME", help="name of the backend in URLs: NAME://..")
    add("folder", metavar="FOLDER", nargs="?", default="", help="new folder; default: NAME")


def _add_report(parser: argparse.ArgumentParser) -> None:
    file, add = "sessions-report.html", partial(_option, parser)
    add("-o --output FILE", f"output file; default: {file}", default=file)
    add("--since TIME", "only events from this time on, such as 2026-01-31")
    text = "only sessions of this user; can be repeated"
    add("--user USER", text, dest="users", action="append", default=[])
    text = "leave out what users and agents said"
    add("--without-text", text, dest="texts", action="store_false")
    add("--sql", "show the SELECT of every number")
    add("--yes", f"do not ask before more than {UNASKED} requests")


@dataclass(frozen=True, slots=True)
class Command:
    """One command.

    Attributes:
        name: the word for it.
        summary: what it does; begins in small letters.
        add: adds its own arguments to a parser; None if it has none.
        connects: it takes the options about sources and limits.
        epilog: what its help ends with.
    """

    name: str
    summary: str
    add: Callable[[argparse.ArgumentParser], None] | None = None
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
