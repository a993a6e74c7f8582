"""The conversation: system blocks, user and assistant turns, results before anything else in their
turn."""

from __future__ import annotations

import base64
import binascii
import re
from collections.abc import Callable, Iterable, Mapping
from typing import Any, Final, NamedTuple

from gateway.dialects.anthropic.models import Generation
from gateway.dialects.anthropic.thinking import Thinking, encode_block, signed_details
from gateway.hub.contracts import Unsupported
from gateway.hub.fields import Section
from gateway.hub.losses import Taken
from gateway.hub.parts import Media, file, image, merge_by_role, parts, unreadable_file
from gateway.hub.survey import Survey
from gateway.hub.tools import fit_id, tool_call

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
"""Replaces an empty conversation."""
GO_ON: Final = "Continue exactly where your last message stopped."
"""Follows a trailing assistant message where a generation takes no prefill."""

REMINDER: Final = ("<system-reminder>\n", "\n</system-reminder>")
"""Claude Code's own form of an instruction inside a user turn."""


_ID: Final = re.compile(r"[a-zA-Z0-9_-]{1,64}")


def encode_id(id_: str) -> str:
    """A tool-call id that matches `^[a-zA-Z0-9_-]+$`, the same for call and result."""
    return fit_id(id_, _ID, keep=64)


def reminder(text: str) -> str:
    """An instruction of mid-conversation as a user's text, wrapped once."""
    begin, end = REMINDER
    return text if text.lstrip().startswith(begin.strip()) else f"{begin}{text}{end}"


class _History(NamedTuple):
    """The facts of a request that the encoder of one message needs."""

    names: Mapping[str, str]
    """The client's name of each tool → its name as it is sent."""
    replay: bool
    """Thinking of earlier turns goes back."""


def encode_messages(
    survey: Survey,
    claude: Generation,
    thinking: Thinking,
    *,
    prefill: bool,
    hints: Iterable[str] = (),
) -> Section:
    """`system` and `messages`. Raises `Unsupported` for a part that the API does not support.

    `prefill`: the form of the answer permits a trailing
    assistant message. `hints` are instructions of the gateway.
    """
    history = _History(survey.names, thinking.replay)
    system, turns = _turns(survey.messages, history, late_system=claude.late_system)
    messages = [
        {"role": role, "content": blocks} for role, blocks in _system_in_place(turns, system)
    ]
    if messages[0]["role"] != "user":
        messages.insert(0, {"role": "user", "content": [_text(CONTINUED)]})
    losses = _end(messages, prefill=prefill and claude.prefill and not thinking.on)
    system += [_text(hint) for hint in hints if hint]
    return Section(
        {"system": system, "messages": messages} if system else {"messages": messages}, losses
    )


Turns = list[tuple[str, list[Block]]]
"""Roles and blocks."""


def _turns(
    messages: Iterable[Mapping[str, Any]], history: _History, *, late_system: bool
) -> tuple[list[Block], Turns]:
    """(the blocks of `system`, the turns). At least one turn is not a system message."""
    system: list[Block] = []
    turns: Turns = []
    for message in messages:
        role, encode = _ENCODERS[message["role"]]
        blocks = encode(message, history)
        if role == "system" and not (late_system and turns):
            system += blocks
        else:
            turns.append((role, blocks))
    if any(blocks for role, blocks in turns if role != "system"):
        return system, turns
    late_blocks = [block for _, blocks in turns for block in blocks]
    return [], [("user", [*system, *late_blocks] or [_text(EMPTY)])]


def _system_in_place(turns: Turns, system: list[Block]) -> Turns:
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
    """Adapts the end: prefill without trailing white space, or a request to go on where there is no
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


def _texts(message: Mapping[str, Any], history: _History) -> list[Block]:
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


def _user(message: Mapping[str, Any], history: _History) -> list[Block]:
    return _with_mark(_blocks(message["content"]), message)


_SAID: Final = frozenset({"text", "refusal"})
"""Parts of an assistant turn, which holds text only."""


def _assistant(message: Mapping[str, Any], history: _History) -> list[Block]:
    said = _blocks([part for part in parts(message.get("content")) if part["type"] in _SAID])
    if not said and message.get("refusal"):
        said = [_text(message["refusal"])]
    calls = message.get("tool_calls", ())
    if not said and not calls:
        return []  # "The final block in an assistant message cannot be `thinking`"
    details = signed_details(message) if history.replay else ()
    blocks = [encode_block(detail) for detail in details] + said
    for call in map(tool_call, calls):
        blocks.append(
            {
                "type": "tool_use",
                "id": encode_id(call.id),
                "name": history.names.get(call.name, call.name),
                "input": call.input,
            }
        )
    return _with_mark(blocks, message)


def _result(message: Mapping[str, Any], history: _History) -> list[Block]:
    block: Block = {"type": "tool_result", "tool_use_id": encode_id(message["tool_call_id"])}
    content = message["content"]
    if not isinstance(content, str):
        content = _blocks(content)
    elif not content.strip():
        content = ""
    if content:
        block["content"] = content
    if message.get("is_error"):
        block["is_error"] = True
    if message.get("cache_control"):
        block["cache_control"] = message["cache_control"]
    return [block]


_ENCODERS: Final[Mapping[str, tuple[str, Callable[[Mapping[str, Any], _History], list[Block]]]]] = {
    "system": ("system", _texts),
    "developer": ("system", _texts),
    "user": ("user", _user),
    "assistant": ("assistant", _assistant),
    "tool": ("user", _result),
}
"""Role of a message → (role of its turn, what encodes it)."""


# --- parts ----------------------------------------------------------------------------------------


def _blocks(content: Any) -> list[Block]:
    blocks = []
    for part in parts(content):
        encode = _PARTS.get(part["type"])
        if encode is None:
            raise Unsupported(
                "messages.content", f"Anthropic does not support a part of type {part['type']!r}"
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
_DATA: Final = frozenset({"file_data", "file_url"})


def _of_file(part: Mapping[str, Any]) -> frozenset[str]:
    """An image has no title."""
    return _DATA if _is_image(file(part)) else _DATA | {"filename"}


TAKEN: Final = Taken(
    inner={"image_url": frozenset({"url"})}, of_file=_of_file, part=frozenset(_OF_DOCUMENTS)
)
"""The keys of messages and parts that are sent; any other key is named as lost."""


def _is_image(media: Media | None) -> bool:
    return media is not None and media.mime_type.startswith("image/")


def _file(part: Mapping[str, Any]) -> Block:
    source = _file_source(part)
    if _is_image(file(part)):
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
        raise Unsupported("messages.content.file", unreadable_file(part, "Anthropic"))
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
