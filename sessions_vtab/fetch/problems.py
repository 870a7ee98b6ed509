"""Failed HTTP responses and missing responses, as errors of this package: the one place."""

from __future__ import annotations

import re
from http import HTTPStatus

from sessions_vtab.errors import (
    ConflictError,
    CredentialError,
    ForbiddenError,
    InvalidValueError,
    NotFoundError,
    ProtocolError,
    RefusedError,
    SessionsError,
    StoppedError,
    ThrottledError,
    TransientError,
    UnavailableError,
    UnknownOutcomeError,
    raised_in,
)
from sessions_vtab.fetch.auth import Auth, Google, NoAuth, plain, redact
from sessions_vtab.fetch.call import RequestSpec, Response, message_of
from sessions_vtab.fetch.endpoint import Endpoint

_CLASSES: dict[int, type[SessionsError]] = {
    401: CredentialError,
    403: ForbiddenError,
    404: NotFoundError,
    408: UnavailableError,
    409: ConflictError,
    410: NotFoundError,
    412: ConflictError,
    429: ThrottledError,
}
_SERVER_ERROR = 500
_MEGABYTE = 1_000_000
_LOOKED_AT = 4000
"""Characters of what a service said that are looked at; 500 of them are shown."""
_REDIRECT = range(300, 400)
_NOT_FOUND = 404
_UNAUTHORIZED = 401
_FORBIDDEN = 403
_THROTTLED = 429
_REFUSED = range(400, 429)
_IN_DOUBT = (
    "The service may or may not have acted, so the request was not sent again. Check the"
    " outcome before you repeat it."
)
_VALUE = " Change the value that the service rejected."
_STATE = " It already exists, or its state does not allow this. Read it first."
_SIZE = " Send less data in one row."
_ADDRESS = " Does base_url point to the service itself, in a version that supports this request?"

# What to do about a status where the backend declares nothing.
_GENERAL = {
    400: _VALUE,
    402: " The account's plan does not include this.",
    403: (" The credential lacks permission. Check that it is the right one, and what it may do."),
    405: _ADDRESS,
    406: _ADDRESS,
    408: " Try again later.",
    409: _STATE,
    410: " It no longer exists.",
    412: _STATE,
    413: _SIZE,
    414: _SIZE,
    415: _ADDRESS,
    422: _VALUE,
    431: _SIZE,
    501: _ADDRESS,
}
_NOTHING_SAID = frozenset(("{}", "[]", "null"))
_TAG = re.compile(r"<(?:style|script)\b.*?</(?:style|script)>|<[^>]*>", re.DOTALL | re.IGNORECASE)


def refusal(response: Response, endpoint: Endpoint, auth: Auth, attempts: int) -> SessionsError:
    """The error for an answer that is not a success.

    Args:
        response: the answer.
        endpoint: whose meanings and hints apply.
        auth: the credential that was sent.
        attempts: how many were made.
    """
    error = _error_of(
        response,
        endpoint,
        auth,
        attempts,
        _class_of(response, endpoint),
        _hint(response, endpoint, auth),
    )
    if isinstance(error, RefusedError | TransientError):
        error.status = response.status
    return error


def may_have_acted(
    response: Response, endpoint: Endpoint, auth: Auth, attempts: int
) -> SessionsError:
    """The error for a failure after which the service may have performed the request.

    Args: as ``refusal``.
    """
    return _error_of(response, endpoint, auth, attempts, UnknownOutcomeError, f" {_IN_DOUBT}")


def _error_of(
    response: Response,
    endpoint: Endpoint,
    auth: Auth,
    attempts: int,
    kind: type[SessionsError],
    advice: str,
) -> SessionsError:
    # A refusal may repeat what this very call did not carry, such as the key of others.
    secrets = (*auth.secrets(), *endpoint.auth.secrets(), *response.call.secrets)
    said = _said(response, secrets)
    tries = f" after {attempts} attempts" if attempts > 1 else ""
    head = (
        f"{response.where}: {response.call.method} {response.url} returned"
        f" {_status_text(response.status)}{tries}"
    )
    error = kind(redact(f"{head}{': ' + said if said else ''}.{advice}", secrets))
    error.brief = redact(f"{head}.", secrets)
    return error


def no_answer(
    call: RequestSpec, url: str, reason: str, where: str, *, may_have_acted: bool
) -> SessionsError:
    """The error for a call that got no complete answer.

    Args:
        call: what was sent.
        url: where, redacted.
        reason: what went wrong, in words.
        where: source and table that asked.
        may_have_acted: the request reached the service, and is not a read.
    """
    what = f"{where}: {call.method} {url}"
    if may_have_acted and not call.may_repeat:
        return UnknownOutcomeError(f"{what}: {reason}. {_IN_DOUBT}")
    return UnavailableError(
        f"{what}: {reason}. Check that the service is running and that base_url is correct."
    )


def too_long(url: str, call: RequestSpec, where: str) -> InvalidValueError:
    """The error for a call whose URL no request can carry: a value in it is too long.

    Args:
        url: where to.
        call: what would be sent.
        where: source and table that asked.
    """
    return InvalidValueError(
        f"{where}: the URL of a {call.method} request would have {len(url)} characters, which"
        " is too long. Shorten the value in the statement. Nothing was sent."
    )


def unsendable(call: RequestSpec, url: str, where: str, error: Exception) -> InvalidValueError:
    """The error for a call that cannot be written as a request.

    Args:
        call: what would be sent.
        url: where to, redacted.
        where: source and table that asked.
        error: what writing it raised; its own text can repeat the value, and is left out.
    """
    return InvalidValueError(
        f"{where}: {call.method} {url} cannot be written as a request ({type(error).__name__})."
        " Is a JSON value nested too deeply? Nothing was sent."
    )


def endless(call: RequestSpec, url: str, where: str, most: int) -> ProtocolError:
    """The error for an answer that has more bytes than the source allows.

    Args:
        call: what was sent.
        url: where, redacted.
        where: source and table that asked.
        most: bytes an answer may have, without its compression.
    """
    return ProtocolError(
        f"{where}: the response to {call.method} {url} has more than {most / _MEGABYTE:g} MB"
        " (max_response_mb); the response was discarded. Read fewer rows per page with page_size,"
        " or raise max_response_mb."
    )


def broken(call: RequestSpec, url: str, where: str, error: Exception) -> SessionsError:
    """The error for a call that failed in a way no service causes, such as a lack of memory.

    Args:
        call: what was sent, at least in part.
        url: where, redacted.
        where: source and table that asked.
        error: what the transport raised.
    """
    message = f"{where}: {call.method} {url} failed: {_named(error)}."
    if call.changes and not call.may_repeat:
        return UnknownOutcomeError(f"{message} {_IN_DOUBT}")
    return UnavailableError(f"{message} Try again, and report it if it happens again.")


def unexpected(error: BaseException, where: str) -> SessionsError:
    """The error for an exception that no backend should let through.

    Args:
        error: what a job raised.
        where: source and table it works for.
    """
    if isinstance(error, SessionsError):
        return error
    reported = SessionsError(
        f"{where}: unexpected error: {_named(error)}{raised_in(error)}. This is a bug: report it"
        " with the traceback."
    )
    reported.__cause__ = error
    return reported


def _named(error: BaseException) -> str:
    """An exception of Python's by its class and the beginning of its text."""
    said = plain(redact(str(error)), 200)
    return f"{type(error).__name__}: {said}" if said else type(error).__name__


def acted_unreadably(response: Response, error: ProtocolError) -> SessionsError:
    """The error for a success with an unreadable body; a write is known to have been accepted.

    A read gives the ProtocolError itself.
    """
    if not response.call.changes:
        return error
    return UnknownOutcomeError(
        f"{error} The service accepted the request. Check the outcome before you repeat it."
    )


def doubtful(error: SessionsError, change: RequestSpec) -> SessionsError:
    """The error of a job that failed after a change that was accepted, or may have been.

    Args:
        error: what went wrong, with the change or with what came after it.
        change: the last change that was sent.
    """
    if isinstance(error, UnknownOutcomeError):
        return error
    what = "It can be repeated" if change.may_repeat else "Check the outcome before you repeat it"
    advice = f" The service accepted the {change.method} request, or may have. {what}."
    reported = UnknownOutcomeError(f"{error}{advice}")
    reported.brief = error.brief and f"{error.brief}{advice}"
    return reported


def stopped(source: str) -> StoppedError:
    """The error of a statement that the user stopped."""
    return StoppedError(
        f"{source}: the statement was interrupted; the rows it had read were discarded."
    )


def _class_of(response: Response, endpoint: Endpoint) -> type[SessionsError]:
    for answer, kind in endpoint.meanings:
        if answer.matches(response):
            return kind
    if response.status >= _SERVER_ERROR:
        return UnavailableError
    return _CLASSES.get(response.status, RefusedError)


def _status_text(status: int) -> str:
    try:
        return f"{status} {HTTPStatus(status).phrase}"
    except ValueError:
        return str(status)


def _said(response: Response, secrets: tuple[str, ...]) -> str:
    """What the service said, safe to show: its message, else the text of its page."""
    said = message_of(response)
    if not said:
        said = " ".join(
            _TAG.sub(" ", response.content[:_LOOKED_AT].decode("utf-8", "replace")).split()
        )
    if said in _NOTHING_SAID:
        return ""
    # Before it is shortened to what is shown: little of a secret would not be recognised.
    return plain(redact(said[:_LOOKED_AT], secrets)).rstrip(".")


def _hint(response: Response, endpoint: Endpoint, auth: Auth) -> str:
    declared = dict(endpoint.hints).get(response.status)
    if declared and _concerns_service(response):
        return f" {declared}"
    if response.call.target and response.status in _REFUSED:
        return " The upload URL and its signature were used as given; they may have expired."
    if _class_of(response, endpoint) is CredentialError:
        return f" {_about_credential(response.call, auth)}"
    if response.status == _NOT_FOUND and not response.is_json:
        return " The service has no such URL. Check base_url and api_version."
    if response.status in _REDIRECT:
        return " Redirects are not followed. Set base_url to the service's actual address."
    wait = response.headers.get("retry-after")
    if wait and response.status >= _THROTTLED:
        unit = " seconds" if wait.strip().isdigit() else ""
        return f" Try again after {plain(wait, 40)}{unit}."
    return _GENERAL.get(
        response.status, " Try again later." if response.status >= _SERVER_ERROR else ""
    )


def _concerns_service(response: Response) -> bool:
    """Whether what is said of the service's refusals can be true of this one.

    It says nothing of a presigned target, and nothing of keys where none was to be sent.
    """
    about_key = response.call.anonymous and response.status in {_UNAUTHORIZED, _FORBIDDEN}
    return not (response.call.target or about_key)


def _about_credential(call: RequestSpec, auth: Auth) -> str:
    """What to do where the credential was refused, or its lack."""
    if call.anonymous:
        return "This request is sent without a credential, as the service documents it."
    match auth:
        case NoAuth(reason):
            return reason or ("No credential was sent. Give one with api_key_env or api_key_file.")
        case Google():
            return (
                f"The request was sent with a new token of {auth.describe()}. Check that they"
                " belong to this project; to change them, run gcloud auth"
                " application-default login."
            )
        case _:
            return (
                f"The request was sent with {auth.describe()}. If it has expired, put a"
                " new one there."
            )
