"""The content of a plausible answer, in no particular format. Deterministic: the same question, the
same answer."""

from __future__ import annotations

import struct
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, replace
from hashlib import sha256
from itertools import islice
from math import hypot
from typing import Any, Final

import orjson

DIMENSIONS: Final = 16
"""Of a vector, where the request states none."""
DIGEST_BYTES: Final = 32
DIMENSIONS_MAX: Final = 4096
INPUTS_MAX: Final = 2048
NUMBERS_MAX: Final = 2**21
"""In all vectors of one answer."""
TEXT_CHARS_MAX: Final = 65_536
"""How much of a text is read and repeated."""
TOOLS_MAX: Final = 1024
"""How many tools are looked at."""

WORDS: Final = (
    "The",
    "lab",
    "answers",
    "in",
    "sixty",
    "pieces",
    ",",
    "so",
    "that",
    "a",
    "stream",
    "can",
    "be",
    "cut",
    "in",
    "its",
    "middle",
    ":",
    "one",
    "two",
    "three",
    "four",
    "five",
    "six",
    "seven",
    "eight",
    "nine",
    "ten",
    ".",
    "Grüße",
    "aus",
    "dem",
    "Labor",
    ",",
    "你好",
    ",",
    "🙈",
    ".",
    "A",
    "rate",
    "limit",
    "is",
    "no",
    "reason",
    "to",
    "stop",
    ";",
    "the",
    "next",
    "model",
    "takes",
    "over",
    "before",
    "anything",
    "was",
    "said",
    ",",
    "and",
    "nobody",
    "notices",
    ".",
    "That",
    "is",
    "all",
    "there",
    "is",
    "to",
    "it",
    ",",
    "and",
    "it",
    "is",
    "enough",
    ".",
)
"""Sixty words and marks, some of them of several bytes."""


@dataclass(frozen=True, slots=True)
class Asked:
    """A request, in no format."""

    model: str
    text: str
    """The last thing the user said."""
    stream: bool = False
    tools: Mapping[str, Mapping[str, Any]] = field(default_factory=dict)
    """Name → JSON Schema of its parameters."""
    forced: bool = False
    """A tool has to be called."""
    answered: bool = False
    """The last message is a tool's result."""
    schema: Mapping[str, Any] | None = None
    """The JSON Schema that the answer must fit; `{}` for any JSON, None for plain text."""
    thinks: bool = False
    limit: int | None = None
    inputs: tuple[str, ...] = ()
    """The texts of which a vector is wanted."""
    dimensions: int = DIMENSIONS
    base64: bool = False
    """The vectors are wanted in base64."""


@dataclass(frozen=True, slots=True)
class Answer:
    """An answer, in no format."""

    pieces: tuple[str, ...] = ()
    """The text, as it streams."""
    reasoning: tuple[str, ...] = ()
    calls: tuple[tuple[str, str], ...] = ()
    """(name of a tool, arguments as JSON text)."""
    finish: str = "stop"
    """`stop`, `length`, `tool_calls` or `content_filter`."""
    input_tokens: int = 12
    vectors: tuple[tuple[float, ...], ...] = ()
    """One for each input."""
    base64: bool = False

    @property
    def text(self) -> str:
        return "".join(self.pieces)

    @property
    def output_tokens(self) -> int:
        return len(self.pieces) + len(self.reasoning) + 8 * len(self.calls)

    def without_content(self) -> Answer:
        return replace(self, pieces=(), reasoning=(), calls=(), vectors=())


def schema_of(form: Mapping[str, Any]) -> Mapping[str, Any] | None:
    """The schema that a `response_format` wants, nested or flat: as `Asked.schema`."""
    if form.get("type", "text") == "text":
        return None
    return (form.get("json_schema") or form).get("schema") or {}


def answer(asked: Asked) -> Answer:
    """The lab's answer to `asked`. `say: X` is answered with X; a tool is called when it is forced
    or named."""
    if asked.inputs:
        vectors = tuple(embedding(text, asked.dimensions) for text in asked.inputs)
        return Answer(vectors=vectors, base64=asked.base64, input_tokens=len(asked.inputs))
    reasoning = ("Let me ", "think.") if asked.thinks else ()
    text, tools = asked.text[:TEXT_CHARS_MAX], list(islice(asked.tools, TOOLS_MAX))
    wants_all = "use the tool" in text.lower()
    named = [name for name in tools if wants_all or name in text]
    if tools and not asked.answered and (asked.forced or named):
        chosen = named or tools[:1]
        calls = tuple((name, orjson.dumps(_example(asked.tools[name])).decode()) for name in chosen)
        return Answer(reasoning=reasoning, calls=calls, finish="tool_calls")
    pieces = _pieces(asked)
    if asked.limit is not None and asked.limit < len(pieces):
        return Answer(pieces[: asked.limit], reasoning, finish="length")
    return Answer(pieces, reasoning)


def fits(inputs: Sequence[str], dimensions: int) -> bool:
    """Whether a real API would answer with as many vectors of this length."""
    is_small = len(inputs) <= INPUTS_MAX and 1 <= dimensions <= DIMENSIONS_MAX
    return is_small and len(inputs) * dimensions <= NUMBERS_MAX


def embedding(text: str, dimensions: int) -> tuple[float, ...]:
    """A vector of length 1, the same for the same text; each number is exact in 32 bits."""
    count = dimensions // DIGEST_BYTES + 1
    seed = sha256(text.encode()).digest()
    blocks = (sha256(seed + number.to_bytes(4)).digest() for number in range(count))
    numbers = [byte - 127.5 for byte in b"".join(blocks)[:dimensions]]
    length = hypot(*numbers)
    packed = struct.pack(f"{dimensions}f", *(number / length for number in numbers))
    return struct.unpack(f"{dimensions}f", packed)


def _pieces(asked: Asked) -> tuple[str, ...]:
    _, command, text = asked.text.partition("say:")
    if command:
        return (text.strip()[:TEXT_CHARS_MAX],)
    if asked.schema is not None:
        value = _example(asked.schema) or {"answer": "from the lab"}
        text = orjson.dumps(value).decode()
        return text[: len(text) // 2], text[len(text) // 2 :]
    return tuple(word if place == 0 else " " + word for place, word in enumerate(WORDS))


def _example(schema: Mapping[str, Any]) -> Any:
    """A value that a simple JSON Schema accepts."""
    if schema.get("enum"):
        return schema["enum"][0]
    kind = schema.get("type", "object")
    kind = kind[0] if isinstance(kind, list) else kind
    if kind == "object":
        properties = schema.get("properties") or {}
        return {
            name: _example(properties[name])
            for name in dict.fromkeys(schema.get("required", properties))
            if name in properties
        }
    return {
        "string": "Oslo",
        "integer": 7,
        "number": 0.5,
        "boolean": True,
        "array": [],
        "null": None,
    }.get(kind)
