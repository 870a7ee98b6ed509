"""The messages of the API as the discovery documents give them, values of proto JSON, and errors.

v1 and v1beta1 differ in one field, `Part.mediaProcessing` (Vertex contract, section 1). Values are
times, durations, numbers, bytes and free-form objects (section 2). Errors are worded as the service
words them (section 7).
"""

from __future__ import annotations

import base64
import json
import math
import re
from collections.abc import Iterable
from datetime import UTC, datetime, timedelta
from typing import Any

_TABLE = """
Session: name string, createTime time, updateTime time, expireTime time, ttl duration,
    displayName string, labels map:string, sessionState struct, userId string
SessionEvent: name string, author string, content Content, invocationId string,
    actions EventActions, timestamp time, errorCode string, errorMessage string,
    eventMetadata EventMetadata, rawEvent struct
EventActions: skipSummarization bool, stateDelta struct, artifactDelta map:int32, escalate bool,
    requestedAuthConfigs struct, transferAgent string, endOfAgent any
EventMetadata: groundingMetadata GroundingMetadata, partial bool, turnComplete bool,
    interrupted bool, longRunningToolIds string[], branch string, customMetadata struct,
    inputTranscription Transcription, outputTranscription Transcription, usageMetadata any
Content: role string, parts Part[]
Part: text string, inlineData Blob, fileData FileData, functionCall FunctionCall,
    functionResponse FunctionResponse, executableCode ExecutableCode,
    codeExecutionResult CodeExecutionResult, thought bool, thoughtSignature bytes,
    videoMetadata VideoMetadata, mediaResolution PartMediaResolution,
    speechMetadata SpeechMetadata, audioTranscription AudioTranscription,
    mediaProcessing enum:Part.MediaProcessing
Blob: mimeType string, data bytes, displayName string
FileData: mimeType string, fileUri string, displayName string
FunctionCall: id string, name string, args struct, partialArgs PartialArg[], willContinue bool
PartialArg: jsonPath string, nullValue null, numberValue double, stringValue string,
    boolValue bool, willContinue bool
FunctionResponse: id string, name string, response struct, parts FunctionResponsePart[],
    scheduling enum:FunctionResponse.Scheduling
FunctionResponsePart: inlineData FunctionResponseBlob, fileData FunctionResponseFileData
FunctionResponseBlob: mimeType string, data bytes, displayName string
FunctionResponseFileData: mimeType string, fileUri string, displayName string
ExecutableCode: id string, language enum:ExecutableCode.Language, code string
CodeExecutionResult: id string, outcome enum:CodeExecutionResult.Outcome, output string
VideoMetadata: startOffset duration, endOffset duration, fps double
PartMediaResolution: level enum:PartMediaResolution.Level
SpeechMetadata: speaker string, style string
AudioTranscription: text string, speakerLabel string, words AudioTranscriptionWordInfo[]
AudioTranscriptionWordInfo: word string, startOffset duration, endOffset duration
Transcription: text string, finished bool
GroundingMetadata: webSearchQueries string[], imageSearchQueries string[],
    retrievalQueries string[], searchEntryPoint SearchEntryPoint,
    groundingChunks GroundingChunk[], groundingSupports GroundingSupport[],
    retrievalMetadata RetrievalMetadata, googleMapsWidgetContextToken string,
    sourceFlaggingUris GroundingMetadataSourceFlaggingUri[]
GroundingMetadataSourceFlaggingUri: sourceId string, flagContentUri string
GroundingChunk: web GroundingChunkWeb, image GroundingChunkImage,
    retrievedContext GroundingChunkRetrievedContext, maps GroundingChunkMaps
GroundingChunkWeb: uri string, title string, domain string
GroundingChunkImage: sourceUri string, imageUri string, title string, domain string
GroundingChunkRetrievedContext: ragChunk RagChunk, uri string, title string, text string,
    documentName string
GroundingChunkMaps: uri string, title string, text string, placeId string,
    placeAnswerSources GroundingChunkMapsPlaceAnswerSources, route GroundingChunkMapsRoute
GroundingChunkMapsPlaceAnswerSources:
    reviewSnippets GroundingChunkMapsPlaceAnswerSourcesReviewSnippet[]
GroundingChunkMapsPlaceAnswerSourcesReviewSnippet: reviewId string, googleMapsUri string,
    title string
GroundingChunkMapsRoute: distanceMeters int32, duration duration, encodedPolyline string
GroundingSupport: segment Segment, groundingChunkIndices int32[], confidenceScores float[],
    renderedParts int32[]
Segment: partIndex int32, startIndex int32, endIndex int32, text string
SearchEntryPoint: renderedContent string, sdkBlob bytes
RetrievalMetadata: googleSearchDynamicRetrievalScore float
RagChunk: text string, pageSpan RagChunkPageSpan, chunkId string, fileId string
RagChunkPageSpan: firstPage int32, lastPage int32
CompactSessionRequest: compaction CompactionConfig
CompactionConfig: eventEditing CompactionConfigEventEditingConfig,
    summarization CompactionConfigLlmSummarizationConfig
CompactionConfigEventEditingConfig: mode enum:CompactionConfigEventEditingConfig.Mode
CompactionConfigLlmSummarizationConfig: mode enum:CompactionConfigLlmSummarizationConfig.Mode
ReasoningEngine: name string, displayName string, description string, createTime time,
    updateTime time, etag string, labels map:string, spec any, contextSpec any, encryptionSpec any
"""

ENUMS: dict[str, tuple[str, ...]] = {
    "Part.MediaProcessing": ("MEDIA_PROCESSING_UNSPECIFIED", "STATIC", "AGENTIC"),
    "CodeExecutionResult.Outcome": (
        "OUTCOME_UNSPECIFIED",
        "OUTCOME_OK",
        "OUTCOME_FAILED",
        "OUTCOME_DEADLINE_EXCEEDED",
    ),
    "ExecutableCode.Language": ("LANGUAGE_UNSPECIFIED", "PYTHON"),
    "FunctionResponse.Scheduling": ("SCHEDULING_UNSPECIFIED", "SILENT", "WHEN_IDLE", "INTERRUPT"),
    "PartMediaResolution.Level": (
        "MEDIA_RESOLUTION_UNSPECIFIED",
        "MEDIA_RESOLUTION_LOW",
        "MEDIA_RESOLUTION_MEDIUM",
        "MEDIA_RESOLUTION_HIGH",
        "MEDIA_RESOLUTION_ULTRA_HIGH",
    ),
    "CompactionConfigEventEditingConfig.Mode": ("MODE_UNSPECIFIED", "AUTO"),
    "CompactionConfigLlmSummarizationConfig.Mode": ("MODE_UNSPECIFIED", "AUTO"),
}
"""Names of every enum, at the index of their number."""

ONEOFS: dict[str, dict[str, tuple[str, ...]]] = {
    "Session": {"expiration": ("ttl", "expireTime")},
    "Part": {
        "data": (
            "text",
            "inlineData",
            "fileData",
            "functionCall",
            "functionResponse",
            "executableCode",
            "codeExecutionResult",
        )
    },
    "PartialArg": {"delta": ("nullValue", "numberValue", "stringValue", "boolValue")},
    "FunctionResponsePart": {"data": ("inlineData", "fileData")},
    "GroundingChunk": {"chunk_type": ("web", "image", "retrievedContext", "maps")},
}
"""Fields of which at most one may be set; such a field is written even if it has its default."""

ONLY_V1BETA1 = {("Part", "mediaProcessing")}
"""The one difference between the versions (section 1)."""

LENIENT = frozenset({"GroundingMetadata"})
"""Messages below which unknown fields are kept as they are (section 6: safer than refusing)."""


def snake(name: str) -> str:
    """Return the proto spelling of a camelCase field name."""
    return re.sub(r"[A-Z]", lambda match: "_" + match[0].lower(), name)


def _parse_table(text: str) -> dict[str, dict[str, str]]:
    messages = {}
    for entry in re.split(r"\n(?=\S)", text.strip()):
        message, _, fields = entry.partition(":")
        names_and_kinds = re.findall(r"(\w+)\s+(\S+?)(?:,|\s|$)", fields)
        messages[message] = dict(names_and_kinds)
    return messages


MESSAGES: dict[str, dict[str, str]] = _parse_table(_TABLE)
"""Fields of each message with their types.

A type is a message's name, or one of `string bool int32 double float bytes time duration null`,
`struct` (any object), `any` (kept as sent), `enum:NAME`, `map:TYPE`; `[]` makes it a list.
`endOfAgent` and `usageMetadata` are sent by adk-java and in no published schema; refusing them
would break it (section 6), so they are kept.
"""


SECOND = 1_000_000_000
"""Nanoseconds; every time and duration of the emulator is a whole number of them."""

_EPOCH = datetime(1970, 1, 1, tzinfo=UTC)
_TIME = re.compile(
    r"(\d{4})-(\d\d)-(\d\d)[Tt](\d\d):(\d\d):(\d\d)(?:\.(\d{1,9}))?(?:([Zz])|([+-])(\d\d):(\d\d))",
    re.ASCII,
)
_DURATION = re.compile(r"(-?)(\d{1,12})(?:\.(\d{1,9}))?s", re.ASCII)
_MAX_DEPTH = 100
_MAX_SAFE = 2**53
_FIRST_SECOND, _LAST_SECOND = -62_135_596_800, 253_402_300_799
_MAX_OFFSET = timedelta(hours=24)


def parse_time(text: str) -> int:
    """Return an RFC 3339 text as nanoseconds since 1970.

    Raises:
        ValueError: It is not an RFC 3339 time, has no zone, or lies outside the years 1 to 9999.
    """
    match = _TIME.fullmatch(text)
    if not match:
        raise ValueError("Illegal timestamp format")
    fraction, _, sign, hours, minutes = match.groups()[6:]
    year, month, day, hour, minute, second = map(int, match.groups()[:6])
    whole = datetime(year, month, day, hour, minute, second, tzinfo=UTC)
    offset = timedelta(hours=int(hours or 0), minutes=int(minutes or 0))
    if offset >= _MAX_OFFSET:
        raise ValueError("Illegal timestamp offset")
    seconds = (whole - _EPOCH) // timedelta(seconds=1)
    shift = offset // timedelta(seconds=1)
    seconds += shift if sign == "-" else -shift
    return in_range(seconds) * SECOND + int((fraction or "0").ljust(9, "0"))


def in_range(seconds: int) -> int:
    """Return seconds since 1970 unchanged; raise `ValueError` outside the years 1 to 9999."""
    if not _FIRST_SECOND <= seconds <= _LAST_SECOND:
        raise ValueError("Timestamp out of range")
    return seconds


def format_time(nanoseconds: int) -> str:
    """Return a time as RFC 3339 in UTC with 0, 3, 6 or 9 digits, as few as keep it exact."""
    seconds, fraction = divmod(nanoseconds, SECOND)
    moment = _EPOCH + timedelta(seconds=seconds)
    # Not strftime: its %Y does not pad years below 1000.
    text = moment.replace(tzinfo=None).isoformat(timespec="seconds")
    return f"{text}{_fraction(fraction)}Z"


def _fraction(nanoseconds: int) -> str:
    if not nanoseconds:
        return ""
    digits = f"{nanoseconds:09d}"
    while digits.endswith("000"):
        digits = digits[:-3]
    return "." + digits


def from_datetime(moment: datetime) -> int:
    """Return an aware datetime as nanoseconds since 1970."""
    return (moment - _EPOCH) // timedelta(microseconds=1) * 1000


def parse_duration(text: str) -> int:
    """Return a text such as `172800s` or `1.5s` as nanoseconds.

    Raises:
        ValueError: It is not of that form.
    """
    match = _DURATION.fullmatch(text)
    if not match:
        raise ValueError("Illegal duration format; duration must end with 's'")
    sign, whole, fraction = match.groups()
    value = int(whole) * SECOND + int((fraction or "0").ljust(9, "0"))
    return -value if sign else value


def format_duration(nanoseconds: int) -> str:
    """Return a duration in seconds with 0, 3, 6 or 9 digits and an `s`."""
    seconds, fraction = divmod(abs(nanoseconds), SECOND)
    return f"{'-' if nanoseconds < 0 else ''}{seconds}{_fraction(fraction)}s"


def parse_bytes(text: str) -> str:
    """Return standard base64 of a text in standard or URL-safe base64, padded or not.

    Raises:
        ValueError: It is not base64.
    """
    standard = text.translate(str.maketrans("-_", "+/")).rstrip("=")
    data = base64.b64decode(standard + "=" * (-len(standard) % 4), validate=True)
    return base64.b64encode(data).decode()


def double(value: float) -> int | float:
    """Return a number as a double is written: `3.0` as `3`, 2**53+1 as 2**53.

    Raises:
        ValueError: It lies outside the range of a double.
    """
    try:
        number = float(value)
    except OverflowError:
        number = math.inf
    if not math.isfinite(number):
        raise ValueError("Number out of range of a double")
    if number.is_integer() and abs(number) <= _MAX_SAFE:
        return int(number)
    return number


def struct(value: Any, depth: int = 0) -> Any:
    """Return a free-form value as a Struct keeps it: numbers are doubles, keys are sorted.

    The service keeps no key order (section 2); sorting makes the answers stable.

    Raises:
        ValueError: A number is out of range, or it is nested more than 100 deep.
    """
    if depth > _MAX_DEPTH:
        raise ValueError("Message too deep. Max recursion depth reached for google.protobuf.Value")
    if isinstance(value, dict):
        return {key: struct(value[key], depth + 1) for key in sorted(value)}
    if isinstance(value, list):
        return [struct(item, depth + 1) for item in value]
    if isinstance(value, bool) or value is None or isinstance(value, str):
        return value
    return double(value)


BAD_ARGUMENT = "Request contains an invalid argument."
NO_ENGINE = "The ReasoningEngine does not exist."
BAD_SESSION_ID = (
    "Invalid session resource name. The user provided session ID can only contain lowercase"
    " letters, digits and hyphens. The first and last characters must be a letter or number."
)
UNAUTHENTICATED = (
    "Request had invalid authentication credentials. Expected OAuth 2 access token, login cookie"
    " or other valid authentication credential. See"
    " https://developers.google.com/identity/sign-in/web/devconsole-project."
)
BAD_API_KEY = "API key not valid. Please pass a valid API key."

HTML_NOT_FOUND = (
    "<!DOCTYPE html>\n<html lang=en>\n  <meta charset=utf-8>\n"
    "  <title>Error 404 (Not Found)!!1</title>\n"
    "  <p><b>404.</b> <ins>That\u2019s an error.</ins>\n"
    "  <p>The requested URL was not found on this server."
    "  <ins>That\u2019s all we know.</ins>\n"
).encode()
"""What a URL that matches no method is answered with: no JSON (section 7)."""


class ApiError(Exception):
    """An error answer of the service.

    Attributes:
        code: The HTTP status.
        status: The name of the RPC code, such as `NOT_FOUND`.
        message: The text for people.
        details: Typed details, each with its `@type`.
    """

    def __init__(
        self, code: int, status: str, message: str, details: list[dict[str, Any]] | None = None
    ) -> None:
        super().__init__(message)
        self.code = code
        self.status = status
        self.message = message
        self.details = details or []

    def body(self) -> bytes:
        """Return the JSON body of the answer."""
        error: dict[str, Any] = {"code": self.code, "message": self.message, "status": self.status}
        if self.details:
            error["details"] = self.details
        return json.dumps({"error": error}, ensure_ascii=False, indent=2).encode()


def bad_request(violations: Iterable[tuple[str, str]]) -> list[dict[str, Any]]:
    """Return details that name the wrong fields as (field, description)."""
    fields = [{"field": field, "description": text} for field, text in violations]
    return [{"@type": "type.googleapis.com/google.rpc.BadRequest", "fieldViolations": fields}]


def invalid(message: str, violations: Iterable[tuple[str, str]] = ()) -> ApiError:
    """Return a 400 INVALID_ARGUMENT with this message."""
    details = bad_request(violations) if violations else None
    return ApiError(400, "INVALID_ARGUMENT", message, details)


def found_errors(*problems: tuple[str, str]) -> ApiError:
    """Return a 400 that lists (field, message) pairs the way the service's validator does."""
    listed = "".join(
        f"{number}.Field: {field}; Message: {text}\t"
        for number, (field, text) in enumerate(problems, 1)
    )
    return invalid(f"List of found errors:\t{listed}", problems)


def not_found(message: str) -> ApiError:
    """Return a 404 NOT_FOUND with this message."""
    return ApiError(404, "NOT_FOUND", message)


def failed_precondition(message: str) -> ApiError:
    """Return a 400 FAILED_PRECONDITION with this message."""
    return ApiError(400, "FAILED_PRECONDITION", message)


def unauthenticated(reason: str) -> ApiError:
    """Return a 401 UNAUTHENTICATED whose details give this reason."""
    details = [_error_info(reason)]
    return ApiError(401, "UNAUTHENTICATED", UNAUTHENTICATED, details)


def bad_api_key() -> ApiError:
    """Return the 400 of an API key that is not one."""
    details = [_error_info("API_KEY_INVALID")]
    return ApiError(400, "INVALID_ARGUMENT", BAD_API_KEY, details)


def _error_info(reason: str) -> dict[str, Any]:
    return {
        "@type": "type.googleapis.com/google.rpc.ErrorInfo",
        "reason": reason,
        "domain": "googleapis.com",
        "metadata": {"service": "aiplatform.googleapis.com"},
    }
