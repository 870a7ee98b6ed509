"""The contract between the engine and a backend: all that an author of a backend reads.

In this order: ``model`` (tables, columns and functions as data), ``predicate`` (conditions as
values), ``capability`` (what a table of a backend can do, declared), ``scan`` (one read), ``write``
(one changed row), ``backend`` (the classes to implement). ``tables`` and ``functions`` declare what
several backends share, ``log_tables`` what every connection has; ``times`` and ``values`` say how
instants, JSON and booleans look in SQL; ``verify`` checks a backend's declarations when it is
connected.

What helps with it: ``source`` (a configured source), ``scoping`` (the values that ``scopes``
allows), ``parents`` (which table's rows another's belong to), ``names`` and ``templates`` (resource
names), ``rules`` (why a condition is sent or not), ``content`` and ``agent_events`` (what an event
says), ``views`` and ``agent_views`` (views over a source's tables), ``declare`` (a table as CREATE
TABLE), ``checked`` (rows compared with their columns), ``near`` (the name that was meant),
``traces`` (the line that raised an exception), ``files`` (private ones) and ``install`` (the
command that installs an extra).
"""

from __future__ import annotations
