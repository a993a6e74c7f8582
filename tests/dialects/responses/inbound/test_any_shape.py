"""Whatever a client sends is accepted or refused with a 400: no shape of JSON makes the decoder
fail otherwise."""

from __future__ import annotations

import copy
from typing import Any

from hypothesis import given
from hypothesis import strategies as st

from gateway.dialects.responses import inbound
from gateway.dialects.responses.inbound.catalog import estimate
from gateway.dialects.responses.inbound.history import expand, kept
from gateway.dialects.responses.native import encode_native
from gateway.failures import Failed
from gateway.hub.sealed import seal
from tests.dialects.responses.inbound.makers import nothing_stored
from tests.makers import model

ITEM_TYPES = (
    *(
        "message",
        "reasoning",
        "agent_message",
        "compaction",
        "compaction_trigger",
        "item_reference",
    ),
    *(
        "function_call",
        "custom_tool_call",
        "tool_search_call",
        "local_shell_call",
        "apply_patch_call",
        "mcp_call",
    ),
    *("function_call_output", "custom_tool_call_output", "tool_search_output", "shell_call_output"),
    *("web_search_call", "additional_tools", "configuration_update", "of_next_month"),
)
PART_TYPES = (
    *(
        "input_text",
        "output_text",
        "input_image",
        "input_file",
        "input_audio",
        "refusal",
        "encrypted_content",
    ),
    *("summary_text", "reasoning_text", "image_url", "file", "new"),
)
TOOL_TYPES = (
    "function",
    "custom",
    "namespace",
    "tool_search",
    "web_search",
    "allowed_tools",
    "required",
)
KEYS = (
    *(
        "id",
        "call_id",
        "name",
        "namespace",
        "arguments",
        "input",
        "output",
        "content",
        "role",
        "summary",
        "tools",
    ),
    *(
        "encrypted_content",
        "text",
        "image_url",
        "detail",
        "file_id",
        "file_data",
        "execution",
        "action",
        "refusal",
    ),
    *(
        "parameters",
        "description",
        "format",
        "strict",
        "mode",
        "status",
        "author",
        "input_audio",
        "function",
    ),
)
LEAVES = st.one_of(
    st.none(),
    st.booleans(),
    st.integers(-(2**70), 2**70),
    st.floats(allow_nan=False, allow_infinity=False),
    st.sampled_from(
        ["", "x", "user", "assistant", "client", "functions", "c1", "lag1.", seal({"details": 5})]
    ),
    st.sampled_from(
        [
            seal({"details": [1, {}], "calls": {"c1": 5}}),
            seal({"calls": []}),
            seal({"summary": 5}),
            seal([]),
        ]
    ),
)
TYPES = st.sampled_from([*ITEM_TYPES, *PART_TYPES, *TOOL_TYPES])


def things(inner: st.SearchStrategy[Any]) -> st.SearchStrategy[Any]:
    fields = st.dictionaries(st.sampled_from(KEYS), inner, max_size=5)
    typed = st.builds(lambda kind, more: {"type": kind, **more}, TYPES, fields)
    return st.one_of(typed, fields, st.lists(inner, max_size=3))


VALUES = st.recursive(LEAVES, things, max_leaves=12)
ITEMS = st.lists(
    things(VALUES).filter(lambda value: isinstance(value, dict)), min_size=1, max_size=4
)
TARGETS = [model("openai", "gpt-6-luna"), model("openai", "gpt-4o")]


@given(ITEMS, VALUES, VALUES)
def test_any_body_is_decoded_or_refused(items: list[Any], tools: Any, choice: Any) -> None:
    body = {"model": "dev", "input": items, "tools": tools, "tool_choice": choice}
    before = copy.deepcopy(body)
    try:
        request = inbound.decode_request(expand(body, nothing_stored), {})
    except Failed as failed:
        status = failed.failure.status
        request = None
    assert body == before
    if request is None:
        assert status == 400
        return
    assert estimate(request.chat) >= 0
    for target in TARGETS:
        encode_native(request, target)
    assert kept(request, {"id": "resp_1", "status": "completed", "output": []}) is not None
