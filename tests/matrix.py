"""The capability matrix of the README, made from the declarations that the planner uses."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence

from sessions_vtab.contract.backend import Backend
from sessions_vtab.contract.capability import AccessPath, Capability, Writes
from sessions_vtab.contract.model import ColumnType, Table

_HEADINGS = ("backend", "table", "found by", "filtered by the API", "ordered by", "written")


def matrix(backends: Mapping[str, Backend]) -> str:
    """Two Markdown tables: one row a table, then the functions of each backend.

    Args:
        backends: open backends by the name to show.
    """
    rows = [row for name, backend in backends.items() for row in _rows(name, backend)]
    functions = [
        (name, ", ".join(f"`{one}`" for one in backend.routines) or "none")
        for name, backend in backends.items()
    ]
    return "\n".join((*_table(_HEADINGS, rows), "", *_table(("backend", "functions"), functions)))


def _table(headings: tuple[str, ...], rows: Sequence[tuple[str, ...]]) -> Iterator[str]:
    for row in (headings, ("---",) * len(headings), *rows):
        yield f"| {' | '.join(row)} |"


def _rows(name: str, backend: Backend) -> Iterator[tuple[str, ...]]:
    for table_name, resource in backend.resources.items():
        table, capability = resource.table, resource.capability
        keys = dict.fromkeys(" and ".join(path.keys) for path in capability.paths if path.keys)
        yield (
            name,
            f"`{table_name}`",
            ", ".join(keys) or "anything",
            _filters(table, capability),
            _columns({n for path in _listings(capability) for n in path.orders}, table) or "-",
            _writes(capability.writes),
        )


def _columns(names: set[str], table: Table) -> str:
    """Names in the order of the table, or one word for all of them."""
    data = [column.name for column in table.columns if not column.parameter]
    if names and names.issuperset(data):
        return "every column"
    return ", ".join(name for name in table.names if name in names)


def _filters(table: Table, capability: Capability) -> str:
    listing = _listings(capability)
    plain = {one.column for path in listing for one in path.filters if not one.keyed}
    keyed = {one.column for path in listing for one in path.filters if one.keyed}
    json = {column.name for column in table.columns if column.type is ColumnType.JSON}
    keys = [f"{name}->>'key'" for name in table.names if name in keyed]
    if len(keys) > 1 and keyed == json:
        keys = ["JSON keys"]
    return ", ".join(filter(None, (_columns(plain, table), *keys))) or "-"


def _listings(capability: Capability) -> list[AccessPath]:
    """The paths that can return many rows, or all paths if there are none."""
    return [path for path in capability.paths if not path.unique] or list(capability.paths)


def _writes(writes: Writes) -> str:
    actions = (("insert", writes.insert), ("update", writes.update), ("delete", writes.delete))
    return ", ".join(action for action, allowed in actions if allowed) or "-"
