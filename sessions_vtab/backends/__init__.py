"""WHAT VARIES: a folder for each service or store, behind the contract of ``spec``.

A backend is found by name through ``registry``. It imports ``spec``, ``schema`` and ``errors``,
those that speak HTTP also ``fetch``; never another backend, and nothing of ``vtab``.
"""

from __future__ import annotations
