"""The tools that Anthropic runs, and those that it defines and the client runs.

Source: Anthropic's tool reference.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Final

from gateway.dialects.chat.hosted import MEANINGS
from gateway.hub.hosted_tools import Native, Row

ROW: Final = Row(
    MEANINGS,
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
BETAS: Final[Mapping[str, str]] = {
    "web_fetch_20250910": "web-fetch-2025-09-10",
    "code_execution_20250522": "code-execution-2025-05-22",
    "code_execution_20250825": "code-execution-2025-08-25",
    "computer_20250124": "computer-use-2025-01-24",
    "computer_20251124": "computer-use-2025-11-24",
    "memory_20250818": "context-management-2025-06-27",
}
"""Type of a tool → the beta that it belongs to."""
