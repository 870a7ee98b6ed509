"""Who has which connection."""

from __future__ import annotations

import threading

import anyio
import pytest

from sessions_vtab import dbapi
from sessions_vtab.mcp.pool import ConnectionPool


@pytest.fixture
def opened():
    return []


@pytest.fixture
def pool(opened):
    def connect():
        opened.append(dbapi.connect("local://:memory:", autocommit=True))
        return opened[-1]

    made = ConnectionPool(connect)
    yield made
    made.close()


def test_calls_one_after_another_use_one_connection(pool, opened):
    async def scenario():
        return [await pool.run(lambda connection: connection) for _ in range(3)]

    assert anyio.run(scenario) == opened * 3


def test_calls_at_once_have_a_connection_each_and_no_more_than_eight_run(pool, opened):
    inside, most = set(), []
    eight = threading.Barrier(8, timeout=30)

    def work(connection):
        inside.add(connection)
        most.append(len(inside))
        eight.wait()
        inside.discard(connection)
        eight.wait()

    async def scenario():
        async with anyio.create_task_group() as group:
            for _ in range(24):
                group.start_soon(pool.run, work)

    anyio.run(scenario)

    assert len(opened) == max(most) == 8


def test_a_transaction_that_is_left_open_is_rolled_back(pool):
    def begin(connection):
        connection.driver.execute("BEGIN")

    async def scenario():
        await pool.run(begin)
        return await pool.run(lambda connection: connection.in_transaction)

    assert anyio.run(scenario) is False


def test_a_connection_that_cannot_be_cleaned_is_closed_and_replaced(pool, opened):
    def close(connection):
        connection.close()

    async def scenario():
        await pool.run(close)
        return await pool.run(lambda connection: connection.execute("SELECT 1").fetchall())

    assert anyio.run(scenario) == [(1,)]
    assert len(opened) == 2


def test_a_call_that_is_cancelled_while_it_waits_does_nothing(pool, opened):
    ran = []
    go_on = threading.Event()

    async def scenario():
        async with anyio.create_task_group() as group:
            for _ in range(8):
                group.start_soon(pool.run, lambda _: go_on.wait(30))
            await anyio.wait_all_tasks_blocked()
            with anyio.move_on_after(0.05):
                await pool.run(ran.append)
            go_on.set()

    anyio.run(scenario)

    assert ran == []
