"""The views that a source has over its own tables, from what its backend declares."""

from __future__ import annotations

from dataclasses import dataclass

from sessions_vtab.contract.agent_views import View, views_for
from sessions_vtab.contract.backend import Backend
from sessions_vtab.contract.model import Column

__all__ = ["SourceView", "views_of"]


@dataclass(frozen=True, slots=True)
class SourceView:
    """A view over the tables of one source.

    Attributes:
        view: what it is.
        columns: its columns there.
    """

    view: View
    columns: tuple[Column, ...]

    @property
    def name(self) -> str:
        """The view's name as SQL has it."""
        return self.view.name

    def create(self, schema: str, source: str = "", prefix: str = "") -> str:
        """The CREATE VIEW statement; see ``View.create``."""
        shown = [column.name for column in self.columns] if self.view.like else ()
        return self.view.create(schema, shown, source, prefix)


def views_of(backend: Backend) -> tuple[SourceView, ...]:
    """The views over the tables of a backend; none without the columns of agents' events."""
    resources = backend.resources
    found = views_for({name: resource.table.names for name, resource in resources.items()})
    return tuple(
        SourceView(view, resources[view.like].table.visible if view.like else view.columns)
        for view in found
    )
