"""The sources of a connection: what the shell says first, their list, one cheap call to each.

``sessions-vtab init`` asks for one more and writes it into the configuration file: only places are
written, never a credential; where that comes from is said at the end.
"""

from __future__ import annotations

import json
import os
import re
import sys
import time
from collections.abc import Collection, Iterator, Sequence
from contextlib import closing
from importlib.metadata import version
from pathlib import Path
from typing import Final

import apsw

from sessions_vtab import config, registry
from sessions_vtab.cli.display import escaped, footer
from sessions_vtab.cli.streams import output, program
from sessions_vtab.connection import Connection, connect
from sessions_vtab.contract.backend import Backend
from sessions_vtab.contract.model import quoted
from sessions_vtab.errors import ConfigurationError, SessionsError, did_you_mean, no_source

_HINTS = (
    "Statements end with ;   .tables  .help sessions  .help append_event  .explain SELECT ..  .quit"
)


def version_line() -> str:
    """Our version and SQLite's."""
    own = version("sessions_vtab")
    return f"sessions_vtab {own} on SQLite {apsw.sqlite_lib_version()}. SQL over session APIs."


def banner(connection: Connection, *, read_only: bool) -> str:
    """The first lines of the shell, ending with a newline. Sends nothing."""
    lines = (version_line(), *listed(connection, read_only=read_only), _HINTS)
    return "\n".join(lines) + "\n"


def listed(
    connection: Connection, names: Collection[str] = (), *, read_only: bool
) -> Iterator[str]:
    """A line for each source: name, default or not, where it is, whether it may be written.

    Further lines say what makes the source's data look wrong. Sends nothing.

    Args:
        connection: its sources are listed.
        names: the sources to list; all of them unless given.
        read_only: the connection refuses writes.
    """
    sources = connection.sources
    room = max(map(len, sources))
    several = len(sources) > 1
    for name, opened in sources.items():
        if names and name not in names:
            continue
        mark = "(default)" if name == connection.default else ""
        mark = mark.ljust(len("(default)")) if several else mark
        locked = read_only or opened.settings.read_only or not _writable(opened.backend)
        how = "read-only" if locked else "read and write"
        yield f"  {name.ljust(room)}  {mark}  {opened.backend.describe()}, {how}"
        for notice in opened.backend.notices():
            yield f"  {' ' * room}  {' ' * len(mark)}  {notice}"
    for name, error in connection.failed.items():
        if not names or name in names:
            yield f"  {name}  cannot be used: {error}"


def _writable(backend: Backend) -> bool:
    """Whether any statement could change something in it."""
    tables = (one.capability.writes for one in backend.resources.values())
    return bool(backend.routines) or any(one.insert or one.update or one.delete for one in tables)


_MOST: Final = 100


def require(connection: Connection, names: Sequence[str]) -> list[str]:
    """The sources that were named; all of them if none was.

    Raises:
        UnknownNameError: there is no such source.
    """
    known = [*connection.sources, *connection.failed]
    for name in names:
        if name not in known:
            raise no_source(name, known)
    return list(names) or known


def checked(connection: Connection, names: Sequence[str]) -> Iterator[tuple[str, bool]]:
    """One cheap call to each source: a line that says how it went, and whether it failed.

    Further lines say what makes the source's data look wrong.
    """
    for name in names:
        if name in connection.failed:
            yield f"{name}: {connection.failed[name]}", True
            continue
        table = _readable(connection.sources[name].backend)
        if table is None:
            yield f"{name}: not checked, because its tables can only be read by key", False
            continue
        started = time.perf_counter()
        try:
            connection.execute(f"SELECT 1 FROM {quoted(name)}.{quoted(table)} LIMIT 1").fetchall()
        except (SessionsError, apsw.Error) as error:
            yield f"{name}: {error}", True
        else:
            spent = footer(None, 0, connection.statement_requests, time.perf_counter() - started)
            yield f"{name}: ok, {table} can be read, {spent}", False
            for notice in connection.sources[name].backend.notices():
                yield f"{name}: {notice}", False
            yield from _listed_choices(connection, name)


def choices(connection: Connection, name: str) -> Iterator[tuple[str, str]]:
    """What a source can still be narrowed to, such as engines: value and display name of each."""
    for table, resource in connection.sources[name].backend.resources.items():
        column = resource.capability.enumerates
        if column:
            shown = "display_name" if "display_name" in resource.table.positions else "NULL"
            rows = connection.execute(
                f"SELECT {column}, {shown} FROM {quoted(name)}.{quoted(table)} LIMIT {_MOST}"
            )
            yield from ((str(value), str(title or "")) for value, title in rows)


def _listed_choices(connection: Connection, name: str) -> Iterator[tuple[str, bool]]:
    """A line for each engine, or the like, of a source that does not name one."""
    backend = connection.sources[name].backend
    columns = {one.capability.enumerates for one in backend.resources.values()} - {""}
    if columns <= backend.scope.keys():
        return
    for value, title in choices(connection, name):
        yield f"  {', '.join(columns)} {value}  {title}".rstrip(), False


def _readable(backend: Backend) -> str | None:
    """A table that can be read without being given a key."""
    for name, resource in backend.resources.items():
        if any(not path.keys for path in resource.capability.paths):
            return name
    return None


_PLACEHOLDER: Final = re.compile(r"(?<![A-Za-z_])[A-Z]{3,}(?![A-Za-z_])")
_AGREED: Final = frozenset(("", "y", "yes"))


def initialise(file: str | None) -> int:
    """Asks, checks the answers, and adds the source to the file.

    Args:
        file: the configuration file; None for the usual one, which is made if it is missing.

    Returns:
        The exit status.

    Raises:
        ConfigurationError: an answer is wrong, or the input ended; nothing was written.
    """
    usual = config.default_file(os.environ, sys.platform, Path.home())
    path = Path(file or os.environ.get(config.VARIABLE) or usual).expanduser()
    before = path.read_text("utf-8") if path.exists() else ""
    kinds = list(registry.BUILT_IN)
    while (kind := _asked(f"Kind of source ({', '.join(kinds)})", "vertex")) not in kinds:
        wrong = f"There is no kind {kind!r:.60}.{did_you_mean(kind, kinds)}"
        print(escaped(wrong), file=sys.stderr)
    url = _url(registry.backend_class(kind).urls)
    name = _asked("Name of the source in SQL", "prod")
    read_only = _asked("Refuse writes? (y/n)", "y").lower() in _AGREED
    with closing(registry.opened(config.parse_source(f"{name}={url}"))) as backend:
        described = backend.describe()
    text = _with_source(before, name, url, read_only=read_only)
    path.parent.mkdir(mode=0o700, parents=True, exist_ok=True)
    with output(str(path)) as stream:
        stream.write(text)
    print(escaped(f"Written to {path}: {described}."))
    print(escaped(f"Test it:  {program()} sources --check {name}\nOpen it:  {program()}"))
    return 0


def _asked(question: str, default: str = "") -> str:
    """An answer of one line; the default for an empty one."""
    shown = f"{question} [{default}]: " if default else f"{question}: "
    sys.stderr.write(shown)
    sys.stderr.flush()
    line = sys.stdin.readline()
    if not line:
        raise ConfigurationError("The input ended before all questions were answered.")
    answer = line.strip() or default
    return answer or _asked(question)


def _url(forms: Sequence[str]) -> str:
    """A URL of the usual form, with an answer in place of each of its names in capitals."""
    usual = forms[0]
    names = _PLACEHOLDER.findall(usual)
    if not names:
        return _asked("URL", usual)
    answers: dict[str, str] = {}
    for name in names:
        answers[name] = _asked(name, _offered(forms, names, answers))
    return _filled(usual, answers)


def _filled(form: str, answers: dict[str, str]) -> str:
    return _PLACEHOLDER.sub(lambda match: answers[match[0]], form)


def _offered(forms: Sequence[str], names: Sequence[str], answers: dict[str, str]) -> str:
    """What the next name can be, as far as the service can list it; prints the list.

    It can where another form of the URL has the names that are answered, and no others.
    """
    if not answers:
        return ""
    known = [form for form in forms[1:] if _PLACEHOLDER.findall(form) == list(answers)]
    if len(answers) != len(names) - 1 or not known:
        return ""
    try:
        url = f"listed={_filled(known[0], answers)}"
        with closing(connect(sources=[url], config=os.devnull)) as db:
            listed = list(choices(db, "listed"))
    except (SessionsError, apsw.Error) as error:
        print(escaped(f"They could not be listed: {error}"), file=sys.stderr)
        return ""
    for value, title in listed:
        print(escaped(f"  {value}  {title}".rstrip()), file=sys.stderr)
    return listed[0][0] if listed else ""


def _with_source(before: str, name: str, url: str, *, read_only: bool) -> str:
    """The text of the file with the source added.

    Raises:
        ConfigurationError: the name is taken.
    """
    import tomllib  # noqa: PLC0415

    table = tomllib.loads(before)
    if name.lower() in map(str.lower, table.get("sources", {})):
        raise ConfigurationError(f"A source named {name} already exists. Nothing was written.")
    lines = [f"[sources.{name}]", f"url = {json.dumps(url)}"]
    lines += ["read_only = true"] if read_only else []
    head = "" if before else f'default = "{name}"\n\n'
    return head + (before.rstrip("\n") + "\n\n" if before else "") + "\n".join(lines) + "\n"
