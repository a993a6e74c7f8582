"""What the golden files translate requests for: every client API has a table of targets.

A target's name is its provider and, behind an `@`, its family of models. Every case of a client API
is translated for every target of its table. `EXTRA` has targets that only the named cases need.
"""

from __future__ import annotations

from collections.abc import Mapping
from types import MappingProxyType
from typing import Any, Final, NamedTuple

from gateway.dialects import DIALECTS, EMBEDDINGS, NATIVE, choose
from gateway.hub.contracts import Encoded, Request
from gateway.types import Model
from tests.makers import model


class Target(NamedTuple):
    """A model that a request is translated for."""

    provider: str
    model_id: str
    dialect: str | None = None
    """The wire format; None where the gateway chooses it for the request."""
    native: bool = False
    """The client's own body is sent, not the hub's form of it."""
    settings: Mapping[str, Any] = MappingProxyType({})
    """Fields of the `Model`."""

    @property
    def model(self) -> Model:
        return model(self.provider, self.model_id, **self.settings)

    def encode(self, request: Request) -> Encoded:
        """A chat in the provider's own format. Raises `Unsupported`."""
        dialect = self.dialect or choose(request.chat, self.model)
        if self.native:
            return NATIVE[dialect].encode(request, self.model)
        return DIALECTS[dialect].encode_request(request.chat, self.model)

    def encode_embeddings(self, request: Request) -> Encoded:
        """A request for embeddings in the provider's own format. Raises `Unsupported`."""
        dialect = EMBEDDINGS[self.model.provider.dialect]
        return dialect.encode_embeddings(request.chat, self.model)


SONNET_5: Final = Target("anthropic", "claude-sonnet-5", "anthropic")
GEMINI_3: Final = Target("google", "gemini-3.5-flash", "google")
MISTRAL_LARGE: Final = Target("mistral", "mistral-large-latest", "chat")
QWEN: Final = Target("custom", "qwen3:32b", "chat")

CHAT: Final[Mapping[str, Target]] = {
    "anthropic@4-5": Target("anthropic", "claude-sonnet-4-5", "anthropic"),
    "anthropic@5": SONNET_5,
    "anthropic@fable-5": Target("anthropic", "claude-fable-5", "anthropic"),
    "google@2.5": Target("google", "gemini-2.5-pro", "google"),
    "google@3": GEMINI_3,
    "openai@4o": Target("openai", "gpt-4o", "chat"),
    "openai@5": Target("openai", "gpt-5.1", "chat"),
    "openai@6-responses": Target("openai", "gpt-6-luna", "responses"),
    "groq": Target("groq", "openai/gpt-oss-20b", "chat"),
    "xai": Target("xai", "grok-4.5", "chat"),
    "mistral": Target("mistral", "mistral-medium-3-5", "chat"),
    "openrouter": Target("openrouter", "anthropic/claude-sonnet-5", "chat"),
    "custom": QWEN,
}
MESSAGES: Final[Mapping[str, Target]] = {
    "anthropic@5-native": SONNET_5._replace(native=True),
    "anthropic@haiku-4-5-native": Target("anthropic", "claude-haiku-4-5", "anthropic", native=True),
    "anthropic@5": SONNET_5,
    "openai@5.5": Target("openai", "gpt-5.5"),
    "google@3": GEMINI_3,
    "mistral@large": MISTRAL_LARGE,
}
RESPONSES: Final[Mapping[str, Target]] = {
    "openai@5.6-native": Target("openai", "gpt-5.6-sol", "responses", native=True),
    "anthropic@5": SONNET_5,
    "google@3": GEMINI_3,
    "mistral@large": MISTRAL_LARGE,
    "custom": QWEN,
}
EMBEDDING: Final[Mapping[str, Target]] = {
    "openai@3-small": Target("openai", "text-embedding-3-small"),
    "google@001": Target("google", "gemini-embedding-001"),
    "google@2": Target("google", "gemini-embedding-2"),
    "mistral@codestral": Target("mistral", "codestral-embed"),
    "openrouter": Target(
        "openrouter",
        "openai/text-embedding-3-small",
        settings={"options": {"provider": {"order": ["openai"], "allow_fallbacks": False}}},
    ),
    "custom": Target("custom", "bge-m3"),
}
TARGETS: Final[Mapping[str, Mapping[str, Target]]] = {
    "chat": CHAT,
    "messages": MESSAGES,
    "responses": RESPONSES,
    "embeddings": EMBEDDING,
}
"""The targets of a client API, by the name of its golden file."""

EXTRA: Final[tuple[tuple[str, Target, str], ...]] = (
    (
        "anthropic@haiku-4-5",
        Target("anthropic", "claude-haiku-4-5", "anthropic"),
        "answer_of_thinking_only default_temperature_and_top_p limit_above_the_models_own "
        "prefill_with_json_schema unsigned_call_then_user_text",
    ),
    (
        "anthropic@4-6",
        Target("anthropic", "claude-sonnet-4-6", "anthropic"),
        "temperature_and_top_p",
    ),
    (
        "anthropic@opus-5",
        Target("anthropic", "claude-opus-5", "anthropic"),
        "text effort_none_with_tools signed_thinking_in_the_last_turn",
    ),
    (
        "anthropic@opus-5-5",
        Target("anthropic", "claude-opus-5-5", "anthropic"),
        "signed_thinking_in_every_turn signed_thinking_in_the_last_turn",
    ),
    (
        "anthropic@opus-4.5-by-proxy",
        Target("anthropic", "anthropic/claude-opus-4.5", "anthropic"),
        "model_id_of_a_proxy",
    ),
    (
        "anthropic@5-cache",
        SONNET_5._replace(settings={"cache": True}),
        "cache_marks_automatic cache_marks_automatic_before_an_hour",
    ),
    ("openai@audio", Target("openai", "gpt-audio", "chat"), "audio"),
    ("groq@qwen3", Target("groq", "qwen/qwen3-32b", "chat"), "text"),
    ("groq@qwen3.8", Target("groq", "qwen/qwen3.8-27b", "chat"), "text"),
    ("mistral@large", MISTRAL_LARGE, "unknown_keys_of_parts"),
    (
        "openai@3-large-options",
        Target(
            "openai",
            "text-embedding-3-large",
            settings={"options": {"dimensions": 256, "service": {"a": 1}}},
        ),
        "embed_text",
    ),
    ("openai@ada-002", Target("openai", "text-embedding-ada-002"), "embed_token_ids_as_base64"),
    ("mistral@embed", Target("mistral", "mistral-embed"), "embed_token_ids"),
    (
        "google@001-options",
        Target(
            "google",
            "models/gemini-embedding-001",
            settings={"options": {"taskType": "CLUSTERING"}},
        ),
        "embed_title",
    ),
)
"""Name, target, and the cases that are translated for it as well."""


def targets_of(client: str, case: str) -> dict[str, Target]:
    """What a case of a client API is translated for, by name."""
    extra = {name: target for name, target, cases in EXTRA if case in cases.split()}
    return {**TARGETS[client], **extra}
