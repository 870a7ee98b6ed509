"""A statement that the user stopped ends in ``apsw.InterruptError``, whoever noticed it first."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager

import apsw

from sessions_vtab.errors import StoppedError

__all__ = ["as_sqlite_says"]


@contextmanager
def as_sqlite_says() -> Iterator[None]:
    """Turns the StoppedError of a backend into what SQLite raises for itself."""
    try:
        yield
    except StoppedError as error:
        raise apsw.InterruptError(str(error)) from error
