from __future__ import annotations

from types import MappingProxyType

import pytest

from sessions_vtab.contract.backend import Action, Write
from sessions_vtab.vtab.write_queue import WriteQueue


def _write(number: int, text: str = "x") -> Write:
    return Write(number, 1, "sessions", Action.INSERT, None, {"display_name": text})


@pytest.mark.parametrize(
    "queue",
    [WriteQueue(), WriteQueue(rows=3), WriteQueue(size=10), WriteQueue(rows=0)],
    ids=["in memory", "many rows", "large rows", "all on disk"],
)
def test_rows_come_back_in_order_wherever_they_waited(queue: WriteQueue) -> None:
    writes = [_write(number, f"text {number} \U0001f600\x00") for number in range(8)]
    for write in writes:
        queue.append(write, "src", 7)

    assert len(queue) == 8
    assert [write for _, write in queue.take()] == writes
    assert len(queue) == 0


@pytest.mark.parametrize("rows", [0, 4, 100])
def test_any_row_can_be_dropped(rows: int) -> None:
    queue = WriteQueue(rows=rows)
    for number in range(8):
        queue.append(_write(number), "src", number % 2)

    queue.drop(lambda entry: entry.participant == 1 or entry.number > 5)

    assert [write.number for _, write in queue.take()] == [0, 2, 4]


def test_an_emptied_queue_starts_in_memory_again() -> None:
    queue = WriteQueue(size=5)
    queue.append(_write(1, "long enough"), "src", 1)
    assert not isinstance(next(iter(queue)).place, Write)

    queue.take()
    queue.append(_write(2, "y"), "src", 1)

    assert isinstance(next(iter(queue)).place, Write)


def test_values_given_as_a_read_only_mapping_can_wait_on_disk() -> None:
    queue = WriteQueue(rows=0)
    write = Write(1, 1, "sessions", Action.UPDATE, "a", dict(MappingProxyType({"state": "{}"})))

    queue.append(write, "src", 1)

    assert queue.take()[0][1] == write
