"""The backends: one file or folder per service or store, each implementing ``contract.backend``.

``registry`` finds a backend by its name. A backend imports ``contract`` and ``errors``, and also
``rest`` or ``fetch`` if it uses HTTP. It never imports another backend, nor anything of ``vtab``.

* `vertex`, `deepset`, `whylabs`, `eleanor`, `embedding_studio`, `adk_api`: services
* `local`, `adk`: files
"""

from __future__ import annotations
