"""The command line's arguments: the commands with the options of each, and how they are read."""

from __future__ import annotations

import argparse
import re
import shlex
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from functools import partial
from math import inf
from pathlib import Path
from typing import Any, Final, NamedTuple, NoReturn

from sessions_vtab.cli.formats import AUTO, FORMATS, SQLITE_MODES
from sessions_vtab.cli.habits import shell_command
from sessions_vtab.errors import did_you_mean

UNASKED: Final = 200
"""Requests that ``report`` makes without asking."""

_PROGRAM: Final = "sessions-vtab"
_EXIT: Final = "Exit status: 0 if every statement succeeded, 1 if one failed, 2 for a usage error."
_SHELLS: Final = ("bash", "zsh")
_FILES: Final = {"bash": "_shtab_compgen_files", "zsh": "_files"}
"""How shtab is told that an argument is a file."""
_URL: Final = re.compile(r"(?:\w[\w-]*=)?[a-z]\w*:/\S*")
_COMMAND: Final = re.compile(r"\.[a-z]\w*|\\.*")
_STORES: Final = frozenset((".db", ".sqlite", ".sqlite3"))


def _number(
    what: str, convert: type[int | float] = int, least: float = 0, most: float = inf
) -> Callable[[str], float]:
    """A type of ``argparse``: a number in plain digits."""
    digits = re.compile(r"\d{1,12}" if convert is int else r"\d{1,6}(\.\d{1,6})?", re.ASCII)

    def read(text: str) -> float:
        if digits.fullmatch(text) and least <= convert(text) <= most:
            return convert(text)
        raise argparse.ArgumentTypeError(f"{text!r} is not {what}")

    return read


def _names(text: str) -> tuple[str, ...]:
    return tuple(name for part in text.split(",") if (name := part.strip()))


_LATENCY: Final = _number("a number of seconds, at most 3600", float, most=3_600)
_POSITIVE: Final = _number("a whole number of at least 1", least=1)
_TYPES: Final[Mapping[str, Callable[[str], Any]]] = {
    "N": _number("a whole number of at least 0"),
    "PORT": _number("a port from 0 to 65535", most=65_535),
    "MINUTES": _number("a valid number of minutes", float),
    "SECONDS": _number("a valid number of seconds", float, least=1e-6),
    "T,..": _names,
    "C,..": _names,
}
"""What is made of a value, by what stands for it in the help."""


class Option(NamedTuple):
    """An option or argument.

    Attributes:
        form: as its help shows it, such as ``-o --output FILE``: an option without a value is a
            switch. An argument is its name and what stands for it: ``file FILE.sql``.
        text: its help.
        settings: of ``argparse``, where they do not follow from the form.
    """

    form: str
    text: str
    settings: dict[str, Any]


def _option(form: str, text: str, **settings: Any) -> Option:
    return Option(form, text, settings)


def _add(group: Any, options: Iterable[Option]) -> None:
    for option in options:
        words, settings = option.form.split(), dict(option.settings)
        flags = [word for word in words if word.startswith("-")] or words[:1]
        value = " ".join(words[len(flags) :])
        if value:
            settings = {"metavar": value, "type": _TYPES.get(value), **settings}
        elif flags[0].startswith("-"):
            settings.setdefault("action", "store_true")
        added = group.add_argument(*flags, help=option.text, **settings)
        if value.startswith("FILE"):
            added.complete = _FILES


def _common(sources: str, default: str | None) -> Iterator[Option]:
    """Options that may stand before or after the command.

    A command's parser leaves out what was not given (SUPPRESS), so that it does not undo what
    stood before it.
    """
    switch = argparse.SUPPRESS if default else False
    about = "URL of a source, such as local:///path/to/file.db; can be repeated, the first is the"
    source = {"dest": sources, "action": "append", "default": default}
    yield _option("--source [NAME=]URL", f"{about} default", **source)
    yield _option("--config FILE", "configuration file", default=default)
    yield _option("--read-only -readonly", "refuse all writes", default=switch)
    text = "show what writes would send, without sending it"
    yield _option("--dry-run", text, default=switch)
    yield _option("--audit FILE", "append one line per write to FILE", default=default)
    text = "maximum number of requests per statement"
    yield _option("--max-requests N", text, default=default)
    text = "maximum number of rows written per statement"
    yield _option("--max-writes N", text, default=default)


def _modes(default: str | None) -> Iterator[Option]:
    """``-box``, ``-csv`` and the like; ``-header`` and ``-noheader``."""
    mode = {"dest": "format", "action": "store_const", "default": default}
    about = "output format: also -csv, -json, -markdown, .."
    for name, form in SQLITE_MODES.items():
        if form != AUTO:
            text = about if name == "box" else argparse.SUPPRESS
            yield _option(f"-{name} --{name}", text, const=form, **mode)
    heading = {"dest": "heading", "default": argparse.SUPPRESS if default else True}
    yield _option("-header --header", argparse.SUPPRESS, **heading)
    text = "leave out the names of columns"
    yield _option("-noheader --noheader", text, action="store_false", **heading)


def _shell_options() -> Iterator[Option]:
    """Options of the shell, by the names that the sqlite3 shell has for them."""
    commands = {"dest": "commands", "action": "append"}
    yield from _modes(None)
    yield _option("-init --init FILE", "run FILE first")
    about = "run COMMAND before reading input; can be repeated"
    yield _option("-cmd --cmd COMMAND", about, **commands)
    yield _option("-bail --bail", "stop after the first error")
    yield _option("-batch --batch", "read input without prompts")
    echo = {"dest": "commands", "action": "append_const", "const": ".echo on"}
    yield _option("-echo", argparse.SUPPRESS, **echo)
    for name in ("nullvalue", "separator"):
        form = f"-{name} --{name} TEXT"
        yield _option(form, argparse.SUPPRESS, type=partial(_setting, name), **commands)


def _setting(name: str, value: str) -> str:
    """The command of the shell that sets something to an option's value."""
    return f".{name} {shlex.quote(value)}"


_PARAMETERS: Final = _option(
    "-p --parameter",
    "set the parameter :NAME to VALUE, as text; can be repeated",
    dest="parameters",
    nargs=2,
    action="append",
    metavar=("NAME", "VALUE"),
    default=[],
)


def _output(note: str = "") -> Iterator[Option]:
    text = f"output format: {', '.join(FORMATS)}{note}; also as --json, --csv, .."
    yield _option("--format FORMAT", text, choices=tuple(FORMATS), default=argparse.SUPPRESS)
    yield from _modes(argparse.SUPPRESS)
    text = "write the output to FILE, which appears only when it is complete"
    yield _option("-o --output FILE", text)
    yield _PARAMETERS


class Command(NamedTuple):
    """One command.

    Attributes:
        name: the word for it.
        summary: what it does; begins in small letters.
        options: its own options and arguments.
        connects: it takes the options about sources and limits.
        epilog: what its help ends with.
    """

    name: str
    summary: str
    options: tuple[Option, ...] = ()
    connects: bool = True
    epilog: str | None = None


COMMANDS: Final = (
    Command(
        "run",
        "run the statements in a file",
        (_option("file FILE.sql", "SQL file, or - for standard input"), *_output()),
    ),
    Command(
        "query",
        "run statements and print their results",
        (
            _option("sql SQL", "SQL statements, or - for standard input"),
            _option("--fail-if-rows", "exit with 1 if there is a row, for alerts"),
            *_output("; default: box or line on a terminal, csv otherwise"),
        ),
    ),
    Command(
        "explain",
        "show what a SELECT would send, without sending it",
        (
            _option("sql SQL", "SQL statement, or - for standard input"),
            _option("--why", "also name the rule by which each condition is sent or not"),
            _PARAMETERS,
        ),
    ),
    Command(
        "sources",
        "list the sources",
        (
            _option("--check", "test each source with one cheap request"),
            _option("names NAME", "sources to list; default: all", nargs="*"),
        ),
    ),
    Command("init", "ask for a source and write it to the configuration file"),
    Command(
        "snapshot",
        "copy a source to a file, or update an existing copy",
        (
            _option("file FILE.db", "output file; an existing snapshot is updated"),
            _option("--tables T,..", "copy only these tables"),
            _option(
                "--where SQL", "copy only sessions that match this condition, and their events"
            ),
            _option("--without C,..", "leave out these columns", default=()),
            _option("--full", "read everything again"),
            _option(
                "--overlap MINUTES",
                "read sessions again that were younger than this at the last snapshot; default: 5",
                default=5.0,
            ),
            _option("--yes", "do not ask for confirmation before making many requests"),
            _option("--parquet DIR", "also write the tables as Parquet files to DIR"),
        ),
        epilog="--max-requests applies to the whole snapshot; default: 100000.",
    ),
    Command(
        "report",
        "write a report on agents' conversations as an HTML file",
        (
            _option(
                "-o --output FILE",
                "output file; default: sessions-report.html",
                default="sessions-report.html",
            ),
            _option("--since TIME", "only events from this time on, such as 2026-01-31"),
            _option(
                "--user USER",
                "only sessions of this user; can be repeated",
                dest="users",
                action="append",
                default=[],
            ),
            _option(
                "--without-text",
                "leave out what users and agents said",
                dest="texts",
                action="store_false",
            ),
            _option("--sql", "show the SELECT of every number"),
            _option("--yes", f"do not ask before more than {UNASKED} requests"),
        ),
        epilog="--max-requests applies to the whole report; default: 100000.",
    ),
    Command(
        "mcp",
        "serve the sources to AI agents (Model Context Protocol)",
        (
            _option(
                "--http PORT",
                "serve HTTP on this loopback port instead of standard input and output; 0 takes a"
                " free one",
            ),
            _option("--writable", "also offer the tool write"),
            _option(
                "--max-rows N", "maximum number of rows per call; default: 1000", type=_POSITIVE
            ),
            _option(
                "--max-bytes N",
                "maximum size of the rows per call as JSON; default: 100000",
                type=_POSITIVE,
            ),
            _option(
                "--statement-timeout SECONDS",
                "time that a statement may take; default: 60",
            ),
        ),
        epilog="--max-requests applies to each call; default: 200.",
    ),
    Command(
        "extension",
        "print where the extension for any SQLite is",
        (
            _option(
                "--catalog FILE",
                "write a new database file whose tables are the live ones, for tools that list"
                " those",
            ),
        ),
        connects=False,
        epilog="The sources are those of the configuration file: sessions-vtab help extension",
    ),
    Command(
        "help",
        "show the reference: tables, functions and topics",
        (
            _option("topic", "table, function or topic", nargs="?"),
            _option("--markdown", "print Markdown; without a topic, print the whole reference"),
        ),
    ),
    Command(
        "new-backend",
        "write the package of a new backend, with its test",
        (
            _option("name NAME", "name of the backend in URLs: NAME://.."),
            _option("folder FOLDER", "new folder; default: NAME", nargs="?", default=""),
        ),
        connects=False,
        epilog="How a backend is written: sessions-vtab help backends",
    ),
    Command(
        "completion",
        "print a script for completion by the shell",
        (_option("shell", " or ".join(_SHELLS), choices=_SHELLS),),
        epilog='For bash: eval "$(sessions-vtab completion bash)"',
    ),
    Command(
        "emulator",
        "serve all APIs on a loopback port, for tests, demos and offline work",
        (
            _option("--port PORT", "port on 127.0.0.1; default: 8787", default=8787),
            _option("--data FILE", "keep the state in FILE between runs", type=Path),
            _option("--seed N", "start with the deterministic data set of seed N"),
            _option("--strict-filters", "reject filters that Google does not document"),
            _option("--delay SECONDS", "latency of each response", type=_LATENCY, default=0.0),
        ),
        connects=False,
    ),
)
"""All of them, in the order of the help."""

_COMMANDS: Final = tuple(command.name for command in COMMANDS)


class _ArgumentParser(argparse.ArgumentParser):
    """Errors that suggest what was meant."""

    def error(self, message: str) -> NoReturn:
        match = re.search(r"invalid choice: '(.*?)'", message)
        meant = _meant(match[1]) if match else ""
        super().error(message + (f".{meant}" if meant else ""))


def _meant(word: str) -> str:
    """What was probably meant by a word that is not a command."""
    suffix = Path(word).suffix.lower()
    if suffix in _STORES:
        return f" To open a local store: {_PROGRAM} local://{Path(word).absolute()}"
    if suffix == ".sql":
        return f" To run a file: {_PROGRAM} run {word}"
    return did_you_mean(word, (*_COMMANDS, *FORMATS))


class _Reader(_ArgumentParser):
    """Reads the options before the first word; what is wrong with them, another parser says."""

    def error(self, message: str) -> NoReturn:
        raise ValueError(message)


def parse(argv: Sequence[str]) -> argparse.Namespace:
    """The arguments, checked as far as they can be without looking at anything else.

    Returns:
        A namespace whose ``command`` is None for the shell; ``sources`` in the order given.

    Raises:
        SystemExit: with status 2 for arguments that are wrong, 0 after ``--help``.
    """
    argv, statements = _in_our_words(list(argv))
    parsed = command_line(argv[0] if argv and argv[0] in _COMMANDS else None).parse_args(argv)
    parsed.sources = (parsed.sources or []) + (getattr(parsed, "more_sources", None) or [])
    parsed.statements = statements
    return parsed


def _in_our_words(argv: list[str]) -> tuple[list[str], list[str]]:
    """A command line as the sqlite3 shell takes it, ``[OPTIONS] [URL] [SQL..]``, in our form.

    Returns:
        Arguments for ``command_line``, and statements and commands that a shell is to run.
    """
    if argv and argv[0] in _COMMANDS:
        return argv, []
    reader = _Reader(add_help=False, allow_abbrev=False)
    _add(reader, (*_common("sources", None), *_shell_options()))
    reader.add_argument("words", nargs=argparse.REMAINDER)
    while True:
        try:
            known, _ = reader.parse_known_args(argv)
        except ValueError:
            return argv, []
        place = len(argv) - len(known.words)
        word = known.words[0] if known.words else ""
        if word not in _COMMANDS and _URL.fullmatch(word):
            argv = [*argv[:place], "--source", word, *argv[place + 1 :]]
        # SQL, or a command of the shell: no name of a command looks like that.
        elif word.rstrip().endswith(";") or " " in word.strip() or _COMMAND.fullmatch(word):
            return _statements(argv, place, known)
        else:
            return argv, []


def _statements(
    argv: list[str], place: int, known: argparse.Namespace
) -> tuple[list[str], list[str]]:
    """SQL alone is a query; with commands of the shell among it, all of it is the shell's."""
    after = next((n for n, word in enumerate(argv[place:]) if word.startswith("-")), len(argv))
    words, options = argv[place:][:after], argv[place:][after:]
    if known.commands or known.init or any(map(shell_command, words)):
        return [*argv[:place], *options], words
    return [*argv[:place], "query", ";\n".join(words), *options], []


def command_line(only: str | None = None) -> argparse.ArgumentParser:
    """The parser of the whole command line.

    Args:
        only: the command that is asked for; None: all of them, which takes longer than to connect
            to a source.
    """
    parser = _ArgumentParser(
        prog=_PROGRAM,
        description=(
            "SQL over session APIs. Without a command, starts the shell, or runs the"
            " statements read from a pipe."
        ),
        epilog=_EXIT,
        allow_abbrev=False,
    )
    parser.add_argument("-help", action="help", help=argparse.SUPPRESS)  # As sqlite3 has it.
    parser.add_argument(
        "--version", "-version", action="store_true", help="print the version and exit"
    )
    _add(parser.add_argument_group("sources and limits"), _common("sources", None))
    about = "As in the sqlite3 shell. With SQL in place of COMMAND, that is run."
    _add(parser.add_argument_group("shell", about), _shell_options())
    # With prog given, argparse does not format a usage line (and import shutil) to make it up.
    commands = parser.add_subparsers(
        dest="command", metavar="COMMAND", parser_class=_ArgumentParser, prog=_PROGRAM
    )
    for command in COMMANDS:
        if only in {None, command.name}:
            _add_command(commands, command)
    return parser


def _add_command(commands: Any, command: Command) -> None:
    summary = command.summary
    parser: argparse.ArgumentParser = commands.add_parser(
        command.name,
        help=summary,
        description=f"{summary[0].upper()}{summary[1:]}.",
        epilog=command.epilog,
        allow_abbrev=False,
    )
    if command.connects:
        group = parser.add_argument_group("sources and limits")
        _add(group, _common("more_sources", argparse.SUPPRESS))
    _add(parser, command.options)
