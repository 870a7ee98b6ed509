"""A virtual table that believes every plan: rows its predicate rejects are never seen.

One wrong push shows as a missing row. The predicate is evaluated by SQLite itself, over a native
copy of the rows, from the plan's words.
"""

from __future__ import annotations

import json
import re
from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Any

import apsw

from sessions_vtab.contract.capability import AccessPath, Capability
from sessions_vtab.contract.model import Column, ColumnType, Table
from sessions_vtab.contract.predicate import to_sql
from sessions_vtab.sql.names import OurTable
from sessions_vtab.sql.plans import PlanArgument
from sessions_vtab.sql.rewrite import Rewritten, rewrite

_EQ, _ISNOT = apsw.SQLITE_INDEX_CONSTRAINT_EQ, apsw.SQLITE_INDEX_CONSTRAINT_ISNOT
_TYPES = (
    ("name", ColumnType.TEXT),
    ("a", ColumnType.TEXT),
    ("b", ColumnType.TEXT),
    ("n", ColumnType.INTEGER),
    ("flag", ColumnType.BOOLEAN),
    ("labels", ColumnType.JSON),
)
NATIVE = "name TEXT PRIMARY KEY NOT NULL, a TEXT, b TEXT, n INTEGER, flag INTEGER, labels TEXT"


def table(name: str) -> Table:
    return Table(name, tuple(Column(column, kind, "") for column, kind in _TYPES), "")


@dataclass
class Catalog:
    tables: dict[str, OurTable]
    view_names: frozenset[str] = frozenset()
    effect_names: frozenset[str] = frozenset()

    @property
    def table_names(self) -> frozenset[str]:
        return frozenset(self.tables)

    def resolve(self, schema: str | None, name: str) -> OurTable | None:
        return self.tables.get(name.lower()) if schema in (None, "main") else None

    def view(self, schema: str | None, name: str) -> None:
        return None

    def definition(self, schema: str | None, name: str) -> str:
        return ""

    def effect(self, schema: str | None, name: str) -> None:
        return None


class Module:
    def __init__(self, rows: list[tuple[Any, ...]], plans: Callable[[str], PlanArgument]) -> None:
        self.rows = {row[0]: row for row in rows}
        self.plans = plans
        self.cut = 0
        self.oracle = apsw.Connection(":memory:")
        self.oracle.execute(f"CREATE TABLE t({NATIVE}) WITHOUT ROWID")
        self.oracle.executemany("INSERT INTO t VALUES(?,?,?,?,?,?)", rows)

    def Create(self, db, module, schema, name, *args):  # noqa: N802
        self.table = table(name)
        return self.table.declared, self

    Connect = Create

    def BestIndexObject(self, info):  # noqa: N802
        places = [self.table.positions["_push"], self.table.positions["_args"]]
        number, ops = 0, ["", ""]
        for index in range(info.nConstraint):
            if info.get_aConstraint_iColumn(index) in places and info.get_aConstraint_op(index) in (
                _EQ,
                _ISNOT,
            ):
                if not info.get_aConstraint_usable(index):
                    return False
                number += 1
                equal = info.get_aConstraint_op(index) == _EQ
                info.set_aConstraintUsage_argvIndex(index, number)
                info.set_aConstraintUsage_omit(index, equal)
                ops[places.index(info.get_aConstraint_iColumn(index))] = (
                    f"{number}{'=' if equal else '!'}"
                )
        info.idxStr = json.dumps(ops)
        info.estimatedRows = 3 if number else 100
        info.estimatedCost = float(info.estimatedRows)
        return True

    def matching(self, words: str | None, args: str | None) -> list[tuple[Any, ...]]:
        every = list(self.rows.values())
        plan = None if words is None else self.plans(words)
        values = json.loads(args) if args else []
        assert plan is None or plan.ahead is None or isinstance(values[plan.ahead.index], list)
        if plan is None or plan.predicate is None:
            return every
        highest = max((int(n) for n in re.findall(r"\?(\d+)", to_sql(plan.predicate))), default=0)
        text = f"SELECT name FROM t WHERE {to_sql(plan.predicate)}"
        try:
            names = {row[0] for row in self.oracle.execute(text, values[:highest])}
        except apsw.SQLError:  # labels = 'x' AND labels->>'k' = 'y': SQLite reads 'x' as JSON.
            return every
        found = [row for row in every if row[0] in names]
        self.cut += len(every) - len(found)
        return found

    def Open(self):  # noqa: N802
        return Cursor(self)

    def UpdateDeleteRow(self, key):  # noqa: N802
        del self.rows[key]

    def UpdateChangeRow(self, key, new, values):  # noqa: N802
        self.rows[key] = tuple(values[: len(_TYPES)])

    def Disconnect(self):  # noqa: N802
        return

    Destroy = Disconnect


class Cursor:
    def __init__(self, module: Module) -> None:
        self.module = module

    def Filter(self, number, name, arguments):  # noqa: N802
        given: list[Any] = [None, None]
        self.echo: list[Any] = [None, None]
        for place, op in enumerate(json.loads(name)):
            if op:
                given[place] = arguments[int(op[:-1]) - 1]
                self.echo[place] = given[place] if op[-1] == "=" else None
        self.rows = self.module.matching(*given)
        self.at = 0

    def Eof(self):  # noqa: N802
        return self.at >= len(self.rows)

    def Next(self):  # noqa: N802
        self.at += 1

    def Rowid(self):  # noqa: N802
        return self.at

    def Column(self, number):  # noqa: N802
        row = self.rows[self.at]
        if number < len(row):
            return row[number]
        return self.echo[number - len(row)]

    def Close(self):  # noqa: N802
        return


@dataclass
class Pair:
    """The same rows behind native tables and behind ours."""

    rows: dict[str, list[tuple[Any, ...]]]
    native: apsw.Connection = field(init=False)
    ours: apsw.Connection = field(init=False)
    modules: dict[str, Module] = field(init=False)
    known: dict[str, PlanArgument] = field(default_factory=dict)

    def __post_init__(self) -> None:
        self.native, self.ours = apsw.Connection(":memory:"), apsw.Connection(":memory:")
        self.modules = {}
        for name, rows in self.rows.items():
            self.native.execute(f"CREATE TABLE {name}({NATIVE}) WITHOUT ROWID")
            self.native.executemany(f"INSERT INTO {name} VALUES(?,?,?,?,?,?)", rows)
            self.modules[name] = Module(rows, self.known.__getitem__)
            self.ours.create_module(
                f"m_{name}", self.modules[name], use_bestindex_object=True, iVersion=2
            )
            self.ours.execute(f"CREATE VIRTUAL TABLE {name} USING m_{name}()")
        for connection in (self.native, self.ours):
            connection.execute("CREATE TABLE k(name TEXT, a TEXT, n INTEGER)")
            connection.execute(
                "INSERT INTO k VALUES('k1','x',1),('k2',NULL,2),('k3','1',NULL),(NULL,'y',1)"
            )
        capability = Capability(tuple(AccessPath(key, keys=(key,)) for key in ("name", "a", "n")))
        self.catalog = Catalog({name: OurTable(table(name), capability) for name in self.rows})

    def rewrite(self, text: str) -> Rewritten:
        rewritten = rewrite(text, self.catalog)
        self.known.update(rewritten.plans)
        return rewritten

    @property
    def cut(self) -> int:
        return sum(module.cut for module in self.modules.values())
