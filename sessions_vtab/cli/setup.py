"""``sessions-vtab init``: asks for a source and writes it into the configuration file.

Only places are written, never a credential: where that comes from is said at the end.
"""

from __future__ import annotations

import json
import os
import re
import sys
from collections.abc import Iterator, Sequence
from contextlib import closing
from pathlib import Path
from typing import Final

import apsw

from sessions_vtab import config, registry
from sessions_vtab.cli.display import escaped
from sessions_vtab.cli.sources import choices
from sessions_vtab.cli.streams import output, program
from sessions_vtab.connection import connect
from sessions_vtab.contract.messages import did_you_mean
from sessions_vtab.errors import ConfigurationError, SessionsError

__all__ = ["initialise"]

_PLACEHOLDER: Final = re.compile(r"(?<![A-Za-z_])[A-Z]{3,}(?![A-Za-z_])")
_YES: Final = frozenset(("", "y", "yes"))


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
    read_only = _asked("Refuse writes? (y/n)", "y").lower() in _YES
    text = _with_source(before, name, url, read_only=read_only)
    path.parent.mkdir(mode=0o700, parents=True, exist_ok=True)
    with output(str(path)) as stream:
        stream.write(text)
    for line in _farewell(path, name):
        print(escaped(line))
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
        ConfigurationError: the name or the URL is not valid, or the name is taken.
    """
    import tomllib  # noqa: PLC0415

    config.load(sources=[f"{name}={url}"], config=os.devnull)
    registry.backend_class(config.parse_source(url).backend).open(
        config.parse_source(f"{name}={url}")
    ).close()
    table = tomllib.loads(before)
    if name.lower() in map(str.lower, table.get("sources", {})):
        raise ConfigurationError(f"A source named {name} already exists. Nothing was written.")
    lines = [f"[sources.{name}]", f"url = {json.dumps(url)}"]
    lines += ["read_only = true"] if read_only else []
    head = "" if before else f'default = "{name}"\n\n'
    return head + (before.rstrip("\n") + "\n\n" if before else "") + "\n".join(lines) + "\n"


def _farewell(path: Path, name: str) -> Iterator[str]:
    source = config.load(config=path).sources[name]
    backend = registry.backend_class(source.backend).open(source)
    yield f"Written to {path}: {backend.describe()}."
    backend.close()
    yield f"Test it:  {program()} sources --check {name}"
    yield f"Open it:  {program()}"
