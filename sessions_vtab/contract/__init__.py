"""The contract between the engine and a backend: all that an author of a backend reads.

In this order: ``model`` (tables, columns and functions as data), ``predicate`` (conditions as
values), ``capability`` (what a table of a backend can do, declared), ``scan`` (one read), ``write``
(one changed row), ``backend`` (the classes to implement). ``tables`` and ``functions`` declare what
several backends share; ``times`` and ``values`` say how instants, JSON and booleans look in SQL;
``verify`` checks a backend's declarations when it is connected.
"""

from __future__ import annotations
