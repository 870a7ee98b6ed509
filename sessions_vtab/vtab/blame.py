"""What a backend raises: what it did not mean to passes unchanged, and says whose it is.

A statement that the user stopped ends in ``apsw.InterruptError``, whoever noticed it first.
"""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from typing import Final

import apsw

from sessions_vtab.contract.messages import raised_in
from sessions_vtab.errors import SessionsError, StoppedError

_MARK: Final = "sessions_vtab_backend"


def blame(error: BaseException, backend: str, where: str) -> None:
    """Notes on an unexpected exception which backend it comes from.

    Args:
        error: what came out of the backend. Errors of this package and of SQLite are meant.
        backend: its name.
        where: ``source.table`` and the way it is read, or ``source.function()``.
    """
    expected = isinstance(error, SessionsError | apsw.Error) or not isinstance(error, Exception)
    if not expected and blamed(error) is None:
        what = f"{type(error).__name__} {error}".rstrip()
        words = f"{what} in {where}{raised_in(error)}. This is a bug in the backend {backend}."
        setattr(error, _MARK, words)
        error.add_note(words)


@contextmanager
def blaming(backend: str, where: str) -> Iterator[None]:
    """As ``blame``, for what comes out of the block."""
    try:
        yield
    except Exception as error:
        blame(error, backend, where)
        raise


def blamed(error: BaseException) -> str | None:
    """What an exception is and whose bug, as sentences; None if it came out of no backend."""
    words = getattr(error, _MARK, None)
    return words if isinstance(words, str) else None


@contextmanager
def as_sqlite_says() -> Iterator[None]:
    """Turns the StoppedError of a backend into what SQLite raises for itself."""
    try:
        yield
    except StoppedError as error:
        raise apsw.InterruptError(str(error)) from error
