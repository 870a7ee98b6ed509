"""What native tables on our connection can do: what SQLite can, without schemas of one's own."""

from __future__ import annotations

from sqlalchemy.testing import exclusions
from sqlalchemy.testing.requirements import SuiteRequirements

NO = exclusions.closed()
YES = exclusions.open()


class Requirements(SuiteRequirements):
    """Overrides of the suite's defaults, with the reason for each that is closed."""

    # Schemas are sources: nothing native can be created in one, and ATTACH is refused.
    schemas = property(lambda _: NO)
    schema_reflection = property(lambda _: NO)

    # Not in SQLite.
    parens_in_union_contained_select_w_limit_offset = property(lambda _: NO)
    parens_in_union_contained_select_wo_limit_offset = property(lambda _: NO)

    temp_table_names = property(lambda _: YES)
    temporary_tables = property(lambda _: YES)
    temporary_views = property(lambda _: YES)

    # Keys come back by RETURNING.
    implements_get_lastrowid = property(lambda _: NO)
    emulated_lastrowid = property(lambda _: NO)
    dbapi_lastrowid = property(lambda _: NO)
