from __future__ import annotations

from collections.abc import Iterator

from sessions_vtab.contract.scan import Page
from sessions_vtab.vtab.memo import Memo, Recording


class _Source:
    """Pages of one row each; counts what was asked for."""

    def __init__(self, pages: int) -> None:
        self.asked = 0
        self.closed = False
        self._pages = pages

    def __iter__(self) -> Iterator[Page]:
        try:
            for number in range(self._pages):
                self.asked += 1
                yield [(number, "x" * 100)]
        finally:
            self.closed = True


def _recording(pages: int) -> tuple[_Source, Recording]:
    source = _Source(pages)
    return source, Recording(iter(source))


def _numbers(pages: Iterator[list]) -> list[int]:
    return [row[0] for page in pages for row in page]


def test_a_recording_asks_for_a_page_once_and_only_when_it_is_wanted() -> None:
    source, recording = _recording(5)
    first, second = iter(recording), iter(recording)

    next(first)
    next(second)
    next(second)

    assert source.asked == 2
    assert _numbers(first) == [1, 2, 3, 4]
    assert _numbers(second) == [2, 3, 4]
    assert source.asked == 5


def test_pages_beyond_those_kept_in_memory_come_back_the_same() -> None:
    source, recording = _recording(100)

    assert _numbers(iter(recording)) == _numbers(iter(recording)) == list(range(100))
    assert source.asked == 100
    recording.close()


def test_closing_stops_what_is_still_coming() -> None:
    source, recording = _recording(50)
    next(iter(recording))

    recording.close()

    assert source.closed
    assert source.asked == 1


def test_the_last_thousand_lookups_are_remembered() -> None:
    memo = Memo()
    sources = []
    for key in range(1_001):
        source, recording = _recording(1)
        next(iter(recording))
        sources.append(source)
        memo.put(key, recording, lookup=True)

    assert memo.get(0) is None
    assert memo.get(1) is not None
    assert sources[0].closed
    assert not sources[1].closed


def test_a_lookup_that_is_used_again_is_not_the_oldest() -> None:
    memo = Memo()
    for key in range(1_000):
        memo.put(key, _recording(1)[1], lookup=True)

    memo.get(0)
    memo.put("new", _recording(1)[1], lookup=True)

    assert memo.get(0) is not None
    assert memo.get(1) is None


def test_lookups_are_bounded_by_their_bytes_too() -> None:
    memo = Memo()
    text = "x" * 100_000
    for key in range(200):
        recording = Recording(iter([[(key, text + str(key))]]))
        memo.put(key, recording, lookup=True)
        list(recording)

    kept = [key for key in range(200) if memo.get(key) is not None]

    assert kept == list(range(200 - len(kept), 200))
    assert 30 <= len(kept) <= 45


def test_the_last_lookup_is_kept_however_large_it_is() -> None:
    memo = Memo()
    for key in range(2):
        recording = Recording(iter([[("x" * 50_000_000,)]]))
        memo.put(key, recording, lookup=True)
        list(recording)

    assert memo.get(0) is None
    assert memo.get(1) is not None


def test_a_list_is_never_forgotten_while_the_statement_runs() -> None:
    memo = Memo()
    memo.put("list", _recording(1)[1], lookup=False)
    for key in range(2_000):
        memo.put(key, _recording(1)[1], lookup=True)

    assert memo.get("list") is not None


def test_closing_the_memo_stops_every_read() -> None:
    memo = Memo()
    pairs = [_recording(3) for _ in range(3)]
    for number, (_, recording) in enumerate(pairs):
        next(iter(recording))
        memo.put(number, recording, lookup=number == 0)

    memo.close()

    assert all(source.closed for source, _ in pairs)
    assert memo.get(0) is None


class _Named(tuple):  # noqa: SLOT001  # A tuple takes no slots.
    """A row of a class of its own."""


def test_rows_of_any_class_and_value_come_back_from_the_file() -> None:
    rows = [(None, -1, 2**62, 0.1, "é\U0001f600\0", b"\xff"), (), _Named(("a", 1))]
    recording = Recording(iter([rows] * 40))

    assert list(recording) == list(recording) == [rows] * 40
    assert [type(row) for row in recording.page(39)] == [tuple, tuple, _Named]
    recording.close()
