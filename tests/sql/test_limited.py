"""Whether all rows of a SELECT will be wanted: keys that may not be are not asked for ahead."""

from __future__ import annotations

import pytest
import sqlglot
from sqlglot import exp

from sessions_vtab.sql.occurrences import is_limited


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("SELECT a FROM t", False),
        ("SELECT a FROM t LIMIT 1", True),
        ("SELECT a, count(*) FROM t GROUP BY a LIMIT 1", True),
        ("SELECT max(a, (SELECT 1)) FROM t LIMIT 1", True),
        ("SELECT a, (SELECT count(*) FROM z) FROM t LIMIT 1", True),
        # One row of all that is read.
        ("SELECT count(*) FROM t LIMIT 1", False),
        ("SELECT (SELECT max(a) FROM t)", False),
        # A value, and EXISTS, take the first row.
        ("SELECT (SELECT a FROM t)", True),
        ("SELECT ((SELECT a FROM t UNION SELECT 2))", True),
        ("SELECT 1 FROM x WHERE a = (SELECT a FROM t)", True),
        ("SELECT EXISTS (SELECT 1 FROM t)", True),
        ("SELECT 1 FROM x WHERE NOT EXISTS (SELECT 1 FROM t)", True),
        # IN takes all, whatever LIMIT is around it.
        ("SELECT 1 FROM x WHERE y IN (SELECT a FROM t) LIMIT 1", False),
        ("SELECT 1 FROM x WHERE y IN (SELECT a FROM t LIMIT 3)", True),
        # The rows are those of a SELECT around it, or of a compound.
        ("SELECT * FROM (SELECT a FROM t)", False),
        ("SELECT * FROM (SELECT a FROM t) LIMIT 1", True),
        ("SELECT * FROM x JOIN (SELECT a FROM t) y ON 1 LIMIT 2", True),
        ("SELECT * FROM (SELECT a FROM t UNION ALL SELECT 1) LIMIT 1", True),
        ("SELECT count(*) FROM (SELECT a FROM t) LIMIT 1", False),
        ("SELECT count(*) FROM (SELECT a FROM t LIMIT 4)", True),
        ("SELECT a FROM t UNION ALL SELECT b FROM x", False),
        ("SELECT a FROM t UNION ALL SELECT b FROM x LIMIT 1", True),
    ],
)
def test_not_all_rows_of_a_select_may_be_wanted(text: str, expected: bool) -> None:
    tree = sqlglot.parse_one(text, dialect="sqlite")
    (select,) = [one.parent_select for one in tree.find_all(exp.Table) if one.name == "t"]

    assert select is not None
    assert is_limited(select) is expected
