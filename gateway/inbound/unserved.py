"""APIs that clients ask for and that this gateway does not serve. An API that is served from now on
loses its row."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Final

UNSERVED: Final[Mapping[str, tuple[str, ...]]] = {
    "The Message Batches API": ("/messages/batches",),
    "The legacy Completions API": ("/completions", "/complete", "/engines", "/edits"),
    "The stored chat completions API": ("/chat/completions",),
    "The Conversations API": ("/conversations",),
    "The Images API": ("/images",),
    "The Videos API": ("/videos",),
    "The Audio API": ("/audio",),
    "The Realtime API": ("/realtime",),
    "The Files API": ("/files",),
    "The Uploads API": ("/uploads",),
    "The Batches API": ("/batches", "/batch"),
    "The Moderations API": ("/moderations",),
    "The Fine-tuning API": ("/fine_tuning", "/fine-tunes"),
    "The Assistants API": ("/assistants", "/threads"),
    "The Vector Stores API": ("/vector_stores",),
    "The Containers API": ("/containers",),
    "The Evals API": ("/evals",),
    "The Skills API": ("/skills",),
    "The Organization API": ("/organization", "/organizations"),
    "The Rerank API": ("/rerank",),
    "The OCR API": ("/ocr",),
    "The generateContent API": ("/v1beta", "/v1alpha"),
    "The Ollama API": tuple(
        f"/api/{name}"
        for name in ("chat", "generate", "ps", "embed", "embeddings", "pull", "create")
    ),
}
"""API → the first segments of its paths, without `/v1`. What is below a path belongs to it too."""

_API_OF: Final = {path: api for api, paths in UNSERVED.items() for path in paths}
_SEGMENTS_MAX: Final = 2


def unserved_api(path: str) -> str | None:
    """The API that `path` belongs to if it is one that is not served; `path` has no empty
    segments."""
    bare = path[3:] if path.startswith("/v1/") else path
    segments = bare.split("/", _SEGMENTS_MAX + 1)
    for end in range(2, _SEGMENTS_MAX + 2):
        api = _API_OF.get("/".join(segments[:end]))
        if api is not None:
            return api
    return None
