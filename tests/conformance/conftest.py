"""The services with a few rows, and a source of each, filled when it is first asked for."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import ExitStack
from functools import cache

import pytest

from sessions_vtab.emulator.serve import Running, running
from sessions_vtab.emulator.service import EmulatorSettings
from sessions_vtab.testing.conformance import Suite
from tests.conformance.stages import KEYS, NOW, STAGES


@pytest.fixture(scope="module")
def emulator() -> Iterator[Running]:
    with running(EmulatorSettings(seed=7, sessions=12, events=40, clock=lambda: NOW)) as server:
        yield server


@pytest.fixture(scope="module")
def suite_of(emulator: Running) -> Iterator[Callable[[str], Suite]]:
    """Fills a source on first use."""
    with pytest.MonkeyPatch.context() as patch, ExitStack() as stack:
        for name, key in KEYS.items():
            patch.setenv(name, key)
        yield cache(lambda name: stack.enter_context(STAGES[name].suite(emulator)))
