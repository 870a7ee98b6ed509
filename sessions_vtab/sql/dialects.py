"""Other dialects than SQLite's: what each has to say, and which there are.

A dialect recognises its statements and translates them to SQLite's SQL; the statement rewriter
knows no more of it. ``DIALECTS`` lists those that every connection understands.
"""

from __future__ import annotations

from collections.abc import Callable, Collection, Mapping, Sequence
from typing import NamedTuple, Protocol

from sessions_vtab.contract.backend import Backend
from sessions_vtab.sql.names import Catalog
from sessions_vtab.sql.parameters import Numbering
from sessions_vtab.sql.stackql import is_stackql


class Surroundings(NamedTuple):
    """What a translation may ask of the connection.

    Attributes:
        backends: of its sources, by name.
        catalog: what its names mean.
        columns_of: names of the columns of a table; None if there is no such table.
        operations: name of the table of the long-running operations that the last writes were
            answered with; it has the columns name, done, error, metadata and response.
    """

    backends: Mapping[str, Backend]
    catalog: Catalog
    columns_of: Callable[[str], Collection[str] | None]
    operations: str


class Translated(NamedTuple):
    """A statement in SQLite's SQL, and what answers in place of its rows.

    Attributes:
        sql: the statement.
        numbering: parameters of the original, by which its bindings are counted; None for those of
            ``sql``.
        asks: numbers of the parameters whose values choose its sources: once they are known it is
            translated again.
        after: a SELECT that answers in place of its rows; empty where they are the answer.
        stepwise: its rows are read to their end before that.
    """

    sql: str
    numbering: Numbering | None = None
    asks: frozenset[int] = frozenset()
    after: str = ""
    stepwise: bool = False


class Dialect(Protocol):
    """A dialect of SQL."""

    def recognises(self, text: str) -> bool:
        """Whether one statement is in it. Asked of every statement that is not remembered."""

    def translate(
        self, text: str, known: Surroundings, values: Mapping[int, str]
    ) -> Translated | None:
        """A statement that it has recognised; None if it is SQLite's after all.

        Args:
            text: the statement.
            known: the connection.
            values: of the parameters that choose a source, by number, as far as they are known.

        Raises:
            SessionsError: what the dialect has and this package has not.
        """


class StackQL:
    """StackQL's dialect for Google's sessions (``sql.stackql``)."""

    def recognises(self, text: str) -> bool:
        """See ``Dialect``."""
        return is_stackql(text)

    def translate(
        self, text: str, known: Surroundings, values: Mapping[int, str]
    ) -> Translated | None:
        """See ``Dialect``."""
        # Most connections never see StackQL.
        from sessions_vtab.sql.stackql.translate import translated  # noqa: PLC0415

        return translated(text, known, values)


DIALECTS: Sequence[Dialect] = (StackQL(),)
"""Asked in this order."""
