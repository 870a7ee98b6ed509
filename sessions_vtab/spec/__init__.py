"""THE CONTRACT between the engine and a backend: what an author of a backend reads.

In this order: ``predicate`` (conditions as values), ``capability`` (what a table of a backend can
do, declared), ``scan`` (one read), ``write`` (one changed row), ``backend`` (the classes to
implement). ``times`` and ``values`` say how instants, JSON and booleans look in SQL.
"""

from __future__ import annotations
