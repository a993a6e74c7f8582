"""The treatment of each field of an answer that Google sends, whole or streamed.

Source: Google's official SDK and recorded traffic. A field that is not named here is kept: of the
response beside the choices, of the candidate beside the message, of the counts in `usage`. Parts
that chat completions do not have (code and its result, sound, files) are kept in `native_content`.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from typing import Any, Final

from gateway.hub.answer_fields import (
    KEPT,
    Fields,
    native_finish,
    not_kept,
    other_fields,
    translated,
    url_citation,
)
from gateway.hub.answer_types import stated_text

_COUNT: Final = translated("the counts of usage")

ANSWER: Final[Mapping[str, Fields]] = {
    "answer": {
        "candidates": translated("choices"),
        "modelVersion": translated("model"),
        "responseId": translated("the gateway's own id"),
        "usageMetadata": translated("usage"),
        "error": translated("a failure of the attempt"),
        "promptFeedback": KEPT,
        "createTime": KEPT,
        "modelStatus": KEPT,
    },
    "choice": {
        "content": translated("the message"),
        "finishReason": translated("finish_reason, and native_finish_reason where that says less"),
        "index": translated("index"),
        "finishMessage": KEPT,
        "safetyRatings": KEPT,
        "citationMetadata": KEPT,
        "groundingMetadata": KEPT,  # its pages are annotations too
        "urlContextMetadata": KEPT,
        "avgLogprobs": KEPT,
        "logprobsResult": KEPT,
        "tokenCount": KEPT,
    },
    "part": {
        "text": translated("content or reasoning_content"),
        "thought": translated("whether it is reasoning_content"),
        "thoughtSignature": translated("extra_content.google"),
        "functionCall": translated("tool_calls"),
        "inlineData": translated("images, or native_content where it is not an image"),
        "executableCode": translated("native_content"),
        "codeExecutionResult": translated("native_content"),
        "toolCall": translated("native_content"),
        "toolResponse": translated("native_content"),
        "fileData": translated("native_content"),
    },
    "usage": {
        "promptTokenCount": _COUNT,
        "candidatesTokenCount": _COUNT,
        "thoughtsTokenCount": _COUNT,
        "toolUsePromptTokenCount": _COUNT,
        "cachedContentTokenCount": _COUNT,
        "totalTokenCount": translated("the sum of the two"),
        "promptTokensDetails": translated("prompt_tokens_details, and kept"),
        "candidatesTokensDetails": translated("completion_tokens_details, and kept"),
        "cacheTokensDetails": KEPT,
        "toolUsePromptTokensDetails": KEPT,
        "serviceTier": KEPT,
        "trafficType": KEPT,
    },
}
_NOT_KEPT: Final = {part: not_kept(fields) for part, fields in ANSWER.items()}
_MODALITIES: Final[Mapping[str, str]] = {
    "promptTokensDetails": "prompt_tokens_details",
    "candidatesTokensDetails": "completion_tokens_details",
}


def answer_extras(body: Mapping[str, Any]) -> dict[str, Any]:
    """The fields of a response beside its candidates."""
    return other_fields(body, _NOT_KEPT["answer"])


def choice_extras(candidate: Mapping[str, Any]) -> dict[str, Any]:
    """The fields of a candidate beside its content."""
    return choice_facts(candidate) | finish_extras(candidate)


def choice_facts(candidate: Mapping[str, Any]) -> dict[str, Any]:
    """The same without its finish reason, of which a stream may state several."""
    return other_fields(candidate, _NOT_KEPT["choice"])


def finish_extras(candidate: Mapping[str, Any]) -> dict[str, Any]:
    """Google's own word for the end, where the contract's says less."""
    return native_finish(candidate.get("finishReason"), _PLAIN)


_PLAIN: Final = frozenset({"STOP", "MAX_TOKENS"})


def usage_extras(counts: Mapping[str, Any]) -> dict[str, Any]:
    """The counts beyond the usual: by modality in the contract's words, and all as they are."""
    extras = other_fields(counts, _NOT_KEPT["usage"])
    for field, name in _MODALITIES.items():
        if isinstance(counts.get(field), list):
            extras |= {field: counts[field], name: dict(_by_modality(counts[field]))}
    return extras


def _by_modality(items: list[Any]) -> Iterable[tuple[str, Any]]:
    """`audio_tokens` and the like, of `[{modality, tokenCount}]`."""
    for item in items:
        if isinstance(item, Mapping) and item.get("modality"):
            yield f"{str(item['modality']).lower()}_tokens", item.get("tokenCount")


def is_image(part: Mapping[str, Any]) -> bool:
    """Whether a part is an image of the answer; a draft among the thoughts is not."""
    inline = part.get("inlineData") or {}
    image = bool(inline.get("data")) and str(inline.get("mimeType")).startswith("image/")
    return image and not part.get("thought")


def decode_image(part: Mapping[str, Any], place: int) -> dict[str, Any]:
    """An item of `images`, where clients of image models look."""
    inline = part["inlineData"]
    url = f"data:{inline['mimeType']};base64,{inline['data']}"
    image = {"type": "image_url", "index": place, "image_url": {"url": url}}
    return image | signed(part)


def signed(part: Mapping[str, Any]) -> dict[str, Any]:
    """The signature of a part as what has to come back with it. Raises `Failed`."""
    signature = stated_text(part, "thoughtSignature")
    return {"extra_content": {"google": {"thought_signature": signature}}} if signature else {}


def is_native(part: Mapping[str, Any]) -> bool:
    """Whether a part has no form in chat completions."""
    return not part.get("text") and not _FORMED.issuperset(part)


def says_something(part: Mapping[str, Any]) -> bool:
    """Whether such a part belongs to the answer and not to the thoughts before it."""
    return not part.get("thought")


_FORMED: Final = frozenset({"text", "thought", "thoughtSignature", "functionCall"})


def decode_grounding(candidate: Mapping[str, Any]) -> list[dict[str, Any]]:
    """Sources of a grounded answer as `url_citation` annotations."""
    chunks = (candidate.get("groundingMetadata") or {}).get("groundingChunks") or ()
    pages = [chunk["web"] for chunk in chunks if (chunk.get("web") or {}).get("uri")]
    return [
        url_citation({"url": page["uri"], "title": page.get("title")}, place)
        for place, page in enumerate(pages)
    ]
