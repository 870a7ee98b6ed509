"""What a cursor has read in this run of a statement, so that nothing is asked for twice.

SQLite builds no automatic index on a virtual table: the inner side of a join that it cannot key is
scanned once for each outer row. A cursor object lives as long as one occurrence of the table in
one run of a statement, which makes it the right owner of what was read.
"""

from __future__ import annotations

import pickle
import tempfile
from collections import OrderedDict
from collections.abc import Hashable, Iterator
from typing import IO, Final, TypeAlias

from sessions_vtab.spec.scan import Page, Row

__all__ = ["Memo", "Recording"]

_KEYS: Final = 1_000
_PAGES_IN_MEMORY: Final = 32
_BYTES_IN_MEMORY: Final = 16 * 1024 * 1024

Rows: TypeAlias = list[Row]


class Recording:
    """The pages of one read: those that came, and the rest while it is still coming.

    The first pages are kept as they are; later ones packed, in a temporary file beyond some
    megabytes. Not compressed: that would cost more than all other work on a page.
    """

    def __init__(self, pages: Iterator[Page]) -> None:
        self._rest = pages
        self._pages: list[Rows | tuple[int, int]] = []
        self._spool: IO[bytes] | None = None

    def __iter__(self) -> Iterator[Rows]:
        """All pages from the first; new ones are asked for when the known ones are used up."""
        place = 0
        while True:
            fresh = place == len(self._pages)
            rows = self._advance() if fresh else self._load(self._pages[place])
            if rows is None:
                return
            yield rows
            place += 1

    def close(self) -> None:
        """Stops what is still coming and forgets what came."""
        close = getattr(self._rest, "close", None)
        if close is not None:
            close()
        if self._spool is not None:
            self._spool.close()

    def _advance(self) -> Rows | None:
        page = next(self._rest, None)
        if page is None:
            return None
        rows = page if isinstance(page, list) else list(page)
        self._pages.append(self._keep(rows))
        return rows

    def _keep(self, rows: Rows) -> Rows | tuple[int, int]:
        if len(self._pages) < _PAGES_IN_MEMORY:
            return rows
        if self._spool is None:
            self._spool = tempfile.SpooledTemporaryFile(_BYTES_IN_MEMORY)  # noqa: SIM115
        data = pickle.dumps(rows)
        place = self._spool.seek(0, 2)
        self._spool.write(data)
        return place, len(data)

    def _load(self, kept: Rows | tuple[int, int]) -> Rows:
        if isinstance(kept, list):
            return kept
        if self._spool is None:
            msg = "the recording is closed"
            raise LookupError(msg)
        self._spool.seek(kept[0])
        rows: Rows = pickle.loads(self._spool.read(kept[1]))  # noqa: S301
        return rows


class Memo:
    """Recordings by what was asked: the last 1 000 key lookups, and every other read."""

    def __init__(self) -> None:
        self._lookups: OrderedDict[Hashable, Recording] = OrderedDict()
        self._reads: dict[Hashable, Recording] = {}

    def get(self, key: Hashable) -> Recording | None:
        """The recording of an earlier read, or None."""
        if key in self._lookups:
            self._lookups.move_to_end(key)
            return self._lookups[key]
        return self._reads.get(key)

    def put(self, key: Hashable, recording: Recording, *, lookup: bool) -> None:
        """Keeps a recording; the oldest lookup goes when there are too many."""
        if not lookup:
            self._reads[key] = recording
            return
        self._lookups[key] = recording
        if len(self._lookups) > _KEYS:
            self._lookups.popitem(last=False)[1].close()

    def close(self) -> None:
        """Stops every read and forgets what came."""
        for recording in (*self._lookups.values(), *self._reads.values()):
            recording.close()
        self._lookups.clear()
        self._reads.clear()
