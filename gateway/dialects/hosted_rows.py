"""Which hosted tools each provider has: one row each, by model where the models differ.

Sources: Anthropic's tool reference, Google's `Tool` type, OpenAI's Responses API reference,
OpenRouter's server tools, Groq's built-in tools. xAI has removed its search from chat completions;
Mistral has its connectors only on other endpoints.
"""

from __future__ import annotations

from collections.abc import Mapping
from functools import lru_cache
from typing import Final

from gateway.dialects.hosted_tools import Native, Row
from gateway.hub.patterns import lookup

_NONE: Final = Row()

ANTHROPIC: Final = Row(
    taken=(
        "web_search_2*",
        "web_fetch_2*",
        "code_execution_2*",
        "tool_search_tool_*",
        # run by the client, but defined by Anthropic
        "bash_2*",
        "text_editor_2*",
        "computer_2*",
        "memory_2*",
    ),
    natives={
        "search": Native(
            {"type": "web_search_20250305", "name": "web_search"},
            dict.fromkeys(("max_uses", "allowed_domains", "blocked_domains", "user_location"), ""),
        ),
        "fetch": Native(
            {"type": "web_fetch_20250910", "name": "web_fetch"},
            dict.fromkeys(("max_uses", "allowed_domains", "blocked_domains"), ""),
        ),
        "code": Native({"type": "code_execution_20250825", "name": "code_execution"}),
    },
)
ANTHROPIC_BETAS: Final[Mapping[str, str]] = {
    "web_fetch_20250910": "web-fetch-2025-09-10",
    "code_execution_20250522": "code-execution-2025-05-22",
    "code_execution_20250825": "code-execution-2025-08-25",
    "computer_20250124": "computer-use-2025-01-24",
    "computer_20251124": "computer-use-2025-11-24",
    "memory_20250818": "context-management-2025-06-27",
}
"""Type of a tool → the beta that it belongs to."""

GOOGLE: Final = Row(
    taken=("googleMaps", "google_maps"),
    natives={
        "search": Native({"googleSearch": {}}, {"timeRangeFilter": "googleSearch"}),
        "fetch": Native({"urlContext": {}}),
        "code": Native({"codeExecution": {}}),
    },
)

RESPONSES: Final = Row(
    taken=(
        "web_search",
        "web_search_preview*",
        "web_search_20??_*",
        "code_interpreter",
        "file_search",
        "image_generation",
        "mcp",
    ),
    natives={
        "search": Native(
            {"type": "web_search"},
            {"user_location": "", "search_context_size": "", "allowed_domains": "filters"},
        ),
        "code": Native({"type": "code_interpreter", "container": {"type": "auto"}}),
    },
)

CHAT: Final[Mapping[str, Mapping[str, Row]]] = {
    "openai": {"*": _NONE},
    "groq": {
        "*": _NONE,
        "openai/gpt-oss*": Row(
            taken=("browser_search", "code_interpreter"),
            natives={
                "search": Native({"type": "browser_search"}),
                "code": Native({"type": "code_interpreter", "container": {"type": "auto"}}),
            },
        ),
    },
    "xai": {"*": _NONE},
    "mistral": {"*": _NONE},
    "openrouter": {
        "*": Row(
            taken=("openrouter:*",),
            natives={
                "search": Native(
                    {"type": "openrouter:web_search"},
                    {"search_context_size": "parameters", "max_results": "parameters"},
                ),
                "fetch": Native({"type": "openrouter:web_fetch"}),
            },
        ),
    },
    "*": {"*": Row(taken=("*",))},
}
"""Provider → pattern of the model id → row. A server that is not listed may have any tool."""


@lru_cache(maxsize=1024)
def of_chat(provider_name: str, model_id: str) -> Row:
    """The row of a server that speaks chat completions."""
    return lookup(CHAT.get(provider_name, CHAT["*"]), model_id)
