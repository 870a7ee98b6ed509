"""What each command does: run, query, snapshot, report, mcp, help and others, and the shell."""

from __future__ import annotations

import argparse
import gc
import sys
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from typing import TYPE_CHECKING, Final

from sessions_vtab.cli.arguments import command_line, parse
from sessions_vtab.cli.display import Failed, Style, escaped, is_terminal, terminal_size
from sessions_vtab.cli.streams import (
    help_command,
    output,
    read_sql,
    require_text,
    unusable,
    use_utf8,
    write_whole,
)
from sessions_vtab.errors import SessionsError, missing_extra

if TYPE_CHECKING:
    from sessions_vtab.cli.execution import ScriptSession
    from sessions_vtab.cli.help import Reference
    from sessions_vtab.connection import Connection


_OK, _FAILED, _USAGE = 0, 1, 2


def run(argv: list[str]) -> int:
    """Runs the command that is asked for; returns the exit status."""
    use_utf8()
    write_whole()
    try:
        require_text(argv)
        arguments = parse(argv)
        command = _COMMANDS.get(arguments.command) or (_version if arguments.version else _shell)
        return command(arguments)
    except SessionsError as error:
        print(f"Error: {escaped(str(error))}", file=sys.stderr)
        return _USAGE
    except Failed as error:
        print(error, file=sys.stderr)
    except BrokenPipeError:
        raise
    except OSError as error:
        print(f"Error: {escaped(unusable(error))}", file=sys.stderr)
    return _FAILED


def _init(arguments: argparse.Namespace) -> int:
    from sessions_vtab.cli.sources import initialise  # noqa: PLC0415

    return initialise(arguments.config)


@contextmanager
def _uncollected() -> Iterator[None]:
    """A block in which nothing is made that is not kept, so that no garbage is looked for."""
    collects = gc.isenabled()
    gc.disable()
    try:
        yield
    finally:
        if collects:
            gc.enable()


@contextmanager
def _connected(arguments: argparse.Namespace) -> Iterator[Connection]:
    """The connection that the common options describe."""
    with _uncollected():
        from sessions_vtab.cli.execution import prepare  # noqa: PLC0415
        from sessions_vtab.cli.terminal import PROGRESS, ask  # noqa: PLC0415
        from sessions_vtab.connection import connect  # noqa: PLC0415

        connection = connect(
            sources=arguments.sources,
            config=arguments.config,
            read_only=arguments.read_only,
            dry_run=arguments.dry_run,
            audit=arguments.audit,
            progress=PROGRESS,  # Which also lets Python see Ctrl-C while SQLite computes.
        )
    try:
        connection.budget.max_requests = arguments.max_requests
        connection.budget.max_writes = arguments.max_writes
        # Where nobody sits at a terminal, nobody is asked.
        asks = is_terminal(sys.stdin) and is_terminal(sys.stderr)
        connection.budget.confirm = ask if asks else None
        prepare(connection)
        yield connection
    finally:
        connection.close()


@contextmanager
def _session(arguments: argparse.Namespace, form: str, name: str) -> Iterator[ScriptSession]:
    """A connection and a place to print to."""
    from sessions_vtab.cli.execution import ScriptSession  # noqa: PLC0415

    style = Style(heading=arguments.heading)
    with _connected(arguments) as connection, output(arguments.output) as stream:
        bindings = {name.lstrip(":@$"): value for name, value in arguments.parameters}
        yield ScriptSession(connection, stream, form, bindings, name, style)


def _query(arguments: argparse.Namespace) -> int:
    text = _text(arguments.sql)
    to_terminal = arguments.output is None and is_terminal(sys.stdout)
    form = arguments.format or ("auto" if to_terminal else "csv")
    with _session(arguments, form, "") as session:
        session.run(text)
    return _FAILED if arguments.fail_if_rows and session.returned else _OK


def _run(arguments: argparse.Namespace) -> int:
    text = read_sql(arguments.file)
    name = "standard input" if arguments.file == "-" else arguments.file
    with _session(arguments, arguments.format or "table", name) as session:
        session.tour(text)
    return _OK


def _explain(arguments: argparse.Namespace) -> int:
    arguments.output = None
    text = _text(arguments.sql)
    with _session(arguments, "table", "") as session:
        session.explain(text, why=arguments.why)
    return _OK


def _text(argument: str) -> str:
    return read_sql("-") if argument == "-" else argument


def _sources(arguments: argparse.Namespace) -> int:
    from sessions_vtab.cli.sources import checked, listed, require  # noqa: PLC0415

    with _connected(arguments) as connection:
        names = require(connection, arguments.names)
        if not arguments.check:
            print("\n".join(listed(connection, names, read_only=arguments.read_only)))
            return _OK
        outcomes = checked(connection, names)
        failed = False
        for line, problem in outcomes:
            failed = failed or problem
            print(escaped(line), file=sys.stderr if problem else sys.stdout)
        return _FAILED if failed else _OK


def _copy(arguments: argparse.Namespace) -> int:
    """A snapshot or a report."""
    from sessions_vtab.cli.copies import take, write  # noqa: PLC0415

    arguments.read_only = True
    with _connected(arguments) as connection:
        return (take if arguments.command == "snapshot" else write)(arguments, connection)


def _new_backend(arguments: argparse.Namespace) -> int:
    from sessions_vtab.cli.skeleton import write  # noqa: PLC0415

    written = write(arguments.name, arguments.folder)
    print("\n".join(escaped(str(path)) for path in written))
    print(f"Next: python -m pytest {escaped(str(written[0].parent))}")
    return _OK


@contextmanager
def _of_extra(who: str, extra: str) -> Iterator[None]:
    """A block that imports what an extra brings."""
    try:
        yield
    except ModuleNotFoundError as error:
        if (error.name or "").startswith("sessions_vtab"):
            raise
        raise missing_extra(who, error.name, extra) from None


def _mcp(arguments: argparse.Namespace) -> int:
    with _of_extra("The MCP server", "mcp"):
        from sessions_vtab import mcp  # noqa: PLC0415
    return mcp.main(arguments)


def _extension(arguments: argparse.Namespace) -> int:
    from sessions_vtab.cli.copies import show_extension  # noqa: PLC0415

    return show_extension(arguments)


def _help(arguments: argparse.Namespace) -> int:
    from sessions_vtab.cli import help as reference  # noqa: PLC0415
    from sessions_vtab.cli import pages  # noqa: PLC0415

    about = _reference(arguments)
    topic = arguments.topic
    if arguments.markdown:
        shown = [reference.page(topic, about)] if topic else reference.all_pages(about)
        print("\n".join(map(pages.markdown, shown)), end="")
    else:
        page = reference.page(topic, about) if topic else reference.index(about)
        width = min(terminal_size().columns, 120) if is_terminal(sys.stdout) else 100
        print(pages.text(page, width), end="")
    return _OK


def _reference(arguments: argparse.Namespace) -> Reference:
    """The reference for the configured sources; help is also there when they are wrong."""
    from sessions_vtab import config  # noqa: PLC0415
    from sessions_vtab.cli.help import Reference  # noqa: PLC0415
    from sessions_vtab.connection import open_sources  # noqa: PLC0415

    try:
        configured = config.load(sources=arguments.sources, config=arguments.config).sources
    except SessionsError as error:
        configured = {}
        print(f"The configured sources are not shown: {escaped(str(error))}", file=sys.stderr)
    failed: dict[str, SessionsError] = {}
    sources = open_sources(configured.values(), read_only=False, failed=failed)
    for name, reason in failed.items():
        print(f"{name} is not shown: {escaped(str(reason))}", file=sys.stderr)
    return Reference(tuple(sources.values()), help_command(), arguments.markdown)


def _version(_: argparse.Namespace) -> int:
    from sessions_vtab.cli.sources import version_line  # noqa: PLC0415

    print(version_line())
    return _OK


def _shell(arguments: argparse.Namespace) -> int:
    from sessions_vtab.cli.shell import interact  # noqa: PLC0415

    with _connected(arguments) as connection:
        return interact(connection, arguments)


def _completion(arguments: argparse.Namespace) -> int:
    with _of_extra("Completion", "completion"):
        import shtab  # noqa: PLC0415
    print(shtab.complete(command_line(), arguments.shell))
    return _OK


def _emulator(arguments: argparse.Namespace) -> int:
    with _of_extra("The emulator", "emulator"):
        from sessions_vtab.emulator import serve, service  # noqa: PLC0415
    settings = service.EmulatorSettings(
        strict_filters=arguments.strict_filters,
        seed=arguments.seed,
        data=arguments.data,
        delay=arguments.delay,
    )
    try:
        serve.serve(settings, arguments.port)
    except ValueError as error:  # The data file is of another kind.
        raise Failed(f"Error: {escaped(str(error))}") from None
    return _OK


_COMMANDS: Final[Mapping[str, Callable[[argparse.Namespace], int]]] = {
    "emulator": _emulator,
    "help": _help,
    "query": _query,
    "run": _run,
    "explain": _explain,
    "sources": _sources,
    "init": _init,
    "snapshot": _copy,
    "report": _copy,
    "mcp": _mcp,
    "completion": _completion,
    "new-backend": _new_backend,
    "extension": _extension,
}
