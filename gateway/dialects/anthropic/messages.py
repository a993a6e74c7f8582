"""The conversation: system blocks, user and assistant turns, results before anything else in their
turn."""

from __future__ import annotations

import base64
import binascii
from collections.abc import Callable, Mapping
from typing import Any, Final

from gateway.dialects.anthropic.models import Generation
from gateway.dialects.anthropic.thinking import encode_block, may_replay, signed_details
from gateway.dialects.anthropic.tools import encode_id
from gateway.hub.contracts import Unsupported
from gateway.hub.losses import Taken
from gateway.hub.parts import INSTRUCTIONS, Media, file, image, merge_by_role, parts
from gateway.hub.tools import arguments_object, plain_function_call
from gateway.types import Chat

Block = dict[str, Any]

_IMAGE_TYPES: Final[Mapping[str, str]] = {
    "iVBORw0KGgo": "image/png",
    "/9j/": "image/jpeg",
    "R0lGOD": "image/gif",
    "UklGR": "image/webp",
}
"""How the base64 of each accepted type begins: a declared type that contradicts the bytes costs a
400."""

_PDF: Final = "JVBERi0"
_TEXT_TYPES: Final = frozenset(
    f"application/{kind}"
    for kind in (
        "json",
        "xml",
        "yaml",
        "x-yaml",
        "toml",
        "javascript",
        "x-javascript",
        "sql",
        "x-sh",
        "x-ndjson",
    )
)
"""Types that are text although they are not called so: a `document` is either a PDF or text."""

CONTINUED: Final = "(continued)"
"""The first turn has to be the user's."""
EMPTY: Final = "(empty)"
"""Stands for a conversation in which nobody says anything."""
GO_ON: Final = "Continue exactly where your last message stopped."
"""Stands behind a trailing assistant message where a generation takes no prefill."""

REMINDER: Final = ("<system-reminder>\n", "\n</system-reminder>")
"""Claude Code's own form of an instruction inside a user turn."""


def reminder(text: str) -> str:
    """An instruction of mid-conversation as a user's text, wrapped once."""
    begin, end = REMINDER
    return text if text.lstrip().startswith(begin.strip()) else f"{begin}{text}{end}"


def encode_messages(
    chat: Chat, names: Mapping[str, str], claude: Generation, *, thinks: bool, prefill: bool
) -> tuple[list[Block], list[dict[str, Any]], list[str]]:
    """(`system` blocks, `messages`, what was lost). Raises `Unsupported` for a part that has no
    place."""
    system: list[Block] = []
    turns: list[tuple[str, list[Block]]] = []
    replay = thinks and may_replay(chat, claude)
    for message in chat["messages"]:
        role = message["role"]
        if role in INSTRUCTIONS:
            late = claude.late_system and bool(turns)
            (turns.append(("system", _texts(message))) if late else system.extend(_texts(message)))
        elif role == "assistant":
            turns.append(("assistant", _assistant(message, names, replay=replay)))
        elif role == "tool":
            turns.append(("user", [_result(message)]))
        else:
            turns.append(("user", _user(message)))
    if not any(blocks for role, blocks in turns if role != "system"):
        late_blocks = [block for _, blocks in turns for block in blocks]
        turns, system = [("user", [*system, *late_blocks] or [_text(EMPTY)])], []
    messages = [
        {"role": role, "content": blocks} for role, blocks in _system_in_place(turns, system)
    ]
    if messages[0]["role"] != "user":
        messages.insert(0, {"role": "user", "content": [_text(CONTINUED)]})
    return system, messages, _end(messages, prefill=prefill)


def _system_in_place(
    turns: list[tuple[str, list[Block]]], system: list[Block]
) -> list[tuple[str, list[Block]]]:
    """Turns merged by role. A late system message "must directly follow a user turn, and be last or
    be followed by an assistant turn"; one that would not joins the others in front."""
    merged = list(merge_by_role(turns))
    roles = ["", *(role for role, _ in merged), "assistant"]
    legal = []
    for before, (role, blocks), after in zip(roles, merged, roles[2:], strict=False):
        if role == "system" and (before, after) != ("user", "assistant"):
            system.extend(blocks)
        else:
            legal.append((role, blocks))
    return list(merge_by_role(legal))


def _end(messages: list[dict[str, Any]], *, prefill: bool) -> list[str]:
    """Mends the end: prefill without trailing white space, or a request to go on where there is no
    prefill."""
    last = messages[-1]
    if last["role"] != "assistant":
        return []
    if not prefill:
        messages.append({"role": "user", "content": [_text(GO_ON)]})
        return ["messages.prefill"]
    block = last["content"][-1]
    if block["type"] == "text":
        # "final assistant content cannot end with trailing whitespace"
        last["content"][-1] = {**block, "text": block["text"].rstrip()}
    return []


def _text(text: str, mark: Any = None) -> Block:
    return (
        {"type": "text", "text": text, "cache_control": mark}
        if mark
        else {"type": "text", "text": text}
    )


def _mark(part: Mapping[str, Any]) -> Any:
    """A cache breakpoint, in Anthropic's form or in OpenAI's."""
    return part.get("cache_control") or (
        {"type": "ephemeral"} if part.get("prompt_cache_breakpoint") else None
    )


def _texts(message: Mapping[str, Any]) -> list[Block]:
    """Text blocks; "text content blocks must be non-empty", and white space counts as empty."""
    blocks = [
        _text(part["text"], _mark(part))
        for part in parts(message["content"])
        if part["type"] == "text" and part["text"].strip()
    ]
    return _with_mark(blocks, message)


def _with_mark(blocks: list[Block], message: Mapping[str, Any]) -> list[Block]:
    if blocks and message.get("cache_control"):
        blocks[-1] = {**blocks[-1], "cache_control": message["cache_control"]}
    return blocks


def _user(message: Mapping[str, Any]) -> list[Block]:
    return _with_mark(_blocks(message["content"]), message)


_SAID: Final = frozenset({"text", "refusal"})
"""Parts of an assistant turn, which holds text only."""


def _assistant(
    message: Mapping[str, Any], names: Mapping[str, str], *, replay: bool
) -> list[Block]:
    said = _blocks([part for part in parts(message.get("content")) if part["type"] in _SAID])
    if not said and message.get("refusal"):
        said = [_text(message["refusal"])]
    calls = message.get("tool_calls", ())
    if not said and not calls:
        return []  # "The final block in an assistant message cannot be `thinking`"
    blocks = [encode_block(detail) for detail in signed_details(message)] if replay else []
    blocks += said
    for call in calls:
        plain = plain_function_call(call)
        blocks.append(
            {
                "type": "tool_use",
                "id": encode_id(plain["id"]),
                "name": names.get(plain["name"], plain["name"]),
                "input": arguments_object(plain["arguments"]),
            }
        )
    return _with_mark(blocks, message)


def _result(message: Mapping[str, Any]) -> Block:
    block: Block = {"type": "tool_result", "tool_use_id": encode_id(message["tool_call_id"])}
    content = message["content"]
    if isinstance(content, str):
        if content.strip():
            block["content"] = content
    else:
        blocks = _blocks(content)
        if blocks:
            block["content"] = blocks
    if message.get("is_error"):
        block["is_error"] = True
    if message.get("cache_control"):
        block["cache_control"] = message["cache_control"]
    return block


# --- parts ----------------------------------------------------------------------------------------


def _blocks(content: Any) -> list[Block]:
    blocks = []
    for part in parts(content):
        encode = _PARTS.get(part["type"])
        if encode is None:
            raise Unsupported(
                "messages.content", f"Anthropic has no place for a part of type {part['type']!r}"
            )
        block = encode(part)
        if block is not None:
            blocks.append(block)
    return blocks


def _text_part(part: Mapping[str, Any]) -> Block | None:
    return _text(part["text"], _mark(part)) if part["text"].strip() else None


def _refusal(part: Mapping[str, Any]) -> Block | None:
    text = part.get("refusal") or ""
    return _text(text) if text.strip() else None


def _image(part: Mapping[str, Any]) -> Block:
    media = image(part)
    source = _url(media.url) if media.url is not None else _base64(_sniffed(media, "image_url"))
    return _marked({"type": "image", "source": source}, part)


def _url(url: str) -> dict[str, Any]:
    return {"type": "url", "url": url}


def _sniffed(media: Media, field: str) -> Media:
    """An image with the type that its bytes have. Raises `Unsupported` for one that Anthropic does
    not read."""
    data = media.data or ""
    actual = next(
        (type_ for start, type_ in _IMAGE_TYPES.items() if data.startswith(start)), media.mime_type
    )
    if actual not in _IMAGE_TYPES.values():
        raise Unsupported(
            f"messages.content.{field}", f"Anthropic reads no images of type {actual!r}"
        )
    return media._replace(mime_type=actual)


def _base64(media: Media) -> dict[str, Any]:
    return {"type": "base64", "media_type": media.mime_type, "data": media.data}


_OF_DOCUMENTS: Final = ("citations", "context")
TAKEN: Final = Taken(
    inner={"image_url": frozenset({"url"}), "file": frozenset({"file_data", "filename"})},
    part=frozenset(_OF_DOCUMENTS),
)
"""What messages and parts take here; anything else is named as lost."""


def _file(part: Mapping[str, Any]) -> Block:
    source = _file_source(part)
    if source.get("media_type", "").startswith("image/"):
        return _marked({"type": "image", "source": source}, part)
    block: Block = {"type": "document", "source": source}
    title = (part.get("file") or {}).get("filename")
    if title:
        block["title"] = title
    block |= {key: part[key] for key in _OF_DOCUMENTS if part.get(key)}
    return _marked(block, part)


def _file_source(part: Mapping[str, Any]) -> dict[str, Any]:
    media = file(part)
    if media is None:
        raise Unsupported(
            "messages.content.file", "an uploaded file's id means nothing to Anthropic"
        )
    if media.url is not None:
        return _url(media.url)
    kind = media.mime_type
    if kind.startswith("image/"):
        return _base64(_sniffed(media, "file"))
    if kind == "application/pdf" or (media.data or "").startswith(_PDF):
        return _base64(media._replace(mime_type="application/pdf"))
    if kind.startswith("text/") or kind in _TEXT_TYPES or kind.endswith(("+json", "+xml")):
        return {"type": "text", "media_type": "text/plain", "data": _decoded(media.data or "")}
    raise Unsupported(
        "messages.content.file", f"Anthropic reads PDF, text and images, no files of type {kind!r}"
    )


def _decoded(data: str) -> str:
    try:
        return base64.b64decode(data).decode("utf-8", "replace")
    except binascii.Error as error:
        raise Unsupported("messages.content.file", "the file's data is not base64") from error


def _marked(block: Block, part: Mapping[str, Any]) -> Block:
    mark = _mark(part)
    return {**block, "cache_control": mark} if mark else block


def _nothing(part: Mapping[str, Any]) -> None:
    """Reasoning in another API's form, echoed as content: it goes back as what we made of it, or
    not at all."""


def _audio(part: Mapping[str, Any]) -> Block:
    raise Unsupported("messages.content.input_audio", "Anthropic takes no audio")


_PARTS: Final[Mapping[str, Callable[[Mapping[str, Any]], Block | None]]] = {
    "text": _text_part,
    "refusal": _refusal,
    "image_url": _image,
    "file": _file,
    "input_audio": _audio,
    "thinking": _nothing,
    "redacted_thinking": _nothing,
    "reasoning": _nothing,
}
