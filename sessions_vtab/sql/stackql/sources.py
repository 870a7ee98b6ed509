"""Which source's tables serve the engine that a StackQL text names."""

from __future__ import annotations

from collections.abc import Callable, Collection, Mapping
from dataclasses import dataclass, field
from types import MappingProxyType

from sessions_vtab.sql.stackql.dialect import EngineScope

__all__ = ["Sources"]


def _unknown(_: str) -> None:
    """The columns of a table nothing is known about."""


@dataclass(frozen=True, slots=True)
class Sources:
    """The sources of a connection whose sessions belong to engines.

    Attributes:
        engines: the engine each is configured for, by source name.
        default: the one of them whose tables need no schema; None if the default source has no
            engines.
        columns_of: names of the columns of any other table, by the table's name; None if there is
            no such table.
    """

    engines: Mapping[str, EngineScope] = field(default_factory=lambda: MappingProxyType({}))
    default: str | None = None
    columns_of: Callable[[str], Collection[str] | None] = _unknown

    @property
    def several(self) -> bool:
        """Whether the engine decides where a statement goes."""
        return len(self.engines) > 1

    def named(self, scope: EngineScope) -> str:
        """The source for an engine.

        One that is configured for it, the default first; else the default, which reads the engine
        with its own credential; else the first that has engines. '' if none has.
        """
        fitting = [name for name, own in self.engines.items() if own == scope]
        if self.default in fitting or (self.default is not None and not fitting):
            return self.default or ""
        return next(iter([*fitting, *self.engines]), "")

    def schema(self, source: str) -> str:
        """What stands before a table of a source: its schema, or nothing for the default."""
        return "" if source in ("", self.default) else f'"{source}".'
