from __future__ import annotations

import subprocess
import sys
import tomllib

import pytest

from sessions_vtab.cli import pages
from sessions_vtab.cli.pages import Code, Heading, Prose, page_of


def test_the_package_of_a_new_backend_passes_its_own_test(cli, tmp_path):
    done = cli("new-backend", "ticket_desk", str(tmp_path / "desk"))

    assert (done.status, done.err) == (0, "")
    folder = tmp_path / "desk"
    names = {"pyproject.toml", "sessions_vtab_ticket_desk.py", "test_sessions_vtab_ticket_desk.py"}
    assert {path.name for path in folder.iterdir()} == names
    project = tomllib.loads((folder / "pyproject.toml").read_text("utf-8"))["project"]
    assert project["entry-points"]["sessions_vtab.backends"] == {
        "ticket_desk": "sessions_vtab_ticket_desk:TicketDeskBackend"
    }
    run = subprocess.run(
        [sys.executable, "-m", "pytest", "-q", "-p", "no:xdist", "-p", "no:cacheprovider", "."],
        cwd=folder,
        capture_output=True,
        text=True,
        check=False,
        timeout=280,
    )
    assert run.returncode == 0, run.stdout
    assert "3 passed" in run.stdout


def test_its_folder_has_the_backend_s_name(cli, home):
    assert cli("new-backend", "desk").out.splitlines()[0] == "desk/pyproject.toml"
    assert (home / "work" / "desk" / "sessions_vtab_desk.py").exists()


@pytest.mark.parametrize(
    ("name", "said"),
    [
        ("vertex", "The backend vertex is built in; choose another name."),
        ("Desk", "'Desk' is not a valid name of a backend. Use a-z, 0-9 and _"),
        ("../x", "'../x' is not a valid name"),
        ("class", "'class' is not a valid name"),
        ("", "'' is not a valid name"),
    ],
)
def test_a_name_that_cannot_be_used_is_refused(cli, home, name, said):
    done = cli("new-backend", name)

    assert done.status == 2
    assert said in done.err
    assert not any((home / "work").iterdir())


def test_nothing_is_overwritten(cli, home):
    cli("new-backend", "desk")
    done = cli("new-backend", "desk")

    assert done.status == 2
    assert "desk already exists and is not an empty folder." in done.err


def test_help_backends_shows_the_author_s_guide(cli):
    shown = cli("help", "backends").out

    assert shown.startswith("backends\nA backend makes the API of a service into SQL tables.")
    assert "\nThe ten concepts, in order\n1. Table: columns with types" in shown
    assert "\n  class Tickets(rest.RestBackend):\n" in shown
    assert "```" not in shown
    assert "**" not in shown


def test_a_document_becomes_headings_paragraphs_and_code():
    text = (
        "# Title\n\nOne `two`\nthree.\n\n## Part\n- **a**:\n  b\n- c\n```sql\nSELECT 1\n\n2\n```\n"
    )

    page = page_of("topic", text)

    assert page.title == "topic"
    assert page.blocks == (
        Prose("One two three."),
        Heading("Part"),
        Prose("- a: b"),
        Prose("- c"),
        Code("SELECT 1\n\n2"),
    )
    assert "## topic\n\nOne two three." in pages.markdown(page)
