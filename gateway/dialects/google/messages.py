"""The conversation: `systemInstruction`, `contents`, and the signatures that belong to function
calls."""

from __future__ import annotations

import base64
from collections.abc import Callable, Iterable, Iterator, Mapping
from itertools import groupby
from typing import Any, Final, NamedTuple

from gateway.dialects.google.models import Generation
from gateway.hub.contracts import Unsupported
from gateway.hub.fields import Section
from gateway.hub.losses import Taken
from gateway.hub.parts import (
    Media,
    data_url,
    file,
    image,
    merge_by_role,
    parts,
    text_of,
    type_of_url,
    unreadable_file,
)
from gateway.hub.survey import Survey
from gateway.hub.tools import tool_call, tool_name

Part = dict[str, Any]

CONTINUED: Final = "(continued)"
"""The first turn has to be the user's."""
UNSIGNED: Final = base64.b64encode(b"skip_thought_signature_validator").decode()
"""Replaces the signature of a call that another model made; documented for histories that were
migrated."""
_AUDIO: Final[Mapping[str, str]] = {"mp3": "audio/mp3", "wav": "audio/wav"}
_NESTED: Final = frozenset(
    {"image/png", "image/jpeg", "image/webp", "application/pdf", "text/plain"}
)
"""The types of media that a function response may hold; other parts follow it."""


class _History(NamedTuple):
    """The facts of a request that the encoder of one message needs."""

    names: Mapping[str, str]
    """The client's name of each tool → its name as it is sent."""
    calls: Mapping[str, Mapping[str, Any]]
    """Id → the tool call of the history."""
    gemini: Generation


def encode_messages(survey: Survey, gemini: Generation, *, hints: Iterable[str] = ()) -> Section:
    """`systemInstruction` and `contents`. Raises `Unsupported` for a part that the API does not
    support.

    `hints` are instructions of the gateway.
    """
    history = _History(survey.names, survey.calls, gemini)
    system: list[Part] = []
    turns: list[tuple[str, list[Part]]] = []
    for message in _in_order(survey) if survey.calls else survey.messages:
        role, encode = _ENCODERS[message["role"]]
        found = encode(message, history)
        if role == "system":
            system += found
        else:
            turns.append((role, found))
    contents = [
        {"role": role, "parts": _results_first(blocks)} for role, blocks in merge_by_role(turns)
    ]
    if not contents:
        contents, system = [{"role": "user", "parts": system or [{"text": "(empty)"}]}], []
    if contents[0]["role"] == "model":
        contents.insert(0, {"role": "user", "parts": [{"text": CONTINUED}]})
    system += [{"text": hint} for hint in hints if hint]
    instruction = {"systemInstruction": {"parts": system}} if system else {}
    return Section({"contents": contents, **instruction})


def _in_order(survey: Survey) -> Iterator[dict[str, Any]]:
    """Results in the order of their calls, whichever came first: without ids, only the order
    distinguishes two calls of one tool."""
    places = {id_: place for place, id_ in enumerate(survey.calls)}

    def place(message: Mapping[str, Any]) -> int:
        return places[message["tool_call_id"]] if message["role"] == "tool" else 0

    for _, run in groupby(survey.messages, lambda message: message["role"] == "tool"):
        yield from sorted(run, key=place)


def _results_first(blocks: list[Part]) -> list[Part]:
    return sorted(blocks, key=lambda part: "functionResponse" not in part)


_DATA: Final = frozenset({"file_data", "file_url"})
TAKEN: Final = Taken(
    answer=frozenset({"images"}),
    inner={
        "image_url": frozenset({"url"}),
        "video_url": frozenset({"url"}),
        "input_audio": frozenset({"data", "format"}),
    },
    of_file=lambda part: _DATA,
    assistant=frozenset({"image_url"}),
)
"""The keys of messages and parts that are sent; any other key is named as lost."""
_MODEL_PARTS: Final = frozenset({"text", "refusal", "image_url"})


def _said(message: Mapping[str, Any], gemini: Generation) -> list[Part]:
    """Text and images of the model, each with the signature it came with.

    "Image part is missing a thought_signature": one from elsewhere says that it has none.
    """
    content = [part for part in parts(message.get("content")) if part["type"] in _MODEL_PARTS]
    images = message.get("images")
    content += [part for part in images if _is_image(part)] if isinstance(images, list) else []
    said = [_signed(_part(part), _signature(part), gemini) for part in content]
    if not said and message.get("refusal"):
        said = [{"text": message["refusal"]}]
    signature = _signature(message) or _signature_of_details(message)
    if signature and not any(part.get("thoughtSignature") == signature for part in said):
        said = _with_signature(said, signature)
    return said


def _is_image(part: Any) -> bool:
    image = part.get("image_url") if isinstance(part, Mapping) else None
    return isinstance(image, Mapping) and isinstance(image.get("url"), str)


def _signed(part: Part, signature: Any, gemini: Generation) -> Part:
    if signature is None and gemini.signatures and "text" not in part:
        signature = UNSIGNED
    return part if signature is None else {**part, "thoughtSignature": signature}


def _with_signature(said: list[Part], signature: str) -> list[Part]:
    """The signature of the message on its last text; a stream may send it with an empty one."""
    place = next((n for n in reversed(range(len(said))) if "text" in said[n]), None)
    if place is None:
        return [*said, {"text": "", "thoughtSignature": signature}]
    if "thoughtSignature" not in said[place]:
        said[place] = {**said[place], "thoughtSignature": signature}
    return said


def _signature(item: Mapping[str, Any]) -> str | None:
    """The signature of a message, a part, an image or a call, wherever its client keeps it."""
    extra = item.get("extra_content")
    google = extra.get("google") if isinstance(extra, Mapping) else None
    held = google.get("thought_signature") if isinstance(google, Mapping) else None
    found = held or item.get("thought_signature") or item.get("thoughtSignature")
    return found if isinstance(found, str) and found else None


ORIGIN: Final = "google:"
"""Begins the `id` of a reasoning detail that holds a signature of Google's."""


def _signature_of_details(message: Mapping[str, Any]) -> str | None:
    """The last signature among the message's reasoning details, which most clients send back."""
    details = message.get("reasoning_details")
    if not isinstance(details, list):
        return None
    own = (item for item in details if isinstance(item, Mapping))
    found = [item.get("data") for item in own if str(item.get("id")).startswith(ORIGIN)]
    return found[-1] if found and isinstance(found[-1], str) else None


def _instruction(message: Mapping[str, Any], history: _History) -> list[Part]:
    text = text_of(message["content"])
    return [{"text": text}] if text else []


def _user(message: Mapping[str, Any], history: _History) -> list[Part]:
    return [_part(part) for part in parts(message["content"])]


def _model(message: Mapping[str, Any], history: _History) -> list[Part]:
    blocks = _said(message, history.gemini)
    for place, call in enumerate(message.get("tool_calls", ())):
        _, client_name, arguments = tool_call(call)
        name = history.names.get(client_name, client_name)
        part: Part = {"functionCall": {"name": name, "args": arguments}}
        signature = _signature(call)
        if signature:
            part["thoughtSignature"] = signature
        elif history.gemini.signatures and place == 0:
            part["thoughtSignature"] = UNSIGNED  # of parallel calls, only the first carries one
        blocks.append(part)
    return blocks


def _result(message: Mapping[str, Any], history: _History) -> list[Part]:
    """The response to a function call, which Google identifies by the function's name."""
    call = history.calls.get(message["tool_call_id"])
    name = "unknown" if call is None else tool_name(call)
    word = "error" if message.get("is_error") else "output"  # the keys that the model knows
    content = message["content"]
    response: Part = {
        "name": history.names.get(name, name),
        "response": {word: text_of(content)},
    }
    nested: list[Part] = []
    behind: list[Part] = []
    for part in () if isinstance(content, str) else map(_part, parts(content)):
        if "text" not in part:
            fits = history.gemini.nested_media and _mime_type(part) in _NESTED
            (nested if fits else behind).append(part)
    if nested:
        response["parts"] = nested
    return [{"functionResponse": response}, *behind]


def _mime_type(part: Part) -> str:
    return str((part.get("inlineData") or part.get("fileData") or {}).get("mimeType"))


_ENCODERS: Final[Mapping[str, tuple[str, Callable[[Mapping[str, Any], _History], list[Part]]]]] = {
    "system": ("system", _instruction),
    "developer": ("system", _instruction),
    "user": ("user", _user),
    "assistant": ("model", _model),
    "tool": ("user", _result),
}
"""Role of a message → (role of its turn, what encodes it)."""


# --- parts ----------------------------------------------------------------------------------------


def _part(part: Mapping[str, Any]) -> Part:
    encode = _PARTS.get(part.get("type", "image_url"))
    if encode is None:
        kind = part["type"]
        raise Unsupported("messages.content", f"a part of type {kind!r} is not supported by Google")
    return encode(part)


def _text(part: Mapping[str, Any]) -> Part:
    return {"text": part["text"]}


def _refusal(part: Mapping[str, Any]) -> Part:
    return {"text": part.get("refusal") or " "}


def _image(part: Mapping[str, Any]) -> Part:
    return _media(image(part), "image/jpeg")


def _video(part: Mapping[str, Any]) -> Part:
    url = (part.get("video_url") or {}).get("url", "")
    return _media(data_url(url) or Media("", None, url), "video/mp4")


def _media(media: Media, default_type: str) -> Part:
    if media.url is None:
        return {"inlineData": {"mimeType": media.mime_type, "data": media.data}}
    guessed = type_of_url(media.url)
    return {"fileData": {"fileUri": media.url, "mimeType": guessed or default_type}}


def _file(part: Mapping[str, Any]) -> Part:
    media = file(part)
    if media is None:
        raise Unsupported("messages.content.file", unreadable_file(part, "Google"))
    return _media(media, "application/pdf")


def _audio(part: Mapping[str, Any]) -> Part:
    audio = part.get("input_audio") or {}
    form = audio.get("format") or "wav"
    return {
        "inlineData": {"mimeType": _AUDIO.get(form, f"audio/{form}"), "data": audio.get("data", "")}
    }


_PARTS: Final[Mapping[str, Callable[[Mapping[str, Any]], Part]]] = {
    "text": _text,
    "refusal": _refusal,
    "image_url": _image,
    "video_url": _video,
    "file": _file,
    "input_audio": _audio,
}
