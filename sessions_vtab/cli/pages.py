"""A page of the reference, and its two renderings: plain text and Markdown."""

from __future__ import annotations

import textwrap
from collections.abc import Iterator
from dataclasses import dataclass
from itertools import pairwise
from typing import TypeAlias

__all__ = ["Block", "Code", "Grid", "Heading", "Page", "Prose", "markdown", "text"]

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
    for row in rows:
        start = _INDENT + "".join(c.ljust(room) for c, room in zip(row[:-1], rooms, strict=True))
        yield textwrap.fill(
            row[-1] or " ",
            max(width, left + _NARROWEST),
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
