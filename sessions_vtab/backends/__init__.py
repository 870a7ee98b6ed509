"""The backends: one folder per service or store, each implementing the contract of ``spec``.

``registry`` finds a backend by its name. A backend imports ``spec``, ``schema`` and ``errors``, and
also ``fetch`` if it uses HTTP. It never imports another backend, nor anything of ``vtab``.
"""

from __future__ import annotations
