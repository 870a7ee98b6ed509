"""Keys of JSON columns as sqlglot reads them: ``->>``, ``json_extract()``, and CAST to text."""

from __future__ import annotations

import re

from sqlglot import exp

_PATH = re.compile(r"""\$\.(?:([^."\[\]\\\x00-\x1f']+)|"([^"\\\x00-\x1f]+)")""")
_KEY = re.compile(r"""[^$"\\\x00-\x1f][^"\\\x00-\x1f]*""")
# Types of TEXT affinity: https://sqlite.org/datatype3.html#determination_of_column_affinity
_TEXTS = frozenset(
    (
        exp.DataType.Type.TEXT,
        exp.DataType.Type.VARCHAR,
        exp.DataType.Type.CHAR,
        exp.DataType.Type.NVARCHAR,
        exp.DataType.Type.NCHAR,
    )
)


def is_key_of_json(node: exp.Expression) -> bool:
    """Whether it is ``->>`` or ``json_extract()``.

    Before version 30 sqlglot reads ``->`` as the latter, with a flag.
    """
    extracts = isinstance(node, exp.JSONExtract) and "only_json_types" not in node.args
    return isinstance(node, exp.JSONExtractScalar) or extracts


def makes_text(node: exp.Cast) -> bool:
    """Whether a CAST is one to text."""
    return node.to.this in _TEXTS


def key_of(path: str) -> str | None:
    """The top-level key that ``->>`` takes from an object: ``'k'``, ``'$.k'``, ``'$."k"'``.

    https://sqlite.org/json1.html#the_and_operators
    """
    match = _PATH.fullmatch(path)
    if match:
        return match[1] or match[2]
    square = path.startswith("[") and path.endswith("]")
    return path if _KEY.fullmatch(path) and not square else None
