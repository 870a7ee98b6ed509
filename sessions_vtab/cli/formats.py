"""Rows as text in every output format. Rows stream through; none is dropped.

Blobs are ``x'..'`` as in SQL, in JSON base64. NULL is null in JSON, ``NULL`` in tables and
nothing in csv, where an empty text is ``""``; tsv and list write both as nothing.
"""

from __future__ import annotations

import json
import re
from base64 import b64encode
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from itertools import chain
from math import inf
from types import MappingProxyType
from typing import Any, Final, TypeAlias

from sessions_vtab.cli.display import (
    ASCII,
    BOX,
    COLUMN,
    PLAIN,
    Row,
    Sheet,
    Style,
    TableFrame,
    literal,
)
from sessions_vtab.contract.model import quoted

Format: TypeAlias = Callable[[Sequence[str], Iterable[Row], Style], Iterator[str]]
"""Column names and rows to pieces of text, each made of whole lines."""

_QUOTED: Final = re.compile(r'[",\r\n]|^\s|\s$|^$')
_TSV: Final = MappingProxyType(
    {ord("\\"): "\\\\", ord("\t"): "\\t", ord("\n"): "\\n", ord("\r"): "\\r"}
)
_MARKDOWN: Final = MappingProxyType(
    {ord("\\"): "\\\\", ord("|"): "\\|", ord("<"): "&lt;", ord("\n"): "<br>", ord("\r"): None}
)
_LINE_NAMES: Final = 5
"""Least width of the names in ``line``, as in the sqlite3 shell."""


def _framed(frame: TableFrame, otherwise: TableFrame, doc: str) -> Format:
    def lay_out(columns: Sequence[str], rows: Iterable[Row], style: Style) -> Iterator[str]:
        return Sheet(columns, rows, style).lines(frame if style.unicode else otherwise)

    lay_out.__doc__ = doc
    return lay_out


def line(columns: Sequence[str], rows: Iterable[Row], style: Style) -> Iterator[str]:
    """One value per line, ``column = value``, with an empty line between rows."""
    names = [name.rjust(max(_LINE_NAMES, *map(len, columns))) for name in columns]
    separator = ""
    for row in rows:
        values = zip(names, row, strict=True)
        yield separator + "".join(f"{name} = {style.text(value)}\n" for name, value in values)
        separator = "\n"


def list_(columns: Sequence[str], rows: Iterable[Row], style: Style) -> Iterator[str]:
    """Values as they are with a separator between them."""
    for row in _with_heading(columns, rows, style):
        yield style.separator.join(map(_nothing_for_null(style), row)) + "\n"


def quote(columns: Sequence[str], rows: Iterable[Row], style: Style) -> Iterator[str]:
    """Values as SQL literals with commas between them."""
    for row in _with_heading(columns, rows, style):
        yield ",".join(map(_sql, row)) + "\n"


def insert(columns: Sequence[str], rows: Iterable[Row], style: Style) -> Iterator[str]:
    """An INSERT statement for each row."""
    names = f"({','.join(map(quoted, columns))})" if style.heading else ""
    for row in rows:
        yield f"INSERT INTO {quoted(style.table)}{names} VALUES({','.join(map(_sql, row))});\n"


def _sql(value: Any) -> str:
    import apsw  # noqa: PLC0415

    return str(apsw.format_sql_value(value))


def html(columns: Sequence[str], rows: Iterable[Row], style: Style) -> Iterator[str]:
    """The rows of an HTML table, without the element around them, as the sqlite3 shell has it."""
    if style.heading:
        yield _html_row("TH", columns, style)
    for row in rows:
        yield _html_row("TD", row, style)


def _html_row(tag: str, row: Row, style: Style) -> str:
    from html import escape  # noqa: PLC0415

    text = _nothing_for_null(style)
    cells = (f"<{tag}>{escape(text(value))}</{tag}>\n" for value in row)
    return f"<TR>{''.join(cells)}</TR>\n"


def _with_heading(columns: Sequence[str], rows: Iterable[Row], style: Style) -> Iterator[Row]:
    return chain([columns], rows) if style.heading else iter(rows)


def _nothing_for_null(style: Style) -> Callable[[Any], str]:
    """Values to texts in formats where NULL is nothing unless the style has a text for it."""
    null = style.null or ""
    return lambda value: null if value is None else literal(value)


def csv(columns: Sequence[str], rows: Iterable[Row], style: Style) -> Iterator[str]:
    """Comma-separated values with a heading (RFC 4180, lines end with a newline)."""
    null = style.null or ""
    for row in _with_heading(columns, rows, style):
        cells = [null if value is None else _quoted(literal(value)) for value in row]
        # Most readers do not take an empty line for a record.
        yield (",".join(cells) or '""') + "\n"


def _quoted(text: str) -> str:
    return '"' + text.replace('"', '""') + '"' if _QUOTED.search(text) else text


def tsv(columns: Sequence[str], rows: Iterable[Row], style: Style) -> Iterator[str]:
    r"""Tab-separated values with a heading; tab, newline and backslash are ``\t \n \\``."""
    text = _nothing_for_null(style)
    for row in _with_heading(columns, rows, style):
        yield "\t".join(text(value).translate(_TSV) for value in row) + "\n"


def json_array(columns: Sequence[str], rows: Iterable[Row], style: Style) -> Iterator[str]:
    """One JSON array of objects, one a line."""
    separator = "["
    for member in jsonl(columns, rows, style):
        yield separator + member.rstrip("\n")
        separator = ",\n"
    yield "[]\n" if separator == "[" else "]\n"


def jsonl(columns: Sequence[str], rows: Iterable[Row], _style: Style) -> Iterator[str]:
    """One JSON object a line."""
    keys = [json.dumps(name, ensure_ascii=False) for name in distinct(columns)]
    for row in rows:
        yield "{" + ",".join(map(_member, keys, row)) + "}\n"


def _member(key: str, value: Any) -> str:
    if isinstance(value, bytes):
        value = b64encode(value).decode("ascii")
    if isinstance(value, float) and value in (inf, -inf):
        return f"{key}:{'-' if value < 0 else ''}9e999"  # JSON has no infinity; this reads as it.
    return f"{key}:{json.dumps(value, ensure_ascii=False)}"


def distinct(columns: Sequence[str]) -> list[str]:
    """Names made different as SQLite does: a second ``id`` is ``id:1``."""
    names: list[str] = []
    for name in columns:
        candidate, number = name, 0
        while candidate in names:
            number += 1
            candidate = f"{name}:{number}"
        names.append(candidate)
    return names


def markdown(columns: Sequence[str], rows: Iterable[Row], style: Style) -> Iterator[str]:
    """A table of GitHub's Markdown, which requires a heading."""
    yield _markdown_row(columns, style)
    yield "|" + " --- |" * len(columns) + "\n"
    for row in rows:
        yield _markdown_row(row, style)


def _markdown_row(row: Row, style: Style) -> str:
    return "| " + " | ".join(style.text(value).translate(_MARKDOWN) for value in row) + " |\n"


FORMATS: Final[Mapping[str, Format]] = MappingProxyType(
    {
        "table": _framed(PLAIN, PLAIN, "Aligned columns, two blanks apart, numbers to the right."),
        "json": json_array,
        "jsonl": jsonl,
        "csv": csv,
        "tsv": tsv,
        "markdown": markdown,
        "box": _framed(BOX, ASCII, "A table with lines around it."),
        "grid": _framed(ASCII, ASCII, "A table with lines of - and | around it."),
        "column": _framed(COLUMN, COLUMN, "Aligned columns with a line below the heading."),
        "line": line,
        "list": list_,
        "quote": quote,
        "insert": insert,
        "html": html,
    }
)
"""Output formats by the name ``--format`` takes."""

NOTES: Final[Mapping[str, str]] = MappingProxyType(
    {
        "line": "A row does not fit the terminal, so each value has a line. {} box: a table.",
        "cut": "Values that end with … were cut to fit the terminal. {} line shows them whole.",
    }
)
"""What ``laid_out`` tells, in words that lack the way to ask for a format."""

AUTO: Final = "auto"
"""What is asked for where the terminal is to decide."""

SQLITE_MODES: Final[Mapping[str, str]] = MappingProxyType(
    {
        AUTO: AUTO,
        **{name: name for name in FORMATS},
        "table": "grid",
        "tabs": "tsv",
        "columns": "column",
        "lines": "line",
    }
)
"""Formats by the name that the sqlite3 shell has for them, in ``.mode`` and ``-box``."""


def laid_out(
    form: str,
    columns: Sequence[str],
    rows: Iterable[Row],
    style: Style,
    tell: Callable[[str], None],
) -> Iterator[str]:
    """Rows in a format; ``auto``: a table if a row fits the terminal, else one value a line.

    Args:
        form: a key of ``FORMATS``, or ``auto``.
        columns: their names.
        rows: the rows.
        style: its ``room`` is the width to fit into.
        tell: is told at the end what was not shown as a whole table: ``line`` for one value a
            line, ``cut`` for values that were cut.
    """
    if form != AUTO:
        yield from FORMATS[form](columns, rows, style)
        return
    sheet = Sheet(columns, rows, style)
    frame = BOX if style.unicode else ASCII
    if not sheet.fits(frame):
        yield from line(columns, sheet.rows, style)
        if sheet.sample:
            tell("line")
        return
    yield from sheet.lines(frame)
    if sheet.cut:
        tell("cut")
