"""Rows as text: table, json, jsonl, csv, tsv, markdown. Rows stream through; none is dropped.

Blobs are ``x'..'`` as in SQL, in JSON base64. NULL is null in JSON, ``NULL`` in tables and
nothing in csv, where an empty text is ``""``; tsv writes both as nothing.
"""

from __future__ import annotations

import json
import re
from base64 import b64encode
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from itertools import chain, islice
from math import inf
from types import MappingProxyType
from typing import Any, Final, TypeAlias

from sessions_vtab.cli.display import literal, width

__all__ = ["FORMATS", "Format", "table"]

Row: TypeAlias = Sequence[Any]
Format: TypeAlias = Callable[[Sequence[str], Iterable[Row]], Iterator[str]]
"""Column names and rows to pieces of text, each made of whole lines."""

_SAMPLE: Final = 1_000
"""Rows that decide how wide a table's columns are; later ones may stand out."""

_QUOTED: Final = re.compile(r'[",\r\n]|^\s|\s$|^$')
_TABLE_BREAKS: Final = MappingProxyType({ord("\n"): "\\n", ord("\t"): "\\t"})
_TSV: Final = MappingProxyType(
    {ord("\\"): "\\\\", ord("\t"): "\\t", ord("\n"): "\\n", ord("\r"): "\\r"}
)
_MARKDOWN: Final = MappingProxyType(
    {ord("\\"): "\\\\", ord("|"): "\\|", ord("<"): "&lt;", ord("\n"): "<br>", ord("\r"): None}
)


def table(columns: Sequence[str], rows: Iterable[Row]) -> Iterator[str]:
    """Aligned columns, two blanks apart, numbers to the right; one line a row."""
    remaining = iter(rows)
    sample = list(islice(remaining, _SAMPLE))
    numeric = [_is_numeric(row[index] for row in sample) for index in range(len(columns))]
    head = _cells(columns)
    sampled = [_cells(row) for row in sample]
    widths = [max(map(width, cells)) for cells in zip(head, *sampled, strict=True)]
    yield _aligned(head, widths, numeric)
    for cells in chain(sampled, map(_cells, remaining)):
        yield _aligned(cells, widths, numeric)


def _is_numeric(values: Iterable[Any]) -> bool:
    present = [value for value in values if value is not None]
    return bool(present) and all(isinstance(value, int | float) for value in present)


def _cells(row: Row) -> list[str]:
    return [literal(value).translate(_TABLE_BREAKS) for value in row]


def _aligned(cells: list[str], widths: list[int], numeric: list[bool]) -> str:
    padded = [
        " " * (room - width(cell)) + cell if right else cell + " " * (room - width(cell))
        for cell, room, right in zip(cells, widths, numeric, strict=True)
    ]
    return "  ".join(padded).rstrip() + "\n"


def csv(columns: Sequence[str], rows: Iterable[Row]) -> Iterator[str]:
    """Comma-separated values with a heading (RFC 4180, lines end with a newline)."""
    for row in chain([columns], rows):
        cells = ["" if value is None else _quoted(literal(value)) for value in row]
        # Most readers do not take an empty line for a record.
        yield (",".join(cells) or '""') + "\n"


def _quoted(text: str) -> str:
    return '"' + text.replace('"', '""') + '"' if _QUOTED.search(text) else text


def tsv(columns: Sequence[str], rows: Iterable[Row]) -> Iterator[str]:
    r"""Tab-separated values with a heading; tab, newline and backslash are ``\t \n \\``."""
    for row in chain([columns], rows):
        yield "\t".join("" if v is None else literal(v).translate(_TSV) for v in row) + "\n"


def json_array(columns: Sequence[str], rows: Iterable[Row]) -> Iterator[str]:
    """One JSON array of objects, on one line."""
    separator = "["
    for line in jsonl(columns, rows):
        yield separator + line.rstrip("\n")
        separator = ","
    yield "[]\n" if separator == "[" else "]\n"


def jsonl(columns: Sequence[str], rows: Iterable[Row]) -> Iterator[str]:
    """One JSON object a line."""
    keys = [json.dumps(name, ensure_ascii=False) for name in _distinct(columns)]
    for row in rows:
        yield "{" + ",".join(map(_member, keys, row)) + "}\n"


def _member(key: str, value: Any) -> str:
    if isinstance(value, bytes):
        value = b64encode(value).decode("ascii")
    if isinstance(value, float) and value in (inf, -inf):
        return f"{key}:{'-' if value < 0 else ''}9e999"  # JSON has no infinity; this reads as it.
    return f"{key}:{json.dumps(value, ensure_ascii=False)}"


def _distinct(columns: Sequence[str]) -> list[str]:
    """Names made different as SQLite does: a second ``id`` is ``id:1``."""
    names: list[str] = []
    for name in columns:
        candidate, number = name, 0
        while candidate in names:
            number += 1
            candidate = f"{name}:{number}"
        names.append(candidate)
    return names


def markdown(columns: Sequence[str], rows: Iterable[Row]) -> Iterator[str]:
    """A table of GitHub's Markdown."""
    yield _markdown_row(columns)
    yield "|" + " --- |" * len(columns) + "\n"
    yield from map(_markdown_row, rows)


def _markdown_row(row: Row) -> str:
    return "| " + " | ".join(literal(value).translate(_MARKDOWN) for value in row) + " |\n"


FORMATS: Final[Mapping[str, Format]] = MappingProxyType(
    {
        "table": table,
        "json": json_array,
        "jsonl": jsonl,
        "csv": csv,
        "tsv": tsv,
        "markdown": markdown,
    }
)
"""Output formats by the name ``--format`` takes."""
