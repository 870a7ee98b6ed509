"""Column types: how our values are read, bound, and written into SQL."""

from __future__ import annotations

from collections.abc import Callable
from datetime import UTC, datetime
from typing import Any, Final, TypeAlias

from sqlalchemy import types
from sqlalchemy.dialects.sqlite import JSON

from sessions_vtab.schema.model import ColumnType
from sessions_vtab.spec import times

__all__ = ["TYPES", "SessionsDateTime"]

Processor: TypeAlias = Callable[[Any], Any]

_SECOND: Final = 1_000_000_000
_MICROSECOND: Final = 1_000


class SessionsDateTime(types.DateTime):
    """An instant, stored as UTC text.

    Naive values are UTC, as the text is; with ``timezone=True`` values are read as aware ones.
    ``datetime`` has microseconds: of nanoseconds, where a service gives them, the last three digits
    are left out.
    """

    def bind_processor(self, dialect: Any) -> Processor:  # noqa: ARG002
        """UTC text."""
        return _text_of

    def literal_processor(self, dialect: Any) -> Processor:  # noqa: ARG002
        """UTC text in quotes."""
        return lambda value: f"'{_text_of(value)}'"

    def result_processor(self, dialect: Any, coltype: object) -> Processor:  # noqa: ARG002
        """The instant; None for a text that is no time."""
        zone = UTC if self.timezone else None

        def process(value: Any) -> datetime | None:
            instant = times.parse(value)
            if instant is None:
                return None
            seconds, rest = divmod(instant, _SECOND)
            found = datetime.fromtimestamp(seconds, UTC)
            return found.replace(microsecond=rest // _MICROSECOND, tzinfo=zone)

        return process


def _text_of(value: Any) -> Any:
    if not isinstance(value, datetime):
        return value
    utc = value.astimezone(UTC).replace(tzinfo=None) if value.tzinfo else value
    return utc.isoformat(" ", "microseconds")


TYPES: Final[dict[ColumnType, Callable[[], Any]]] = {
    ColumnType.TEXT: types.String,
    ColumnType.INTEGER: types.Integer,
    ColumnType.REAL: types.Float,
    ColumnType.BOOLEAN: types.Boolean,
    ColumnType.TIME: SessionsDateTime,
    ColumnType.JSON: JSON,
    ColumnType.BLOB: types.LargeBinary,
}
"""What each column of ours is reflected as."""
