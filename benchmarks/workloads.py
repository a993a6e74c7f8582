"""What is measured: the shape of the answer, whose API the provider speaks, how long the prompt is,
how many calls."""

from __future__ import annotations

import json
from dataclasses import dataclass
from typing import Any, Final, Literal

Shape = Literal["json", "burst", "paced", "hold", "fallback"]
Dialect = Literal["chat", "anthropic", "google"]

PIECES: Final[dict[Shape, int]] = {"json": 0, "burst": 100, "paced": 50, "hold": 1, "fallback": 0}
"""Pieces of text in a stream; what opens and ends it comes on top."""
PACED_S: Final = 1.0
"""How long a paced stream takes."""

_PREFIXES: Final[dict[Shape, str]] = {
    "json": "",
    "burst": "/burst/100",
    "paced": "/paced/50/20ms",
    "hold": "/hold",
    "fallback": "/fail/500",
}
_BASES: Final[dict[Dialect, str]] = {"chat": "/v1", "anthropic": "", "google": "/v1beta"}
MODEL: Final = "bench-1"
"""The provider's id of the model."""

SMALL_BYTES, LARGE_BYTES = 1_000, 300_000
_TURN_BYTES = 3_000
_WORDS = (
    "The gateway was asked to read this file, to change one "
    "line of it, and to say what it had done. "
)


@dataclass(frozen=True, slots=True)
class Workload:
    """One row of the table."""

    name: str
    shape: Shape
    dialect: Dialect
    prompt_bytes: int
    concurrency: int
    """Connections; for `hold`, the streams that are open."""
    in_short: bool = False
    workers: int = 1

    @property
    def is_stream(self) -> bool:
        return self.shape in ("burst", "paced", "hold")

    @property
    def route(self) -> tuple[Shape, Dialect]:
        return self.shape, self.dialect

    @property
    def pieces(self) -> int:
        """Pieces of text in each answer; 0 for JSON."""
        return PIECES[self.shape]


def agent(shape: Shape, dialect: Dialect) -> str:
    """The name under which a target offers a route."""
    return f"{shape}-{dialect}"


def base_path(shape: Shape, dialect: Dialect) -> str:
    """What stands before the provider's own path, at the mock."""
    return _PREFIXES[shape] + _BASES[dialect]


def native_path(workload: Workload) -> str:
    """The path of the provider's API, at the mock."""
    base = base_path(*workload.route)
    if workload.dialect == "chat":
        return f"{base}/chat/completions"
    if workload.dialect == "anthropic":
        return f"{base}/v1/messages"
    verb = "streamGenerateContent?alt=sse" if workload.is_stream else "generateContent"
    return f"{base}/models/{MODEL}:{verb}"


def body(workload: Workload) -> bytes:
    """The client's request: chat completions, whatever the provider speaks. About `prompt_bytes`
    long."""
    left = workload.prompt_bytes
    messages: list[dict[str, Any]] = [
        {"role": "system", "content": "You are a careful programmer."}
    ]
    while left > 0:
        size = min(left, _TURN_BYTES)
        role = "assistant" if len(messages) % 2 == 0 and left > _TURN_BYTES else "user"
        messages.append(
            {"role": role, "content": (_WORDS * (size // len(_WORDS) + 1))[: max(size - 150, 1)]}
        )
        left -= size
    request: dict[str, Any] = {
        "model": agent(*workload.route),
        "max_tokens": 512,
        "temperature": 0.2,
    }
    if workload.is_stream:
        request["stream"] = True
    return json.dumps(request | {"messages": messages}, separators=(",", ":")).encode()


def _rows(
    kind: str, shape: Shape, dialect: Dialect, size: int, short: set[int], full: set[int]
) -> list[Workload]:
    return [
        Workload(f"{kind}-{dialect}@{count}", shape, dialect, size, count, count in short)
        for count in sorted(short | full)
    ]


_ALL = {1, 16, 64, 256}

WORKLOADS: Final[list[Workload]] = [
    *_rows("small", "json", "chat", SMALL_BYTES, {1, 16, 256}, _ALL),
    *_rows("small", "json", "anthropic", SMALL_BYTES, {16}, _ALL),
    *_rows("small", "json", "google", SMALL_BYTES, {16}, _ALL),
    *_rows("large", "json", "chat", LARGE_BYTES, {16}, {1, 16, 64}),
    *_rows("large", "json", "anthropic", LARGE_BYTES, set(), {1, 16, 64}),
    *_rows("large", "json", "google", LARGE_BYTES, set(), {1, 16, 64}),
    *_rows("burst", "burst", "chat", SMALL_BYTES, {16}, _ALL),
    *_rows("burst", "burst", "anthropic", SMALL_BYTES, {16}, _ALL),
    *_rows("burst", "burst", "google", SMALL_BYTES, set(), _ALL),
    *_rows("paced", "paced", "chat", SMALL_BYTES, set(), {16, 64, 256}),
    *_rows("paced", "paced", "anthropic", SMALL_BYTES, {64}, {16, 64, 256}),
    *_rows("fallback", "fallback", "chat", SMALL_BYTES, {16}, {1, 64}),
    *_rows("idle", "hold", "chat", SMALL_BYTES, {1000}, {5000}),
    *_rows("idle", "hold", "anthropic", SMALL_BYTES, set(), {1000}),
    Workload("workers-chat@64", "json", "chat", SMALL_BYTES, 64, workers=2),
]

ROUTES: Final[list[tuple[Shape, Dialect]]] = sorted({workload.route for workload in WORKLOADS})
