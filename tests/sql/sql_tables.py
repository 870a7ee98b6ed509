"""A catalog for tests of statement text: the core tables of one invented source."""

from __future__ import annotations

from dataclasses import dataclass, field, replace

from sessions_vtab.contract import agent_views
from sessions_vtab.contract.capability import EQUALITY, AccessPath, Capability, Filter
from sessions_vtab.contract.functions import FUNCTIONS
from sessions_vtab.contract.model import Function
from sessions_vtab.contract.tables import (
    EVENT_PARTS,
    EVENTS,
    SESSIONS,
    event_columns,
    session_columns,
)
from sessions_vtab.sql.names import OurTable, OurView

_CAPABILITY = Capability(
    (
        AccessPath("get", keys=("session_id",), unique=True),
        AccessPath("list", filters=(Filter("labels", EQUALITY, keyed=True, texts=True),)),
    ),
)
_EVENTS = Capability((AccessPath("list", keys=("session_id",)),))

TABLES = {
    "sessions": OurTable(
        SESSIONS.extended(
            *session_columns("project", "location", "reasoning_engine"),
            *session_columns("is_irrelevant", "session_number"),
            hidden=session_columns("ttl", "update_mask", "deleted", "page_size", "filter"),
        ),
        _CAPABILITY,
        "prod",
    ),
    "events": OurTable(EVENTS.extended(*event_columns("actions", "raw_event")), _EVENTS, "prod"),
}

# The same, where reading all events takes a request for each session.
_SESSION = "sessions/{session_id}"
_FANNING = Capability(
    (
        AccessPath("list by session name", keys=("session_name",)),
        AccessPath("list", keys=("session_id",)),
        AccessPath("fan-out", fans_out=True),
    )
)
FANNING = {
    "sessions": TABLES["sessions"]._replace(
        table=replace(TABLES["sessions"].table, templates={"name": _SESSION}),
    ),
    **{
        table.name: OurTable(
            replace(
                table, templates={"name": f"{_SESSION}/x/{{event_id}}", "session_name": _SESSION}
            ),
            _FANNING,
            "prod",
        )
        for table in (TABLES["events"].table, EVENT_PARTS)
    },
}

VIEWS = {view.name: OurView(view, "main") for view in agent_views.VIEWS if view.keys}


@dataclass(frozen=True)
class TestCatalog:
    """Our tables are in ``main`` and ``prod``; everything else is native."""

    __test__ = False

    schemas: tuple[str | None, ...] = (None, "main", "prod")
    table_names: frozenset[str] = frozenset(TABLES)
    view_names: frozenset[str] = frozenset(VIEWS)
    effect_names: frozenset[str] = frozenset(n for n, f in FUNCTIONS.items() if f.effect)
    tables: dict[str, OurTable] = field(default_factory=lambda: dict(TABLES))

    def resolve(self, schema: str | None, name: str) -> OurTable | None:
        known = schema is None or schema.lower() in self.schemas
        return self.tables.get(name.lower()) if known else None

    def view(self, schema: str | None, name: str) -> OurView | None:
        known = schema is None or schema.lower() in self.schemas
        return VIEWS.get(name.lower()) if known else None

    def definition(self, schema: str | None, name: str) -> str:
        return ""

    def effect(self, schema: str | None, name: str) -> Function | None:
        known = schema is None or schema.lower() in self.schemas
        return FUNCTIONS[name.lower()] if known and name.lower() in self.effect_names else None
