"""The exceptions of PEP 249, and which of them stands for which error of ours and of SQLite.

The original stays as ``__cause__``: ``error.__cause__`` is the ``SessionsError`` or ``apsw.Error``
with everything it knows.
"""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from typing import Final, NoReturn

import apsw

from sessions_vtab import cursor as engine_cursor
from sessions_vtab import errors
from sessions_vtab.vtab.statements import blamed


class Warning(Exception):  # noqa: A001, N818  # The name PEP 249 gives it.
    """An important warning; none is raised so far."""


class Error(Exception):
    """Base of all errors of this module."""


class InterfaceError(Error):
    """The interface was used in a way it does not have."""


class DatabaseError(Error):
    """Base of the errors of the database, the services and their answers."""


class DataError(DatabaseError):
    """A value that its column or parameter does not take."""


class OperationalError(DatabaseError):
    """Nothing is wrong with the statement: no answer, a quota, a lock, a credential, a disk."""


class IntegrityError(DatabaseError):
    """It exists already, or a constraint forbids it."""


class InternalError(DatabaseError):
    """SQLite's own state is broken, or a backend has a bug: the message names the backend."""


class ProgrammingError(DatabaseError):
    """The statement, its parameters or the order of calls is wrong."""


class NotSupportedError(DatabaseError):
    """The source, or this connection, does not do this."""


# The most specific class of the error that is listed here decides.
_MEANINGS: Final[dict[type[BaseException], type[Error]]] = {
    errors.SessionsError: DatabaseError,
    errors.StatementError: ProgrammingError,
    errors.InvalidValueError: DataError,
    errors.UnsupportedError: NotSupportedError,
    errors.ReadOnlyError: NotSupportedError,
    errors.BudgetError: OperationalError,
    errors.ConfigurationError: InterfaceError,
    errors.CredentialError: OperationalError,
    errors.RefusedError: OperationalError,
    errors.ConflictError: IntegrityError,
    errors.TransientError: OperationalError,
    errors.ProtocolError: OperationalError,
    errors.StoreError: OperationalError,
    errors.WriteError: OperationalError,
    apsw.Error: OperationalError,
    apsw.SQLError: ProgrammingError,
    apsw.BindingsError: ProgrammingError,
    apsw.ThreadingViolationError: ProgrammingError,
    apsw.ConnectionClosedError: ProgrammingError,
    apsw.CursorClosedError: ProgrammingError,
    apsw.ExecutionCompleteError: ProgrammingError,
    apsw.MisuseError: ProgrammingError,
    apsw.IncompleteExecutionError: ProgrammingError,
    apsw.ConstraintError: IntegrityError,
    apsw.MismatchError: IntegrityError,
    apsw.TooBigError: DataError,
    apsw.RangeError: DataError,
    apsw.AuthError: NotSupportedError,
    apsw.InternalError: InternalError,
    apsw.CorruptError: DatabaseError,
    apsw.NotADBError: DatabaseError,
}


def meaning_of(error: BaseException) -> type[Error] | None:
    """The PEP 249 class for an error of this package or of SQLite; None for any other error."""
    if isinstance(error, Error):
        return None
    return next((_MEANINGS[one] for one in type(error).__mro__ if one in _MEANINGS), None)


@contextmanager
def translated() -> Iterator[None]:
    """Raises what comes out of the block as an error of PEP 249, the original as its cause.

    What functions, iterators and objects of the caller's own raise passes unchanged.
    """
    try:
        yield
    except Exception as error:  # noqa: BLE001  # Every kind is told apart in one place.
        raise_translated(error)


def raise_translated(error: Exception, more: str = "") -> NoReturn:
    """Raises the PEP 249 error for an error, with the original as its cause; others unchanged.

    Args:
        error: what was raised. Its notes become part of the message.
        more: a sentence to add.
    """
    meaning, bug = meaning_of(error), blamed(error)
    if bug is not None:
        raise InternalError(" ".join(filter(None, (bug, more)))) from error
    if isinstance(error, UnicodeDecodeError) and _is_from_sqlite(error):
        raise DataError(f"A text in the database is not valid UTF-8 ({error}).") from error
    if meaning is None:
        raise error
    told = (_words(error), *errors.notes_of(error), more)
    raise meaning(" ".join(filter(None, told))) from error


def _is_from_sqlite(error: Exception) -> bool:
    """Whether APSW itself raised an error: then no code of anybody was running below ours."""
    trace = error.__traceback__
    while trace is not None and trace.tb_next is not None:
        trace = trace.tb_next
    return trace is not None and trace.tb_frame.f_code.co_filename == engine_cursor.__file__


def _words(error: Exception) -> str:
    """The message of an error, without the class name that APSW puts before some messages."""
    name, separator, rest = str(error).partition(": ")
    return rest if separator and name == type(error).__name__ else str(error)
