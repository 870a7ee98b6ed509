from __future__ import annotations

# SQLAlchemy's plugin takes over the pytest it is loaded into: ``test_compliance`` runs it apart.
collect_ignore = ["compliance"]
