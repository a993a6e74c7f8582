"""Which APIs the lab plays for each provider, and where. The rows say it; how an API behaves is the
lab's own."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from types import ModuleType
from typing import Final

from gateway.lab import anthropic, chat, embeddings, google, google_embeddings, responses
from gateway.providers import lab_path
from gateway.types import Provider

APIS: Final[Mapping[str, tuple[ModuleType, ...]]] = {
    "anthropic": (anthropic,),
    "chat": (embeddings, chat),
    "google": (google_embeddings, google),
    "responses": (responses, embeddings, chat),
}
"""Dialect → the modules that play it; the last one lists models."""


@dataclass(frozen=True, slots=True)
class Vendor:
    """One provider, as the lab plays it."""

    path: str
    """The prefix of its paths, as in its real base URL."""
    apis: tuple[ModuleType, ...]
    """Empty for a dialect that the lab does not speak."""
    key_headers: frozenset[str]
    """Where a key may be; empty for a server that needs none."""

    def api(self, path: str) -> ModuleType | None:
        """The API that `path` asks for."""
        return next((api for api in self.apis if any(end in path for end in api.PATHS)), None)


def vendors(rows: Iterable[Provider]) -> dict[str, Vendor]:
    """Provider → how it is played."""
    return {row.name: Vendor(lab_path(row), _apis(row), _key_headers(row)) for row in rows}


def _apis(row: Provider) -> tuple[ModuleType, ...]:
    return APIS.get("responses" if row.quirks.api == "auto" else row.dialect, ())


def _key_headers(row: Provider) -> frozenset[str]:
    if row.key_optional:
        return frozenset()
    return frozenset({row.key_header, "authorization"} if row.bearer_beta else {row.key_header})
