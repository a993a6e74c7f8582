"""The hub's form of embeddings: OpenAI's request and answer as plain dicts, and their checks.

request   `{"model", "input": [...], "dimensions"?, ...}`; `input` is a list of non-empty strings,
          or of non-empty lists of token ids; never null, never one bare value
answer    `{"object": "list", "data": [{"object", "index", "embedding"}], "model"?, "usage"?}`; one
          entry for each input, in its order; an `embedding` is a list of floats, or base64 of
          little-endian float32, as the provider sent it

A wrong vector breaks an index without a sign, so everything that can be checked is checked.
Source: OpenAI's API reference of `POST /v1/embeddings`.
"""

from __future__ import annotations

import binascii
import sys
from array import array
from collections.abc import Mapping, Sequence
from math import hypot, isfinite
from types import MappingProxyType
from typing import Any, Final

from gateway.failures import Failed, Failure, Kind
from gateway.hub.chunks import usage_dict
from gateway.hub.contracts import Unsupported
from gateway.hub.counts import token_count
from gateway.types import Chat, EmbeddingsRow, Model, Usage

INPUTS_MAX: Final = 4096
"""Inputs of one request: twice what OpenAI's own API takes. All vectors of an answer are in memory
at once."""
FLOAT_BYTES: Final = 4

Vector = list[float] | str
"""Floats, or base64 of little-endian float32."""

_DIFFERENT: Final = "the provider sent vectors of different lengths"
_NOT_FLOAT32: Final = "the provider sent an embedding with a number that is not a 32-bit float"
_NUMBERS: Final = frozenset({float, int})
_NOTHING: Final[Mapping[str, Any]] = MappingProxyType({})


def malformed(message: str) -> Failed:
    """An answer that cannot be used."""
    return Failed(Failure(Kind.MALFORMED, message, status=200))


def encode_answer(
    vectors: Sequence[Any],
    wanted: int,
    dimensions: Any,
    *,
    usage: Mapping[str, Any] | None,
    more: Mapping[str, Any] = _NOTHING,
) -> Chat:
    """The hub's answer of `vectors`, which are in the order of the inputs.

    `wanted` is the number of inputs, `dimensions` what the request asked for (None for nothing),
    `usage` the provider's counts, `more` further fields of its answer.

    Raises `Failed` for a wrong number of vectors, and for a vector that is empty, holds something
    else than finite numbers, or has another length than the others or than `dimensions`.
    """
    if len(vectors) != wanted:
        raise malformed(f"the provider sent {len(vectors)} vectors for {wanted} inputs")
    lengths = {_length(vector) for vector in vectors}
    if len(lengths) > 1:
        raise malformed(f"{_DIFFERENT} ({min(lengths)} and {max(lengths)})")
    if isinstance(dimensions, int) and lengths != {dimensions}:
        raise _other_length(dimensions, lengths.pop())
    data = [
        {"object": "embedding", "index": index, "embedding": vector}
        for index, vector in enumerate(vectors)
    ]
    answer: Chat = {**more, "object": "list", "data": data}
    return answer if usage is None else {**answer, "usage": _counts(usage)}


def _other_length(wanted: int, found: int) -> Failed:
    """A model that ignores `dimensions`: it lacks what this request asks for, and needs no
    cooldown."""
    message = f"dimensions: the model answers with {found} dimensions, not with {wanted}"
    return Failed(Failure(Kind.UNSUPPORTED, message, status=200, param="dimensions"))


def _length(vector: Any) -> int:
    """The dimensions of a vector. Raises `Failed` for a value that is not a usable vector."""
    numbers = _unpacked(vector) if isinstance(vector, str) else _float32(vector)
    if not numbers:
        raise malformed("the provider sent an empty embedding")
    if not isfinite(sum(numbers)):
        raise malformed(_NOT_FLOAT32)
    return len(numbers)


def _float32(vector: Any) -> array[float]:
    """A list of numbers; what is too large for 32 bits becomes infinite."""
    if not isinstance(vector, list) or not set(map(type, vector)) <= _NUMBERS:
        raise malformed("the provider sent an embedding that is not a list of numbers")
    try:
        return array("f", vector)
    except OverflowError as error:
        raise malformed(_NOT_FLOAT32) from error


def _counts(usage: Mapping[str, Any]) -> dict[str, Any]:
    """The provider's counts with `prompt_tokens` and `total_tokens`, which the contract wants."""
    prompt, total = token_count(usage.get("prompt_tokens")), token_count(usage.get("total_tokens"))
    counts = usage_dict(Usage(input=prompt or total), usage)
    del counts["completion_tokens"]
    return {**counts, "total_tokens": total or prompt}


def in_order(entries: Sequence[Any]) -> list[Any]:
    """The vectors of `[{"index", "embedding"}]` by index; as they came where no entry has one.

    Raises `Failed` for indexes that leave a place empty or take one twice.
    """
    indexes = [entry.get("index") for entry in entries]
    vectors = [entry["embedding"] for entry in entries]
    if all(index is None for index in indexes):
        return vectors
    pairs = zip(indexes, vectors, strict=True)
    places = {index: vector for index, vector in pairs if type(index) is int}
    if len(places) != len(vectors) or not places.keys() <= set(range(len(vectors))):
        raise malformed("the provider's embeddings have indexes that do not fit the inputs")
    return [places[index] for index in range(len(vectors))]


def as_floats(vector: Vector) -> list[float]:
    """`vector` as floats. Raises `Failed` for text that is not base64 of whole float32 values."""
    return _unpacked(vector).tolist() if isinstance(vector, str) else vector


def _unpacked(text: str) -> array[float]:
    try:
        data = binascii.a2b_base64(text, strict_mode=True)
    except ValueError as error:
        raise malformed("the provider sent an embedding that is not valid base64") from error
    if len(data) % FLOAT_BYTES:
        raise malformed("the provider sent an embedding that is not a list of 32-bit floats")
    return _little_endian(array("f", data))


def as_base64(vector: Vector) -> str:
    """`vector` as base64 of little-endian float32."""
    if isinstance(vector, str):
        return vector
    data = _little_endian(array("f", vector)).tobytes()
    return binascii.b2a_base64(data, newline=False).decode()


def _little_endian(numbers: array[float]) -> array[float]:
    if sys.byteorder == "big":
        numbers.byteswap()
    return numbers


def unit(vector: list[float]) -> list[float]:
    """`vector` at length 1, so that dot products can be compared; a vector of zeros stays."""
    length = hypot(*vector)
    return [number / length for number in vector] if length else vector


def joined(answers: Sequence[Chat]) -> Chat:
    """The answers to the parts of one request as one.

    Counts are added; other fields are those of the first part. Raises `Failed` for vectors of
    different lengths.
    """
    if len(answers) == 1:
        return answers[0]
    entries = [entry for answer in answers for entry in answer["data"]]
    lengths = {_length(answer["data"][0]["embedding"]) for answer in answers}
    if len(lengths) > 1:
        raise malformed(f"{_DIFFERENT} for the parts of one request")
    data = [{**entry, "index": index} for index, entry in enumerate(entries)]
    usages = [answer["usage"] for answer in answers if "usage" in answer]
    whole: Chat = {**answers[0], "data": data}
    return whole if not usages else {**whole, "usage": _added(usages)}


def _added(usages: Sequence[Mapping[str, Any]]) -> dict[str, Any]:
    total = dict(usages[0])
    for usage in usages[1:]:
        for key, value in usage.items():
            known = total.get(key)
            are_numbers = {type(known), type(value)} <= _NUMBERS
            total[key] = known + value if are_numbers else value
    return total


def embeddings_row(model: Model) -> EmbeddingsRow:
    """The embeddings API of the model's provider. Raises `Unsupported` where there is none."""
    row = model.provider.embeddings
    if row is None:
        reason = f"{model.provider.name} has no embeddings API, so {model.name} cannot embed"
        raise Unsupported("model", reason)
    return row


def check_dimensions(request: Chat, sent: Any) -> None:
    """Raises `Unsupported` where the configuration fixes other dimensions than the client asks
    for."""
    if "dimensions" in request and sent != request["dimensions"]:
        raise Unsupported("dimensions", f"the configuration of this model fixes {sent} dimensions")
