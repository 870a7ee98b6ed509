"""Exceptions that a backend did not mean to raise: they pass unchanged, and say whose they are."""

from __future__ import annotations

from typing import Final

import apsw

from sessions_vtab.errors import SessionsError

__all__ = ["blame", "blamed"]

_MARK: Final = "sessions_vtab_backend"


def blame(error: BaseException, backend: str, where: str) -> None:
    """Notes on an unexpected exception which backend it comes from.

    Args:
        error: what came out of the backend. Errors of this package and of SQLite are meant.
        backend: its name.
        where: ``source.table`` or ``source.function``.
    """
    expected = isinstance(error, SessionsError | apsw.Error) or not isinstance(error, Exception)
    if not expected and blamed(error) is None:
        words = f"the backend {backend}, reading or writing {where}"
        setattr(error, _MARK, words)
        error.add_note(f"This is a bug in {words}.")


def blamed(error: BaseException) -> str | None:
    """Whose bug an exception is, in words; None if it came out of no backend."""
    words = getattr(error, _MARK, None)
    return words if isinstance(words, str) else None
