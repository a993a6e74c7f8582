"""`POST /embeddings`, as a server: OpenAI's, and those of the vendors that have it too."""

from __future__ import annotations

import base64
import struct
from collections.abc import Mapping
from typing import Any, Final

from gateway.lab import chat
from gateway.lab.answers import DIMENSIONS, Answer, Asked, fits

PATHS: Final = ("/embeddings",)
MODELS_PATH: Final = chat.MODELS_PATH
models = chat.models
error = chat.error


def asked(body: Mapping[str, Any], path: str) -> Asked | None:
    inputs = body.get("input")
    if not inputs:
        return None
    several = inputs if isinstance(inputs, list) and not isinstance(inputs[0], int) else [inputs]
    texts = [item if isinstance(item, str) else " ".join(map(str, item)) for item in several]
    dimensions = body.get("dimensions") or body.get("output_dimension") or DIMENSIONS
    if not fits(texts, dimensions):
        return None
    return Asked(
        model=body.get("model", ""),
        text=texts[-1],
        inputs=tuple(texts),
        dimensions=dimensions,
        base64=body.get("encoding_format") == "base64",
    )


def whole(answer: Answer, model: str, id_: str) -> dict[str, Any]:
    form = _base64 if answer.base64 else list
    data = [
        {"object": "embedding", "index": index, "embedding": form(vector)}
        for index, vector in enumerate(answer.vectors)
    ]
    counts = {"prompt_tokens": answer.input_tokens, "total_tokens": answer.input_tokens}
    return {"object": "list", "data": data, "model": model, "usage": counts}


def _base64(vector: tuple[float, ...]) -> str:
    return base64.b64encode(struct.pack(f"<{len(vector)}f", *vector)).decode()
