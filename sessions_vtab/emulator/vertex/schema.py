"""The messages of the API: field names and types, as the discovery documents give them.

v1 and v1beta1 differ in one field, `Part.mediaProcessing` (Vertex contract, section 1).
"""

from __future__ import annotations

import re

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
    "FunctionResponse.Scheduling": (
        "SCHEDULING_UNSPECIFIED",
        "SILENT",
        "WHEN_IDLE",
        "INTERRUPT",
    ),
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
