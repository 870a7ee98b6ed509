"""What one emulated API offers to the application that hosts it."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, TypeAlias

if TYPE_CHECKING:
    from collections.abc import Callable

    from fastapi import APIRouter

JSON: TypeAlias = dict[str, Any] | list[Any] | str | float | int | bool | None
"""Any JSON value; objects and lists are not typed further."""


@dataclass(frozen=True, slots=True)
class Service:
    """One emulated API with its state, made by the function `service(settings)` of its module.

    `service` returns it as after `reset(settings.seed)`. The state lives in the closures below and
    nowhere else: two services of one module share nothing. Every callable runs on the event loop's
    thread, so none needs a lock; none may block.

    Attributes:
        name: The backend's name (`vertex`, `deepset`, ...); key of its part of the data file.
        router: Its routes, included without a prefix. Routes of different services may not clash.
        reset: Forgets everything; with a number, fills in the deterministic data set of that seed.
        summary: What is loaded, in a few words for the start-up line: `1200 sessions, 20000
            events`; empty if there is nothing.
        dump: The whole state as JSON, for the data file.
        load: Replaces the state by what `dump` once returned. Raises `ValueError` if it is not
            of that shape.
    """

    name: str
    router: APIRouter
    reset: Callable[[int | None], None]
    summary: Callable[[], str]
    dump: Callable[[], JSON]
    load: Callable[[JSON], None]
