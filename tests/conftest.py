"""Connections that many tests open."""

from __future__ import annotations

from collections.abc import Callable, Iterator

import hypothesis
import pytest

from sessions_vtab.spec.source import Source
from sessions_vtab.testing.memory import MemoryBackend
from sessions_vtab.testing.opening import connection_to

# The same examples in every run, so that a red build is a change's fault.
hypothesis.settings.register_profile(
    "ci", derandomize=True, deadline=None, database=None, print_blob=False
)
hypothesis.settings.load_profile("ci")
