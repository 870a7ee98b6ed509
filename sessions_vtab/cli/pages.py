"""Pages of the help, from the reference, from the package's documents and from declarations.

A page is rendered as plain text or as Markdown. Of a document, the part of Markdown that documents
use is read. The capability matrix is made from the declarations that the planner uses, so that it
cannot say anything else.
"""

from __future__ import annotations

import re
import textwrap
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from itertools import pairwise
from pathlib import Path
from types import MappingProxyType
from typing import Final, TypeAlias

from sessions_vtab.contract.backend import Backend
from sessions_vtab.contract.capability import AccessPath, Capability, Writes
from sessions_vtab.contract.model import ColumnType, Table

__all__ = [
    "DOCS",
    "Block",
    "Code",
    "Grid",
    "Heading",
    "Page",
    "Prose",
    "document",
    "markdown",
    "matrix",
    "page_of",
    "text",
]

_INDENT = "  "
_GAP = 2
_NARROWEST = 30


@dataclass(frozen=True, slots=True)
class Prose:
    """A paragraph."""

    body: str


@dataclass(frozen=True, slots=True)
class Code:
    """SQL, TOML or commands, shown as they are."""

    body: str


@dataclass(frozen=True, slots=True)
class Heading:
    """The title of what follows on the page."""

    body: str


@dataclass(frozen=True, slots=True)
class Grid:
    """Rows of cells; the last cell of a row may be long.

    Attributes:
        head: titles of the columns, for Markdown.
        rows: the cells.
    """

    head: tuple[str, ...]
    rows: tuple[tuple[str, ...], ...]


Block: TypeAlias = Prose | Code | Heading | Grid
"""A part of a page."""


@dataclass(frozen=True, slots=True)
class Page:
    """One topic of the reference."""

    title: str
    blocks: tuple[Block, ...]


def text(page: Page, width: int = 100) -> str:
    """The page for a terminal of a width, ending with a newline."""
    parts = [page.title]
    for previous, block in pairwise((None, *page.blocks)):
        if previous is not None and not isinstance(previous, Heading):
            parts.append("")
        parts.extend(_block_lines(block, width))
    return "\n".join(parts) + "\n"


def _block_lines(block: Block | None, width: int) -> Iterator[str]:
    match block:
        case Heading(body):
            yield body
        case Prose(body):
            yield textwrap.fill(body, width, break_long_words=False, break_on_hyphens=False)
        case Code(body):
            yield textwrap.indent(body, _INDENT)
        case Grid(_, rows):
            yield from _grid_lines(rows, width)


def _grid_lines(rows: tuple[tuple[str, ...], ...], width: int) -> Iterator[str]:
    rooms = [max(map(len, cells)) + _GAP for cells in zip(*rows, strict=True)][:-1]
    left = len(_INDENT) + sum(rooms)
    beside = left + _NARROWEST <= width
    left = left if beside else 3 * len(_INDENT)
    for row in rows:
        start = _INDENT + "".join(c.ljust(room) for c, room in zip(row[:-1], rooms, strict=True))
        if not beside:  # The last cell stands below the others.
            yield start.rstrip()
            start = " " * left
        yield textwrap.fill(
            row[-1] or " ",
            width,
            initial_indent=start,
            subsequent_indent=" " * left,
            break_long_words=False,
            break_on_hyphens=False,
        ).rstrip()


def markdown(page: Page, level: int = 2) -> str:
    """The page as Markdown, its title a heading of a level, ending with a newline."""
    parts = [f"{'#' * level} {page.title}"]
    for block in page.blocks:
        match block:
            case Heading(body):
                parts.append(f"{'#' * (level + 1)} {body}")
            case Prose(body):
                parts.append(_plain(body))
            case Code(body):
                parts.append(f"```\n{body}\n```")
            case Grid(head, rows):
                parts.append("\n".join(_grid_markdown(head, rows)))
    return "\n\n".join(parts) + "\n"


def _grid_markdown(head: tuple[str, ...], rows: tuple[tuple[str, ...], ...]) -> Iterator[str]:
    yield f"| {' | '.join(head)} |"
    yield "|" + " --- |" * len(head)
    for row in rows:
        first, *others = row
        yield f"| `{first}` | {' | '.join(map(_plain, others))} |"


def _plain(body: str) -> str:
    """Text that Markdown would take for markup."""
    for sign in "\\|*_<":
        body = body.replace(sign, f"\\{sign}")
    return body


DOCS: Final = Path(__file__).parent.parent / "docs"
_FENCE: Final = "```"
_ITEM: Final = re.compile(r"(?:-|\d+\.) ")
_MARKS: Final = re.compile(r"\*\*|`")


def document(name: str, values: Mapping[str, str] = MappingProxyType({})) -> Page:
    """The page of ``docs/NAME.md``, its title the last part of the name.

    Args:
        name: of the document, without its ending.
        values: what stands there for names in braces.
    """
    body = (DOCS / f"{name}.md").read_text("utf-8")
    for key, value in values.items():
        body = body.replace(f"{{{key}}}", value)
    return page_of(name.rpartition("/")[2], body)


def page_of(title: str, text: str) -> Page:
    """A page of a Markdown text.

    Args:
        title: topic of the help; the text's own title is left out.
        text: headings, paragraphs, lists, tables and fenced code. An item of a list is a paragraph.
    """
    return Page(title, tuple(_blocks(text.splitlines())))


def _blocks(lines: list[str]) -> Iterator[Block]:
    pending: list[str] = []
    code: list[str] | None = None
    for line in (*lines, ""):
        if code is not None:
            if line.startswith(_FENCE):
                yield Code("\n".join(code))
                code = None
            else:
                code.append(line)
            continue
        if pending and (not line or _ITEM.match(line) or line.startswith((_FENCE, "#"))):
            yield _grid(pending) if pending[0].startswith("|") else _prose(pending)
            pending = []
        if line.startswith(_FENCE):
            code = []
        elif line.startswith("##"):
            yield Heading(_MARKS.sub("", line.lstrip("# ")))
        elif line and not line.startswith("# "):
            pending.append(line.strip())


def _prose(lines: Sequence[str]) -> Prose:
    return Prose(_MARKS.sub("", " ".join(lines)))


def _grid(lines: Sequence[str]) -> Grid:
    head, _, *rows = (tuple(map(str.strip, line[1:-1].split("|"))) for line in lines)
    return Grid(head, tuple(rows))


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
