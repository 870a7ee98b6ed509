"""SQLAlchemy's suite without the class that reflects views, temporary tables and constraints of a
whole database: on one shared in-memory connection its set-up does not survive."""

from __future__ import annotations

from sqlalchemy.testing import suite
from sqlalchemy.testing.suite import *  # noqa: F403

globals().pop("ComponentReflectionTest")
# SQLite's dialect has table options, which this test does not expect of one without them.
del suite.QuotedNameArgumentTest.test_get_table_options
