"""Sets SQLAlchemy's own dialect compliance suite up: ``test_compliance`` says how it is run."""

from __future__ import annotations

from types import MappingProxyType
from typing import Any

from sqlalchemy.dialects import registry as dialects
from sqlalchemy.testing.plugin.pytestplugin import *  # noqa: F403
from sqlalchemy.testing.provision import temp_table_keyword_args

from sessions_vtab import registry

registry.BUILT_IN = MappingProxyType({**registry.BUILT_IN, "empty": "empty:EmptyBackend"})
dialects.register("sessions.empty", "empty", "EmptyDialect")


@temp_table_keyword_args.for_db("sessions")
def _temporary(_config: Any, _engine: Any) -> dict[str, list[str]]:
    return {"prefixes": ["TEMPORARY"]}
