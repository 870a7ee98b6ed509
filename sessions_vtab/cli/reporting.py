"""``sessions-vtab report``: a report on agents' conversations as one HTML file."""

from __future__ import annotations

import argparse
import sys
from typing import TYPE_CHECKING, Final

from sessions_vtab.cli.display import counted, escaped
from sessions_vtab.cli.streams import output

if TYPE_CHECKING:
    from sessions_vtab.connection import Connection
    from sessions_vtab.snapshot import Estimate

__all__ = ["add_arguments", "write"]

_OK, _FAILED = 0, 1
_FILE: Final = "sessions-report.html"
_MANY: Final = 200
"""Requests that are made without asking."""


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """The arguments of the command."""
    add = parser.add_argument
    add("-o", "--output", metavar="FILE", default=_FILE, help=f"output file; default: {_FILE}")
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
    add("--yes", action="store_true", help=f"do not ask before more than {_MANY} requests")


def write(arguments: argparse.Namespace, connection: Connection) -> int:
    """Writes the report that was asked for; returns the exit status.

    Args:
        arguments: see ``add_arguments``.
        connection: with the source as its default.
    """
    import apsw  # noqa: PLC0415

    from sessions_vtab.cli.snapshot import Screen  # noqa: PLC0415
    from sessions_vtab.errors import SessionsError  # noqa: PLC0415
    from sessions_vtab.report import report  # noqa: PLC0415

    screen = Screen(connection.default, arguments.output, ask=not arguments.yes)

    def confirm(estimate: Estimate) -> bool:
        if estimate.listing or (estimate.requests or 0) <= _MANY:
            return True
        return screen.confirm(estimate)

    try:
        made = report(
            connection,
            texts=arguments.texts,
            since=arguments.since,
            users=arguments.users,
            sql=arguments.sql,
            max_requests=arguments.max_requests,
            progress=screen.progress,
            confirm=confirm,
        )
        screen.clear()
        with output(arguments.output) as file:
            file.write(made.html)
    except (SessionsError, apsw.Error) as error:
        screen.clear()
        print(f"Error: {escaped(str(error))}", file=sys.stderr)
        return _FAILED
    said = "It contains what users said; " if arguments.texts else ""
    print(
        f"{escaped(arguments.output)}: {counted(made.sessions, 'session')},"
        f" {counted(made.events, 'event')}, {counted(made.requests, 'request')}."
        + (f" {said}--without-text leaves that out." if said else ""),
        file=sys.stderr,
    )
    return _OK
