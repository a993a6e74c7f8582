"""Google's `batchEmbedContents`, as a server."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, Final

from gateway.lab import google
from gateway.lab.answers import DIMENSIONS, Answer, Asked, fits

PATHS: Final = (":batchEmbedContents",)
MODELS_PATH: Final = google.MODELS_PATH
INPUTS_MAX: Final = 100
models = google.models
error = google.error


def asked(body: Mapping[str, Any], path: str) -> Asked | None:
    requests = body.get("requests")
    if not requests or len(requests) > INPUTS_MAX:
        return None
    texts = [request["content"]["parts"][0]["text"] for request in requests]
    dimensions = requests[0].get("outputDimensionality") or DIMENSIONS
    if not fits(texts, dimensions):
        return None
    return Asked(
        model=path.rpartition("/models/")[2].partition(":")[0],
        text=texts[-1],
        inputs=tuple(texts),
        dimensions=dimensions,
    )


def whole(answer: Answer, model: str, id_: str) -> dict[str, Any]:
    """Vectors that are not of the full length come as they are cut: not normalised."""
    embeddings = [{"values": [2 * number for number in vector]} for vector in answer.vectors]
    return {"embeddings": embeddings, "usageMetadata": {"promptTokenCount": answer.input_tokens}}
