"""The eight providers, one row each.

A row says where to send, how to sign, which fields differ, and whatever else is the vendor's own;
how to phrase and how to read is the dialect's. Adding an OpenAI-compatible provider is adding a row
(or nothing at all: `provider = "custom"` with a `baseUrl`). `tests/test_providers.py` names
everything that a new row lacks.

Model ids go out of date: `default_model` and `retired` are the only places to update. Retired ids
are never refused or replaced. Sources: the vendors' deprecation pages, model lists and embeddings
references, November 2026; see `docs/providers.md`. Google refuses more than 100 inputs of
embeddings, OpenAI more than 2048 or 300,000 tokens, Mistral more than 16,384 tokens; the other
limits are not documented.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import replace
from datetime import date
from typing import Any, Final
from urllib.parse import urlsplit

from gateway.hub.schema import OTHER_SERVERS
from gateway.types import EmbeddingsRow, Provider, Quirks, SignIn

GONE: Final = date.min
"""Switched off on an unknown day."""

_OPENAI_ONLY: Final = "only OpenAI has it"

_SERVER_FEATURES: Final = {
    "audio": "no audio output",
    "web_search_options": "no web search on chat completions",
    "moderation": _OPENAI_ONLY,
}
"""A client that asks for these reads fields that would be missing: another model must serve, or
none."""

_TEXT_ONLY: Final = {"modalities": "answers in text alone"}

_HINTS: Final = {
    "metadata": _OPENAI_ONLY,
    "store": _OPENAI_ONLY,
    "safety_identifier": _OPENAI_ONLY,
    "prompt_cache_key": _OPENAI_ONLY,
    "prompt_cache_retention": _OPENAI_ONLY,
    "prompt_cache_options": _OPENAI_ONLY,
    "verbosity": _OPENAI_ONLY,
    "prediction": _OPENAI_ONLY,
    "service_tier": _OPENAI_ONLY,
}

_OTHER_SERVERS: Final = dict.fromkeys(OTHER_SERVERS, "only other servers have it")
"""Each costs a 400 where it is unknown. An unknown field is sent: it may be new."""

_SEARCH_SETTINGS: Final = (
    "search_settings",
    "compound_custom",
    "include_domains",
    "exclude_domains",
)
"""Of Groq's systems that search by themselves; sent under their own names."""

LOCAL_URL: Final = "http://127.0.0.1:11434/v1"
"""The usual address of a local server; the user edits it."""

PROVIDERS: Final[Mapping[str, Provider]] = {
    row.name: row
    for row in (
        Provider(
            name="anthropic",
            dialect="anthropic",
            base_url="https://api.anthropic.com",
            credential="anthropic_key",
            env=("ANTHROPIC_API_KEY",),
            key_header="x-api-key",
            key_prefix="",
            beta_header="anthropic-beta",
            bearer_beta="oauth-2025-04-20",
            sign_in=SignIn(
                "https://platform.claude.com/v1/oauth/token",
                "9d1c250a-e61b-44d9-88ed-5944d1962f5e",
                form=False,
            ),
            headers={"anthropic-version": "2023-06-01"},
            key_hint="sk-ant-api",
            models_path="/v1/models?limit=1000",
            default_model="claude-sonnet-5",
            default_rank=1,
            retired={
                "claude-2*": GONE,
                "claude-3-*": GONE,
                "claude-haiku-3-*": GONE,
                "claude-mythos-preview": GONE,
                "claude-opus-4-0": GONE,
                "claude-opus-4-1*": date(2026, 8, 5),
                "claude-opus-4-20250514": GONE,
                "claude-sonnet-4-0": GONE,
                "claude-sonnet-4-20250514": GONE,
                "claude-sonnet-4-5": date(2026, 11, 30),
                "claude-sonnet-4-5-20250929": date(2026, 11, 30),
            },
        ),
        Provider(
            name="openai",
            dialect="chat",
            base_url="https://api.openai.com/v1",
            embeddings=EmbeddingsRow(
                2048, 250_000, frozenset({"user"}), base64=True, token_ids=True
            ),
            credential="openai_key",
            env=("OPENAI_API_KEY",),
            dropped=_OTHER_SERVERS,
            quirks=Quirks(
                max_tokens_field="max_completion_tokens",
                developer_role=True,
                late_system=True,
                names=True,
                reasoning="effort",
                strict_tools=True,
                custom_tools=True,
                tool_result_images=True,
                tool_ids="max40",
                allowed_tools=True,
                tools_max=128,
                files="file",
                audio="object",
                api="auto",
            ),
            key_hint="sk-",
            default_model="gpt-5.4-mini",
            default_rank=2,
            retired={
                "chatgpt-4o-latest": date(2026, 8, 10),
                "gpt-3.5*": date(2026, 10, 23),
                "gpt-4": date(2026, 10, 23),
                "gpt-4-*": date(2026, 10, 23),
                "gpt-4.1": date(2027, 1, 14),
                "gpt-4.1-mini": date(2027, 1, 14),
                "gpt-4.5*": GONE,
                "gpt-5": date(2026, 12, 11),
                "gpt-5.1": date(2027, 4, 1),
                "gpt-5.4-nano": date(2027, 4, 1),
                "gpt-5*-chat-latest": date(2026, 8, 10),
                "o1": date(2026, 10, 23),
                "o1-mini": date(2026, 10, 23),
                "o1-preview": date(2026, 10, 23),
                "o3": date(2026, 12, 11),
                "o3-mini": date(2026, 10, 23),
                "o4-mini": date(2026, 10, 23),
            },
        ),
        Provider(
            name="groq",
            dialect="chat",
            base_url="https://api.groq.com/openai/v1",
            credential="groq_key",
            env=("GROQ_API_KEY",),
            dropped=_HINTS
            | {
                "presence_penalty": "not supported by any of its models",
                "frequency_penalty": "not supported by any of its models",
                "logit_bias": "not supported by any of its models",
            },
            refused=_SERVER_FEATURES
            | _TEXT_ONLY
            | {
                "logprobs": "not supported by any of its models",
                "top_logprobs": "not supported by any of its models",
                "n": "only one choice",
            },
            renamed={field: field for field in _SEARCH_SETTINGS},
            quirks=Quirks(
                max_tokens_field="max_completion_tokens",
                late_system=True,
                reasoning="effort",
                list_content=False,
                tools_max=128,
                unknown_fields="drop",
            ),
            key_hint="gsk_",
            default_model="openai/gpt-oss-120b",
            default_rank=6,
        ),
        Provider(
            name="google",
            trace_name="gcp.gemini",
            dialect="google",
            base_url="https://generativelanguage.googleapis.com/v1beta",
            embeddings=EmbeddingsRow(100, fields=frozenset({"task_type", "title", "input_type"})),
            credential="google_key",
            env=("GEMINI_API_KEY", "GOOGLE_API_KEY"),
            key_header="x-goog-api-key",
            key_prefix="",
            models_path="/models?pageSize=1000",
            default_model="gemini-3.5-flash",
            default_rank=3,
            retired={
                "gemini-1.*": GONE,
                "gemini-2.0-*": GONE,
                "gemini-3-pro-preview": GONE,
                "gemini-pro": GONE,
            },
        ),
        Provider(
            name="xai",
            trace_name="x_ai",
            dialect="chat",
            base_url="https://api.x.ai/v1",
            credential="xai_key",
            env=("XAI_API_KEY",),
            dropped=_HINTS | _OTHER_SERVERS | {"logit_bias": "documented as unsupported"},
            refused=_SERVER_FEATURES | _TEXT_ONLY,
            quirks=Quirks(
                late_system=True,
                reasoning="effort",
                tool_parameters=True,
                finish="none",
                tools_max=128,
            ),
            key_hint="xai-",
            sign_in=SignIn(
                "https://auth.x.ai/oauth2/token", "b1a00492-073a-47ea-816f-4c329264a828", form=True
            ),
            default_model="grok-4.3",
            default_rank=4,
            retired={"grok-beta": GONE, "grok-vision-beta": GONE},
            price_name="x-ai",
        ),
        Provider(
            name="mistral",
            trace_name="mistral_ai",
            dialect="chat",
            base_url="https://api.mistral.ai/v1",
            embeddings=EmbeddingsRow(512, 16_000, dimensions="output_dimension"),
            credential="mistral_key",
            env=("MISTRAL_API_KEY",),
            renamed={"seed": "random_seed"},
            dropped={
                field: reason for field, reason in _HINTS.items() if field != "prompt_cache_key"
            }
            | {
                "user": "refused as an unknown field",
                "logit_bias": "refused as an unknown field",
                "modalities": "refused as an unknown field",
            },
            refused=_SERVER_FEATURES
            | {
                "logprobs": "support is not known",
                "top_logprobs": "support is not known",
                "n": "support is not known",
            },
            quirks=Quirks(
                reasoning="effort",
                stream_usage=False,
                tool_parameters=True,
                tool_result_name=True,
                tool_ids="alnum9",
                prefill="prefix",
                files="document_url",
                audio="object",
                unknown_fields="drop",
            ),
            default_model="mistral-large-latest",
            default_rank=5,
        ),
        Provider(
            name="openrouter",
            dialect="chat",
            base_url="https://openrouter.ai/api/v1",
            embeddings=EmbeddingsRow(256, 250_000, frozenset({"user", "provider", "input_type"})),
            credential="openrouter_key",
            env=("OPENROUTER_API_KEY",),
            dropped={
                "store": _OPENAI_ONLY,
                "safety_identifier": _OPENAI_ONLY,
                "prompt_cache_retention": _OPENAI_ONLY,
                "verbosity": "not in its request type",
            },
            refused=_SERVER_FEATURES | {"n": "not in its request type"},
            quirks=Quirks(
                developer_role=True,
                late_system=True,
                names=True,
                reasoning="object",
                reasoning_details=True,
                strict_tools=True,
                tool_result_images=True,
                cache_control=True,
                files="file",
                audio="object",
                video=True,
            ),
            key_hint="sk-or-",
            default_model="anthropic/claude-sonnet-5",
            default_rank=7,
        ),
        Provider(
            name="custom",
            dialect="chat",
            base_url=None,
            embeddings=EmbeddingsRow(256, fields=None),
            credential="custom_key",
            dropped=_HINTS,
            refused=_SERVER_FEATURES | _TEXT_ONLY,
            quirks=Quirks(
                reasoning="effort", finish="none", files="file", audio="object", video=True
            ),
            key_optional=True,
        ),
    )
}
"""Facts and sources: `docs/providers.md`."""

_THINKING_SWITCH: Final = {"reasoning": "thinking"}
_THINKING_REPLAY: Final = {"reasoning": "thinking", "reasoning_replay": True}

HOSTS: Final[Mapping[str, Mapping[str, Any]]] = {
    "api.deepseek.com": {**_THINKING_REPLAY, "json_schema": False},
    "api.moonshot.ai": _THINKING_REPLAY,
    "api.moonshot.cn": _THINKING_REPLAY,
    "api.z.ai": _THINKING_SWITCH,
    "open.bigmodel.cn": _THINKING_SWITCH,
    "dashscope.aliyuncs.com": {"reasoning": "enable_thinking", "embedding_inputs": 10},
    "dashscope-intl.aliyuncs.com": {"reasoning": "enable_thinking", "embedding_inputs": 10},
}
"""Public servers without a row of their own → the switches by which they differ from an unknown
server. Never an address of a private network: the user configures what answers there."""


def quirks_of(provider: Provider, base_url: str) -> Quirks:
    """The provider's quirks, and those of the host where it says nothing of its own."""
    if provider.base_url is not None:
        return provider.quirks
    return replace(provider.quirks, **HOSTS.get(urlsplit(base_url).hostname or "", {}))


def default_models(rows: Iterable[Provider]) -> dict[str, str]:
    """Provider → the model id of a configuration made from keys alone, first choice first."""
    ranked = sorted(rows, key=lambda row: row.default_rank)
    return {row.name: row.default_model for row in ranked if row.default_model}


def lab_path(row: Provider) -> str:
    """The prefix of the provider's paths in the lab: its name, then as in its real base URL."""
    return f"/{row.name}{urlsplit(row.base_url or LOCAL_URL).path}"


CREDENTIAL_TYPES: Final = frozenset(provider.credential for provider in PROVIDERS.values())
