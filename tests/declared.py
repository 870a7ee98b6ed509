"""Declared services that a test plays: a function stands in for the server, and no port is opened."""

from __future__ import annotations

import os
from collections.abc import Callable, Iterator
from contextlib import closing, contextmanager
from typing import Any, NoReturn

import httpx

from sessions_vtab import Connection, connect
from sessions_vtab.contract.model import Column, ColumnType, Table
from sessions_vtab.rest import Get, List, RestBackend, RestTable

T = ColumnType
BASE = "http://127.0.0.1:1"
"""Nothing listens there."""

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

THINGS = Table(
    "things",
    (Column("name", T.TEXT, "Name."), Column("id", T.TEXT, "Id.")),
    "One row per thing.",
)
NOTES = Table(
    "notes",
    (
        Column("name", T.TEXT, "Name."),
        Column("thing_name", T.TEXT, "Name of the thing."),
        Column("id", T.TEXT, "Id of the thing."),
        Column("note", T.TEXT, "Number of the note."),
    ),
    "One row per note.",
)
"""Rows that belong to those of ``things``."""


def declared(*tables: RestTable, name: str = "tickets", **members: Any) -> type[RestBackend]:
    """The backend of some tables."""
    members = {"name": name, "title": name.title(), "tables": tables, **members}
    return type(name.title(), (RestBackend,), members)


def unasked(_: httpx.Request) -> NoReturn:
    """A server that no request must reach."""
    raise AssertionError


def played(
    backend: str | type[RestBackend],
    serve: Callable[[httpx.Request], httpx.Response],
    **settings: Any,
) -> dict[str, Any]:
    """A source whose server is a function."""
    transport = httpx.MockTransport(serve)
    return {"backend": backend, "base_url": BASE, "transport": transport, **settings}


@contextmanager
def connected(
    backend: str | type[RestBackend],
    serve: Callable[[httpx.Request], httpx.Response],
    **settings: Any,
) -> Iterator[Connection]:
    """A connection to such a source, ``t``, that is closed at the end."""
    source = played(backend, serve, **settings)
    with closing(connect(sources={"t": source}, config=os.devnull)) as connection:
        yield connection
