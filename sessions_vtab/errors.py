"""The whole error tree, grouped by what the caller can do about it.

::

    SessionsError
    ├── StatementError            change the statement
    │   ├── UnknownNameError      a table, column, function or source that is not there
    │   ├── MissingParameterError a required column or parameter was not given
    │   ├── InvalidValueError     a value that its column or parameter does not take
    │   ├── UnsupportedError      the source cannot do this, whatever the values
    │   ├── ReadOnlyError         the connection or the source may only be read
    │   ├── QueuedWritesError     the answer would miss writes that are not sent yet: COMMIT first
    │   └── BudgetError           max_writes or max_requests is used up
    ├── ConfigurationError        change the source's settings
    │   ├── CredentialError       a credential is missing, expired, or must not go to that host
    │   └── MissingExtraError     an optional dependency has to be installed
    ├── RefusedError              the service or store said no, and will say it again
    │   ├── NotFoundError         what the statement names does not exist there
    │   ├── ConflictError         it exists already, or is in a state that forbids this
    │   └── ForbiddenError        this identity may not do it
    ├── TransientError            try again later
    │   ├── ThrottledError        the service's quota or rate limit
    │   ├── UnavailableError      no answer, or a 5xx, after all retries
    │   ├── BusyError             another process holds the store's lock
    │   └── StoppedError          the user stopped the statement: apsw.InterruptError to its caller
    ├── ProtocolError             the answer was not understood: nothing of it was used
    ├── StoreError                the store's file is damaged, full, foreign or not writable
    └── WriteError                writes were sent, and not all succeeded
        └── UnknownOutcomeError   it is not known whether the service acted

Messages name the source, the table and the call, say what was left undone, and what to do next.
They never hold a secret. Every class survives pickling. What several of them say is made here, too:
the name that was meant, the line that raised, the command to run.
"""

from __future__ import annotations

import sys
from collections.abc import Collection, Iterable


class SessionsError(Exception):
    """Base of everything this package raises on purpose."""

    brief: str = ""
    """The message without the service's own text, which may repeat what was sent to it; used for
    the audit file. Empty if there is none."""


class StatementError(SessionsError):
    """The statement has to change; sending it again as it is gives the same error."""


class UnknownNameError(StatementError):
    """A table, column, function or source that does not exist; the message suggests a near one."""


class MissingParameterError(StatementError):
    """A required column or function parameter was not given a value."""


class InvalidValueError(StatementError):
    """A value that its column or parameter does not take (bad JSON, time, id or label)."""


class UnsupportedError(StatementError):
    """An operation that this source does not have, such as UPDATE of an immutable column."""


class ReadOnlyError(StatementError):
    """A write on a connection or source that is read-only."""


class QueuedWritesError(StatementError):
    """A read, or a second write, of rows whose first write is queued and not sent yet."""


class BudgetError(StatementError):
    """The statement would exceed ``max_writes``, or has used up ``max_requests``."""


class ConfigurationError(SessionsError):
    """A source's settings are wrong; the message names the setting."""


class CredentialError(ConfigurationError):
    """A credential is missing, malformed, expired, or not allowed to go to that host."""


class MissingExtraError(ConfigurationError):
    """An interface or backend needs an optional dependency; the message says what to install."""


class RefusedError(SessionsError):
    """The service or the store refused the request for a reason that will not pass by itself."""

    status: int | None = None
    """HTTP status of the refusal, where there was one."""


class NotFoundError(RefusedError):
    """What the statement names (a session, engine, workspace, batch) does not exist there."""


class ConflictError(RefusedError):
    """The resource exists already, or is in a state that forbids the operation."""


class ForbiddenError(RefusedError):
    """The credential was understood and is not allowed to do this."""


class TransientError(SessionsError):
    """The same statement may succeed later; all retries that are safe were made."""

    status: int | None = None
    """HTTP status of the last answer, where there was one."""


class ThrottledError(TransientError):
    """The service's quota or rate limit; the message says when to come back if it is known."""


class UnavailableError(TransientError):
    """No answer, a dropped connection or a 5xx, after the last retry."""


class BusyError(TransientError):
    """Another process holds the lock of the store's file."""


class StoppedError(TransientError):
    """The user stopped the statement.

    What backends raise when ``Context.interrupted`` is true. Out of a connection it comes as
    ``apsw.InterruptError``, as when SQLite itself was stopped.
    """


class ProtocolError(SessionsError):
    """An answer that is not what the API describes (not JSON, cut off, a page loop)."""


class StoreError(SessionsError):
    """The store's file is corrupt, full, read-only, or belongs to another program."""


class WriteError(SessionsError):
    """Some writes of a unit of work failed; the table ``writes`` has one row for each."""


class UnknownOutcomeError(WriteError):
    """The service may or may not have acted; the message says how to find out."""


def inherited(who: str) -> str:
    """The message for what a forked process may not use: threads, sockets and locks of another."""
    return (
        f"{who}: the connection was opened in another process, before fork(). Open a new one in"
        " this process. Nothing was read or written."
    )


def notes_of(error: BaseException | None) -> tuple[str, ...]:
    """What was added to an exception on its way: how many writes were sent before a Ctrl-C."""
    return tuple(getattr(error, "__notes__", ()))


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
