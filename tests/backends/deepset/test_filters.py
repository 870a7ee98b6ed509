"""Conditions on files: what the API's filter is told."""

from __future__ import annotations

from typing import Any
from uuid import UUID

import pytest

METAS: dict[str, Any] = {
    "Report.txt": {"category": "news", "year": 2020, "it's": "o'clock"},
    "report-2.md": {"category": "News", "year": "2020"},
    "other_2024-03.txt": {"category": ["news"], "year": 2021.5},
    "none.txt": None,
    "flag.txt": {"category": True, "year": None, "and": "news"},
}


@pytest.mark.parametrize(
    ("where", "query"),
    [
        ("file_name = 'Report.txt'", {"name": "Report.txt"}),
        ("file_name GLOB '*eport*'", {"name": "eport"}),
        ("file_name GLOB '*[0-9].md'", {"name": ".md"}),
        ("file_name LIKE '%report%'", {}),
        ("file_name LIKE '%2024-03%'", {"name": "2024-03"}),
        ("file_name LIKE '%_2024%.TXT'", {"name": "2024"}),
        ("file_name LIKE ''", {}),
        ("file_name <> 'Report.txt'", {}),
        ("meta->>'category' = 'news'", {"filter": "category eq 'news'"}),
        (
            "meta->>'category' = 'news' AND meta->>'year' = '2020'",
            {"filter": "category eq 'news' and year eq '2020'"},
        ),
        (
            "meta->>'category' = 'o''clock' AND file_name = 'none.txt'",
            {"filter": "category eq 'o''clock'", "name": "none.txt"},
        ),
        ("meta->>'it''s' = 'o''clock'", {}),
        ("meta->>'and' = 'news'", {}),
        ("meta->>'category' = '[\"news\"]'", {}),
        ("meta->>'year' = 2020", {}),
        ("meta->>'year' >= 2020", {}),
        ("meta->>'year' >= '2020'", {}),
        ("meta->>'category' = 'news' OR meta->>'year' = '2020'", {}),
        ("meta->>'category' <> 'news'", {}),
        ("meta->>'category' = 1", {}),
        ("meta IS NULL", {}),
    ],
)
def test_conditions_on_files_are_sent_if_they_lose_no_row(
    deepset: Any, where: str, query: dict[str, str]
) -> None:
    deepset.ingest(**METAS)
    everything = deepset("SELECT file_name, meta FROM files")

    rows = deepset(f"SELECT file_name, meta FROM files WHERE {where}")

    (one,) = deepset.sent
    assert {k: v for k, v in one["query"].items() if k != "limit"} == query
    deepset("CREATE TEMP TABLE plain(file_name, meta)")
    deepset.connection.executemany("INSERT INTO plain VALUES (?, ?)", everything)
    assert sorted(rows) == sorted(deepset(f"SELECT * FROM plain WHERE {where}"))


def test_the_users_filter_is_sent_unchanged_and_joined_with_the_composed_one(deepset: Any) -> None:
    deepset.ingest(**METAS)

    rows = deepset(
        "SELECT file_name FROM files WHERE filter = 'year ge 2020' AND meta->>'category' = 'news'"
    )

    assert rows == [("Report.txt",)]
    assert [one["query"]["filter"] for one in deepset.sent] == [
        "year ge 2020 and category eq 'news'"
    ]


def test_files_are_paged_by_their_last_row(deepset: Any) -> None:
    state = deepset.server.control.dump()
    ids = [str(UUID(int=number + 1)) for number in range(250)]
    state["deepset"]["files"] = {
        "ws": {
            one: {
                "file_id": one,
                "name": f"f{number:03}.txt",
                "content": "",
                "meta": {},
                "created_at": deepset.now.isoformat(),
            }
            for number, one in enumerate(ids)
        }
    }
    deepset.server.control.load(state)
    deepset.server.control.reset_log()

    rows = deepset("SELECT file_name FROM files")

    assert sorted(row[0] for row in rows) == [f"f{number:03}.txt" for number in range(250)]
    cursors = [one["query"].get("after_file_id") for one in deepset.sent]
    assert len(cursors) == len(set(cursors)) == 3
    assert deepset("SELECT count(*) FROM files") == [(250,)]
    assert len(deepset.sent) == 1
    assert len(deepset("SELECT file_name FROM files WHERE page_size = 99")) == 250
    assert [one["query"]["limit"] for one in deepset.sent] == ["99"] * 3
