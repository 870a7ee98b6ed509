"""``sessions_vtab/docs`` and the code name each other: facts that are cited, modules, changes."""

from __future__ import annotations

import ast
import re
from pathlib import Path

import pytest

import sessions_vtab

PACKAGE = Path(sessions_vtab.__file__).parent
CONTRACTS = PACKAGE / "docs" / "contracts"
FILES = sorted(PACKAGE.rglob("*.py"))
PACKAGES = sorted(PACKAGE.rglob("__init__.py"))

# "(contract, section 5)" in the files of a service, "(Vertex contract, sections 3 to 6)" elsewhere.
CITATION = re.compile(
    r"(?:\b(?P<service>Vertex|deepset|WhyLabs|Eleanor|Embedding Studio) )?"
    r"[cC]ontract,? ?\(?,? ?sections? (?P<first>\d+)(?:\.(?P<item>\d+))?"
    r"(?P<others>(?:(?: to | and |, )\d+)*)"
)
# What looks like a citation must be one: a number or a title alone is found by nobody.
LOOSE = re.compile(r"\b[cC]ontract(?:, | \()(?!sections? \d)(?=[\d\"]|[a-z ]+\))")


def _names(path: Path) -> str:
    return path.relative_to(PACKAGE).as_posix()


def _text(path: Path) -> str:
    """The file's text in one line, without the marks of comments that a sentence runs over."""
    return re.sub(r"\s+(?:# )?", " ", path.read_text("utf-8"))


def _service(path: Path) -> str | None:
    """The service whose backend or emulator the file is a part of."""
    parts = path.relative_to(PACKAGE).with_suffix("").parts
    named = parts[0] in {"backends", "emulator"} and (CONTRACTS / f"{parts[1]}.md").exists()
    return parts[1] if named else None


def _sections(service: str) -> dict[int, str]:
    """Number of each section of a contract and its text."""
    text = (CONTRACTS / f"{service}.md").read_text("utf-8")
    found = re.split(r"^## (\d+)\. ", text, flags=re.MULTILINE)[1:]
    return {int(number): body for number, body in zip(found[::2], found[1::2], strict=True)}


def _cited() -> list[tuple[Path, re.Match[str]]]:
    return [(path, match) for path in FILES for match in CITATION.finditer(_text(path))]


def _told(path: Path, match: re.Match[str]) -> str | None:
    """What is wrong with a citation."""
    service = match["service"] or _service(path)
    if service is None:
        return "which service's contract?"
    name = service.lower().replace(" ", "_")
    if not (CONTRACTS / f"{name}.md").exists():
        return f"there is no docs/contracts/{name}.md"
    sections = _sections(name)
    for number in [int(match["first"]), *map(int, re.findall(r"\d+", match["others"]))]:
        if number not in sections:
            return f"docs/contracts/{name}.md has no section {number}"
    item = match["item"]
    if item and not re.search(rf"^{item}\. ", sections[int(match["first"])], re.MULTILINE):
        return f"section {match['first']} of docs/contracts/{name}.md has no item {item}"
    return None


def test_every_citation_of_a_contract_can_be_looked_up() -> None:
    cited = _cited()

    wrong = [f"{_names(path)}: {match[0]!r}: {_told(path, match)}"
             for path, match in cited if _told(path, match)]  # fmt: skip
    assert not wrong
    assert len(cited) > 40


def test_a_citation_has_the_form_contract_section_n() -> None:
    texts = {_names(path): _text(path) for path in FILES}

    loose = {
        name: [text[match.start() : match.end() + 30] for match in LOOSE.finditer(text)]
        for name, text in texts.items()
    }
    named = {name for text in texts.values() for name in re.findall(r"contracts/(\w+)\.md", text)}
    assert {name: found for name, found in loose.items() if found} == {}
    assert [name for name in sorted(named) if not (CONTRACTS / f"{name}.md").exists()] == []


@pytest.mark.parametrize("path", sorted(CONTRACTS.glob("*.md")), ids=lambda path: path.name)
def test_sections_of_a_contract_are_numbered_in_order(path: Path) -> None:
    titles = re.findall(r"^## (.*)$", path.read_text("utf-8"), re.MULTILINE)

    assert [title.split(". ")[0] for title in titles] == [
        str(number) for number in range(1, len(titles) + 1)
    ]


@pytest.mark.parametrize(
    "path",
    sorted([*(PACKAGE / "docs").rglob("*.md")]),
    ids=lambda path: path.name,
)
def test_docs_name_no_folder_of_a_machine(path: Path) -> None:
    assert not re.search(r"(?<![\w.{}])/(?:work|tmp|home|root|Users)/", path.read_text("utf-8"))


@pytest.mark.parametrize("path", PACKAGES, ids=_names)
def test_a_packages_docstring_names_each_of_its_modules(path: Path) -> None:
    said = ast.get_docstring(ast.parse(path.read_text("utf-8"))) or ""
    named = {
        word.removesuffix(".py").rpartition(".")[2]
        for quoted in re.findall(r"`+([^`]+)`+", said)
        for word in re.split(r"[^\w.]+", quoted)
    }
    modules = {
        found.stem
        for found in path.parent.iterdir()
        if (found.suffix == ".py" or (found / "__init__.py").exists())
        and not found.stem.startswith("_")
    }

    assert modules <= named, f"not named: {sorted(modules - named)}"


def test_changes_tell_of_this_version() -> None:
    titles = re.findall(
        r"^## (\S+)", (PACKAGE / "docs" / "changes.md").read_text("utf-8"), re.MULTILINE
    )

    assert sessions_vtab.__version__ in titles
    assert titles[0] in {"Unreleased", sessions_vtab.__version__}


CHECKOUT = Path(__file__).parents[1]


def _files_named(text: str) -> set[str]:
    """Files and folders that a text names in backticks, but for those with a word in capitals."""
    quoted = re.findall(r"`([\w./]+)`", text)
    return {
        name.rstrip("/")
        for name in quoted
        if not re.search(r"\b[A-Z]{3,}\b", name)
        and re.match(r"(sessions_vtab|tests|docs|\.github|\.ci)/", name)
    }


def test_every_file_that_contributors_are_sent_to_exists() -> None:
    page = CHECKOUT / ".github" / "CONTRIBUTING.md"
    if not page.exists():
        pytest.skip("not a checkout")
    named = _files_named(page.read_text("utf-8"))

    assert len(named) > 15
    assert [
        name
        for name in sorted(named)
        if not ((CHECKOUT / name).exists() or (PACKAGE / name).exists())
    ] == []


def test_the_workflow_runs_the_versions_of_python_that_the_package_names() -> None:
    workflow = CHECKOUT / ".github" / "workflows" / "ci.yml"
    if not workflow.exists():
        pytest.skip("not a checkout")
    project = (CHECKOUT / "pyproject.toml").read_text("utf-8")

    named = re.findall(r'"Programming Language :: Python :: (3\.\d+)"', project)
    run = re.search(r"python: \[(.*)\]", workflow.read_text("utf-8"))
    assert run is not None
    assert re.findall(r"3\.\d+", run[1]) == named
    assert "run: .ci/run\n" in workflow.read_text("utf-8")


ARCHITECTURE = (PACKAGE / "docs" / "architecture.md").read_text("utf-8")


def test_every_file_of_the_architecture_exists() -> None:
    named = re.findall(r"`([\w/]+\.(?:py|md)|[\w/]+/)`", ARCHITECTURE)

    assert len(named) > 50
    assert [
        name
        for name in named
        if not ((PACKAGE / name).exists() or (PACKAGE.parent / name).exists())
        and not (name.startswith("tests/") and (CHECKOUT / name).exists())
        and name != "sessions_vtab/"
    ] == []


def test_what_the_architecture_names_in_a_file_is_defined_there() -> None:
    """Names in parentheses are those of the file that was named last: a.py takes it (`_hint`)."""
    named, path = [], ""
    for file, names in re.findall(r"`([\w/]+\.py)`|\(((?:`[\w.]+`(?:, )?)+)\)", ARCHITECTURE):
        path = file or path
        named += [(path, name.rpartition(".")[2]) for name in re.findall(r"`([\w.]+)`", names)]

    assert len(named) > 10
    assert [
        one
        for one in named
        if not one[1].endswith("py")
        and not re.search(rf"(?:def|class) {one[1]}\b", (PACKAGE / one[0]).read_text("utf-8"))
    ] == []


def test_the_architecture_has_the_layers_that_are_enforced() -> None:
    _, _, part = ARCHITECTURE.partition("## Which module may import which")
    lines = re.findall(r"^\d+\. (.*)$", part, re.MULTILINE)
    house = ast.parse((CHECKOUT / "tests" / "test_house.py").read_text("utf-8"))
    layers = next(
        ast.literal_eval(node.value)
        for node in house.body
        if isinstance(node, ast.Assign)
        and isinstance(node.targets[0], ast.Name)
        and node.targets[0].id == "LAYERS"
    )

    assert [tuple(re.findall(r"`(\w+)`", line)) for line in lines] == list(layers)
