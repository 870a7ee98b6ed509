from __future__ import annotations

from collections.abc import Callable, Iterator
from typing import Any

import pytest

from sessions_vtab import dbapi
from sessions_vtab.emulator.serve import Running, running


@pytest.fixture
def open_() -> Iterator[Callable[..., dbapi.Connection]]:
    """Opens connections on an embedded store of their own; closes them after the test."""
    opened: list[dbapi.Connection] = []

    def make(url: str = "local://:memory:", **options: Any) -> dbapi.Connection:
        opened.append(dbapi.connect(url, **options))
        return opened[-1]

    yield make
    for one in opened:
        one.close()


@pytest.fixture
def db(open_: Callable[..., dbapi.Connection]) -> dbapi.Connection:
    return open_()


@pytest.fixture
def queued(open_: Callable[..., dbapi.Connection]) -> dbapi.Connection:
    """A connection whose writes are sent at commit."""
    return open_("mem=memory://")


@pytest.fixture
def emulator() -> Iterator[Running]:
    with running() as started:
        yield started
        started.control.delay(0)
