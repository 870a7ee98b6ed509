"""A scan that is being read, and that can be read to its end before something is written.

If a connection writes while it reads a SELECT, the SELECT may return the new rows, or a row twice
(https://sqlite.org/isolation.html). So before a write, every open scan is *settled*: its remaining
rows are fetched, and those that do not fit in memory go to a temporary file.
"""

from __future__ import annotations

import marshal
from collections.abc import Iterator
from itertools import chain, islice
from typing import IO, Final

from sessions_vtab.contract.scan import Row

__all__ = ["OpenScan"]

_IN_MEMORY: Final = 10_000
_CHUNK: Final = 1_000


class OpenScan:
    """The rows of one SELECT that have not been read yet.

    Args:
        rows: the cursor of the SELECT.
    """

    def __init__(self, rows: Iterator[Row]) -> None:
        self._rows = rows
        self._settled = False

    def page(self, size: int) -> list[Row]:
        """Returns the next rows, at most ``size``; an empty list at the end."""
        return list(islice(self._rows, size))

    def settle(self) -> None:
        """Fetches all remaining rows, so that writes cannot change them."""
        if self._settled:  # Else each row of a long transaction would copy what is left.
            return
        self._settled = True
        head = self.page(_IN_MEMORY)
        rest = _spooled(self._rows) if len(head) == _IN_MEMORY else iter(())
        self._rows = chain(head, rest)


def _spooled(rows: Iterator[Row]) -> Iterator[Row]:
    from tempfile import TemporaryFile  # noqa: PLC0415  # Slow to import, and hardly ever used.

    file = TemporaryFile()  # noqa: SIM115  # Closed by the iterator that reads it.
    while chunk := list(islice(rows, _CHUNK)):
        marshal.dump(chunk, file)
    file.seek(0)
    return _read_back(file)


def _read_back(file: IO[bytes]) -> Iterator[Row]:
    with file:
        while True:
            try:
                # The file has no name, so only this process can write to it.
                chunk = marshal.load(file)  # noqa: S302
            except EOFError:
                return
            yield from chunk
