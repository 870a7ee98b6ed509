"""How pages arrive: httpx and threads are used here alone. A backend declares; the rest is here.

What a backend writes, in this order:

1. An **endpoint**: where requests go, who we are, what the service's refusals mean. Once, in
   ``open``::

       endpoint = Endpoint.of(
           source, base_url, ApiKey("X-API-Key", Secret(variable="MY_API_KEY")),
           provider=("api.example.com",), named="api_key_env" in source.options,
           documented={"write": 100}, hints={402: "The plan has no sessions."})
       self._handle = ClientHandle(shared_client(endpoint))   # and self._handle.close() in close()

   Schemes: ``NO_AUTH``, ``ApiKey(header, secret)``, ``Bearer(secret)``, ``Google()``; a ``Secret``
   names a variable or a file. The host policy (who may get the credential) is ``Endpoint``'s.

2. **Requests** as data, made by pure functions, so that they can be shown without being sent::

       RequestSpec("GET", path("v1", "sessions", session_id),
                   missing=(ResponseMatcher(404, "not found"),))
       RequestSpec("GET", path("v1", "sessions"), query=(("limit", 100),), items="sessions",
                   listing=True)
       RequestSpec("POST", path("v1", "sessions"), json={..}, kind="write")

   ``path`` percent-encodes every segment. ``missing`` says what "no such row" looks like: the
   response comes back with ``missing`` set and no ``items()``; any other 404 raises. ``done`` says
   what "already done" looks like after a retry (a DELETE that is answered 404 the second time).
   ``repeatable`` overrides what may be repeated by method, ``asks`` says of a POST that it changes
   nothing: two things, since what is repeated may still have acted. ``kind`` is the class of the
   rate limit. ``beside`` says what a page without rows looks like if it lacks ``items``.

3. **Reading**, in ``Resource.scan``: ``reader = Reader(client, context)``, then

   ========================================  ======================================================
   ``reader.get(call)``                      one answer
   ``reader.pages(call, paginator, limit=)`` a list; the next page is requested while one is read
   ``reader.gather(calls)``                  answers of many calls, in order, 16 under way
   ``reader.fan_out(calls, paginator, ..)``  pages of many lists, in order, 16 under way
   ``reader.both_ends(near, far, ..)``       a long list from both ends until they meet, in order
   ``reader.prefetch(calls)``                what a later scan of this statement will ask for
   ========================================  ======================================================

   All are iterators that stream, hold a page or two a list, and end their requests when closed: use
   ``contextlib.closing`` where you may stop early. Paginators: ``TokenPages``, ``NumberedPages``,
   ``AfterPages``, ``SinglePage``,
   ``StopAfter``. Within a statement the same URL is requested once. ``Response`` has
   ``items()`` (the rows as dicts), ``object()``, ``json``, ``missing``, ``call``, ``url``.

4. **Writing**, in ``Backend.send``: ``deliver(client, writes, context, queue_key, perform)``, where
   ``queue_key(write)`` names the session (None: it depends on nothing) and ``perform(write,
   sender)`` calls ``sender.send(call)`` and returns an ``Outcome``; errors become outcomes by
   themselves.
   ``deliver_groups`` is for requests that carry several writes. Return its iterator as it is.
   In a routine: ``run_job(client, context, lambda sender: sender.send(call))``. In such a job:
   ``sender.pause(seconds)``, ``finish_operation(sender, response, look)``.

Inside: `auth`, `call`, `endpoint` are values; `client`, `exchange`,
`routes`, `connection`, `sockets`, `retry`, `limits` send; `reader` and `turns` read in order;
`scope`, `cache` share; `sending` writes; `problems` reports.

Settings of a source are a pydantic model: ``endpoint.validated``, ``endpoint.KeyOptions``.

Errors come out as ``sessions_vtab.errors``: 401 CredentialError, 403 ForbiddenError, 404
NotFoundError, 409 and 412 ConflictError, 429 ThrottledError, other 4xx RefusedError (``.status``
has the number), 408, 5xx and no answer UnavailableError, a body that is not understood
ProtocolError; a POST whose fate is unknown UnknownOutcomeError: read back, or let it through.
``Endpoint.meanings`` refines this by ``ResponseMatcher``. Server text is escaped, and secrets are
cut.

Tests: ``Client(endpoint, transport=httpx.MockTransport(handler), clock=..)`` instead of
``shared_client``.

A whole read-only resource::

    class Notes(Resource):
        table = NOTES
        capability = Capability((AccessPath("list", page_cap=100, call="GET /v1/notes"),))

        def __init__(self, client: Client) -> None:
            self._client = client

        def scan(self, scan: Scan, context: Context) -> Iterator[Page]:
            size = min(scan.limit or 100, 100)
            query = (("limit", size),)
            call = RequestSpec("GET", path("v1", "notes"), query, items="notes", listing=True)
            reader = Reader(self._client, context)
            for response in reader.pages(call, NumberedPages(), limit=scan.limit):
                yield [row_of(item, scan.columns) for item in response.items()]

        def prefetch(self, scans: Sequence[Scan], context: Context) -> None:
            Reader(self._client, context).prefetch(first_call(scan) for scan in scans)
"""

from __future__ import annotations

from sessions_vtab.fetch.auth import (
    NO_AUTH,
    ApiKey,
    Auth,
    Bearer,
    Google,
    NoAuth,
    Secret,
    plain,
    redact,
)
from sessions_vtab.fetch.call import (
    READ,
    WRITE,
    Item,
    MultipartForm,
    RequestSpec,
    Response,
    ResponseMatcher,
    field_of,
    message_of,
    path,
)
from sessions_vtab.fetch.client import Client, ClientHandle, Sender, shared_client
from sessions_vtab.fetch.endpoint import Endpoint, Origin, is_loopback, origin_of
from sessions_vtab.fetch.limits import Clock
from sessions_vtab.fetch.reader import (
    AfterPages,
    Items,
    NumberedPages,
    Paginator,
    Reader,
    SinglePage,
    StopAfter,
    TokenPages,
)
from sessions_vtab.fetch.sending import deliver, deliver_groups, finish_operation, run_job

__all__ = [
    "NO_AUTH",
    "READ",
    "WRITE",
    "AfterPages",
    "ApiKey",
    "Auth",
    "Bearer",
    "Client",
    "ClientHandle",
    "Clock",
    "Endpoint",
    "Google",
    "Item",
    "Items",
    "MultipartForm",
    "NoAuth",
    "NumberedPages",
    "Origin",
    "Paginator",
    "Reader",
    "RequestSpec",
    "Response",
    "ResponseMatcher",
    "Secret",
    "Sender",
    "SinglePage",
    "StopAfter",
    "TokenPages",
    "deliver",
    "deliver_groups",
    "field_of",
    "finish_operation",
    "is_loopback",
    "message_of",
    "origin_of",
    "path",
    "plain",
    "redact",
    "run_job",
    "shared_client",
]
