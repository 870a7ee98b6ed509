"""The REST engine: a service is declared, and everything else follows.

``declaration`` is what an author writes: operations, tables, functions; ``bodies`` says how columns
are sent. ``access`` derives what a table can do. ``requests`` decides the requests of a scan,
``reading`` collects the items of their responses, ``decoding`` makes rows of them; ``writing``
decides the requests of a write, ``functions`` those of a call. ``checking`` finds mistakes in a
declaration when it is opened, ``corrections`` those in routes from the configuration; ``backend``
opens a declared service for one source.
"""

from __future__ import annotations

from sessions_vtab.contract.templates import Places, name_of, parse_name
from sessions_vtab.rest.backend import OpenOptions, RestBackend, RestOptions
from sessions_vtab.rest.bodies import (
    Body,
    Sent,
    body_of,
    json_array,
    json_object,
    refused,
    rfc3339,
)
from sessions_vtab.rest.corrections import check_names, check_routes
from sessions_vtab.rest.declaration import (
    Delete,
    Get,
    Insert,
    List,
    Operation,
    RestFrame,
    RestFunction,
    RestTable,
    Update,
)
from sessions_vtab.rest.decoding import Found, FoundPage
from sessions_vtab.rest.functions import response_of, routine_of
from sessions_vtab.rest.reading import FoundPages, RestResource
from sessions_vtab.rest.requests import Asked, Reading, Spread
from sessions_vtab.rest.writing import Change, Writer

__all__ = [
    "Asked",
    "Body",
    "Change",
    "Delete",
    "Found",
    "FoundPage",
    "FoundPages",
    "Get",
    "Insert",
    "List",
    "OpenOptions",
    "Operation",
    "Places",
    "Reading",
    "RestBackend",
    "RestFrame",
    "RestFunction",
    "RestOptions",
    "RestResource",
    "RestTable",
    "Sent",
    "Spread",
    "Update",
    "Writer",
    "body_of",
    "check_names",
    "check_routes",
    "json_array",
    "json_object",
    "name_of",
    "parse_name",
    "refused",
    "response_of",
    "rfc3339",
    "routine_of",
]
