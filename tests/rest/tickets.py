"""A backend of tickets by hand, for tests of what authors get wrong."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

from sessions_vtab.contract.backend import Backend, Resource, Source
from sessions_vtab.contract.capability import AccessPath, Capability
from tests.declared import TICKETS

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
