from __future__ import annotations

from types import MappingProxyType

import pytest

from sessions_vtab import connect
from sessions_vtab.cli import help as reference
from sessions_vtab.cli import pages
from sessions_vtab.cli.help import Reference
from sessions_vtab.cli.pages import TOPICS, service_pages
from sessions_vtab.contract import tables
from sessions_vtab.contract.backend import Backend, Resource, Source
from sessions_vtab.contract.capability import EQUALITY, AccessPath, Capability, Filter, Writes
from sessions_vtab.contract.functions import FUNCTIONS
from sessions_vtab.contract.model import Table
from sessions_vtab.errors import UnknownNameError
from sessions_vtab.vtab.host import OpenSource

SCHEMA = [value for value in vars(tables).values() if isinstance(value, Table)]
FURTHER = {
    "sessions": tables.SESSION_COLUMNS,
    "events": tables.EVENT_COLUMNS,
    "upload_sessions": tables.UPLOAD_SESSION_COLUMNS,
}


class Sessions(Resource):
    table = tables.SESSIONS.extended(
        *tables.session_columns("project"), hidden=tables.session_columns("ttl")
    )
    capability = Capability(
        (
            AccessPath("get", keys=("session_id",), call="GET {engine}/sessions/{id}"),
            AccessPath(
                "list",
                filters=(Filter("user_id", EQUALITY), Filter("labels", EQUALITY, keyed=True)),
                orders=("create_time",),
                page_cap=100,
            ),
        ),
        Writes(
            insert=frozenset(("user_id", "state")),
            required=("user_id",),
            hints={"delete": "sessions expire by themselves"},
        ),
    )

    def scan(self, scan, context):
        yield []


class Other(Backend):
    name = "other"
    resources = MappingProxyType({"sessions": Sessions()})
    routines = MappingProxyType({"append_event": None})

    @classmethod
    def open(cls, source):
        return cls()

    def describe(self):
        return "nowhere"


CONFIGURED = Reference([OpenSource(Source("prod", "other"), Other())])


def text(topic: str, about: Reference = CONFIGURED) -> str:
    return pages.text(reference.page(topic, about))


@pytest.mark.parametrize("render", [pages.text, pages.markdown])
@pytest.mark.parametrize("table", SCHEMA, ids=lambda table: table.name)
def test_every_table_and_column_of_the_schema_is_documented(table, render):
    page = render(reference.page(table.name, Reference()))

    columns = [c for c in table.columns if not c.name.startswith("_")]
    for column in (*columns, *FURTHER.get(table.name, {}).values()):
        assert any(column.name in line.replace("`", "").split() for line in page.splitlines())
    assert table.example in page


@pytest.mark.parametrize("render", [pages.text, pages.markdown])
@pytest.mark.parametrize("function", FUNCTIONS.values(), ids=lambda function: function.name)
def test_every_function_parameter_and_result_is_documented(function, render):
    page = render(reference.page(function.name, Reference()))

    for column in (*function.parameters, *function.results):
        assert any(column.name in line.replace("`", "").split() for line in page.splitlines())
    for name in function.required:
        line = next(li for li in page.splitlines() if name in li.replace("`", "").split())
        assert "required" in page[page.index(line) :]
    assert function.example in page


def test_the_whole_reference_has_every_topic_once():
    whole = "\n".join(map(pages.markdown, reference.all_pages(Reference())))

    for topic in (*(t.name for t in SCHEMA), *FUNCTIONS, *TOPICS):
        assert whole.count(f"\n## {topic}\n") == 1


def test_the_index_names_every_table_function_and_topic():
    index = pages.text(reference.index(Reference()))

    for topic in reference.topics(Reference()):
        assert topic in index


def test_a_tables_page_shows_what_each_source_supports():
    page = text("sessions")

    assert "In the source prod" in page
    assert "INSERT      state, user_id; required: user_id" in page
    assert "UPDATE      no\n" in page
    assert "DELETE      no: sessions expire by themselves" in page
    assert "read: get   GET {engine}/sessions/{id}; needs session_id" in page
    assert "user_id, labels->>'..' = IN; sorts by create_time; pages of 100" in page


def test_the_help_of_a_read_only_source_shows_no_writes():
    page = text(
        "sessions", Reference([OpenSource(Source("prod", "other", read_only=True), Other())])
    )

    assert "none: the source is read-only" in page
    assert "INSERT  " not in page


def test_columns_that_no_configured_source_has_show_only_in_the_complete_reference():
    complete = Reference(CONFIGURED.sources, complete=True)

    assert "project  text  prod          " in text("sessions")
    assert "ttl      text  prod, hidden  " in text("sessions")
    assert "pkid" not in text("sessions")
    assert "pkid" in text("sessions", complete)


def test_a_functions_page_lists_the_sources_that_have_it():
    assert "Available in: prod." in text("append_event")
    assert "In:" not in text("push_event")


@pytest.mark.parametrize("topic", ["Sessions", "prod.sessions", "APPEND_EVENT", "times"])
def test_a_topic_is_found_in_any_case_and_with_a_prefix(topic):
    assert text(topic).splitlines()[0] == topic.rpartition(".")[2].lower()


def test_an_unknown_topic_is_an_error_with_a_suggestion():
    with pytest.raises(UnknownNameError) as caught:
        reference.page("sesions", Reference(command=".help"))

    assert str(caught.value) == (
        "There is no help on 'sesions'. Did you mean sessions? All topics: .help"
    )


def test_a_function_of_one_service_is_an_error_that_asks_for_its_source():
    with pytest.raises(UnknownNameError) as caught:
        reference.page("run_agent", Reference())

    assert str(caught.value) == (
        "There is no help on 'run_agent'. What only one service has is shown with a source of that"
        " service (--source URL). All topics: sessions-vtab help"
    )


@pytest.mark.parametrize("width", [60, 80, 120])
def test_prose_and_tables_fit_the_terminal(width):
    services = [page.title for page in service_pages()]
    for page in reference.all_pages(Reference()):
        if page.title in {*FUNCTIONS, *TOPICS, *services}:
            continue  # These show code, which is not wrapped.
        lines = pages.text(page, width).splitlines()
        assert max(len(line) for line in lines if not line.startswith("  SELECT")) <= max(width, 80)


def test_signs_that_markdown_would_read_are_escaped():
    page = pages.Page("p", (pages.Grid(("a", "b"), (("x", "1|2 *_<"),)),))

    assert "| `x` | 1\\|2 \\*\\_\\< |" in pages.markdown(page)


def test_a_sources_page_tells_documented_facts_from_assumptions() -> None:
    with connect("el=eleanor://ns?base_url=http://127.0.0.1:1") as connection:
        backend = connection.sources["el"].backend
        shown = reference.page("el", Reference((connection.sources["el"],)))
    connection.close()

    assert pages.Prose(backend.about) in shown.blocks
    assert "assumed" in backend.about
