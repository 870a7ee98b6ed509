"""Random SELECTs in several ways that mean the same: the same rows, and about as many requests.

``EQUIVALENTS=2000`` asks that many in place of those that CI asks, other ones with each
``EQUIVALENTS_SEED``; ``EQUIVALENTS_SESSIONS=1200`` has lists of several pages. CI asks a seed of
which all keep within twice the fewest requests: a run at large finds what does not yet.
"""

from __future__ import annotations

import os
from collections import Counter
from collections.abc import Iterator
from contextlib import closing
from dataclasses import dataclass
from random import Random
from typing import Any

import pytest

from sessions_vtab import connect
from sessions_vtab.contract.agent_views import views_of
from sessions_vtab.contract.backend import Source
from sessions_vtab.emulator.serve import Running, running
from sessions_vtab.emulator.service import EmulatorSettings
from sessions_vtab.testing.conformance import Suite
from sessions_vtab.testing.oracle import Comparison, difference
from tests.equivalent_meanings import Meaning, Values, compared, meaning
from tests.equivalent_statements import Form, written

_COUNT = int(os.environ.get("EQUIVALENTS", "16"))
_SEED = int(os.environ.get("EQUIVALENTS_SEED", "23"))
_SESSIONS = int(os.environ.get("EQUIVALENTS_SESSIONS", "40"))
_FORMS = 5
_INDEXES = (("sessions", "session_id"), ("events", "session_name"), ("event_parts", "session_id"))


@dataclass(frozen=True, slots=True)
class Asked:
    """A form, what was wrong with its rows, its requests, and those that were sent again.

    GETs of one session run side by side: four of them weigh as a page.
    """

    form: Form
    wrong: str | None
    requests: float
    repeats: int


class Campaign:
    """An emulator, and plain copies of its tables."""

    def __init__(self, emulator: Running) -> None:
        self._control = emulator.control
        self._source = Source("prod", "vertex", "demo/us-central1/42", {"base_url": emulator.url})
        with closing(connect(sources=[self._source])) as connection:
            self._oracle = Suite(connection, "prod").oracle
            for table, column in _INDEXES:
                self._oracle.connection.execute(
                    f"CREATE INDEX {table}_{column} ON {table}({column})"
                )
            for view in views_of(connection.sources["prod"].backend):
                self._oracle.connection.execute(view.create("main"))
        self._native = self._natives()
        self._oracle.connection.execute(self._native)
        self.values: Values = {
            (table, column): [
                value
                for (value,) in self._oracle.ask(
                    f'SELECT DISTINCT "{column}" FROM {table} WHERE "{column}" IS NOT NULL ORDER BY 1'
                )
            ]
            for table, column in compared()
        }

    def close(self) -> None:
        self._oracle.close()

    def ask(self, form: Form, asked: Any) -> Asked:
        """Asks one form on a connection that has read nothing."""
        with closing(connect(sources=[self._source])) as connection:
            connection.execute(self._native)
            if form.setup:
                connection.execute(form.setup)
            self._control.reset_log()
            got = connection.execute(form.sql, form.bindings).fetchall()
        log = self._control.requests()
        urls = Counter((one["method"], one["raw_path"], str(one["query"])) for one in log)
        wrong = difference(got, asked, Comparison.MULTISET)
        keys = sum(one["path"].rpartition("/")[0].endswith("/sessions") for one in log)
        return Asked(form, wrong, len(log) - keys * 0.75, len(log) - len(urls))

    def expected(self, form: Form) -> Any:
        """The rows of the plain copies."""
        self._oracle.connection.execute(form.setup)
        found = self._oracle.ask(form.sql, form.bindings)
        self._oracle.connection.execute("DROP VIEW IF EXISTS own_view")
        return found

    def all(self, one: Meaning, random: Random) -> list[Asked]:
        """Asks several forms of a meaning."""
        forms = {form.sql: form for form in (written(one, random) for _ in range(_FORMS))}
        rows = None
        found = []
        for form in forms.values():
            expected = self.expected(form)
            # That the forms mean the same is what the plain copies say.
            if rows is not None:
                told = difference(expected, rows, Comparison.MULTISET)
                assert told is None, f"{[*forms]}\n{told}"
            rows = expected
            found.append(self.ask(form, rows))
        return found

    def _natives(self) -> str:
        keys = self._oracle.ask("SELECT session_id FROM sessions ORDER BY user_id, create_time")
        listed = ", ".join(
            f"('{key}', '{'new' if number % 3 else 'old'}')"
            for number, (key,) in enumerate(keys[:12])
        )
        return (
            f"CREATE TEMP TABLE keys(id TEXT, kind TEXT); INSERT INTO keys VALUES {listed};"
            "CREATE TEMP TABLE users(id TEXT); INSERT INTO users VALUES ('ann'), ('bob')"
        )


@pytest.fixture(scope="module")
def campaign() -> Iterator[Campaign]:
    settings = EmulatorSettings(seed=7, sessions=_SESSIONS, events=_SESSIONS * 9)
    with running(settings) as emulator, closing(Campaign(emulator)) as found:
        yield found


@pytest.mark.parametrize("number", range(_COUNT))
def test_forms_that_mean_the_same_cost_about_the_same(campaign: Campaign, number: int) -> None:
    """At most twice the fewest requests of all forms and three more, none of them twice."""
    random = Random(f"{_SEED} {number}")

    found = campaign.all(meaning(random, campaign.values), random)

    told = "\n".join(f"{one.requests} {one.repeats} {one.form.sql}" for one in found)
    assert [one.wrong for one in found if one.wrong] == [], told
    assert [one.repeats for one in found if one.repeats] == [], told
    assert max(one.requests for one in found) <= 2 * min(one.requests for one in found) + 3, told
