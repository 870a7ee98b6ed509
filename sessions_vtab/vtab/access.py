"""What a read-only connection may do besides reading its sources.

Virtual tables refuse writes by themselves; but the same data is in files, which ATTACH reaches. So
files are attached for reading only, and what would write around the tables is denied. The same
holds for the files of a source that is read-only on a connection that is not.
"""

from __future__ import annotations

from collections.abc import Callable, Collection, Sequence
from pathlib import Path
from typing import Any, Final, NamedTuple
from urllib.parse import parse_qsl, unquote, urlsplit

import apsw

from sessions_vtab.contract.predicate import literal
from sessions_vtab.sql.lexer import Edit, Token, TokenKind, apply, name_of
from sessions_vtab.sql.parameters import number
from sessions_vtab.sql.shapes import Span, find, partners

Authorizer = Callable[[int, str | None, str | None, str | None, str | None], int]
"""https://sqlite.org/c3ref/set_authorizer.html"""

_MEMORY: Final = frozenset(("", ":memory:"))
_WRITING: Final = frozenset(
    (
        *("writable_schema", "journal_mode", "locking_mode", "user_version", "application_id"),
        *("auto_vacuum", "encoding", "page_size", "schema_version", "secure_delete"),
        *("default_cache_size", "max_page_count", "journal_size_limit", "wal_autocheckpoint"),
        *("temp_store_directory", "data_store_directory", "trusted_schema"),
    )
)
"""Pragmas that with a value change a file, or what may be changed."""
_ACTING: Final = frozenset(("incremental_vacuum", "optimize", "wal_checkpoint"))
"""Pragmas that do so without a value."""


class Access:
    """The authorizer of a connection on which something is read-only.

    It denies and does not raise: SQLite prints what is raised while VACUUM attaches its copy.

    Args:
        read_only: all of the connection is.
        files: that hold the data of its read-only sources.
        modules: names of the modules of our tables, which are not to be dropped.
        uris: the connection understands ``file:`` names.
        before: the authorizer that the connection had; it is asked as well.

    Attributes:
        refusal: the last thing that was denied, in words; '' if nothing was.
    """

    def __init__(
        self,
        *,
        read_only: bool,
        files: Collection[str],
        modules: Collection[str],
        uris: bool,
        before: Authorizer | None = None,
    ) -> None:
        self._read_only = read_only
        self._files = frozenset(files)
        self._modules = frozenset(modules)
        self._uris = uris
        self._before = before or (lambda *_: apsw.SQLITE_OK)
        self.refusal = ""

    def __call__(
        self, action: int, first: str | None, second: str | None, schema: Any, inner: Any
    ) -> int:
        """The authorizer."""
        what = self._denied(action, first, second)
        if what:
            self.refusal = f"{what} is not possible, because {self._why()}. Nothing was done."
            return apsw.SQLITE_DENY
        return self._before(action, first, second, schema, inner)

    def attachable(self, name: str) -> str:
        """The name by which a file is to be attached: for reading only, if it must be."""
        if not self._must_be_read(name) or self._is_read(name):
            return name
        if self._uris and name.startswith("file:"):
            rest, mark, fragment = name.partition("#")
            return f"{rest}{'&' if '?' in rest else '?'}mode=ro{mark}{fragment}"
        return f"{Path(name).absolute().as_uri()}?mode=ro"

    def _denied(self, action: int, first: str | None, second: str | None) -> str:
        """What a statement is about to do, if it may not."""
        if action == apsw.SQLITE_ATTACH:
            return self._opened(first)
        if not self._read_only:
            return ""
        if action == apsw.SQLITE_DROP_VTABLE and second in self._modules:
            return f"DROP TABLE {first}"
        if action == apsw.SQLITE_FUNCTION and (second or "").lower() == "load_extension":
            return "load_extension()"
        name = (first or "").lower()
        if action == apsw.SQLITE_PRAGMA and (
            name in _ACTING or (name in _WRITING and second is not None)
        ):
            return f"PRAGMA {name}"
        return ""

    def _opened(self, name: str | None) -> str:
        """What ATTACH or VACUUM would do; SQLite tells a name only where it is a literal."""
        if name is None:
            return "ATTACH of a name that is not a literal"
        if not self._must_be_read(name) or self._is_read(name):
            return ""
        return f"Opening {name} for writing (ATTACH, VACUUM INTO)"

    def _must_be_read(self, name: str) -> bool:
        return self._read_only or any(_is_same(self._path(name), file) for file in self._files)

    def _is_read(self, name: str) -> bool:
        """Whether a file of this name is opened for reading only, or is not a file."""
        if name in _MEMORY:
            return True
        if not (self._uris and name.startswith("file:")):
            return False
        parts = urlsplit(name)
        modes = [value for key, value in parse_qsl(parts.query) if key == "mode"]
        return modes[-1:] in (["ro"], ["memory"]) or (not modes and parts.path == ":memory:")

    def _path(self, name: str) -> str:
        is_uri = self._uris and name.startswith("file:")
        return unquote(urlsplit(name).path) if is_uri else name

    def _why(self) -> str:
        if self._read_only:
            return "this connection is read-only (read_only)"
        return "the file belongs to a source that is read-only (read_only)"


def _is_same(path: str, file: str) -> bool:
    """Whether two paths are one file, which need not exist."""
    if not path:
        return False
    try:
        return Path(path).samefile(file)
    except OSError:
        return Path(path).resolve() == Path(file).resolve()


# ATTACH: which file, under which name (https://sqlite.org/lang_attach.html).

_AS: Final = frozenset(("AS",))
_ENDS: Final = frozenset((";", "KEY"))


class Attached(NamedTuple):
    """What an ATTACH statement says, as SQL expressions with numbered parameters.

    Attributes:
        file: the file's name.
        schema: the name it is to have.
        parameters: how many values the two take.
    """

    file: str
    schema: str
    parameters: int


def attached(text: str, tokens: Sequence[Token]) -> Attached | None:
    """The parts of an ATTACH statement; None if SQLite would not run it."""
    first = 2 if len(tokens) > 1 and tokens[1].upper == "DATABASE" else 1
    pairs = partners(tokens)
    mark = next(find(tokens, (first, len(tokens)), pairs, _AS), None)
    if mark is None or mark == first:
        return None
    end = next(find(tokens, (mark, len(tokens)), pairs, _ENDS), len(tokens))
    if end <= mark + 1:
        return None
    numbering = number(tokens)
    edits = numbering.edits(tokens)
    file, schema = (
        _expression(text, tokens, span, edits) for span in ((first, mark), (mark + 1, end))
    )
    return Attached(file, schema, numbering.count)


def _expression(text: str, tokens: Sequence[Token], span: Span, edits: Sequence[Edit]) -> str:
    """An expression; a single name is a text here."""
    first, end = span
    if end - first == 1 and tokens[first].kind in (TokenKind.WORD, TokenKind.QUOTED):
        return literal(name_of(tokens[first]))
    start, stop = tokens[first].start, tokens[end - 1].end
    inside = [
        Edit(one.start - start, one.end - start, one.text)
        for one in edits
        if start <= one.start and one.end <= stop
    ]
    return apply(text[start:stop], inside)
