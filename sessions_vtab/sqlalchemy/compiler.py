"""What is compiled otherwise than for SQLite's own dialect."""

from __future__ import annotations

from typing import Any

from sqlalchemy import types as sqltypes
from sqlalchemy.dialects.sqlite.base import SQLiteCompiler

__all__ = ["SessionsCompiler"]


class SessionsCompiler(SQLiteCompiler):
    """Writes ``column["key"].as_string()`` so that it can be sent to a service."""

    def visit_json_getitem_op_binary(self, binary: Any, operator: Any, **kw: Any) -> str:
        """``column["key"]``."""
        text = self._text_at(binary, **kw)
        return text or super().visit_json_getitem_op_binary(binary, operator, **kw)

    def visit_json_path_getitem_op_binary(self, binary: Any, operator: Any, **kw: Any) -> str:
        """``column[("key", "key")]``."""
        text = self._text_at(binary, **kw)
        return text or super().visit_json_path_getitem_op_binary(binary, operator, **kw)

    def _text_at(self, binary: Any, **kw: Any) -> str:
        """A key as text; empty for any other type.

        The path has to be a literal: the statement rewriter reads which key is meant. It is put in
        when the statement is executed, so that compiled statements can be kept. CAST makes text of
        a number: the statement rewriter reads through it where a service has nothing but text.
        """
        if binary.type._type_affinity is not sqltypes.String:  # noqa: SLF001  # So do all dialects.
            return ""
        document = self.process(binary.left, **kw)
        path = self.process(binary.right, **{**kw, "literal_execute": True})
        return f"CAST(JSON_EXTRACT({document}, {path}) AS VARCHAR)"
