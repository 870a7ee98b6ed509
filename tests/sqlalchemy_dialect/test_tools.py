"""Queries that other tools write for the dialect's name."""

from __future__ import annotations

import pytest
import sqlalchemy as sa
import sqlglot


def test_jupysqls_pages_are_written_in_sqlites_grammar() -> None:
    """As ``%sqlcmd explore`` does: its own text, transpiled for the dialect of the engine."""
    engine = sa.create_engine("sessions+local:///:memory:?writable=1")
    page = "SELECT * FROM sessions ORDER BY session_id ASC\n OFFSET 1 ROWS FETCH NEXT 2 ROWS ONLY"

    (written,) = sqlglot.transpile(page, write=engine.dialect.name)

    with engine.begin() as db:
        rows = "('s1', 'ann'), ('s2', 'ann'), ('s3', 'ann'), ('s4', 'ann')"
        db.execute(sa.text(f"INSERT INTO sessions(session_id, user_id) VALUES {rows}"))
        assert [row.session_id for row in db.execute(sa.text(written))] == ["s2", "s3"]
        with pytest.raises(sa.exc.ProgrammingError, match="syntax error"):
            db.execute(sa.text(page))
    engine.dispose()
