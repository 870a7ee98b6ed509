"""A backend of tickets, as a REST declaration and by hand, for tests of what authors get wrong."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace
from typing import Any

import httpx

from sessions_vtab.contract.backend import Backend, Resource, Source
from sessions_vtab.contract.capability import AccessPath, Capability
from sessions_vtab.contract.model import Column, ColumnType, Table
from sessions_vtab.rest import Get, List, RestBackend, RestTable

T = ColumnType
TICKETS = Table(
    "tickets",
    (
        Column("name", T.TEXT, "Name."),
        Column("id", T.TEXT, "Id."),
        Column("owner", T.TEXT, "Who."),
        Column("votes", T.INTEGER, "How many."),
    ),
    "One row per ticket.",
)
RIGHT = RestTable(
    TICKETS,
    "tickets/{id}",
    {"id": "id", "owner": "owner", "votes": "votes"},
    get=Get("GET /tickets/{id}"),
    list=List("GET /tickets", items="tickets", filters={"owner": "owner"}),
)


def served(
    table: RestTable, serve: Callable[[httpx.Request], httpx.Response], **members: Any
) -> dict[str, Any]:
    """A source of a backend with one table, whose service is a function."""
    members = {"name": "bent", "title": "T", "tables": (table,), **members}
    return {
        "backend": type("Tickets", (RestBackend,), members),
        "base_url": "http://127.0.0.1:1",
        "transport": httpx.MockTransport(serve),
    }


PATH = AccessPath("list")


def capability(**change: Any) -> Capability:
    return replace(Capability((PATH,)), **change)


class Rows(Resource):
    table = TICKETS

    def __init__(self, capability: Any, rows: Any = ()) -> None:
        self.capability = capability
        self._rows = rows

    def scan(self, scan: Any, context: Any) -> Any:
        return self._rows() if callable(self._rows) else iter(self._rows)


class Own(Backend):
    name = "own"
    made: Any = None

    @classmethod
    def open(cls, source: Source) -> Own:
        backend = cls()
        backend.resources = {"tickets": cls.made}
        backend.routines = {}
        return backend

    def describe(self) -> str:
        return "own"
