"""Topics of the help that lead to a service of one's own: a page for each, and one for logins."""

from __future__ import annotations

import re
from collections.abc import Mapping
from types import MappingProxyType
from typing import Final

from sessions_vtab.cli.pages import Block, Code, Heading, Page, Prose
from sessions_vtab.cli.program import program
from sessions_vtab.contract.install import install_command, packages_of

__all__ = ["ALIASES", "service_pages"]

ALIASES: Final[Mapping[str, str]] = MappingProxyType(
    {"login": "auth", "credentials": "auth", "pandas": "notebooks", "jupyter": "notebooks"}
)
"""Other words for a topic."""

_VERTEX: Final = "sessions-vtab --source prod=vertex://PROJECT/LOCATION/ENGINE"
_FIRST: Final = "SELECT session_id, user_id, update_time FROM sessions ORDER BY update_time DESC"


def service_pages() -> tuple[Page, ...]:
    """The pages; commands name the environment that is running."""
    return (
        Page("vertex", tuple(_vertex())),
        Page("deepset", tuple(_deepset())),
        Page("whylabs", tuple(_whylabs())),
        Page("embedding_studio", tuple(_embedding_studio())),
        Page("eleanor", tuple(_eleanor())),
        Page("adk_api", tuple(_adk_api())),
        Page("auth", tuple(_auth())),
        Page("notebooks", tuple(_notebooks())),
    )


def _forms(backend: str) -> tuple[Block, ...]:
    """What a source's URL looks like, and what there is to know of the service."""
    from sessions_vtab import registry  # noqa: PLC0415  # Only these pages need the backends.

    found = registry.backend_class(backend)
    about = (Prose(found.about),) if found.about else ()
    return (*about, Heading("URL"), Code("\n".join(found.urls)))


def _steps(*lines: str) -> tuple[Block, ...]:
    """Commands, as they are typed in the environment that is running."""
    typed = (re.sub(r"\Asessions-vtab", lambda _: program(), line) for line in lines)
    return Heading("First steps"), Code("\n".join(typed))


def _vertex() -> tuple[Block, ...]:
    return (
        Prose(
            "Sessions and events of agents on Google Vertex AI Agent Engine. PROJECT is the id of"
            " your project, LOCATION a region such as us-central1, and ENGINE the id of the agent's"
            " reasoning engine: a number, which the third line below finds. The role"
            " roles/aiplatform.user on the project is sufficient."
        ),
        *_forms("vertex"),
        *_steps(
            install_command(*packages_of("vertex")),
            "gcloud auth application-default login",
            "sessions-vtab --source prod=vertex://PROJECT/LOCATION sources --check",
            f'{_VERTEX} query "{_FIRST} LIMIT 5"',
            f"{_VERTEX} --read-only",
        ),
        Prose(
            "The last line opens a shell that refuses writes. To keep the source in the"
            " configuration file, run sessions-vtab init. In express mode, the key is in"
            " GOOGLE_API_KEY, or in the variable that api_key_env names. Google limits writes to"
            " about 100 sessions and 300 events per minute for a project and region."
        ),
    )


def _deepset() -> tuple[Block, ...]:
    return (
        Prose(
            "Upload sessions and files of deepset Cloud. WORKSPACE is the name of a workspace. The"
            " API key is read from DEEPSET_API_KEY or API_KEY, or from the variable that"
            " api_key_env names. For the region US, add ?base_url=https://api.us.deepset.ai."
        ),
        *_forms("deepset"),
        *_steps(
            "export DEEPSET_API_KEY=..",
            "sessions-vtab --source docs=deepset://WORKSPACE sources --check",
            "sessions-vtab --source docs=deepset://WORKSPACE query"
            ' "SELECT session_id, status, finished_files FROM upload_sessions"',
        ),
        Prose("help upload_file shows how files are uploaded; help upload_sessions the table."),
    )


def _whylabs() -> tuple[Block, ...]:
    return (
        Prose(
            "Guest sessions and profile uploads of WhyLabs. The company's own hosts have been shut"
            " down; base_url is the address of your installation. Where it asks for a key, the key"
            " is read from WHYLABS_API_KEY. A session's id gives access to it: treat it as a"
            " password."
        ),
        *_forms("whylabs"),
        *_steps(
            "sessions-vtab --source why=whylabs://?base_url=https://HOST query"
            " \"INSERT INTO sessions(user_id) VALUES ('ann') RETURNING session_id, model_id\"",
        ),
    )


def _embedding_studio() -> tuple[Block, ...]:
    return (
        Prose(
            "Search sessions, clicks and improvement batches of Embedding Studio. No credential."
        ),
        *_forms("embedding_studio"),
        *_steps(
            "sessions-vtab --source es=embedding_studio://?base_url=https://HOST query"
            " \"SELECT search_query, events FROM sessions WHERE session_id = 'ID'\"",
        ),
    )


def _eleanor() -> tuple[Block, ...]:
    return (
        Prose("Activity sessions and participants of EleanorAI; NAMESPACE is where they are."),
        *_forms("eleanor"),
        *_steps(
            "sessions-vtab --source el=eleanor://NAMESPACE?base_url=https://HOST sources --check",
            "sessions-vtab --source el=eleanor://NAMESPACE?base_url=https://HOST query"
            ' "SELECT session_id, description, enabled FROM sessions"',
        ),
        Prose("If the service asks for a key, add &api_key_env=NAME: NAME is a variable with it."),
    )


def _adk_api() -> tuple[Block, ...]:
    return (
        Prose(
            "The server of Google's Agent Development Kit, started with adk api_server. It needs no"
            " credential. The topic adk is about the files that such a server writes."
        ),
        *_forms("adk_api"),
    )


def _auth() -> tuple[Block, ...]:
    return (
        Prose(
            "A credential is never part of a URL, of the configuration file or of SQL. A source"
            " names the place of its own with api_key_env (an environment variable) or"
            " api_key_file (a file, whose first line counts). Otherwise:"
        ),
        Code(
            "vertex            GOOGLE_OAUTH_ACCESS_TOKEN, else application-default credentials;\n"
            "                  without a project: GOOGLE_API_KEY\n"
            "deepset           DEEPSET_API_KEY or API_KEY\n"
            "whylabs           WHYLABS_API_KEY\n"
            "eleanor           only what the source names\n"
            "embedding_studio  none"
        ),
        Prose("To log in with Google, and to test what a source can read:"),
        Code("gcloud auth application-default login\nsessions-vtab sources --check"),
        Prose(
            "A credential goes only to the service's own hosts over https, to this machine, or to a"
            " base_url whose source names the credential itself."
        ),
    )


def _notebooks() -> tuple[Block, ...]:
    return (
        Prose(
            "A cursor shows its first rows as a table. Two ways to a DataFrame keep the types, with"
            " times as datetime64 in UTC. (pandas.read_sql() with a DB-API connection works with"
            " datetimes=True, but pandas warns that it has not tested the module; the warning is"
            " harmless.)"
        ),
        Code(
            "from sessions_vtab import dbapi\n"
            'db = dbapi.connect("local://:memory:", datetimes=True)\n'
            'db.execute("SELECT * FROM sessions").arrow().to_pandas()\n'
            "\n"
            "import pandas\n"
            "from sqlalchemy import create_engine\n"
            'engine = create_engine("sessions+local:///:memory:")\n'
            'pandas.read_sql_table("sessions", engine)'
        ),
        Prose(
            "JupySQL takes the same URLs; %sqlcmd explore reads page by page. harlequin, an SQL IDE"
            " in the terminal, needs the extra harlequin:"
        ),
        Code(
            "%sql sessions+local:///:memory:\n"
            "harlequin -a sessions-vtab prod=vertex://PROJECT/LOCATION/ENGINE --read-only"
        ),
    )
