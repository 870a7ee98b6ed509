"""Sources of the services that the emulator plays, by the names they have in these tests."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any, Final

import pytest

from sessions_vtab.contract.backend import Source

_SOURCES: Final = {
    "prod": ("vertex", "demo/us-central1/42"),
    "docs": ("deepset", "docs"),
    "guest": ("whylabs", ""),
    "act": ("eleanor", "demo"),
    "es": ("embedding_studio", ""),
    "desk": ("adk_api", "desk/ann"),
    "any_desk": ("adk_api", ""),
}
KEYS: Final = {"DEEPSET_API_KEY": "key", "WHYLABS_API_KEY": "abcdefghij." + "k" * 53}
"""Environment variables, each with a key of the form that its service gives out."""


def sources(url: str, *names: str, **options: Any) -> list[Source]:
    """Sources by name, of services at a URL.

    Args:
        url: of the emulator.
        names: which; all of them unless given.
        options: further options of the source of a name.
    """
    return [
        Source(name, *_SOURCES[name], {"base_url": url, **options.get(name, {})})
        for name in names or _SOURCES
    ]


@contextmanager
def keys_set(**keys: str) -> Iterator[None]:
    """A block in which the environment has the keys."""
    with pytest.MonkeyPatch.context() as patch:
        for variable, value in (KEYS | keys).items():
            patch.setenv(variable, value)
        yield
