"""Embed: texts in, vectors out. Falls back only within one vector space.

Vectors of two models have nothing to do with each other, even where their lengths are equal: an
index that holds both finds nonsense, and no error says so. So a chain is cut down to the models
whose `space` is that of its first model.

A provider takes fewer inputs in one request than a client may send. The request is then sent in
parts, one after the other, and the answers are joined: all of them, or none.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import Any, Final

from gateway.dialects import DIALECTS, EMBEDDINGS
from gateway.hub.contracts import Embeddings, Encoded, Native, StreamDecoder, Unsupported, Upstream
from gateway.hub.embeddings import embeddings_row, joined
from gateway.types import Agent, Chat, Model

__all__ = [
    "FACES",
    "NAME",
    "NATIVE",
    "candidates",
    "facts",
    "is_empty",
    "joined",
    "may_omit",
    "parts",
]

NAME: Final = "embed"

_SHAPING: Final = frozenset(
    {"task_type", "input_type", "title", "prompt", "prompt_name", "instruction"}
    | {"truncate", "truncate_prompt_tokens", "normalize", "output_dtype"}
)
"""Fields of other servers' APIs with which the same text has another vector."""
_BYTES_PER_TOKEN: Final = 3
"""Fewer than the usual four, so that an estimate is too high rather than too low."""


class _Face:
    """A dialect's embeddings as an `Upstream`. Errors are those of the dialect."""

    def __init__(self, embeddings: Embeddings, dialect: Upstream) -> None:
        self.encode_request = embeddings.encode_embeddings
        self.decode_response = embeddings.decode_embeddings
        self.decode_error = dialect.decode_error

    def StreamDecoder(self, encoded: Encoded) -> StreamDecoder:  # noqa: N802
        raise Unsupported("stream", "embeddings are not streamed")


FACES: Final[Mapping[str, Upstream]] = {
    name: _Face(embeddings, DIALECTS[name]) for name, embeddings in EMBEDDINGS.items()
}

NATIVE: Final[Mapping[str, Native]] = {}
"""Both formats are close: nothing is gained by a lane of its own."""


def candidates(agent: Agent, request: Chat) -> tuple[Model, ...]:
    """The models of the chain that make the same vectors as the first one.

    They are of its space, and take the same fields of this request that shape vectors.
    """
    first = agent.models[0]
    alike = (model for model in agent.models if model.space == first.space)
    if _SHAPING.isdisjoint(request):
        return tuple(alike)
    lost = _lost(first, request)
    return tuple(model for model in alike if _lost(model, request) == lost)


def _lost(model: Model, request: Chat) -> frozenset[str]:
    """The fields of `request` that shape vectors and that `model` does not receive."""
    short = {**request, "input": request["input"][:1]}
    try:
        encoded = FACES[model.provider.dialect].encode_request(short, model)
    except (KeyError, Unsupported):
        return frozenset()
    return _SHAPING.intersection(encoded.dropped)


def is_empty(answer: Chat) -> bool:
    """Never: an answer without a vector for each input is malformed."""
    return False


def may_omit(path: str) -> bool:
    """Only what says who asks; any other field may change the vectors."""
    return path == "user"


def facts(model: Model, request: Chat) -> Mapping[str, str]:
    """The vector space of the answer."""
    asked = f"; dimensions={request['dimensions']}" if "dimensions" in request else ""
    return {"x-gateway-embedding-space": model.space + asked}


def parts(request: Chat, model: Model) -> list[Chat]:
    """`request` in as many parts as the provider's limits need.

    Raises `Unsupported` for a provider without embeddings.
    """
    row = embeddings_row(model)
    inputs_max = model.quirks.embedding_inputs or row.inputs_max
    slices = _cut(request["input"], inputs_max, row.tokens_max)
    return [{**request, "input": inputs} for inputs in slices]


def _cut(inputs: list[Any], inputs_max: int, tokens_max: int) -> Iterator[list[Any]]:
    """Slices of `inputs` within both limits; an input that is too long by itself goes alone."""
    begin, tokens = 0, 0
    for place, item in enumerate(inputs):
        size = _tokens(item)
        is_full = place - begin >= inputs_max or tokens + size > tokens_max
        if is_full and place > begin:
            yield inputs[begin:place]
            begin, tokens = place, 0
        tokens += size
    yield inputs[begin:]


def _tokens(item: Any) -> int:
    """An estimate for text, the number of token ids otherwise."""
    return len(item.encode()) // _BYTES_PER_TOKEN + 1 if isinstance(item, str) else len(item)
