"""The REST engine: a service is declared, and everything else follows.

A backend imports this package, and has what it needs: ``from sessions_vtab import rest``, then
``rest.RestTable``, ``rest.List``, ``rest.Response``. In the order of ``__all__``: what is declared;
how fields become columns and columns bodies; what is overridden where a service does something
differently, and what such methods are given and give; names and JSON; the settings of a source.
Beside it there are ``sessions_vtab.errors``, what several services share (``contract.tables``,
``contract.functions``), and conditions as values (``contract.predicate``).

``declaration`` is what an author writes: operations, tables, functions. ``access`` derives what a
table can do. ``requests`` decides the requests of a scan, ``parents`` which keys need none,
``reading`` collects the items of their responses, ``decoding`` makes columns of them; ``writing``
decides the requests of a write and their bodies, ``functions`` those of a call. ``checking`` finds
mistakes in a declaration when it is opened; ``endpoints`` names the endpoints, and corrects them
from the configuration; ``backend`` opens a declared service for one source.
"""

from __future__ import annotations

from sessions_vtab.contract.backend import (
    Action,
    Arguments,
    Context,
    Outcome,
    OutcomeState,
    Request,
    Routine,
    Source,
    Write,
)
from sessions_vtab.contract.capability import (
    EQUALITY,
    RANGE,
    Capability,
    Connective,
    Filter,
    HiddenRows,
    ValueForm,
)
from sessions_vtab.contract.model import (
    Column,
    ColumnType,
    Function,
    Places,
    Table,
    name_of,
    parse_name,
)
from sessions_vtab.contract.predicate import Op, Value
from sessions_vtab.contract.scan import Counted, Order, Page, Row, Scan
from sessions_vtab.contract.values import dump_json, is_object, load_json
from sessions_vtab.errors import (
    ConfigurationError,
    ConflictError,
    CredentialError,
    ForbiddenError,
    InvalidValueError,
    MissingParameterError,
    NotFoundError,
    ProtocolError,
    RefusedError,
    SessionsError,
    UnknownOutcomeError,
    UnsupportedError,
    did_you_mean,
)
from sessions_vtab.fetch import (
    NO_AUTH,
    WRITE,
    AfterPages,
    ApiKey,
    Auth,
    Bearer,
    Endpoint,
    Google,
    Item,
    MultipartForm,
    NumberedPages,
    Paginator,
    Reader,
    RequestSpec,
    Response,
    ResponseMatcher,
    Secret,
    Sender,
    SinglePage,
    StopAfter,
    TokenPages,
    deliver,
    deliver_groups,
    finish_operation,
    is_loopback,
    origin_of,
    path,
    plain,
    run_job,
)
from sessions_vtab.fetch.endpoint import OpenOptions, RestOptions
from sessions_vtab.rest.backend import RestBackend
from sessions_vtab.rest.declaration import (
    Body,
    DecodeContext,
    Delete,
    Get,
    Getter,
    Insert,
    List,
    Operation,
    RestFrame,
    RestFunction,
    RestTable,
    Sent,
    Update,
)
from sessions_vtab.rest.decoding import (
    OfPage,
    RowDecoder,
    epoch_of,
    flag_of,
    json_of,
    null_if,
    number_of,
    objects_of,
    text_of,
    time_of,
    value_of,
)
from sessions_vtab.rest.endpoints import check_names
from sessions_vtab.rest.functions import response_of
from sessions_vtab.rest.reading import Found, FoundPage, FoundPages, RestResource
from sessions_vtab.rest.requests import Asked, Given, Reading, Spread
from sessions_vtab.rest.writing import (
    Change,
    Writer,
    body_of,
    json_array,
    json_object,
    pages_of,
    refused,
    rfc3339,
)

__all__ = ["Column", "ColumnType", "Function", "RestBackend", "RestFunction", "RestTable", "Table"]
__all__ += ["Delete", "Get", "Insert", "List", "Operation", "ResponseMatcher", "Update"]
__all__ += ["EQUALITY", "RANGE", "Capability", "Connective", "Filter", "HiddenRows", "ValueForm"]
__all__ += ["AfterPages", "NumberedPages", "Paginator", "SinglePage", "StopAfter", "TokenPages"]
__all__ += ["DecodeContext", "Getter", "OfPage", "RestFrame", "RowDecoder"]
__all__ += ["epoch_of", "flag_of", "json_of", "null_if", "number_of"]
__all__ += ["objects_of", "text_of", "time_of", "value_of"]
__all__ += ["Body", "Sent", "body_of", "json_array", "json_object", "refused", "rfc3339"]
__all__ += ["Asked", "Change", "Given", "Reading", "RestResource", "Spread", "Writer"]
__all__ += ["Counted", "Found", "FoundPage", "FoundPages", "Item", "Order", "Page", "Row", "Scan"]
__all__ += ["Action", "Op", "Outcome", "OutcomeState", "Request", "Value", "Write"]
__all__ += ["WRITE", "MultipartForm", "Reader", "RequestSpec", "Response", "Sender"]
__all__ += ["Arguments", "Context", "Routine", "deliver", "deliver_groups", "finish_operation"]
__all__ += ["pages_of", "response_of", "run_job"]
__all__ += ["Places", "name_of", "parse_name", "path"]
__all__ += ["did_you_mean", "dump_json", "is_object", "load_json", "plain"]
__all__ += ["OpenOptions", "RestOptions", "Source", "check_names"]
__all__ += ["NO_AUTH", "ApiKey", "Auth", "Bearer", "Endpoint", "Google", "Secret"]
__all__ += ["is_loopback", "origin_of"]
__all__ += ["ConfigurationError", "ConflictError", "CredentialError", "ForbiddenError"]
__all__ += ["InvalidValueError", "MissingParameterError", "NotFoundError", "ProtocolError"]
__all__ += ["RefusedError", "SessionsError", "UnknownOutcomeError", "UnsupportedError"]
