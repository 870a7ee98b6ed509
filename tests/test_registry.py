from __future__ import annotations

import sys
from importlib import metadata

import pytest

from sessions_vtab import registry
from sessions_vtab.contract.backend import Backend
from sessions_vtab.errors import ConfigurationError, MissingExtraError, UnknownNameError


@pytest.fixture
def entry_points(monkeypatch):
    """Entry points of the group, as a dictionary that tests fill; counts the searches."""
    points: dict[str, str] = {}
    searches: list[str] = []

    def find(*, group):
        searches.append(group)
        return [metadata.EntryPoint(name, value, group) for name, value in points.items()]

    monkeypatch.setattr(metadata, "entry_points", find)
    return points, searches


def test_the_local_backend_is_built_in():
    backend = registry.backend_class("local")

    assert issubclass(backend, Backend)
    assert backend.name == "local"


def test_entry_points_are_not_searched_for_a_built_in_name(entry_points):
    points, searches = entry_points
    points["local"] = "tests.nowhere:Impostor"

    assert registry.backend_class("local").__module__.startswith("sessions_vtab.")
    assert searches == []


def test_a_backend_of_another_package_is_found_by_its_entry_point(entry_points, monkeypatch):
    points, searches = entry_points
    module = type(sys)("other_backend")
    module.Other = type("Other", (Backend,), {"name": "other"})
    monkeypatch.setitem(sys.modules, "other_backend", module)
    points["other"] = "other_backend:Other"

    assert registry.backend_class("other") is module.Other
    assert registry.names()[-1] == "other"
    assert set(searches) == {registry.GROUP}


def test_an_unknown_name_is_answered_with_a_near_one_and_the_list(entry_points, monkeypatch):
    monkeypatch.setattr(registry, "BUILT_IN", {"local": "a:B", "vertex": "c:D"})
    entry_points[0]["other"] = "e:F"

    with pytest.raises(UnknownNameError) as caught:
        registry.backend_class("vertx")

    assert str(caught.value) == (
        "There is no backend vertx. Did you mean vertex? Backends: local, vertex, other."
    )


@pytest.mark.parametrize(
    ("reference", "error", "message"),
    [
        ("absent_package.backend:B", ConfigurationError, "not part of this installation"),
        ("json:Nothing", ConfigurationError, "registered as json:Nothing, which does not exist"),
        (
            "json:JSONDecoder",
            ConfigurationError,
            "registered as json:JSONDecoder, which is not a Backend class",
        ),
    ],
)
def test_what_cannot_be_loaded_is_an_error_that_names_the_backend(
    entry_points, reference, error, message
):
    entry_points[0]["odd"] = reference

    with pytest.raises(error, match=f"^The backend odd is {message}"):
        registry.backend_class("odd")


def test_a_built_in_whose_module_is_absent_is_an_error(monkeypatch):
    monkeypatch.setattr(
        registry, "BUILT_IN", {"vertex": "sessions_vtab.backends.nowhere:VertexBackend"}
    )

    with pytest.raises(ConfigurationError, match="vertex is not part of this installation"):
        registry.backend_class("vertex")


def test_a_missing_dependency_is_an_error_that_names_what_to_install(tmp_path, monkeypatch):
    (tmp_path / "needy_backend.py").write_text("import package_that_is_not_there\n")
    monkeypatch.syspath_prepend(tmp_path)
    monkeypatch.setattr(registry, "BUILT_IN", {"vertex": "needy_backend:Backend"})

    with pytest.raises(MissingExtraError) as caught:
        registry.backend_class("vertex")

    assert str(caught.value) == (
        "The backend vertex needs the package package_that_is_not_there."
        f" Run: {sys.executable} -m pip install 'google-auth>=2.35' 'requests>=2.32'"
    )
