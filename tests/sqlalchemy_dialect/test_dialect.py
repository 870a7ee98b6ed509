from __future__ import annotations

import datetime as dt
from collections.abc import Callable, Iterator
from typing import Any

import pytest

sa = pytest.importorskip("sqlalchemy", minversion="2.0")

from sqlalchemy import orm  # noqa: E402

from sessions_vtab.emulator.serve import Running  # noqa: E402
from sessions_vtab.sqlalchemy import engine_url  # noqa: E402
from sessions_vtab.testing import hostile  # noqa: E402
from sessions_vtab.testing.conformance import SHAPES, Suite  # noqa: E402

VERTEX = "sessions+vertex://demo/us-central1/42"


@pytest.fixture
def engines(emulator: Running) -> Iterator[Callable[..., Any]]:
    """Makes engines on an empty emulator; disposes of them after the test."""
    emulator.control.reset(empty=True)
    made: list[Any] = []

    def make(url: str = VERTEX, **options: str) -> Any:
        settings = {**options, **({"base_url": emulator.url} if url == VERTEX else {})}
        made.append(sa.create_engine(sa.make_url(url).update_query_dict(settings)))
        return made[-1]

    yield make
    for one in made:
        one.dispose()


@pytest.fixture
def engine(engines: Callable[..., Any]) -> Any:
    return engines(writable="1")


@pytest.fixture
def sessions(engine: Any) -> Any:
    return sa.Table("sessions", sa.MetaData(), autoload_with=engine)


def _add(engine: Any, table: Any, *rows: dict[str, Any]) -> None:
    with engine.begin() as db:
        db.execute(sa.insert(table), list(rows))


class TestUrls:
    @pytest.mark.parametrize(
        ("url", "words"),
        [
            ("sessions+vertex://demo/us-central1/42?api_key=SECRET", "api_key"),
            ("sessions+vertex://ann:SECRET@demo/us-central1/42", "password"),
            ("sessions+local:///x.db?writable=maybe", "writable must be 1 or 0"),
            ("sessions://?statement_timeout=soon", "statement_timeout"),
            ("sessions://?nosuch=1", "no setting 'nosuch'"),
            ("sessions://host/path", r"sessions\+BACKEND"),
        ],
    )
    def test_a_wrong_one_is_refused_before_there_is_an_engine(self, url: str, words: str) -> None:
        with pytest.raises(sa.exc.ArgumentError, match=words) as caught:
            sa.create_engine(url)

        assert "SECRET" not in str(caught.value)

    def test_several_sources_are_schemas(self, engines, tmp_path) -> None:
        url = engine_url(f"a=local://{tmp_path}/a.db", f"b=local://{tmp_path}/b.db", default="b")
        engine = engines(url)

        assert sa.inspect(engine).get_schema_names() == ["main", "a", "b"]

    def test_a_store_in_memory_has_a_connection_a_thread(self, engines) -> None:
        assert isinstance(engines("sessions+local:///:memory:").pool, sa.pool.SingletonThreadPool)
        assert isinstance(engines("sessions+local:////x.db").pool, sa.pool.QueuePool)


class TestSafety:
    @pytest.mark.parametrize(
        "statement",
        [
            "INSERT INTO sessions(user_id) VALUES ('x')",
            "DELETE FROM sessions",
            "SELECT * FROM append_event('a', 'user', 'x')",
            "ATTACH ':memory:' AS other",
        ],
    )
    def test_an_engine_only_reads_unless_it_is_writable(self, engines, emulator, statement) -> None:
        with engines().connect() as db:
            emulator.control.reset_log()
            with pytest.raises(sa.exc.DBAPIError, match=r"read-only|guarded"):
                db.execute(sa.text(statement)).all()

        assert emulator.control.log()["total"] == 0

    def test_the_requests_of_one_user_are_hidden_from_the_next(self, engine) -> None:
        with engine.connect() as db:
            db.execute(sa.text("SELECT * FROM sessions")).all()
            assert db.execute(sa.text("SELECT count(*) FROM http_requests")).scalar() > 0
        with engine.connect() as db:
            assert db.execute(sa.text("SELECT count(*) FROM http_requests")).scalar() == 0

    def test_the_limits_of_the_url_hold(self, engines) -> None:
        with (
            engines("sessions+local:///:memory:", max_rows="2").connect() as db,
            pytest.raises(sa.exc.OperationalError, match="max_rows"),
        ):
            db.execute(sa.text("VALUES (1), (2), (3)")).all()


class TestReflection:
    def test_tables_types_keys_and_comments_are_our_own_declarations(self, engine) -> None:
        seen = sa.inspect(engine)

        assert seen.get_table_names() == ["sessions", "events", "event_parts", "reasoning_engines"]
        assert seen.get_table_names("vertex") == seen.get_table_names()
        assert seen.get_pk_constraint("sessions")["constrained_columns"] == ["name"]
        columns = {column["name"]: column for column in seen.get_columns("sessions")}
        assert isinstance(columns["create_time"]["type"], sa.DateTime)
        assert isinstance(columns["labels"]["type"], sa.JSON)
        assert isinstance(columns["user_id"]["type"], sa.Text)
        assert columns["user_id"]["comment"]
        assert "page_size" not in columns

    def test_views_are_temp_views(self, engine) -> None:
        with engine.begin() as db:
            db.execute(sa.text("CREATE TEMP VIEW recent AS SELECT name, create_time FROM sessions"))
            seen = sa.inspect(db)

            ours = {"live_events", "tool_calls", "turns", "usage_by_session"}
            assert set(seen.get_view_names()) == {*ours, "recent"}
            assert isinstance(seen.get_columns("recent")[1]["type"], sa.DateTime)

    def test_objects_that_do_not_exist_are_not_reported(self, engine) -> None:
        assert not sa.inspect(engine).has_table("nosuch")
        with pytest.raises(sa.exc.NoSuchTableError):
            sa.Table("nosuch", sa.MetaData(), autoload_with=engine)

    def test_reflection_and_pings_send_nothing(self, engines, emulator) -> None:
        emulator.control.reset_log()
        engine = engines()
        with engine.connect() as db:
            sa.MetaData().reflect(db)
            seen = sa.inspect(db)
            for name in seen.get_table_names("vertex"):
                assert seen.has_table(name, "vertex")
                assert seen.get_indexes(name) == seen.get_foreign_keys(name) == []
                seen.get_table_comment(name)
                db.execute(sa.text(f'SELECT * FROM main."{name}" WHERE 0')).all()
                db.execute(sa.text(f"PRAGMA main.table_info('{name}')")).all()
            db.execute(sa.text("SELECT 1")).all()
            assert engine.dialect.do_ping(db.connection.dbapi_connection)

        assert emulator.control.log()["total"] == 0


class TestStatements:
    def test_insert_returns_what_the_server_generated(self, engine, sessions) -> None:
        with engine.begin() as db:
            row = db.execute(sa.insert(sessions).values(user_id="ann").returning(sessions)).one()

        assert row.name.endswith(f"/sessions/{row.session_id}")
        assert isinstance(row.create_time, dt.datetime)

    def test_an_object_gets_its_name_and_times_back(self, engine, sessions) -> None:
        registry = orm.registry()
        mapped = registry.map_imperatively(type("Mapped", (), {}), sessions).class_
        with orm.Session(engine) as session:
            one = mapped(user_id="ann", labels={"env": "prod"})
            session.add(one)
            session.commit()
            name = one.name
            one.display_name = "first"
            session.commit()
            session.expunge_all()

            found = session.get(mapped, name)
            assert (found.display_name, found.labels) == ("first", {"env": "prod"})
            session.delete(found)
            session.commit()
            assert session.get(mapped, name) is None
        registry.dispose()

    def test_a_flush_changes_several_objects(self, engine, sessions) -> None:
        registry = orm.registry()
        mapped = registry.map_imperatively(type("Mapped", (), {}), sessions).class_
        with orm.Session(engine) as session:
            session.add_all(mapped(session_id=f"s-{number}", user_id="ann") for number in range(4))
            session.commit()
            first, second, third, fourth = session.scalars(sa.select(mapped)).all()
            first.display_name, second.display_name = "one", "two"
            session.delete(third)
            session.delete(fourth)
            session.commit()

            names = session.scalars(sa.select(sessions.c.display_name)).all()
        registry.dispose()
        assert sorted(names) == ["one", "two"]

    def test_update_and_delete_return_rows(self, engine, sessions) -> None:
        _add(engine, sessions, {"session_id": "abc", "user_id": "ann"})
        with engine.begin() as db:
            changed = (
                sa.update(sessions).values(display_name="x").returning(sessions.c.display_name)
            )
            assert db.execute(changed).all() == [("x",)]
            removed = sa.delete(sessions).returning(sessions.c.session_id)
            assert db.execute(removed).all() == [("abc",)]

    def test_a_transaction_that_is_rolled_back_sends_nothing(
        self, engine, sessions, emulator
    ) -> None:
        emulator.control.reset_log()
        with engine.connect() as db:
            db.execute(sa.insert(sessions), [{"user_id": "a"}, {"user_id": "b"}])
            db.rollback()

        assert emulator.control.log()["total"] == 0

    def test_a_key_of_json_is_filtered_by_the_service(self, engine, sessions, emulator) -> None:
        rows = [
            {"session_id": f"s{n}", "user_id": "u", "labels": {"env": f"e{n % 2}"}}
            for n in range(4)
        ]
        _add(engine, sessions, *rows)
        found = []
        with engine.connect() as db:
            for key, value in (("env", "e1"), ("zzz", "e1"), ("env", "e0")):
                emulator.control.reset_log()
                at = sessions.c.labels[key].as_string()
                found.append(len(db.execute(sa.select(sessions).where(at == value)).all()))
                (request,) = emulator.control.requests()
                assert request["query"]["filter"] == f'labels.{key}="{value}"'

        assert found == [2, 0, 2]

    def test_keys_of_labels_in_a_list_are_filtered_by_the_service(
        self, engine, sessions, emulator
    ) -> None:
        _add(
            engine,
            sessions,
            *(
                {"session_id": f"s{n}", "user_id": "u", "labels": {"env": f"e{n}"}}
                for n in range(3)
            ),
        )
        at = sessions.c.labels["env"].as_string()
        with engine.connect() as db:
            emulator.control.reset_log()
            found = db.execute(sa.select(sessions.c.session_id).where(at.in_(["e0", "e2", "x"])))
            assert sorted(found.scalars()) == ["s0", "s2"]
        assert all("labels.env" in one["query"]["filter"] for one in emulator.control.requests())

    @pytest.mark.parametrize("url", [VERTEX, "sessions://"])
    def test_a_key_as_text_finds_what_is_no_text(self, engines, url) -> None:
        """``as_string()`` of a number is its digits, as in SQLAlchemy's own dialects."""
        options = {"writable": "1"} | ({} if url == VERTEX else {"source": "local://:memory:"})
        engine = engines(url, **options)
        sessions = sa.Table("sessions", sa.MetaData(), autoload_with=engine)
        states = ({"k": 3}, {"k": "3"}, {"k": 3.5}, {"k": True}, {"k": "x"}, {})
        _add(
            engine,
            sessions,
            *({"session_id": f"s{n}", "user_id": "u", "state": s} for n, s in enumerate(states)),
        )
        at = sessions.c.state["k"].as_string()
        conditions = {
            "equal": (at == "3", ["s0", "s1"]),
            "in": (at.in_(["3", "3.5"]), ["s0", "s1", "s2"]),
            "like": (at.like("3%"), ["s0", "s1", "s2"]),
            "deeper": (sessions.c.state[("k",)].as_string() == "3", ["s0", "s1"]),
            "other": (at != "3", ["s2", "s3", "s4"]),
        }
        with engine.connect() as db:
            for name, (condition, expected) in conditions.items():
                found = db.execute(sa.select(sessions.c.session_id).where(condition)).scalars()
                assert sorted(found) == expected, name
            assert db.execute(sa.select(at).where(sessions.c.session_id == "s0")).scalar() == "3"

    @pytest.mark.parametrize("zone", [False, True])
    def test_times_are_instants(self, engine, sessions, zone: bool) -> None:
        _add(engine, sessions, {"session_id": "abc", "user_id": "ann"})
        column = sa.type_coerce(sessions.c.create_time, sa.DateTime(timezone=zone))
        noon = dt.datetime.now(dt.UTC) - dt.timedelta(hours=1)
        with engine.connect() as db:
            made = db.execute(sa.select(column).where(sessions.c.create_time > noon)).scalar_one()

        assert (made.tzinfo is not None) == zone
        assert abs(made.replace(tzinfo=dt.UTC) - dt.datetime.now(dt.UTC)) < dt.timedelta(minutes=5)

    def test_the_content_of_an_event_is_text_or_json(self, engine, sessions) -> None:
        events = sa.Table("events", sa.MetaData(), autoload_with=engine)
        _add(engine, sessions, {"session_id": "abc", "user_id": "ann"})
        json = {"role": "user", "parts": [{"text": "two"}]}
        for content in ("one", json):
            _add(engine, events, {"session_id": "abc", "author": "user", "content": content})

        with engine.connect() as db:
            assert sorted(db.execute(sa.select(events.c.text)).scalars()) == ["one", "two"]

    def test_rows_are_read_page_by_page(self, engine, sessions, emulator) -> None:
        _add(engine, sessions, *({"session_id": f"s{n}", "user_id": "u"} for n in range(250)))
        with engine.connect().execution_options(yield_per=10) as db:
            emulator.control.reset_log()
            rows = db.execute(sa.select(sessions.c.session_id).where(sessions.c.user_id == "u"))
            first = rows.fetchmany(10)
            asked = emulator.control.log()["total"]
            rows.close()

        assert (len(first), asked <= 2) == (10, True)

    def test_explain(self, engine) -> None:
        with engine.connect() as db:
            plan = db.execute(
                sa.text("EXPLAIN QUERY PLAN SELECT * FROM sessions WHERE user_id = 'a'")
            )
            assert "sent: user_id" in str(plan.all())


class TestOwnTables:
    """A table in ``main`` is in one connection's memory: with a pool it would be lost."""

    @pytest.mark.parametrize("url", [VERTEX, "sessions://?source=local://:memory:"])
    @pytest.mark.parametrize("writable", ["0", "1"])
    def test_on_a_pool_they_are_refused_with_the_reason(self, engines, url, writable) -> None:
        engine = engines(url, writable=writable)
        lookup = sa.Table("lookup", sa.MetaData(), sa.Column("id", sa.Integer))
        with pytest.raises(sa.exc.NotSupportedError, match="memory of one connection"):
            lookup.create(engine)
        for text in ("CREATE TABLE t AS SELECT 1", "CREATE VIEW v AS SELECT 1"):
            with (
                engine.connect() as db,
                pytest.raises(sa.exc.NotSupportedError, match="CREATE TEMP TABLE"),
            ):
                db.execute(sa.text(text))

    def test_temporary_ones_are_fine(self, engine) -> None:
        lookup = sa.Table("lookup", sa.MetaData(), sa.Column("id", sa.Integer), prefixes=["TEMP"])
        with engine.connect() as db:
            lookup.create(db)
            db.execute(sa.text("CREATE INDEX temp.by_id ON lookup(id)"))
            db.execute(sa.insert(lookup), [{"id": 1}, {"id": 2}])
            assert db.execute(sa.select(sa.func.count()).select_from(lookup)).scalar() == 2

    def test_an_engine_of_one_connection_has_them(self, emulator) -> None:
        url = sa.make_url(VERTEX).update_query_dict({"base_url": emulator.url})
        engine = sa.create_engine(url, poolclass=sa.pool.StaticPool)
        lookup = sa.Table("lookup", sa.MetaData(), sa.Column("id", sa.Integer))
        lookup.create(engine)
        with engine.begin() as db:
            db.execute(sa.insert(lookup), [{"id": 1}])
        with engine.connect() as db:
            assert db.execute(sa.select(lookup)).all() == [(1,)]
        engine.dispose()

    def test_pandas_is_told_too(self, engine) -> None:
        pandas = pytest.importorskip("pandas")
        with pytest.raises(sa.exc.NotSupportedError, match="memory of one connection"):
            pandas.DataFrame({"id": [1]}).to_sql("lookup", engine)


def test_pandas_reads_through_an_engine(engine, sessions) -> None:
    pandas = pytest.importorskip("pandas")
    _add(engine, sessions, {"session_id": "abc", "user_id": "ann"})

    frame = pandas.read_sql(sa.select(sessions.c.user_id, sessions.c.create_time), engine)

    assert frame["user_id"].tolist() == ["ann"]
    assert frame["create_time"].dtype.kind == "M"


class _Adapter:
    """SQLAlchemy's connection, as the conformance suite asks it."""

    def __init__(self, db: Any, driver: Any) -> None:
        self._db = db
        self._driver = driver

    def execute(self, text: str, bindings: Any = None, **_: Any) -> Any:
        values = tuple(bindings) if isinstance(bindings, list | tuple) else bindings
        result = self._db.exec_driver_sql(text, values or ())
        return result if result.returns_rows else _Nothing()

    @property
    def sources(self) -> Any:
        return self._driver.sources


class _Nothing:
    def fetchall(self) -> list[Any]:
        return []


def test_every_query_returns_the_rows_of_the_reference() -> None:
    engine = sa.create_engine("sessions+local:///:memory:?writable=1")
    with engine.connect() as db:
        driver = db.connection.dbapi_connection.driver
        tables = driver.sources["local"].backend.resources
        rows = {"sessions": hostile.session_rows(odd_labels=False), "events": hostile.event_rows()}
        for table, some in rows.items():
            hostile.load(
                driver.execute, "local", table, some, tables[table].capability.writes.insert
            )
        suite = Suite(driver, "local")
        suite.connection = _Adapter(db, driver)
        asked = 0
        for shape in SHAPES:
            if suite.applies(shape) is None:
                suite.check(shape)
                asked += 1
        suite.oracle.close()
    engine.dispose()

    assert asked > 400
