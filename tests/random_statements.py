"""As many random SELECTs of the kit's generator as a run asks for, other ones with each seed."""

from __future__ import annotations

from collections.abc import Callable

import hypothesis
from hypothesis import HealthCheck, Phase, given, settings

from sessions_vtab.testing.generator import Query, queries


def ask(count: int, seed: int, check: Callable[[Query], None]) -> None:
    """Gives so many statements to a check, without making them smaller where it fails."""

    @hypothesis.seed(seed)
    @settings(
        max_examples=count,
        derandomize=False,
        database=None,
        deadline=None,
        phases=(Phase.generate,),
        suppress_health_check=list(HealthCheck),
    )
    @given(query=queries())
    def each(query: Query) -> None:
        check(query)

    each()
