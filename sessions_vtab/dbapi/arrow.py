"""Rows as Arrow: a table, or batches as they are read.

APSW hands out rows as Python objects and has no other form, so each value is one for a moment; a
batch of them at a time becomes Arrow memory, column by column, and is forgotten.

Types: a column of times becomes ``timestamp[us, tz=UTC]`` (``ns`` if a value needs it), a boolean
``bool``; every other column takes the type of its values: ``int64``, ``double`` (also for integers
among them, if none is changed by it), ``string`` or ``binary``. A column of NULLs has the type of
its description, ``string`` where that has none. A column of times is a ``string`` if
one of its texts is not a time or Arrow cannot hold it. Values of several types in one column are
an error that names it, never a silent conversion.

In batches the first one decides; a later value that its type cannot hold is an error as well.

With the declared schema no value decides anything: see ``columnar``. It needs columns of tables,
since an expression has no declaration.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Sequence
from importlib import import_module
from itertools import chain, islice
from typing import TYPE_CHECKING, Any, Final, Literal, TypeAlias

from sessions_vtab.columnar import EXACT, Declared, declared_type, require_pyarrow
from sessions_vtab.contract import times
from sessions_vtab.contract.model import ColumnType
from sessions_vtab.dbapi.errors import translated
from sessions_vtab.errors import InvalidValueError

if TYPE_CHECKING:
    from sessions_vtab.dbapi.types import Column


Schema: TypeAlias = Literal["declared", "values"]
"""What decides the types of the columns."""

Fetch: TypeAlias = Callable[[int], Sequence[tuple[Any, ...]]]
"""Gives the next rows, as many as asked for; fewer at the end."""

BATCH: Final = 10_000
"""Rows of a batch."""
_MICROSECONDS: Final = 1_000
_HINT: Final = "Use schema='values' to let the values decide."


def arrow_table(columns: Sequence[Column], fetch: Fetch) -> Any:
    """All rows that ``fetch`` gives, as a ``pyarrow.Table``.

    Args:
        columns: the description of the result.
        fetch: gives the rows.

    Raises:
        MissingExtraError: pyarrow is not installed.
        InvalidValueError: a column holds values of several types.
    """
    pyarrow = require_pyarrow()
    batches = list(_batches(pyarrow, columns, fetch, BATCH))
    arrays = [
        _joined(pyarrow, column, [batch[place] for batch in batches])
        for place, column in enumerate(columns)
    ]
    return pyarrow.Table.from_arrays(arrays, names=[column[0] for column in columns])


def record_batches(columns: Sequence[Column], fetch: Fetch, size: int) -> Any:
    """The rows that ``fetch`` gives, as a ``pyarrow.RecordBatchReader``.

    Args:
        columns: the description of the result.
        fetch: called once now, and then for each batch when it is asked for.
        size: rows of a batch.

    Raises:
        MissingExtraError: pyarrow is not installed.
        InvalidValueError: as for ``arrow_table``; for later batches the reader raises DataError.
    """
    pyarrow = require_pyarrow()
    batches = _batches(pyarrow, columns, fetch, size)
    first = list(islice(batches, 1))
    kinds = [
        _joined(pyarrow, column, [batch[place] for batch in first]).type
        for place, column in enumerate(columns)
    ]
    names = [column[0] for column in columns]
    schema = pyarrow.schema(list(zip(names, kinds, strict=True)))
    made = _fitting(pyarrow, columns, chain(first, batches), schema)
    return pyarrow.RecordBatchReader.from_batches(schema, made)


def declared_batches(columns: Sequence[Column], fetch: Fetch, size: int = BATCH) -> Any:
    """As ``record_batches``, with the types that the columns are declared with.

    Raises:
        MissingExtraError: pyarrow is not installed.
        InvalidValueError: a column is not one of a table; for a value that its column's type cannot
            hold, the reader raises DataError.
    """
    made = Declared([_declaration(column) for column in columns], hint=_HINT)
    reader = require_pyarrow().RecordBatchReader
    return reader.from_batches(made.schema, _declared(made, fetch, size))


def _declaration(column: Column) -> tuple[str, ColumnType]:
    name, code = column[:2]
    if code is None:
        raise InvalidValueError(
            f"The column {name} is an expression, so it has no declared type. Use"
            " schema='values', or select columns of tables."
        )
    return name, code.kind


def _declared(made: Declared, fetch: Fetch, size: int) -> Iterator[Any]:
    with translated():
        while rows := fetch(size):
            yield made.batch(rows)


def _fitting(
    pyarrow: Any, columns: Sequence[Column], batches: Iterable[list[Any]], schema: Any
) -> Iterator[Any]:
    """Record batches of one schema; read when the caller has long left ``record_batches``."""
    with translated():
        for batch in batches:
            arrays = [
                _fitted(pyarrow, *one) for one in zip(columns, batch, schema.types, strict=True)
            ]
            yield pyarrow.record_batch(arrays, schema=schema)


def _batches(
    pyarrow: Any, columns: Sequence[Column], fetch: Fetch, size: int
) -> Iterator[list[Any]]:
    """The rows, each batch as one array a column, of the type its values have."""
    names = [column[0] for column in columns]
    while rows := fetch(size):
        yield [_natural(pyarrow, *one) for one in zip(names, zip(*rows, strict=True), strict=True)]


def _natural(pyarrow: Any, name: str, values: Sequence[Any]) -> Any:
    kinds = set(map(type, values)) - {type(None)}
    if kinds == {int, float}:
        if any(type(value) is int and abs(value) > EXACT for value in values):
            raise _mixed(name, "integers beyond 2**53 and float")
        return pyarrow.array(values, pyarrow.float64())
    if len(kinds) > 1:
        raise _mixed(name, ", ".join(sorted(kind.__name__ for kind in kinds)))
    types = {
        int: pyarrow.int64(),
        float: pyarrow.float64(),
        str: pyarrow.string(),
        bytes: pyarrow.binary(),
    }
    return pyarrow.array(values, types[kinds.pop()] if kinds else pyarrow.null())


def _joined(pyarrow: Any, column: Column, chunks: Sequence[Any]) -> Any:
    """One column of its parts, in the type that holds all of them."""
    name, code = column[:2]
    kinds = {chunk.type for chunk in chunks} - {pyarrow.null()}
    if kinds == {pyarrow.int64(), pyarrow.float64()}:
        kinds = {pyarrow.float64()}
    if len(kinds) > 1:
        raise _mixed(name, ", ".join(sorted(map(str, kinds))))
    # A column of NULLs has the type of its description.
    described = ColumnType.TEXT if code is None else code.kind
    kind = kinds.pop() if kinds else declared_type(described, "us")
    try:
        whole = pyarrow.chunked_array([chunk.cast(kind) for chunk in chunks], kind)
    except pyarrow.ArrowInvalid:
        raise _mixed(name, "integers beyond 2**53 and float") from None
    if code == ColumnType.TIME.value and kind == pyarrow.string():
        return _instants(pyarrow, whole)
    if code == ColumnType.BOOLEAN.value and kind == pyarrow.int64():
        return _truths(pyarrow, whole)
    return whole


def _fitted(pyarrow: Any, column: Column, chunk: Any, kind: Any) -> Any:
    """One column of a batch in the type that the first batch has decided."""
    if chunk.type in {kind, pyarrow.null()}:
        return chunk.cast(kind)
    made = _joined(pyarrow, column, [chunk]).chunk(0)
    times_ = pyarrow.types.is_timestamp(made.type) and pyarrow.types.is_timestamp(kind)
    wider = made.type == pyarrow.int64() and kind == pyarrow.float64()
    try:
        if made.type == kind or times_ or wider:
            return made.cast(kind)
    except pyarrow.ArrowInvalid:
        pass
    raise InvalidValueError(
        f"The column {column[0]} started with values of type {kind} and now contains"
        f" {made.type}. CAST it to one type, use larger batches, or fetch all rows"
        " with arrow()."
    )


def _truths(pyarrow: Any, whole: Any) -> Any:
    """0 and 1 as truths; other integers as they are."""
    compute = import_module("pyarrow.compute")
    ends = compute.min_max(whole).as_py()
    return whole.cast(pyarrow.bool_()) if ends["min"] in {0, 1} and ends["max"] in {0, 1} else whole


def _instants(pyarrow: Any, texts: Any) -> Any:
    """Texts as instants, or as they are if one is not a time or Arrow cannot hold it."""
    for unit in ("us", "ns"):
        try:
            # Our own form needs no Python: it names no zone, and is UTC.
            naive = texts.cast(pyarrow.timestamp(unit))
            return naive.cast(pyarrow.timestamp(unit, "UTC"))
        except pyarrow.ArrowInvalid:
            continue
    return _parsed(pyarrow, texts)


def _parsed(pyarrow: Any, texts: Any) -> Any:
    """As ``_instants``, for every form of a time that this package takes."""
    parts = [
        [None if v is None else times.parse(v) for v in part.to_pylist()] for part in texts.chunks
    ]
    if sum(part.count(None) for part in parts) != texts.null_count:
        return texts
    fine = any(v % _MICROSECONDS for part in parts for v in part if v is not None)
    unit, size = ("ns", 1) if fine else ("us", _MICROSECONDS)
    scaled = [[None if v is None else v // size for v in part] for part in parts]
    try:
        return pyarrow.chunked_array(scaled, pyarrow.timestamp(unit, "UTC"))
    except (OverflowError, pyarrow.ArrowInvalid):
        return texts


def _mixed(name: str, kinds: str) -> InvalidValueError:
    return InvalidValueError(
        f"The column {name} contains values of several types ({kinds}). CAST it to one type."
    )
