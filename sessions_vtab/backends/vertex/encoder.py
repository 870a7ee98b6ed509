"""Minified JSON text, fast enough for every row of a long list."""

from __future__ import annotations

import json
from collections.abc import Callable
from json import encoder
from typing import Any

__all__ = ["make_encoder"]


def make_encoder() -> Callable[[Any], str]:
    """Returns a function from JSON values to minified text; ValueError for an infinite number.

    ``JSONEncoder.encode`` creates a new C encoder for each value, which costs more than encoding a
    small value. The encoder created here is reused.
    """
    make: Any = getattr(encoder, "c_make_encoder", None)
    if make is None:
        return json.JSONEncoder(ensure_ascii=False, separators=(",", ":"), allow_nan=False).encode
    pieces = make(None, _refuse, encoder.encode_basestring, None, ":", ",", False, False, False)
    return lambda value: "".join(pieces(value, 0))


def _refuse(value: object) -> Any:
    raise TypeError(f"{type(value).__name__} is not a JSON value")
