"""Lists of allowed tools, as Gemini receives them."""

from __future__ import annotations

from typing import Any

import pytest

from gateway.dialects.google import encode_request
from tests.makers import chat, model

LOOK_UP = {"type": "function", "function": {"name": "look_up", "parameters": {"type": "object"}}}
OWN = {"type": "function", "function": {"name": "look_up"}}
UNOFFERED = {"type": "web_search"}

CASES: dict[str, tuple[list[dict[str, Any]], str, dict[str, Any]]] = {
    "a function by its name": (
        [OWN],
        "required",
        {"mode": "ANY", "allowedFunctionNames": ["look_up"]},
    ),
    "a hosted tool that the request does not offer is not a name": (
        [OWN, UNOFFERED],
        "auto",
        {"mode": "VALIDATED", "allowedFunctionNames": ["look_up"]},
    ),
    "no name at all": ([UNOFFERED], "auto", {"mode": "VALIDATED"}),
}


@pytest.mark.parametrize(("allowed", "mode", "config"), CASES.values(), ids=CASES.keys())
def test_allowed_tools_are_names_of_functions(
    allowed: list[dict[str, Any]], mode: str, config: dict[str, Any]
) -> None:
    choice = {"type": "allowed_tools", "allowed_tools": {"mode": mode, "tools": allowed}}
    body = encode_request(chat(tools=[LOOK_UP], tool_choice=choice), model("google")).body
    assert body["toolConfig"]["functionCallingConfig"] == config
