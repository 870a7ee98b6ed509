"""The help pages of the views over agents' sessions."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Final

from sessions_vtab.cli.pages import Block, Code, Grid, Heading, Page, Prose
from sessions_vtab.contract.agent_views import VIEWS, View
from sessions_vtab.contract.backend import Backend
from sessions_vtab.contract.views import views_of

__all__ = ["VIEW_NAMES", "view_page"]

VIEW_NAMES: Final[Mapping[str, View]] = {view.name: view for view in VIEWS}

_PUSHED: Final = (
    "Every source of agents' events has it in its own schema, and the default source without a"
    " prefix; a snapshot has it too. Conditions on session_id and session_name with = or IN and a"
    " list of values are passed on, so that only those sessions are read"
)


def view_page(name: str, backends: Mapping[str, Backend]) -> Page:
    """The page of a view.

    Args:
        name: of ``VIEW_NAMES``.
        backends: the configured sources.
    """
    view = VIEW_NAMES[name]
    user = any(column.name == "user_id" for column in view.columns)
    passed = f"{_PUSHED}; so are those on user_id." if user else f"{_PUSHED}."
    blocks: list[Block] = [Prose(view.doc), Prose(passed), Heading("Columns")]
    if view.like:
        blocks.append(Prose(f"Those of {view.like} in the same source; see its page."))
    else:
        rows = tuple((column.name, column.type.value, column.doc) for column in view.columns)
        blocks.append(Grid(("column", "type", "meaning"), rows))
    holders = [one for one, backend in backends.items() if name in _names(backend)]
    if holders:
        blocks.append(Prose(f"In: {', '.join(holders)}."))
    return Page(name, (*blocks, Heading("Example"), Code(f"{view.example};")))


def _names(backend: Backend) -> set[str]:
    return {view.name for view in views_of(backend)}
