"""What people see on a terminal: values, times and counts as safe text, rows in columns, errors.

Rows are laid out in aligned columns: how wide each is, what is cut, when rows do not fit. An error
is a problem, a mark below its place, and where help is.
"""

from __future__ import annotations

import os
import re
import sys
from collections.abc import Collection, Iterable, Iterator, Sequence
from contextlib import suppress
from itertools import chain, islice
from math import ceil, inf
from types import MappingProxyType
from typing import IO, TYPE_CHECKING, Any, Final, NamedTuple, TypeAlias

from sessions_vtab.contract.predicate import Op

if TYPE_CHECKING:
    from sessions_vtab.contract.capability import Filter
    from sessions_vtab.hints import Problem


# What a terminal acts upon: control characters but newline and tab, and the characters that turn
# the direction of text (Unicode Standard Annex 9), with which a value can look like another.
_ACTIVE: Final = re.compile(
    r"[\x00-\x08\x0b-\x1f\x7f-\x9f\u061c\u200e\u200f\u202a-\u202e\u2066-\u2069]"
)
_TENTH: Final = 0.1
_TWO_BYTES: Final = 0xFF


def escaped(text: str) -> str:
    r"""Text with what a terminal would act upon written out: ``\x1b``, ``\u202e``."""
    return _ACTIVE.sub(_written_out, text)


def _written_out(match: re.Match[str]) -> str:
    code = ord(match[0])
    return f"\\u{code:04x}" if code > _TWO_BYTES else f"\\x{code:02x}"


def literal(value: Any) -> str:
    """A value as text: NULL, ``x'00ff'`` for a blob, a text as it is."""
    if value is None:
        return "NULL"
    if isinstance(value, bytes):
        return f"x'{value.hex()}'"
    return value if isinstance(value, str) else repr(value)


def width(text: str) -> int:
    """Columns that a text takes on a terminal."""
    if text.isascii():
        return len(text)
    import apsw.unicode  # noqa: PLC0415  # Slow to import, and only needed for such text.

    return max(apsw.unicode.text_width(text), 0)


def seconds(elapsed: float) -> str:
    """A duration: ``0.001 s``, ``0.9 s``, ``41.2 s``."""
    return f"{elapsed:.1f} s" if elapsed >= _TENTH else f"{max(elapsed, 0.001):.3f} s"


_MINUTE, _HOUR, _DAY = 1.0, 60.0, 1_440.0
_TENTHS_BELOW: Final = 10


def duration(minutes: float) -> str:
    """Minutes in words: ``90 s``, ``17 min``, ``2.8 h``, ``2.3 days``."""
    if minutes < 2 * _MINUTE:
        return f"{ceil(minutes * 60)} s"
    if minutes < 2 * _HOUR:
        return f"{minutes:.0f} min"
    size, name = (_HOUR, "h") if minutes < 2 * _DAY else (_DAY, "days")
    amount = minutes / size
    return f"{amount:.1f} {name}" if amount < _TENTHS_BELOW else f"{amount:.0f} {name}"


def counted(number: int, noun: str) -> str:
    """``1 row``, ``3 rows``."""
    return f"{number} {noun}" if number == 1 else f"{number} {noun}s"


def footer(rows: int | None, changed: int, requests: int, elapsed: float) -> str:
    """What a statement did: ``3 rows, 404 requests, 0.9 s``.

    Args:
        rows: rows it answered with; None for a statement that answers with rows.
        changed: rows it changed.
        requests: HTTP requests it made.
        elapsed: seconds it took.
    """
    parts = [] if rows is None else [counted(rows, "row")]
    if rows is None and changed:
        parts.append(f"{counted(changed, 'row')} changed")
    if requests:
        parts.append(counted(requests, "request"))
    return ", ".join([*parts, seconds(elapsed)])


def operators(ops: Collection[Op]) -> str:
    """Comparison operators as text, in the order of their declaration; ``any`` for all of them."""
    if len(ops) == len(Op):
        return "any"
    return " ".join(op.value for op in Op if op in ops)


def by_operators(filters: Iterable[Filter]) -> dict[str, list[str]]:
    """Columns, and JSON columns with a key, by the text of the operators they take."""
    found: dict[str, list[str]] = {}
    for one in filters:
        name = f"{one.column}->>'..'" if one.keyed else one.column
        found.setdefault(operators(one.ops), []).append(name)
    return found


def is_terminal(stream: IO[str]) -> bool:
    """Whether a stream is read by a person at a terminal."""
    return stream.isatty()


def moves_cursor(stream: IO[str]) -> bool:
    """Whether a stream is a terminal that obeys escape sequences: none does with TERM=dumb."""
    return is_terminal(stream) and os.environ.get("TERM") != "dumb"


def terminal_size() -> os.terminal_size:
    """Columns and lines of the terminal; 80 and 24 where it does not say.

    The terminal is asked first: ``COLUMNS`` stays what it was when a window is resized.
    """
    for stream in (sys.stdout, sys.stderr):
        with suppress(AttributeError, ValueError, OSError):  # No stream, closed, not a terminal.
            size = os.get_terminal_size(stream.fileno())
            if size.columns:
                return size
    from shutil import get_terminal_size  # noqa: PLC0415  # Slow to import.

    return get_terminal_size()


Row: TypeAlias = Sequence[Any]

_SAMPLE: Final = 1_000
"""Rows that decide how wide a table's columns are; later ones may stand out."""


_BREAKS: Final = MappingProxyType({ord("\n"): "\\n", ord("\r"): "\\r", ord("\t"): "\\t"})


class Style(NamedTuple):
    """How rows are written; every format takes from it what concerns it.

    Attributes:
        heading: whether the columns are named.
        null: text in place of NULL; None for what the format has for it.
        separator: what ``list`` puts between values.
        table: the table that ``insert`` names.
        room: columns of the terminal, into which tables are cut; None for no limit.
        least: columns of the terminal that a value keeps when it is cut; with 32, times and most
            ids stay whole.
        keep: how many of the first columns are never cut, such as one of names to be typed.
        widths: widths of columns, 0 for as wide as its values.
        unicode: whether lines and ``…`` can be shown.
    """

    heading: bool = True
    null: str | None = None
    separator: str = "|"
    table: str = "table"
    room: int | None = None
    least: int = 32
    keep: int = 0
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
    try:
        "╭─│…".encode(getattr(stream, "encoding", None) or "utf-8")
    except UnicodeEncodeError:
        return style._replace(room=room, unicode=False)
    return style._replace(room=room)


class TableFrame(NamedTuple):
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
            kept, others = widest[: self._style.keep], widest[self._style.keep :]
            room = self._style.room - frame.overhead(len(widest)) - sum(kept)
            widest = kept + _capped(others, room, self._style.least)
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


class Failed(Exception):  # noqa: N818  # An outcome, already in words for the user.
    """A statement failed; the text says which, where and why."""


_HERE: Final = "^--- here"
_HINT_COLUMN: Final = 59
_WIDTH: Final = 80


def render(found: Problem, sql: str, offset: int, help_command: str) -> str:
    """The message, the line of the statement it is about with a mark below, and where to look.

    Args:
        found: the problem.
        sql: the statement.
        offset: SQLite's place in it, in bytes of UTF-8; -1 if it named none.
        help_command: how help is asked for: ``.help`` or ``sessions-vtab help``.
    """
    lines = [escaped(found.message)]
    from sessions_vtab.hints import line_at, place_of  # noqa: PLC0415  # Only errors need them.

    place = place_of(found.word, sql, offset)
    hint = f"All columns: {help_command} {found.topic}" if found.topic else ""
    if found.topic in {"tables", "sources"}:
        hint = f"See also: {help_command} {found.topic}"
    if place is not None:
        before, after = map(escaped, line_at(sql, place))
        mark = " " * (2 + len(before)) + _HERE
        # Within 80 columns where there is room: a terminal would cut the command in two.
        columns = terminal_size().columns if is_terminal(sys.stderr) else _WIDTH
        room = max(len(mark) + 2, min(_HINT_COLUMN, min(columns, _WIDTH) - len(hint)))
        lines.append("  " + before + after)
        if room + len(hint) <= columns or not hint:
            lines.append(f"{mark.ljust(room)}{hint}" if hint else mark)
            hint = ""
        else:
            lines.append(mark)
    if hint:
        lines.append("  " + hint)
    return "\n".join(lines)
