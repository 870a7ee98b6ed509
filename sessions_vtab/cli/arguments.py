"""The command line's arguments."""

from __future__ import annotations

import argparse
import re
from collections.abc import Sequence
from typing import Any, Final, NoReturn

from sessions_vtab.cli import reporting
from sessions_vtab.spec.near import did_you_mean

__all__ = ["FORMAT_NAMES", "parse"]

FORMAT_NAMES: Final = ("table", "json", "jsonl", "csv", "tsv", "markdown")
"""What ``--format`` takes (a test holds it equal to ``formats.FORMATS``)."""

_COMMANDS: Final = ("run", "query", "explain", "sources", "snapshot", "report", "help", "emulator")
_PROGRAM: Final = "sessions-vtab"
_EXIT: Final = "Exit status: 0 if every statement succeeded, 1 if one failed, 2 for a usage error."


class _Parser(argparse.ArgumentParser):
    """Errors that suggest what was meant."""

    def error(self, message: str) -> NoReturn:
        match = re.search(r"invalid choice: '(.*?)'", message)
        meant = did_you_mean(match[1], (*_COMMANDS, *FORMAT_NAMES)) if match else ""
        super().error(message + (f".{meant}" if meant else ""))


def parse(argv: Sequence[str]) -> argparse.Namespace:
    """The arguments, checked as far as they can be without looking at anything else.

    Returns:
        A namespace whose ``command`` is None for the shell; ``sources`` in the order given.

    Raises:
        SystemExit: with status 2 for arguments that are wrong, 0 after ``--help``.
    """
    if argv[:1] == ["emulator"]:
        return argparse.Namespace(command="emulator", rest=list(argv[1:]))
    parsed = _parser().parse_args(argv)
    parsed.sources = (parsed.sources or []) + (getattr(parsed, "more_sources", None) or [])
    return parsed


def _parser() -> argparse.ArgumentParser:
    parser = _Parser(
        prog=_PROGRAM,
        description=(
            "SQL over session APIs. Without a command, starts the shell, or runs the"
            " statements read from a pipe."
        ),
        epilog=_EXIT,
        allow_abbrev=False,
    )
    parser.add_argument("--version", action="store_true", help="print the version and exit")
    _add_common(parser, "sources", None)
    # With prog given, argparse does not format a usage line (and import shutil) to make it up.
    commands = parser.add_subparsers(
        dest="command", metavar="COMMAND", parser_class=_Parser, prog=_PROGRAM
    )
    _add_run(_command(commands, "run", "run the statements in a file"))
    _add_query(_command(commands, "query", "run statements and print their results"))
    _add_explain(_command(commands, "explain", "show what a SELECT would send, without sending it"))
    _add_sources(_command(commands, "sources", "list the sources"))
    _add_snapshot(
        _command(commands, "snapshot", "copy a source to a file, or update an existing copy")
    )
    reporting.add_arguments(
        _command(commands, "report", "write a report on agents' conversations as an HTML file")
    )
    _add_help(_command(commands, "help", "show the reference: tables, functions and topics"))
    commands.add_parser("emulator", help=("serve all APIs on a loopback port, to try things out"))
    return parser


def _command(commands: Any, name: str, summary: str) -> argparse.ArgumentParser:
    parser: argparse.ArgumentParser = commands.add_parser(
        name, help=summary, description=f"{summary[0].upper()}{summary[1:]}.", allow_abbrev=False
    )
    _add_common(parser, "more_sources", argparse.SUPPRESS)
    return parser


def _add_common(parser: argparse.ArgumentParser, sources: str, default: str | None) -> None:
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
    add("--read-only", action="store_true", default=flag, help="refuse all writes")
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


def _add_run(parser: argparse.ArgumentParser) -> None:
    parser.add_argument("file", metavar="FILE.sql", help="SQL file, or - for standard input")
    _add_output(parser, "table")


def _add_query(parser: argparse.ArgumentParser) -> None:
    parser.add_argument("sql", metavar="SQL", help="SQL statements, or - for standard input")
    _add_output(parser, None)


def _add_explain(parser: argparse.ArgumentParser) -> None:
    parser.add_argument("sql", metavar="SQL", help="SQL statement, or - for standard input")
    _add_parameters(parser)


def _add_output(parser: argparse.ArgumentParser, default: str | None) -> None:
    note = "" if default else "; default: table on a terminal, csv otherwise"
    parser.add_argument(
        "--format",
        choices=FORMAT_NAMES,
        default=default,
        help=f"output format: {', '.join(FORMAT_NAMES)}{note}",
        metavar="FORMAT",
    )
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
    parser.epilog = "--max-requests applies to the whole snapshot; default: 100000."


def _add_help(parser: argparse.ArgumentParser) -> None:
    parser.add_argument("topic", nargs="?", help="table, function or topic")
    parser.add_argument(
        "--markdown",
        action="store_true",
        help=("print Markdown; without a topic, print the whole reference"),
    )


def _count(text: str) -> int:
    if not re.fullmatch(r"\d{1,12}", text, re.ASCII):
        raise argparse.ArgumentTypeError(f"{text!r} is not a whole number of at least 0")
    return int(text)


def _names(text: str) -> tuple[str, ...]:
    return tuple(name for part in text.split(",") if (name := part.strip()))


def _minutes(text: str) -> float:
    if not re.fullmatch(r"\d{1,6}(\.\d{1,6})?", text, re.ASCII):
        raise argparse.ArgumentTypeError(f"{text!r} is not a valid number of minutes")
    return float(text)
