"""One running emulator as an object: what the front, the control API and the server share."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from sessions_vtab.emulator.faults import Fault, FaultBook
from sessions_vtab.emulator.log import RequestLog

if TYPE_CHECKING:
    from collections.abc import Sequence

    from sessions_vtab.emulator.service import JSON, Service
    from sessions_vtab.emulator.settings import Settings


class Emulator:
    """The services with their log and faults.

    Attributes:
        delay: Seconds added to each API response; starts as `Settings.delay`.
        empty_page: The `empty_page` fault that was applied last: its token leads nowhere.
    """

    def __init__(self, settings: Settings, services: Sequence[Service]) -> None:
        self.settings = settings
        self.services = tuple(services)
        self.log = RequestLog()
        self.faults = FaultBook()
        self.delay = settings.delay
        self.empty_page: Fault | None = None

    def reset(self, seed: int | None) -> None:
        """Start anew: all data, empty or of a seed; no faults; an empty log."""
        for service in self.services:
            service.reset(seed)
        self.clear_faults()
        self.log.reset()

    def clear_faults(self) -> None:
        """Take all faults out of force."""
        self.faults.clear()
        self.empty_page = None

    def summary(self) -> str:
        """Return what is loaded, as the start-up line shows it."""
        parts = ((service.name, service.summary()) for service in self.services)
        return ", ".join(f"{name} ({text})" if text else name for name, text in parts)

    def dump(self) -> dict[str, JSON]:
        """Return the state of all services."""
        return {service.name: service.dump() for service in self.services}

    def load(self, value: Any) -> None:
        """Replace the state of the services that the value has.

        Raises:
            ValueError: The value is not such a state; services before the wrong one are replaced.
        """
        if not isinstance(value, dict):
            raise ValueError("the data is not a JSON object")  # noqa: TRY004 (a wrong value)
        known = {service.name: service for service in self.services}
        unknown = sorted(set(value) - set(known))
        if unknown:
            raise ValueError(f"the data has parts for unknown services: {', '.join(unknown)}")
        for name, part in value.items():
            known[name].load(part)
