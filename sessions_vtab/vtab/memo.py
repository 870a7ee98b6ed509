"""What a cursor has read in this run of a statement, so that nothing is asked for twice.

SQLite builds no automatic index on a virtual table: the inner side of a join that it cannot key is
scanned once for each outer row. A cursor object lives as long as one occurrence of the table in
one run of a statement, which makes it the right owner of what was read.
"""

from __future__ import annotations

import marshal
from collections import OrderedDict
from collections.abc import Callable, Hashable, Iterator
from itertools import chain
from sys import getsizeof
from typing import IO, Final, TypeAlias

from sessions_vtab.contract.scan import Page, Row

_KEYS: Final = 1_000
_BYTES_OF_KEYS: Final = 4 * 1024 * 1024
_PAGES_IN_MEMORY: Final = 32
_BYTES_IN_MEMORY: Final = 16 * 1024 * 1024

Rows: TypeAlias = list[Row]


class Recording:
    """The pages of one read: those that came, and the rest while it is still coming.

    The first pages are kept as they are; later ones packed, in a temporary file beyond some
    megabytes. Not compressed: that would cost more than all other work on a page.

    Args:
        pages: of the read.
        came: called with the number of pages and rows so far whenever a page came, and once more
            when they have come to their end, which is the third argument.

    Attributes:
        ended: all pages came.
    """

    def __init__(
        self, pages: Iterator[Page], came: Callable[[int, int, bool], None] | None = None
    ) -> None:
        self._rest = pages
        self._came = came
        self._rows = self._last = 0
        self.ended = False
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

    def __len__(self) -> int:
        """How many pages came."""
        return len(self._pages)

    def page(self, number: int) -> Rows:
        """A page that came."""
        return self._load(self._pages[number])

    def requests(self, page_cap: int | None) -> int:
        """About how many requests it took: after a full page the next one is under way."""
        ahead = page_cap is not None and not self.ended and self._last >= page_cap
        return max(len(self._pages), 1) + ahead

    def size(self) -> int:
        """About how many bytes the pages in memory take."""
        return sum(_size(rows) for rows in self._pages if isinstance(rows, list))

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
            if not self.ended:
                self.ended = True
                self._report()
            return None
        rows = page if isinstance(page, list) else list(page)
        self._rows += len(rows)
        self._last = len(rows)
        self._pages.append(self._keep(rows))
        self._report()
        return rows

    def _report(self) -> None:
        if self._came is not None:
            self._came(len(self._pages), self._rows, self.ended)

    def _keep(self, rows: Rows) -> Rows | tuple[int, int]:
        if len(self._pages) < _PAGES_IN_MEMORY:
            return rows
        if self._spool is None:
            import tempfile  # noqa: PLC0415  # Only for long lists.

            self._spool = tempfile.SpooledTemporaryFile(_BYTES_IN_MEMORY)  # noqa: SIM115
        data = _packed(rows)
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
        return _unpacked(self._spool.read(kept[1]))


def _packed(rows: Rows) -> bytes:
    """A page as bytes: by ``marshal``, at half the cost of ``pickle``, if it is plain rows."""
    if type(rows) is list:
        try:
            return b"m" + marshal.dumps(rows)
        except ValueError:  # A row or a value of a class of its own.
            pass
    import pickle  # noqa: PLC0415  # Only for these.

    return b"p" + pickle.dumps(rows)


def _unpacked(data: bytes) -> Rows:
    # Both read only what this process has written into a file that nobody else can open.
    if data[:1] == b"m":
        plain: Rows = marshal.loads(data[1:])  # noqa: S302
        return plain
    import pickle  # noqa: PLC0415  # As above.

    rows: Rows = pickle.loads(data[1:])  # noqa: S301
    return rows


class Memo:
    """Recordings by what was asked: the last reads by a condition, and every other read.

    A join reads a list for each row of its other side: such lookups are bounded by count and by
    bytes together. A response that is wanted again after that is still known by its URL.
    """

    def __init__(self) -> None:
        self._lookups: OrderedDict[Hashable, Recording] = OrderedDict()
        self._reads: dict[Hashable, Recording] = {}
        self._sizes: dict[Hashable, int] = {}
        self._size = 0
        self._last: Hashable = None

    def get(self, key: Hashable) -> Recording | None:
        """The recording of an earlier read, or None."""
        if key in self._lookups:
            self._lookups.move_to_end(key)
            return self._lookups[key]
        return self._reads.get(key)

    def put(self, key: Hashable, recording: Recording, *, lookup: bool) -> None:
        """Keeps a recording; the oldest lookups go when there are too many, or too large."""
        if not lookup:
            self._reads[key] = recording
            return
        self._weigh(self._last)
        self._lookups[key] = recording
        self._last = key
        while len(self._lookups) > 1 and (
            len(self._lookups) > _KEYS or self._size > _BYTES_OF_KEYS
        ):
            oldest, dropped = self._lookups.popitem(last=False)
            self._size -= self._sizes.pop(oldest, 0)
            dropped.close()

    def close(self) -> None:
        """Stops every read and forgets what came."""
        for recording in (*self._lookups.values(), *self._reads.values()):
            recording.close()
        self._lookups.clear()
        self._reads.clear()
        self._sizes.clear()
        self._size = 0

    def _weigh(self, key: Hashable) -> None:
        """Counts the bytes of a read, once it has been used."""
        recording = self._lookups.get(key)
        if recording is not None:
            self._size += (size := recording.size()) - self._sizes.get(key, 0)
            self._sizes[key] = size


def _size(rows: Rows) -> int:
    """About how many bytes rows take, as if no two values were the same object; NULL takes none."""
    return sum(map(getsizeof, chain(rows, filter(None, chain.from_iterable(rows)))))
