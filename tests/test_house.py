"""Rules between the layers: who may import whom, where a library is used, what loads when."""

from __future__ import annotations

import ast
import subprocess
import sys
from collections.abc import Iterator
from functools import cache
from pathlib import Path

import pytest

import sessions_vtab
from sessions_vtab import registry

PACKAGE = Path(sessions_vtab.__file__).parent

# Each may import itself and what stands before it; members of one tuple not each other, but for
# ``vtab``, which carries out what ``sql`` and ``plan`` think up.
LAYERS = (
    ("errors", "progress"),
    ("contract",),
    ("sql", "plan", "fetch", "settings", "columnar"),
    ("rest",),
    ("backends", "vtab"),
    ("registry",),
    ("config",),
    ("rewriter", "hints"),
    ("cursor",),
    ("connection",),
    ("dbapi", "scanning"),
    ("sqlalchemy", "snapshot", "testing", "spark", "daft", "harlequin", "extension"),
    ("report",),
    ("cli",),
    ("mcp",),
)
# What a command of the command line starts.
STARTED = ("emulator", "mcp")
# The emulator is an independent witness: it shares no code with what it judges.
ALONE = ("emulator",)
# The package's front and its entry point only open doors.
OPENERS = ("__init__", "__main__")
ENGINE = ("sql", "plan", "fetch", "rest", "vtab", "rewriter", "cursor")
# ``testing`` is an interface: its reference is a plain connection.
HOMES = {
    "apsw": ("vtab", "backends/local", "backends/adk", "connection", "rewriter", "cursor", "hints", "cli", "dbapi",
             "sqlalchemy", "snapshot", "report", "testing", "scanning/rows", "extension"),
    "sqlglot": ("sql",),
    "httpx": ("fetch", "emulator"),
    "threading": ("fetch", "emulator", "dbapi", "extension"),
    "concurrent": ("fetch", "emulator"),
    "fastapi": ("emulator",),
    "pydantic": ("fetch", "backends", "emulator", "config", "settings", "mcp"),
    "mcp": ("mcp",),
    "mcp_types": ("mcp",),
    "anyio": ("mcp",),
    "hypothesis": ("testing",),
    "pyarrow": ("columnar", "dbapi", "snapshot"),
    "pyspark": ("spark",),
    "daft": ("daft",),
}  # fmt: skip

FILES = sorted(path for path in PACKAGE.rglob("*.py"))


def _room(path: Path) -> str:
    return path.relative_to(PACKAGE).parts[0].removesuffix(".py")


ROOMS = sorted({_room(path) for path in FILES})


def _files(room: str) -> list[Path]:
    return [path for path in FILES if _room(path) == room]


@cache
def _tree(path: Path) -> ast.Module:
    return ast.parse(path.read_text("utf-8"))


@cache
def _imports(path: Path) -> tuple[str, ...]:
    """Every module a file imports, also inside functions."""
    return tuple(_imported(path))


def _imported(path: Path) -> Iterator[str]:
    for node in ast.walk(_tree(path)):
        if isinstance(node, ast.Import):
            yield from (alias.name for alias in node.names)
        elif isinstance(node, ast.ImportFrom):
            assert node.level == 0, f"{path}: relative import"
            module = node.module or ""
            if module == "sessions_vtab":
                yield from (f"sessions_vtab.{alias.name}" for alias in node.names)
            else:
                yield module


def _names(path: Path) -> str:
    return str(path.relative_to(PACKAGE))


@pytest.mark.parametrize("room", [room for room in ROOMS if room not in OPENERS])
def test_imports_run_one_way(room: str) -> None:
    rank = {room: place for place, layer in enumerate(LAYERS) for room in layer}
    imports = [(one, module) for one in _files(room) for module in _imports(one)]
    for path, module in imports:
        if not module.startswith("sessions_vtab."):
            continue
        target = module.split(".")[1]
        if target == room:
            continue
        assert room not in ALONE, f"{path} imports {module}"
        if target in STARTED and _names(path) == str(Path("cli", "commands.py")):
            continue
        assert target not in ALONE, f"{path} imports {module}"
        if target in rank:
            assert rank[target] < rank[room], f"{path} imports {module}"


@pytest.mark.parametrize("room", ROOMS)
def test_a_library_is_used_only_where_it_is_at_home(room: str) -> None:
    for path in _files(room):
        place = _names(path).replace("\\", "/").removesuffix(".py")
        for module in _imports(path):
            homes = HOMES.get(module.split(".")[0])
            if homes is not None:
                assert any(map(place.startswith, homes)), f"{path} imports {module}"


@pytest.mark.parametrize("room", ENGINE)
def test_the_engine_names_no_backend(room: str) -> None:
    """Neither in code nor in a text that code uses: differences are declared as data."""
    assert _files(room)
    for path in _files(room):
        _names_no_backend(path)


def _names_no_backend(path: Path) -> None:
    tree = _tree(path)
    docs = {
        id(node.body[0].value)
        for node in ast.walk(tree)
        if isinstance(node, ast.Module | ast.ClassDef | ast.FunctionDef)
        and node.body
        and isinstance(node.body[0], ast.Expr)
    }
    texts = {
        str(node.value)
        for node in ast.walk(tree)
        if isinstance(node, ast.Constant) and id(node) not in docs
    }
    names = {
        name
        for node in ast.walk(tree)
        for name in (getattr(node, "id", None), getattr(node, "attr", None))
        if name is not None
    }
    backends = set(registry.BUILT_IN) - {"memory"}
    assert texts.isdisjoint(backends), path
    # As a name, "local" is also a word of the language.
    assert names.isdisjoint(backends - {"local"}), path


@pytest.mark.parametrize("room", ROOMS)
def test_a_module_has_at_most_500_lines_and_a_docstring(room: str) -> None:
    for path in _files(room):
        text = path.read_text("utf-8")

        assert len(text.splitlines()) <= 500, path
        assert ast.get_docstring(_tree(path)), path
        assert "from __future__ import annotations" in text, path


def _loaded(code: str) -> set[str]:
    """Modules loaded by a fresh interpreter that runs the code."""
    program = f"{code}\nimport sys\nprint(*sorted(sys.modules), sep='\\n')"
    done = subprocess.run(
        [sys.executable, "-W", "error", "-c", program], capture_output=True, text=True, check=True
    )
    return set(done.stdout.splitlines())


HEAVY = {
    *("sqlglot", "httpx", "pydantic", "fastapi", "google.auth", "uvicorn", "mcp"),
    *("pyarrow", "pyspark", "daft"),
}


def test_importing_the_package_loads_nothing_else() -> None:
    loaded = _loaded("import sessions_vtab")

    assert HEAVY.isdisjoint(loaded)
    assert "apsw" not in loaded
    assert {one for one in loaded if one.startswith("sessions_vtab.")} == set()


# What only some statements need; most of the time in which a process starts is imports.
AT_NEED = {
    *("sessions_vtab.plan.planner", "sessions_vtab.vtab.remote_cursor", "sessions_vtab.hints"),
    *("sessions_vtab.sql.splicing", "sessions_vtab.sql.stackql.dialect"),
    *("uuid", "platform", "subprocess"),
}


@pytest.mark.parametrize(
    "code",
    [
        (
            "import sessions_vtab\n"
            "db = sessions_vtab.connect('local://:memory:')\n"
            "assert db.execute('select 1').get == 1"
        ),
        (
            "from sessions_vtab.cli import main\n"
            "assert main(['query', '--source', 'local://:memory:', 'select 1']) == 0"
        ),
    ],
    ids=["python", "command line"],
)
def test_a_statement_that_names_none_of_our_tables_loads_no_reader(code: str) -> None:
    assert (HEAVY | AT_NEED).isdisjoint(_loaded(code))


def test_the_emulator_shares_no_code_with_the_backends() -> None:
    for path in FILES:
        if _room(path) == "emulator":
            ours = [one for one in _imports(path) if one.startswith("sessions_vtab.")]
            assert all(one.startswith("sessions_vtab.emulator") for one in ours)
