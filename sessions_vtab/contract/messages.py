"""What several messages say: the name that was meant, the line that raised, the command to run."""

from __future__ import annotations

import sys
from collections.abc import Collection, Iterable

from sessions_vtab.errors import MissingExtraError, UnknownNameError

_SIMILAR = 0.6
"""Least ratio of ``difflib``; its own default."""


def nearest(name: str, known: Iterable[str]) -> str | None:
    """The known name most like ``name``, upper and lower case being alike; None if none is near."""
    from difflib import get_close_matches  # noqa: PLC0415  # Only errors need it.

    by_folded = {candidate.lower(): candidate for candidate in known}
    matches = get_close_matches(name.lower(), by_folded, n=1, cutoff=_SIMILAR)
    return by_folded[matches[0]] if matches else None


def did_you_mean(name: str, known: Iterable[str]) -> str:
    """A sentence to append to a message, with a blank before it; empty if no name is near."""
    match = nearest(name, known)
    return f" Did you mean {match}?" if match is not None else ""


def no_source(name: str, known: Collection[str]) -> UnknownNameError:
    """The error for a source that is not there, with those that are."""
    return UnknownNameError(
        f"There is no source {name!r:.60}.{did_you_mean(name, known)} Sources: {', '.join(known)}."
    )


def no_table(source: str, name: str, known: Collection[str]) -> UnknownNameError:
    """The error for a table that a source does not have, with those that it has."""
    meant = did_you_mean(name, known)
    return UnknownNameError(
        f"{source} has no table {name!r:.60}.{meant} Tables: {', '.join(known)}."
    )


def raised_in(error: BaseException) -> str:
    """The line that raised an exception, after a blank: ``(tickets.py, line 12)``."""
    trace = error.__traceback__
    while trace is not None and trace.tb_next is not None:
        trace = trace.tb_next
    if trace is None:
        return ""
    name = trace.tb_frame.f_code.co_filename.replace("\\", "/").rpartition("/")[2]
    return f" ({name}, line {trace.tb_lineno})"


_PROJECT = "sessions_vtab"


def install_command(*packages: str) -> str:
    """A command that works where this text is printed, whatever is on the path.

    It names this Python and the packages themselves: the project's own name with an extra would be
    looked for in a package index, which need not have it.
    """
    # Only errors need them.
    import shlex  # noqa: PLC0415
    from importlib.util import find_spec  # noqa: PLC0415

    python = shlex.quote(sys.executable or "python3")
    # Environments made by uv have no pip.
    tool = f"{python} -m pip install" if find_spec("pip") else f"uv pip install --python {python}"
    return " ".join((tool, *map(shlex.quote, packages)))


def missing_extra(who: str, package: str | None, extra: str) -> MissingExtraError:
    """The error for a package that an extra of this project would have brought.

    Args:
        who: what needs it, at the beginning of a sentence.
        package: what is missing, in words.
        extra: the extra.
    """
    command = install_command(*packages_of(extra))
    return MissingExtraError(f"{who} needs {package}. Run: {command}")


def packages_of(extra: str) -> tuple[str, ...]:
    """The packages of one of this project's extras, with their versions, from its metadata.

    Returns:
        Requirements such as ``google-auth>=2.35``; ``sessions_vtab[EXTRA]`` where the metadata is
        not there.
    """
    from importlib.metadata import PackageNotFoundError, requires  # noqa: PLC0415

    try:
        listed = requires(_PROJECT) or []
    except PackageNotFoundError:
        listed = []
    parts = (requirement.partition(";") for requirement in listed)
    wanted = (f"extra == '{extra}'", f'extra == "{extra}"')
    found = [name.strip() for name, _, marker in parts if marker.strip() in wanted]
    return tuple(one for name in found for one in _packages(name)) or (f"{_PROJECT}[{extra}]",)


def _packages(requirement: str) -> tuple[str, ...]:
    """A requirement of an extra, which may be another extra of this project."""
    name, _, extra = requirement.rstrip("]").partition("[")
    ours = name.lower().replace("-", "_") == _PROJECT
    return packages_of(extra) if ours else (requirement,)
