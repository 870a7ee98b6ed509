"""What stands in for the engine where a backend or the pipeline is tested by itself."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from sessions_vtab.errors import BudgetError


class FakeContext:
    """A statement without SQLite."""

    def __init__(self, budget: int = 1_000_000) -> None:
        self.statement = 1
        self.table = "sessions"
        self.memory: dict[object, object] = {}
        self.requests: list[dict[str, Any]] = []
        self.left = budget
        self.stop = False
        self.writes = False

    def interrupted(self) -> bool:
        return self.stop

    def when_more(self, start: Callable[[], None]) -> None:
        start()

    def spend(self, requests: int = 1) -> None:
        if self.left < requests:
            raise BudgetError("max_requests")
        self.left -= requests

    def record(self, request: dict[str, Any]) -> None:
        self.requests.append(request)
