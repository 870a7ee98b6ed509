"""The shapes of the conformance suite, a group at a time.

A test for each of the hundreds of shapes and each source takes longer to start than to run.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from itertools import groupby

import pytest

from sessions_vtab.testing.conformance import Shape, Suite


def _group(shape: Shape) -> str:
    return shape.name.rpartition("-")[0]


def grouped(shapes: Iterable[Shape]) -> list[pytest.ParameterSet]:
    """Parameters of a test: the shapes of each group."""
    groups = groupby(sorted(shapes, key=_group), _group)
    return [pytest.param(tuple(some), id=name) for name, some in groups]


def check_each(suite: Suite, shapes: Sequence[Shape]) -> None:
    """Checks every shape that applies, and names all that are wrong.

    Raises:
        AssertionError: some answers differ; the message has each of them.
    """
    asked = [shape for shape in shapes if suite.applies(shape) is None]
    if not asked:
        pytest.skip(f"{suite.source} has none of these")
    wrong: list[str] = []
    for shape in asked:
        try:
            suite.check(shape)
        except AssertionError as error:
            wrong.append(f"{shape}: {error}")
    assert not wrong, "\n\n".join(wrong)
