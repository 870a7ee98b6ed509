"""The contract between the engine and a backend: all that an author of a backend reads.

In this order: ``model`` (tables, columns and functions as data and as CREATE TABLE; the names of
rows), ``predicate`` (conditions as values, and why one is sent or not), ``capability`` (what a
table of a backend can do, declared), ``scan`` (one read), ``backend`` (a configured source, one
changed row, and the classes to implement). ``tables`` and ``functions`` declare what several
backends share; ``times`` and ``values`` say how instants, JSON and booleans look in SQL; ``verify``
checks a backend's declarations when it is connected, and rows where that is asked for.

What helps with it: ``scoping`` (the values that ``scopes`` allows), ``agent_events`` (what an event
says) and ``agent_views`` (views over a source's tables).
"""

from __future__ import annotations
