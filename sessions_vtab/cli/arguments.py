"""The command line's arguments."""

from __future__ import annotations

import argparse
import re
from collections.abc import Sequence
from pathlib import Path
from typing import Any, Final, NoReturn

from sessions_vtab.cli.formats import FORMATS
from sessions_vtab.cli.habits import shell_command
from sessions_vtab.cli.options import COMMANDS, Command, add_common, add_shell
from sessions_vtab.contract.messages import did_you_mean

_NAMES: Final = tuple(command.name for command in COMMANDS)

_URL: Final = re.compile(r"(?:\w[\w-]*=)?[a-z]\w*:/\S*")
_COMMAND: Final = re.compile(r"\.[a-z]\w*|\\.*")
_STORES: Final = frozenset((".db", ".sqlite", ".sqlite3"))
_PROGRAM: Final = "sessions-vtab"
_EXIT: Final = "Exit status: 0 if every statement succeeded, 1 if one failed, 2 for a usage error."


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
    return did_you_mean(word, (*_NAMES, *FORMATS))


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
    if argv[:1] == ["emulator"]:
        return argparse.Namespace(command="emulator", rest=list(argv[1:]))
    argv, statements = _in_our_words(list(argv))
    parsed = command_line(argv[0] if argv and argv[0] in _NAMES else None).parse_args(argv)
    parsed.sources = (parsed.sources or []) + (getattr(parsed, "more_sources", None) or [])
    parsed.statements = statements
    return parsed


def _in_our_words(argv: list[str]) -> tuple[list[str], list[str]]:
    """A command line as the sqlite3 shell takes it, ``[OPTIONS] [URL] [SQL..]``, in our form.

    Returns:
        Arguments for ``command_line``, and statements and commands that a shell is to run.
    """
    if argv and argv[0] in _NAMES:
        return argv, []
    reader = _Reader(add_help=False, allow_abbrev=False)
    add_common(reader, "sources", None)
    add_shell(reader)
    reader.add_argument("words", nargs=argparse.REMAINDER)
    while True:
        try:
            known, _ = reader.parse_known_args(argv)
        except ValueError:
            return argv, []
        place = len(argv) - len(known.words)
        word = known.words[0] if known.words else ""
        if word not in _NAMES and _URL.fullmatch(word):
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
    add_common(parser, "sources", None)
    add_shell(parser)
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
        add_common(parser, "more_sources", argparse.SUPPRESS)
    if command.add is not None:
        command.add(parser)
