"""What the reading of a statement has to know about names."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Protocol

from sessions_vtab.contract.capability import Capability
from sessions_vtab.contract.model import Function, Table

__all__ = ["Catalog", "OurTable"]


@dataclass(frozen=True, slots=True)
class OurTable:
    """A virtual table of ours, as a statement may name it.

    Attributes:
        table: its columns.
        capability: what its backend can do.
        source: name of the source it belongs to.
    """

    table: Table
    capability: Capability
    source: str = ""

    @property
    def title(self) -> str:
        """``source.table``, for errors."""
        return f"{self.source}.{self.table.name}" if self.source else self.table.name


class Catalog(Protocol):
    """The names of a connection, at one moment: it is asked again after DDL, ATTACH and ROLLBACK.

    Names are compared without case, as SQLite does for ASCII letters.
    """

    @property
    def table_names(self) -> frozenset[str]:
        """Names of all our tables, in lower case: a statement with none of them is not read."""

    @property
    def effect_names(self) -> frozenset[str]:
        """Names of all functions that act, in lower case."""

    def resolve(self, schema: str | None, name: str) -> OurTable | None:
        """Our table of that name; None for anything else (native table, view, nothing at all).

        Args:
            schema: as written before the dot; None where SQLite searches temp, main, attached.
            name: the table's name.
        """

    def effect(self, schema: str | None, name: str) -> Function | None:
        """Our function of that name, if it acts; None for anything else."""
