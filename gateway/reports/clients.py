"""The exact lines that point each client program at an agent.

Sources: each program's own documentation; for Codex and Claude Code also the programs themselves,
run against a server on loopback in November 2026.
"""

from __future__ import annotations

import json
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from shlex import quote
from typing import Any, Final

from gateway.types import Agent

NO_KEY: Final = "any"
"""Sent where the gateway needs no key, because clients insist on one."""
KEY: Final = "YOUR_KEY"
"""In place of a key, which the gateway keeps only as a hash."""
ASSUMED_WINDOW: Final = 200_000
"""Tokens; where no model of the chain has a `contextWindow`."""
ASSUMED_OUTPUT: Final = 32_000
"""Tokens; where no model has a `maxOutputTokens`, but no more than a quarter of the window."""

SHELL: Final = "shell"


@dataclass(frozen=True, slots=True)
class Lines:
    """The text for one place."""

    place: str
    """`shell`, a file, a language, or a page of settings."""
    text: str


@dataclass(frozen=True, slots=True)
class Client:
    """One client program."""

    client: str
    lines: list[Lines]


@dataclass(frozen=True, slots=True)
class ClientSetup:
    """How each client reaches one agent."""

    agent: str
    models: list[str]
    """The names of its models, first choice first."""
    url: str
    """Without `/v1`."""
    key: str
    """`NO_KEY` or `KEY`."""
    context_window: int
    """Tokens; the smallest of the chain, so that what fits there fits every model."""
    is_window_assumed: bool
    """No model of the chain states its window."""
    clients: list[Client]


@dataclass(frozen=True, slots=True)
class _Target:
    """The values in the lines."""

    agent: str
    url: str
    key: str
    window: int
    output: int

    @property
    def base(self) -> str:
        return f"{self.url}/v1"


def client_setup(agent: Agent, url: str, *, locked: bool) -> ClientSetup:
    """The lines of every client for this agent. `locked` says that clients need a key."""
    windows = [model.context_window for model in agent.models if model.context_window]
    outputs = [model.max_output_tokens for model in agent.models if model.max_output_tokens]
    window = min(windows, default=ASSUMED_WINDOW)
    output = min(outputs, default=min(ASSUMED_OUTPUT, window // 4))
    target = _Target(agent.name, url, KEY if locked else NO_KEY, window, min(output, window))
    return ClientSetup(
        agent=agent.name,
        models=[model.name for model in agent.models],
        url=url,
        key=target.key,
        context_window=window,
        is_window_assumed=not windows,
        clients=[Client(name, lines(target)) for name, lines in _CLIENTS.items()],
    )


def _sdks(to: _Target) -> list[Lines]:
    python = f"""from openai import OpenAI

client = OpenAI(base_url="{to.base}", api_key="{to.key}")
messages = [{{"role": "user", "content": "Hello"}}]
answer = client.chat.completions.create(model="{to.agent}", messages=messages)
"""
    node = f'const client = new OpenAI({{ baseURL: "{to.base}", apiKey: "{to.key}" }});'
    return [
        Lines(SHELL, _exports(OPENAI_BASE_URL=to.base, OPENAI_API_KEY=to.key)),
        Lines("Python", python.rstrip()),
        Lines("TypeScript", node),
    ]


def _codex(to: _Target) -> list[Lines]:
    """A name other than its own provider's switches off what only that provider serves."""
    config = f"""model = "{to.agent}"
model_provider = "gateway"
model_context_window = {to.window}
model_auto_compact_token_limit = {to.window * 3 // 4}
web_search = "disabled"

[model_providers.gateway]
name = "Local Agent Gateway"
base_url = "{to.base}"
env_key = "GATEWAY_KEY"
wire_api = "responses"
request_max_retries = 1
stream_max_retries = 2
stream_idle_timeout_ms = 600000"""
    return [Lines("~/.codex/config.toml", config), Lines(SHELL, _exports(GATEWAY_KEY=to.key))]


def _claude_code(to: _Target) -> list[Lines]:
    """Its background work has a model of its own. It assumes a million tokens for unknown names."""
    names = ("MODEL", "DEFAULT_OPUS_MODEL", "DEFAULT_SONNET_MODEL", "DEFAULT_HAIKU_MODEL")
    models = {f"ANTHROPIC_{name}": to.agent for name in names}
    text = _exports(
        ANTHROPIC_BASE_URL=to.url,
        ANTHROPIC_AUTH_TOKEN=to.key,
        **models,
        CLAUDE_CODE_MAX_CONTEXT_TOKENS=str(to.window),
        CLAUDE_CODE_ATTRIBUTION_HEADER="0",
    )
    return [Lines(SHELL, text)]


def _opencode(to: _Target) -> list[Lines]:
    limit = {"context": to.window, "output": to.output}
    provider = {
        "npm": "@ai-sdk/openai-compatible",
        "name": "Local Agent Gateway",
        "options": {"baseURL": to.base, "apiKey": to.key},
        "models": {to.agent: {"name": to.agent, "limit": limit}},
    }
    config = {
        "$schema": "https://opencode.ai/config.json",
        "provider": {"gateway": provider},
        "model": f"gateway/{to.agent}",
    }
    return [Lines("opencode.json", _json(config))]


def _aider(to: _Target) -> list[Lines]:
    exports = _exports(OPENAI_API_BASE=to.base, OPENAI_API_KEY=to.key)
    return [Lines(SHELL, f"{exports}\naider --model {quote(f'openai/{to.agent}')}")]


def _ai_sdk(to: _Target) -> list[Lines]:
    text = f"""import {{ createOpenAICompatible }} from "@ai-sdk/openai-compatible";
import {{ generateText }} from "ai";

const baseURL = "{to.base}";
const gateway = createOpenAICompatible({{ name: "gateway", baseURL, apiKey: "{to.key}" }});
const {{ text }} = await generateText({{ model: gateway("{to.agent}"), prompt: "Hello" }});"""
    return [Lines("TypeScript", text)]


def _langchain(to: _Target) -> list[Lines]:
    text = f"""from langchain_openai import ChatOpenAI

model = ChatOpenAI(model="{to.agent}", base_url="{to.base}", api_key="{to.key}")"""
    return [Lines("Python", text)]


def _open_webui(to: _Target) -> list[Lines]:
    text = f"Admin Panel > Settings > Connections > OpenAI API\nURL  {to.base}\nKey  {to.key}"
    return [
        Lines("settings", text),
        Lines(SHELL, _exports(OPENAI_API_BASE_URL=to.base, OPENAI_API_KEY=to.key)),
    ]


def _vs_code(to: _Target) -> list[Lines]:
    """From 1.122 on. `toolCalling` decides whether the model is offered to agents."""
    model = {
        "id": to.agent,
        "name": to.agent,
        "url": f"{to.base}/chat/completions",
        "toolCalling": True,
        "vision": True,
        "maxInputTokens": to.window - to.output or to.window,
        "maxOutputTokens": to.output,
    }
    group = {
        "name": "Local Agent Gateway",
        "vendor": "customendpoint",
        "apiKey": to.key,
        "apiType": "chat-completions",
        "models": [model],
    }
    place = "chatLanguageModels.json (Chat: Manage Language Models > Add > Custom Endpoint)"
    return [Lines(place, _json([group]))]


def _curl(to: _Target) -> list[Lines]:
    message = [{"role": "user", "content": "Hello"}]
    bodies: dict[str, dict[str, Any]] = {
        "chat/completions": {"model": to.agent, "messages": message},
        "responses": {"model": to.agent, "input": "Hello"},
        "messages": {"model": to.agent, "max_tokens": 1024, "messages": message},
    }
    return [Lines(SHELL, "\n".join(_curl_line(to, path, body) for path, body in bodies.items()))]


def _curl_line(to: _Target, path: str, body: Mapping[str, Any]) -> str:
    key = f' -H "Authorization: Bearer {to.key}"' if to.key != NO_KEY else ""
    url, data = quote(f"{to.base}/{path}"), quote(json.dumps(body))
    return f"curl {url}{key} -H 'content-type: application/json' -d {data}"


_CLIENTS: Final[Mapping[str, Callable[[_Target], list[Lines]]]] = {
    "OpenAI SDKs": _sdks,
    "Codex": _codex,
    "Claude Code": _claude_code,
    "opencode": _opencode,
    "aider": _aider,
    "Vercel AI SDK": _ai_sdk,
    "LangChain": _langchain,
    "Open WebUI": _open_webui,
    "VS Code": _vs_code,
    "curl": _curl,
}


def _exports(**values: str) -> str:
    return "\n".join(f"export {name}={quote(value)}" for name, value in values.items())


def _json(value: Any) -> str:
    return json.dumps(value, indent=2)
