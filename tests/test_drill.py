"""The drill's judgement, and a whole drill over real sockets."""

from __future__ import annotations

from dataclasses import replace

import pytest

from gateway.cli.drill import BESIDES
from gateway.config import schema
from gateway.config.load import build
from gateway.drill import CALLS, TEXT, Seen, drill, judge
from gateway.drill.apis import APIS
from gateway.lab import FAULTS

WHOLE = Seen(200, TEXT, "stop", None, events_after_end=False, done=True, attempts="a;200")
BROKEN = replace(
    WHOLE, text=TEXT[:20], finish=None, done=False, error={"code": "upstream_stream_error"}
)


def verdict(
    fault: str, seen: Seen, *, seconds: float = 0.1, stream: bool = True, alone: bool = False
) -> str:
    return judge(fault, FAULTS[fault], seen, seconds, stream=stream, alone=alone)[0]


def test_a_whole_answer_passes() -> None:
    assert verdict("overloaded", WHOLE) == "pass"


def test_a_slow_answer_is_only_safe() -> None:
    assert verdict("overloaded", WHOLE, seconds=5) == "safe"
    assert verdict("silent", WHOLE, seconds=1.5) == "pass"


def test_an_error_after_a_cut_is_safe() -> None:
    assert verdict("cut", BROKEN) == "safe"
    assert verdict("cut", replace(BROKEN, status=502, text=""), stream=False, alone=True) == "safe"


@pytest.mark.parametrize(
    "lie",
    [
        replace(WHOLE, text=TEXT[:20]),
        replace(WHOLE, finish=None),
        replace(WHOLE, done=False),
        replace(WHOLE, events_after_end=True),
        replace(BROKEN, done=True),
        replace(BROKEN, text="something else"),
    ],
)
def test_a_cut_that_looks_finished_fails(lie: Seen) -> None:
    assert verdict("clean_cut", lie) == "fail"


def test_half_a_tool_call_fails() -> None:
    called = replace(WHOLE, text="", finish="tool_calls", calls=CALLS)
    assert verdict("late_name", called) == "pass"
    assert verdict("late_name", replace(called, calls=CALLS[:2])) == "fail"
    assert verdict("late_name", replace(called, finish="stop")) == "fail"


def test_an_error_that_another_model_could_have_prevented_fails() -> None:
    error = replace(BROKEN, status=502, text="")
    assert verdict("overloaded", error, stream=False) == "fail"
    assert verdict("overloaded", error, stream=False, alone=True) == "safe"


def test_the_clients_own_error_must_be_given_back() -> None:
    assert verdict("bad_request", replace(BROKEN, status=400, text=""), stream=False) == "pass"
    assert verdict("bad_request", replace(BROKEN, status=502, text=""), stream=False) == "fail"


def test_a_refusal_must_be_seen() -> None:
    assert verdict("content_filter", replace(WHOLE, text="", finish="content_filter")) == "pass"
    assert verdict("content_filter", WHOLE) == "fail"


FALSE_ANSWERS = {
    "chat": [b'data: {"error": {"code": "x"}}', b"data: [DONE]"],
    "responses": [
        b'event: error\ndata: {"type": "error", "error": {"code": "x"}}',
        b'data: {"type": "response.completed", "response": {"status": "completed", "output": []}}',
    ],
    "messages": [
        b'data: {"type": "error", "error": {"type": "x"}}',
        b'data: {"type": "message_stop"}',
    ],
}


@pytest.mark.parametrize("api", FALSE_ANSWERS)
def test_the_end_of_a_whole_answer_behind_an_error_is_seen(api: str) -> None:
    said = APIS[api].of_stream(b"\n\n".join(FALSE_ANSWERS[api]) + b"\n\n")
    assert said.done
    assert said.events_after_end


def test_a_failed_response_may_follow_its_error() -> None:
    events = [
        FALSE_ANSWERS["responses"][0],
        b'event: response.failed\ndata: {"type": "response.failed", "response": {}}',
    ]
    said = APIS["responses"].of_stream(b"\n\n".join(events) + b"\n\n")
    assert (said.error, said.done, said.events_after_end) == ({"code": "x"}, False, False)


@pytest.mark.anyio
@pytest.mark.parametrize(
    ("chain", "api"),
    [
        (["anthropic", "google"], "chat"),
        (["openai"], "chat"),
        (["anthropic", "openai"], "messages"),
        (["openai", "anthropic"], "responses"),
    ],
)
async def test_no_chain_fails_a_drill(chain: list[str], api: str) -> None:
    ids = {"anthropic": "claude-sonnet-5", "google": "gemini-3.5-flash", "openai": "gpt-4o"}
    models = {
        name: schema.Model(provider=name, model=ids[name], max_concurrent=2) for name in chain
    }
    limits = schema.Server(max_calls=10)
    root = schema.Root(models=models, agents={"dev": schema.Agent(models=chain)}, server=limits)
    config = build(root, None, {}, None, [])
    begun: list[str] = []
    results = await drill(config, config.agents["dev"], begun.append, APIS[api])
    assert {each.api for each in results} == {api}
    assert [(each.fault, each.stream, each.saw) for each in results if each.verdict == "fail"] == []
    assert {*FAULTS, *BESIDES} <= set(begun)
    assert {each.fault for each in results} <= {*FAULTS, *BESIDES}
    if len(chain) > 1:
        # A slow machine is late, which is not wrong: only incomplete answers are looked at.
        assert {each.fault for each in results if each.verdict == "safe" and "only after" not in
        each.saw} == {
            "cut", "clean_cut", "stall", "bad_chunk", "error_mid_stream", "cut_tool_call",
            "all_down",
        }  # fmt: skip
