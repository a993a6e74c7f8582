"""The requests of real clients that the golden files have: what the hub and the native lane keep of
them whatever the file says."""

from __future__ import annotations

from typing import Any

import pytest

from gateway.dialects.responses.native import encode_native
from tests import goldens
from tests.dialects.responses.inbound.test_order import check_pairs
from tests.makers import model

each_case = pytest.mark.parametrize("case", goldens.cases("responses.json"))
CHANGED = {"model", "store", "stream_options", "client_metadata", "include", "temperature"}
"""The fields that the native lane may change."""


@each_case
def test_every_tool_call_has_one_result(case: str) -> None:
    check_pairs(goldens.request_of("responses", case).chat["messages"])


@each_case
def test_on_the_native_lane_the_request_is_the_client_s_own(case: str) -> None:
    body: dict[str, Any] = goldens.read(case, "responses.json")["body"]
    sent = encode_native(goldens.request_of("responses", case), model("openai", "gpt-5.6-sol")).body
    same = body.keys() - CHANGED
    assert {key: sent[key] for key in same} == {key: body[key] for key in same}
    assert "reasoning.encrypted_content" in sent["include"]
