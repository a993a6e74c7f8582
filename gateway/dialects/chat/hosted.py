"""The hosted tools of servers that speak chat completions, and the words of every API for them.

OpenAI's other API has its row here too: a request that needs it is recognised by its tools.

Sources: Anthropic's tool types, Google's `Tool`, OpenAI's Responses API reference, OpenRouter's
server tools, Groq's built-in tools. xAI has removed its search from chat completions; Mistral has
its connectors only on other endpoints.
"""

from __future__ import annotations

from collections.abc import Mapping
from functools import lru_cache
from typing import Final

from gateway.hub.hosted_tools import Native, Row
from gateway.hub.patterns import lookup

MEANINGS: Final[Mapping[str, str]] = {
    **dict.fromkeys(
        (
            "web_search",
            "web_search_2*",
            "web_search_preview*",
            "google_search",
            "googleSearch",
            "google_search_retrieval",
            "googleSearchRetrieval",
            "browser_search",
            "openrouter:web_search",
        ),
        "search",
    ),
    **dict.fromkeys(
        ("code_interpreter", "code_execution", "codeExecution", "code_execution_2*"), "code"
    ),
    **dict.fromkeys(
        ("url_context", "urlContext", "web_fetch", "web_fetch_2*", "openrouter:web_fetch"), "fetch"
    ),
}
"""Pattern of a type, in any API's words → what the tool does."""

_NONE: Final = Row(MEANINGS)

RESPONSES: Final = Row(
    MEANINGS,
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
            MEANINGS,
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
            MEANINGS,
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
    "*": {"*": Row(MEANINGS, taken=("*",))},
}
"""Provider → pattern of the model id → row. A server that is not listed may have any tool."""


@lru_cache(maxsize=1024)
def of_chat(provider_name: str, model_id: str) -> Row:
    """The row of a server that speaks chat completions."""
    return lookup(CHAT.get(provider_name, CHAT["*"]), model_id)
