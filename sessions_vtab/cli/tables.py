"""Rows laid out in aligned columns: how wide each column is, what is cut, when rows do not fit."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass, replace
from itertools import chain, islice
from math import inf
from types import MappingProxyType
from typing import IO, Any, Final, TypeAlias

from sessions_vtab.cli.display import (
    can_show,
    escaped,
    is_terminal,
    literal,
    terminal_size,
    width,
)

__all__ = ["ASCII", "BOX", "COLUMN", "PLAIN", "Row", "Sheet", "Style", "TableFrame", "style_for"]

Row: TypeAlias = Sequence[Any]

_SAMPLE: Final = 1_000
"""Rows that decide how wide a table's columns are; later ones may stand out."""


_BREAKS: Final = MappingProxyType({ord("\n"): "\\n", ord("\r"): "\\r", ord("\t"): "\\t"})


@dataclass(frozen=True, slots=True)
class Style:
    """How rows are written; every format takes from it what concerns it.

    Attributes:
        heading: whether the columns are named.
        null: text in place of NULL; None for what the format has for it.
        separator: what ``list`` puts between values.
        table: the table that ``insert`` names.
        room: columns of the terminal, into which tables are cut; None for no limit.
        least: columns of the terminal that a value keeps when it is cut; with 32, times and most
            ids stay whole.
        widths: widths of columns, 0 for as wide as its values.
        unicode: whether lines and ``…`` can be shown.
    """

    heading: bool = True
    null: str | None = None
    separator: str = "|"
    table: str = "table"
    room: int | None = None
    least: int = 32
    widths: Sequence[int] = ()
    unicode: bool = True

    def text(self, value: Any) -> str:
        """A value as text."""
        return self.null if value is None and self.null is not None else literal(value)


def style_for(stream: IO[str], style: Style, margin: int = 0) -> Style:
    """A style for what a stream can show: on a terminal, tables are cut into its columns.

    Args:
        stream: where rows are written.
        style: everything else.
        margin: columns on the left that are used already.
    """
    if not is_terminal(stream):
        return style
    room = terminal_size().columns - margin
    return replace(style, room=room, unicode=can_show(stream, "╭─│…"))


@dataclass(frozen=True, slots=True)
class TableFrame:
    """The lines of a table.

    Attributes:
        left, between, right: what stands before, between and after the cells of a row.
        top, middle, bottom: the rules above, below the heading, and at the end, each as its left
            end, line, crossing and right end; None for no rule.
    """

    left: str = ""
    between: str = "  "
    right: str = ""
    top: tuple[str, str, str, str] | None = None
    middle: tuple[str, str, str, str] | None = None
    bottom: tuple[str, str, str, str] | None = None

    def rule(self, ends: tuple[str, str, str, str] | None, widths: Sequence[int]) -> Iterator[str]:
        """A rule as a line of text, if there is one."""
        if ends is not None:
            left, line, crossing, right = ends
            yield left + crossing.join(line * room for room in widths) + right + "\n"

    def overhead(self, columns: int) -> int:
        """Columns of the terminal that no value can use."""
        return len(self.left) + len(self.between) * max(columns - 1, 0) + len(self.right)


PLAIN: Final = TableFrame()
COLUMN: Final = TableFrame(middle=("", "-", "  ", ""))
ASCII: Final = TableFrame("| ", " | ", " |", *([("+-", "-", "-+-", "-+")] * 3))
BOX: Final = TableFrame(
    "│ ", " │ ", " │", ("╭─", "─", "─┬─", "─╮"), ("├─", "─", "─┼─", "─┤"), ("╰─", "─", "─┴─", "─╯")
)


class Sheet:
    """Rows of which the first thousand are measured, to be laid out in a frame.

    Attributes:
        cut: whether a value has been cut so far.
    """

    def __init__(self, columns: Sequence[str], rows: Iterable[Row], style: Style) -> None:
        self._style = style
        self._rest = iter(rows)
        self.sample = list(islice(self._rest, _SAMPLE))
        self._head = self._texts(columns)
        self._cells = [self._texts(row) for row in self.sample]
        self._numeric = [_is_numeric(row[n] for row in self.sample) for n in range(len(columns))]
        self.cut = False

    @property
    def rows(self) -> Iterator[Row]:
        """All rows, for a format that lays nothing out."""
        return chain(self.sample, self._rest)

    def fits(self, frame: TableFrame) -> bool:
        """Whether a row has room on one line of the terminal, with long values cut."""
        room = self._style.room
        return room is None or sum(self._widths(frame)) + frame.overhead(len(self._head)) <= room

    def lines(self, frame: TableFrame) -> Iterator[str]:
        """The table, line by line."""
        widths = self._widths(frame)
        limits = self._limits(frame, widths)
        yield from frame.rule(frame.top, widths)
        if self._style.heading:
            yield self._line(frame, self._head, widths, limits)
            yield from frame.rule(frame.middle, widths)
        for cells in chain(self._cells, map(self._texts, self._rest)):
            yield self._line(frame, cells, widths, limits)
        yield from frame.rule(frame.bottom, widths)

    def _texts(self, row: Row) -> list[str]:
        texts = (self._style.text(value).translate(_BREAKS) for value in row)
        # Before anything is measured: written out, a control character takes four columns.
        return list(texts if self._style.room is None else map(escaped, texts))

    def _widths(self, frame: TableFrame) -> list[int]:
        head = self._head if self._style.heading else [""] * len(self._head)
        widest = [max(map(width, cells)) for cells in zip(head, *self._cells, strict=True)]
        if self._style.room is not None:
            widest = _capped(
                widest, self._style.room - frame.overhead(len(widest)), self._style.least
            )
        given = chain(self._style.widths, [0] * len(widest))
        return [abs(wanted) or room for wanted, room in zip(given, widest, strict=False)]

    def _limits(self, frame: TableFrame, widths: Sequence[int]) -> list[float]:
        """What each column may take at most: a value after the measured ones may be wider."""
        style, spare = self._style, inf
        if style.room is not None:
            spare = style.room - sum(widths) - frame.overhead(len(widths))
            spare = spare if spare >= len(widths) else 0  # Less is what is over after cutting.
        given = chain(style.widths, [0] * len(widths))
        return [
            abs(wanted) or max(room + spare, style.least)
            for wanted, room in zip(given, widths, strict=False)
        ]

    def _line(
        self, frame: TableFrame, cells: list[str], widths: Sequence[int], limits: Sequence[float]
    ) -> str:
        padded = map(self._padded, cells, widths, limits, self._numeric)
        return (frame.left + frame.between.join(padded) + frame.right).rstrip() + "\n"

    def _padded(self, cell: str, room: int, limit: float, numeric: bool) -> str:
        taken = width(cell)
        if taken > limit:
            self.cut = True
            cell = _shortened(cell, int(limit), "…" if self._style.unicode else "...")
            taken = width(cell)
        blank = " " * (room - taken)
        return blank + cell if numeric else cell + blank


def _is_numeric(values: Iterable[Any]) -> bool:
    present = [value for value in values if value is not None]
    return bool(present) and all(isinstance(value, int | float) for value in present)


def _capped(widest: list[int], room: int, least: int) -> list[int]:
    """Widths of which the largest are made equal so that the sum fits, down to a least width."""
    cap = max(widest, default=0)
    if sum(widest) > room:
        cap = min(cap, max(room, least))
    while cap > least and sum(min(one, cap) for one in widest) > room:
        cap -= 1
    return [min(one, cap) for one in widest]


def _shortened(text: str, room: int, mark: str) -> str:
    """The beginning of a text and the mark, together not wider than the room."""
    mark = mark[:room]
    kept = text[: max(room - len(mark), 0)]
    while width(kept) + len(mark) > room:
        kept = kept[:-1]
    return kept + mark
