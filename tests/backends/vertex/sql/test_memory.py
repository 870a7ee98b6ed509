"""A statement's memory does not grow with the rows it reads."""

from __future__ import annotations

import tracemalloc

MIB = 2**20


def test_a_join_keeps_a_bounded_part_of_the_events_that_it_has_read(db, monkeypatch):
    monkeypatch.setattr("sessions_vtab.vtab.memo._BYTES_OF_KEYS", MIB // 8)
    db.fill(150, 20)
    sql = "SELECT e.* FROM sessions s JOIN events e USING (session_id)"
    db.connection.execute(f"{sql} LIMIT 1").fetchall()
    rows = db.connection.execute(sql)

    tracemalloc.start()
    count = sum(1 for _ in rows)
    _, peak = tracemalloc.get_traced_memory()
    tracemalloc.stop()

    assert count == 3_000
    assert peak < 4 * MIB
