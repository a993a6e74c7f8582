"""One full answer of every dialect: each field of its table, and a new one, whole and as the events
of a stream."""

from __future__ import annotations

from typing import Any, Final

NEW: Final = {"brand_new": {"deep": [1, "x"]}}
"""A field that no table names."""
HUGE: Final = 2**70
URL: Final = "https://example.org/one"
LOGPROB: Final = {"token": "Hi", "logprob": -0.1, "bytes": None, "top_logprobs": []}
CITED_AT: Final = {
    "url": "https://example.org/one",
    "title": "One",
    "start_index": 0,
    "end_index": 2,
}
CITATION: Final = {"type": "url_citation", "url_citation": CITED_AT}
_FINE: Final = {"type": "error", "code": "c", "message": "m"}
MODERATION: Final = {"input": _FINE, "output": _FINE}
FILE: Final = {"type": "file", "file": {"hash": "h", "name": "n"}}

# --- chat completions -----------------------------------------------------------------------------

CHAT_FIELDS: Final[dict[str, Any]] = {
    "service_tier": "flex",
    "system_fingerprint": "fp_1",
    "moderation": MODERATION,
    "metadata": {"a": "b"},
    "citations": [URL],
    "search_results": [{"title": "One", "url": URL, "date": "2026-11-01"}],
    "provider": "Anthropic",
    "openrouter_metadata": {"region": "eu"},
    "x_groq": {"id": "req_1", "seed": HUGE},
    "timings": {"prompt_ms": 1.5},
    **NEW,
}
CHAT_USAGE: Final[dict[str, Any]] = {
    "prompt_tokens": 10,
    "completion_tokens": 5,
    "total_tokens": 15,
    "prompt_tokens_details": {"cached_tokens": 4, "audio_tokens": 2, "video_tokens": 1, **NEW},
    "completion_tokens_details": {
        "reasoning_tokens": 3,
        "accepted_prediction_tokens": 1,
        "image_tokens": 1,
    },
    "cost": 0.25,
    "cost_details": {"upstream_inference_cost": 0.2},
    "is_byok": False,
    "cost_in_usd_ticks": 2_500_000_000,
    "num_sources_used": 1,
    "server_side_tool_usage_details": {"web_search_calls": 1},
    "prompt_cache_hit_tokens": 4,
    "prompt_cache_miss_tokens": 6,
    "num_cached_tokens": 4,
    "prompt_audio_seconds": 2,
    "queue_time": 0.1,
    "prompt_time": 0.1,
    "completion_time": 0.2,
    "total_time": 0.4,
    **NEW,
}
CHAT_MESSAGE: Final[dict[str, Any]] = {
    "role": "assistant",
    "content": "Hi",
    "reasoning_content": "hm",
    "refusal": "no",
    "annotations": [CITATION, FILE],
    "audio": {"id": "a", "data": "AAAA", "transcript": "hi", "expires_at": 1},
    "images": [{"type": "image_url", "image_url": {"url": "data:image/png;base64,AAAA"}}],
    "reasoning_details": [{"type": "reasoning.text", "text": "hm", "signature": "s"}],
    "executed_tools": [{"type": "search", "output": "o"}],
    "brand_new_text": "words",
    "brand_new_number": 7,
    "brand_new_list": ["a", "b"],
    **NEW,
}
CHAT_CALL: Final[dict[str, Any]] = {
    "id": "call_12345678",
    "type": "function",
    "function": {"name": "f", "arguments": f'{{"n": {HUGE}}}'},
    "extra_content": {"google": {"thought_signature": "c2ln"}},
    **NEW,
}
CHAT_CHOICE: Final[dict[str, Any]] = {
    "native_finish_reason": "end_turn",
    "stop_reason": 128001,
    "content_filter_results": {"hate": {"filtered": False}},
    **NEW,
}
GONE_FROM_CHAT: Final = {"channel": "final", "prefix": False, "obfuscation": "xx", "p": "xx"}
CHAT: Final[dict[str, Any]] = {
    "id": "1",
    "object": "chat.completion",
    "created": 1,
    "model": "m",
    "obfuscation": "xx",
    "p": "xx",
    **CHAT_FIELDS,
    "choices": [
        {
            "index": 0,
            "message": {**CHAT_MESSAGE, **GONE_FROM_CHAT, "tool_calls": [CHAT_CALL]},
            "finish_reason": "tool_calls",
            "logprobs": {"content": [LOGPROB]},
            **CHAT_CHOICE,
        }
    ],
    "usage": CHAT_USAGE,
}


def _chunk(delta: dict[str, Any], reason: str | None = None, **more: Any) -> dict[str, Any]:
    choice = {"index": 0, "delta": delta, "finish_reason": reason, **more.pop("choice", {})}
    return {
        "id": "1",
        "object": "chat.completion.chunk",
        "created": 1,
        "model": "m",
        "choices": [choice],
        **more,
    }


_SENT: Final = frozenset({"content", "reasoning_content", "reasoning_details"})
_REST: Final = {key: value for key, value in CHAT_MESSAGE.items() if key not in _SENT}
_DETAILS: Final = CHAT_MESSAGE["reasoning_details"]
_FACTS: Final[dict[str, Any]] = {"system_fingerprint": "fp_1", "citations": []}
CHAT_STREAM: Final[list[dict[str, Any]]] = [
    _chunk(
        {"role": "assistant", "content": "", "brand_new_number": 6},
        p="xx",
        x_groq={"id": "req_1"},
        **_FACTS,
    ),
    _chunk(
        {
            "reasoning_content": "hm",
            "reasoning_details": _DETAILS,
            "channel": "analysis",
            "refusal": None,
        }
    ),
    _chunk(
        {"content": "H"}, choice={"logprobs": {"content": [LOGPROB]}, "native_finish_reason": None}
    ),
    _chunk(
        {"content": "i", "brand_new_text": "wor"},
        usage={"prompt_tokens": 10, "completion_tokens": 1},
    ),
    _chunk({**_REST, "brand_new_text": "ds"}),
    _chunk({"role": "assistant", "content": "", "brand_new_number": 7, **NEW}),
    _chunk({"tool_calls": [{"index": 0, **CHAT_CALL}]}),
    _chunk(
        {},
        "tool_calls",
        choice=CHAT_CHOICE,
        **{**CHAT_FIELDS, "citations": [], "x_groq": {"seed": HUGE}},
    ),
    {**_chunk({}), **CHAT_FIELDS, "choices": [], "usage": {**CHAT_USAGE, "prompt_tokens": 0}},
]

# --- Anthropic ------------------------------------------------------------------------------------

SEARCH: Final = {
    "type": "server_tool_use",
    "id": "srv_1",
    "name": "web_search",
    "input": {"query": "q"},
}
FOUND: Final = {
    "type": "web_search_tool_result",
    "tool_use_id": "srv_1",
    "content": [
        {
            "type": "web_search_result",
            "url": URL,
            "title": "One",
            "encrypted_content": "e",
            "page_age": "1d",
        }
    ],
}
CITED: Final = {
    "type": "web_search_result_location",
    "url": URL,
    "title": "One",
    "cited_text": "wet",
}
QUOTED: Final = {"type": "char_location", "cited_text": "wet", "document_index": 0}
ANTHROPIC_USAGE: Final[dict[str, Any]] = {
    "input_tokens": 10,
    "output_tokens": 5,
    "cache_read_input_tokens": 3,
    "cache_creation_input_tokens": 7,
    "output_tokens_details": {"thinking_tokens": 2},
    "cache_creation": {"ephemeral_5m_input_tokens": 3, "ephemeral_1h_input_tokens": 4},
    "server_tool_use": {"web_search_requests": 1},
    "service_tier": "standard",
    "inference_geo": "eu",
    "speed": "fast",
    "iterations": [{"type": "message"}],
    **NEW,
}
ANTHROPIC_FIELDS: Final[dict[str, Any]] = {
    "stop_sequence": "END",
    "stop_details": {"type": "refusal", "category": None},
    "container": {"id": "c_1"},
    "context_management": {"applied_edits": []},
    **NEW,
}
TOOL_USE: Final = {
    "type": "tool_use",
    "id": "toolu_1",
    "name": "f",
    "input": {"n": HUGE},
    "caller": {"type": "direct"},
}
ANTHROPIC: Final[dict[str, Any]] = {
    "id": "msg_1",
    "type": "message",
    "role": "assistant",
    "model": "m",
    "content": [
        {"type": "thinking", "thinking": "hm", "signature": "s"},
        SEARCH,
        FOUND,
        {"type": "text", "text": "Hi", "citations": [CITED, QUOTED]},
        {**TOOL_USE, **NEW},
        {"type": "brand_new_block", "x": 1},
    ],
    "stop_reason": "tool_use",
    "usage": ANTHROPIC_USAGE,
    **ANTHROPIC_FIELDS,
}


def _block(index: int, block: dict[str, Any], *deltas: dict[str, Any]) -> list[dict[str, Any]]:
    return [
        {"type": "content_block_start", "index": index, "content_block": block},
        *({"type": "content_block_delta", "index": index, "delta": delta} for delta in deltas),
        {"type": "content_block_stop", "index": index},
    ]


_THOUGHT: Final = {"type": "thinking", "thinking": "", "signature": ""}
_ANTHROPIC_START: Final = {
    "id": "msg_1",
    "type": "message",
    "role": "assistant",
    "model": "m",
    "content": [],
}
ANTHROPIC_STREAM: Final[list[dict[str, Any]]] = [
    {
        "type": "message_start",
        "message": {**_ANTHROPIC_START, "usage": {**ANTHROPIC_USAGE, "output_tokens": 1}, **NEW},
    },
    *_block(
        0,
        _THOUGHT,
        {"type": "thinking_delta", "thinking": "hm"},
        {"type": "signature_delta", "signature": "s"},
    ),
    *_block(
        1, {**SEARCH, "input": {}}, {"type": "input_json_delta", "partial_json": '{"query": "q"}'}
    ),
    *_block(2, FOUND),
    *_block(
        3,
        {"type": "text", "text": ""},
        {"type": "citations_delta", "citation": CITED},
        {"type": "citations_delta", "citation": QUOTED},
        {"type": "text_delta", "text": "Hi"},
    ),
    *_block(
        4,
        {**TOOL_USE, **NEW, "input": {}},
        {"type": "input_json_delta", "partial_json": f'{{"n":{HUGE}}}'},
    ),
    *_block(5, {"type": "brand_new_block", "x": 1}),
    {
        "type": "message_delta",
        "delta": {
            "stop_reason": "tool_use",
            **{key: ANTHROPIC_FIELDS[key] for key in ("stop_sequence", "stop_details")},
        },
        "usage": {"input_tokens": 0, "output_tokens": 5, "cache_read_input_tokens": None},
        "container": {"id": "c_1"},
        "context_management": {"applied_edits": []},
    },
    {"type": "message_stop"},
]

# --- Google ---------------------------------------------------------------------------------------

CODE: Final = {"executableCode": {"language": "PYTHON", "code": "1"}}
RESULT: Final = {"codeExecutionResult": {"outcome": "OUTCOME_OK", "output": "1"}}
SOUND: Final = {"inlineData": {"mimeType": "audio/pcm", "data": "AAAA"}}
PICTURE: Final = {
    "inlineData": {"mimeType": "image/png", "data": "AAAA"},
    "thoughtSignature": "c2ln",
}
GOOGLE_CALL: Final = {
    "functionCall": {"id": "fc_1", "name": "f", "args": {"n": HUGE}},
    "thoughtSignature": "c2lnMg==",
}
GOOGLE_CANDIDATE: Final[dict[str, Any]] = {
    "finishMessage": "done",
    "safetyRatings": [{"category": "C", "probability": "LOW"}],
    "citationMetadata": {"citationSources": [{"uri": URL}]},
    "groundingMetadata": {
        "groundingChunks": [{"web": {"uri": URL, "title": "One"}}],
        "webSearchQueries": ["q"],
    },
    "urlContextMetadata": {"urlMetadata": [{"retrievedUrl": URL}]},
    "avgLogprobs": -0.5,
    "logprobsResult": {"chosenCandidates": []},
    "tokenCount": 5,
    **NEW,
}
GOOGLE_FIELDS: Final[dict[str, Any]] = {
    "promptFeedback": {"safetyRatings": []},
    "createTime": "2026-11-25T00:00:00Z",
    "modelStatus": {"modelStage": "PREVIEW"},
    **NEW,
}
GOOGLE_USAGE: Final[dict[str, Any]] = {
    "promptTokenCount": 10,
    "candidatesTokenCount": 5,
    "thoughtsTokenCount": 2,
    "toolUsePromptTokenCount": 1,
    "cachedContentTokenCount": 4,
    "totalTokenCount": 18,
    "promptTokensDetails": [
        {"modality": "TEXT", "tokenCount": 8},
        {"modality": "AUDIO", "tokenCount": 2},
    ],
    "candidatesTokensDetails": [{"modality": "IMAGE", "tokenCount": 5}],
    "cacheTokensDetails": [{"modality": "TEXT", "tokenCount": 4}],
    "toolUsePromptTokensDetails": [{"modality": "TEXT", "tokenCount": 1}],
    "serviceTier": "STANDARD",
    "trafficType": "ON_DEMAND",
    **NEW,
}
_OTHER_PARTS: Final = [
    {"toolCall": {"id": "t"}},
    {"toolResponse": {"id": "t"}},
    {"fileData": {"fileUri": URL}},
]
GOOGLE_PARTS: Final[list[dict[str, Any]]] = [
    {"text": "hm", "thought": True},
    CODE,
    RESULT,
    {"text": "Hi", "thoughtSignature": "c2lnLXRleHQ="},
    PICTURE,
    SOUND,
    *_OTHER_PARTS,
    {"brandNewPart": {"x": 1}},
    GOOGLE_CALL,
]
GOOGLE: Final[dict[str, Any]] = {
    "candidates": [
        {
            "content": {"role": "model", "parts": GOOGLE_PARTS},
            "finishReason": "STOP",
            "index": 0,
            **GOOGLE_CANDIDATE,
        }
    ],
    "usageMetadata": GOOGLE_USAGE,
    "modelVersion": "m",
    "responseId": "r1",
    **GOOGLE_FIELDS,
}


def _google(*parts: dict[str, Any], **more: Any) -> dict[str, Any]:
    candidate = {
        "content": {"role": "model", "parts": list(parts)},
        "index": 0,
        **more.pop("candidate", {}),
    }
    return {"candidates": [candidate], "modelVersion": "m", "responseId": "r1", **more}


GOOGLE_STREAM: Final[list[dict[str, Any]]] = [
    _google(
        {"text": "hm", "thought": True}, usageMetadata={"promptTokenCount": 10}, **GOOGLE_FIELDS
    ),
    _google(CODE, RESULT),
    _google({"text": "H"}, candidate={"safetyRatings": []}),
    _google(
        {"text": "i"}, {"text": "", "thoughtSignature": "c2lnLXRleHQ="}, usageMetadata=GOOGLE_USAGE
    ),
    _google(PICTURE, SOUND, *_OTHER_PARTS, {"brandNewPart": {"x": 1}}),
    _google(GOOGLE_CALL),
    _google(
        {"text": ""},
        candidate={"finishReason": "STOP", **GOOGLE_CANDIDATE},
        usageMetadata={**GOOGLE_USAGE, "promptTokenCount": 0, "thoughtsTokenCount": None},
    ),
]

# --- OpenAI's Responses API -----------------------------------------------------------------------

PLACED: Final = {
    "type": "url_citation",
    "url": URL,
    "title": "One",
    "start_index": 0,
    "end_index": 2,
    **NEW,
}
IN_FILE: Final = {"type": "file_citation", "file_id": "f", "index": 0}
TEXT: Final = {
    "type": "output_text",
    "text": "Hi",
    "annotations": [PLACED, IN_FILE],
    "logprobs": [LOGPROB],
}
SEARCHED: Final = {
    "type": "web_search_call",
    "id": "ws_1",
    "status": "completed",
    "action": {"query": "q"},
}
DRAWN: Final = {
    "type": "image_generation_call",
    "id": "ig_1",
    "result": "AAAA",
    "output_format": "webp",
}
ITEM: Final = {
    "type": "function_call",
    "id": "fc_1",
    "call_id": "call_1",
    "name": "f",
    "arguments": f'{{"n":{HUGE}}}',
}
RESPONSES_OUTPUT: Final[list[dict[str, Any]]] = [
    {"type": "reasoning", "id": "rs_1", "summary": [{"type": "summary_text", "text": "hm"}]},
    SEARCHED,
    DRAWN,
    {"type": "message", "id": "msg_1", "role": "assistant", "content": [TEXT]},
    {**ITEM, "status": "completed", **NEW},
    {"type": "brand_new_item", "id": "b_1"},
]
RESPONSES_FIELDS: Final[dict[str, Any]] = {
    "incomplete_details": {"reason": "max_output_tokens"},
    "service_tier": "batch",
    "conversation": {"id": "conv_1"},
    "moderation": MODERATION,
    **NEW,
}
RESPONSES_USAGE: Final[dict[str, Any]] = {
    "input_tokens": 10,
    "input_tokens_details": {"cached_tokens": 4, "audio_tokens": 2},
    "output_tokens": 5,
    "output_tokens_details": {"reasoning_tokens": 3, **NEW},
    "total_tokens": 15,
    **NEW,
}
RESPONSES: Final[dict[str, Any]] = {
    "id": "resp_1",
    "object": "response",
    "created_at": 1,
    "status": "incomplete",
    "model": "m",
    "output": RESPONSES_OUTPUT,
    "usage": RESPONSES_USAGE,
    **RESPONSES_FIELDS,
}


def _responses(kind: str, **more: Any) -> dict[str, Any]:
    return {"type": f"response.{kind}", **more}


RESPONSES_STREAM: Final[list[dict[str, Any]]] = [
    _responses("created", response={"id": "resp_1", "model": "m", "output": []}),
    _responses("reasoning_summary_part.added", output_index=0),
    _responses("reasoning_summary_text.delta", output_index=0, delta="hm"),
    *(
        _responses("output_item.done", output_index=place, item=RESPONSES_OUTPUT[place])
        for place in range(3)
    ),
    _responses("output_text.delta", output_index=3, delta="Hi", logprobs=[LOGPROB]),
    _responses("output_text.annotation.added", output_index=3, annotation=PLACED),
    _responses("output_text.annotation.added", output_index=3, annotation=IN_FILE),
    _responses("output_item.done", output_index=3, item=RESPONSES_OUTPUT[3]),
    _responses("output_item.added", output_index=4, item={**ITEM, "arguments": "", **NEW}),
    _responses("function_call_arguments.delta", output_index=4, delta=ITEM["arguments"]),
    _responses("output_item.done", output_index=4, item=RESPONSES_OUTPUT[4]),
    _responses("output_item.done", output_index=5, item=RESPONSES_OUTPUT[5]),
    _responses("incomplete", response=RESPONSES),
]

FULL: Final = {"chat": CHAT, "anthropic": ANTHROPIC, "google": GOOGLE, "responses": RESPONSES}
STREAMS: Final = {
    "chat": CHAT_STREAM,
    "anthropic": ANTHROPIC_STREAM,
    "google": GOOGLE_STREAM,
    "responses": RESPONSES_STREAM,
}
