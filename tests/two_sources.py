"""The conformance suite on statements whose tables belong to two sources."""

from __future__ import annotations

import re
from dataclasses import replace
from typing import Any
from zlib import crc32

from sessions_vtab.contract.model import quoted
from sessions_vtab.testing.conformance import Suite
from sessions_vtab.testing.oracle import read_known

_TABLE = re.compile(r"\{([a-z]+)\}")


class TwoSources(Suite):
    """A suite that takes each table of a statement from one of two sources, by chance.

    Args:
        connection: with both sources.
        first, second: their names.

    Attributes:
        asked: how many statements were compared, by whether they have tables of both.
    """

    def __init__(self, connection: Any, first: str, second: str) -> None:
        super().__init__(connection, first)
        self._sources = (first, second)
        self.asked = {False: 0, True: 0}
        for name, resource in connection.sources[second].backend.resources.items():
            if name in self.known:
                known = read_known(connection, second, resource, {})
                assert known is not None
                self.oracle.add(replace(known.table, name=f"{name} of {second}"), known.rows)

    def compare(self, sql: str, *rest: Any, **options: Any) -> None:
        """See ``Suite.compare``."""
        used = {schema for schema in self._sources if f"{quoted(schema)}." in self.text(sql)}
        self.asked[len(used) > 1] += 1
        super().compare(sql, *rest, **options)

    def text(self, sql: str) -> str:
        """See ``Suite.text``."""
        return self._placed(sql, lambda name, place: f"{quoted(self._sources[place])}.{name}")

    def native_text(self, sql: str) -> str:
        """See ``Suite.native_text``."""
        second = self._sources[1]
        return self._placed(
            sql, lambda name, place: f'main."{name} of {second}"' if place else f"main.{name}"
        )

    @staticmethod
    def _placed(sql: str, named: Any) -> str:
        # ORDER BY and LIMIT are left out for some comparisons, and change no table.
        bits = crc32(sql.partition(" ORDER BY ")[0].partition(" LIMIT ")[0].encode())
        parts = _TABLE.split(sql)
        for at in range(1, len(parts), 2):
            parts[at] = named(parts[at], (bits >> (at // 2) % 16) & 1)
        return "".join(parts)
