from __future__ import annotations

from gateway.dialects.responses.inbound.catalog import (
    encode_count,
    estimate,
    estimate_tokens,
    with_codex_models,
)
from tests.dialects.responses.inbound.makers import HELLO, called, function, output, request

LISTING = {
    "object": "list",
    "data": [{"id": "dev", "object": "model"}, {"id": "sonnet", "object": "model"}],
}
REQUIRED = {
    "slug",
    "display_name",
    "supported_reasoning_levels",
    "shell_type",
    "visibility",
    "supported_in_api",
    "priority",
    "base_instructions",
    "support_verbosity",
    "truncation_policy",
    "experimental_supported_tools",
}


def test_without_a_prompt_no_model_replaces_codex_s_own() -> None:
    assert with_codex_models(LISTING) == {**LISTING, "models": []}


def test_every_model_has_the_keys_that_codex_requires() -> None:
    listing = with_codex_models(LISTING, {"dev": 400_000}, "You are Codex.")
    assert listing["data"] == LISTING["data"]
    assert [model["slug"] for model in listing["models"]] == ["dev", "sonnet"]
    assert [model["context_window"] for model in listing["models"]] == [400_000, 200_000]
    assert all(model.keys() >= REQUIRED for model in listing["models"])
    assert {model["base_instructions"] for model in listing["models"]} == {"You are Codex."}


def test_an_estimate_grows_with_text_tools_calls_and_images() -> None:
    image = {"type": "input_image", "image_url": "data:image/png;base64," + "A" * 9_000}
    sizes = [
        estimate(request(HELLO).chat),
        estimate(request({"role": "user", "content": "Hello" * 100}).chat),
        estimate(request(HELLO, tools=[function("look", description="x" * 4_000)]).chat),
        estimate(request(HELLO, called("c1", arguments="x" * 8_000), output("c1")).chat),
    ]
    assert sizes == sorted(sizes)
    assert sizes[1] - sizes[0] == 495 // 4 + 1
    with_image = {"role": "user", "content": [{"type": "input_text", "text": "Hello"}, image]}
    assert estimate(request(with_image).chat) - sizes[0] == 1_600


def test_the_answer_names_itself() -> None:
    assert encode_count(estimate_tokens(request(HELLO))) == {
        "object": "response.input_tokens",
        "input_tokens": 4,
    }
