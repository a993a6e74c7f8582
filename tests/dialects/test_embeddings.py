"""Embeddings of every provider: the checks of requests and answers, and both forms of a vector.

`tests/test_goldens.py` has the requests and answers of every provider.
"""

from __future__ import annotations

import base64
import struct
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from gateway.dialects import EMBEDDINGS, EMBEDDINGS_INBOUND
from gateway.failures import Failed, Kind
from gateway.hub.contracts import Answer, Encoded
from gateway.hub.embeddings import as_base64, as_floats, joined, unit
from gateway.operations import embed
from gateway.providers import PROVIDERS
from gateway.types import Agent, Model, Request
from tests.makers import model

FACE = EMBEDDINGS_INBOUND["chat"]
HAS_EMBEDDINGS = {name for name, row in PROVIDERS.items() if row.embeddings is not None}
MANY = settings(max_examples=60, deadline=None, derandomize=True)


def decoded(**body: Any) -> Request:
    return FACE.decode_request({"model": "embed", "input": "Hello", **body}, {})


def encoded(target: Model, **body: Any) -> Encoded:
    return EMBEDDINGS[target.provider.dialect].encode_embeddings(decoded(**body).chat, target)


def answered(body: Any, *, inputs: int = 2, provider: str = "custom", **fields: Any) -> Any:
    """The hub's answer of what a provider sends for so many inputs."""
    target = model(provider, "m")
    request = encoded(target, input=["a"] * inputs, **fields)
    return EMBEDDINGS[target.provider.dialect].decode_embeddings(body, request)


def data(*vectors: Any) -> dict[str, Any]:
    return {"data": [{"index": index, "embedding": vector} for index, vector in enumerate(vectors)]}


def packed(*numbers: float) -> str:
    return base64.b64encode(struct.pack(f"<{len(numbers)}f", *numbers)).decode()


# --- the client's request -------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("body", "param"),
    [
        ({"input": None}, "input"),
        ({"input": ""}, "input"),
        ({"input": []}, "input"),
        ({"input": ["a", ""]}, "input.1"),
        ({"input": ["a", 1]}, "input.1"),
        ({"input": ["a", [1]]}, "input.1"),
        ({"input": [1, "a"]}, "input.0"),
        ({"input": [[1], []]}, "input.1"),
        ({"input": [[1], "a"]}, "input.1"),
        ({"input": [[1.5]]}, "input.0"),
        ({"input": [True]}, "input.0"),
        ({"input": [-1]}, "input.0"),
        ({"input": [{"type": "text", "text": "a"}]}, "input.0"),
        ({"input": 1}, "input"),
        ({"input": {"a": 1}}, "input"),
        ({"input": ["a"] * 4097}, "input"),
        ({"model": None}, "model"),
        ({"model": ""}, "model"),
        ({"model": 1}, "model"),
        ({"dimensions": 0}, "dimensions"),
        ({"dimensions": True}, "dimensions"),
        ({"dimensions": 1.5}, "dimensions"),
        ({"dimensions": "eight"}, "dimensions"),
        ({"dimensions": "0"}, "dimensions"),
        ({"dimensions": "9" * 5000}, "dimensions"),
        ({"dimensions": [8]}, "dimensions"),
        ({"encoding_format": "hex"}, "encoding_format"),
        ({"encoding_format": 1}, "encoding_format"),
        ({"encoding_format": ["float"]}, "encoding_format"),
        ({"stream": True}, "stream"),
    ],
)
def test_a_wrong_field_is_named(body: dict[str, Any], param: str) -> None:
    with pytest.raises(Failed) as failed:
        decoded(**body)
    assert failed.value.failure.kind is Kind.INVALID_REQUEST
    assert failed.value.failure.param == param


@pytest.mark.parametrize(
    ("value", "inputs"),
    [
        ("a", ["a"]),
        (["a"], ["a"]),
        ([" ", "b"], [" ", "b"]),
        ([1, 2], [[1, 2]]),
        ([[1, 2], [3]], [[1, 2], [3]]),
        (["a"] * 4096, ["a"] * 4096),
    ],
)
def test_every_form_of_input_becomes_a_list(value: Any, inputs: list[Any]) -> None:
    assert decoded(input=value).chat["input"] == inputs


def test_empty_values_are_absent() -> None:
    asked = decoded(dimensions=None, user=None, encoding_format=None, stream=False)
    assert (asked.chat, asked.notes) == ({"model": "embed", "input": ["Hello"]}, "float")
    assert decoded(encoding_format="", dimensions="").chat == asked.chat


@pytest.mark.parametrize("value", [8, 8.0, "8", " 8 "])
def test_a_number_may_come_as_text(value: Any) -> None:
    assert decoded(dimensions=value).chat["dimensions"] == 8


@pytest.mark.parametrize("provider", ["openai", "mistral", "google", "custom"])
def test_dimensions_that_the_configuration_fixes_are_not_replaced_in_silence(provider: str) -> None:
    name = {"mistral": "output_dimension", "google": "outputDimensionality"}.get(
        provider, "dimensions"
    )
    target = model(provider, "m", options={name: 256})
    assert encoded(target, dimensions=256)
    with pytest.raises(Failed) as failed:
        encoded(target, dimensions=8)
    assert (failed.value.failure.kind, failed.value.failure.param) == (
        Kind.UNSUPPORTED,
        "dimensions",
    )


# --- checks of an answer --------------------------------------------------------------------------


@pytest.mark.parametrize(
    "body",
    [
        {},
        {"data": None},
        {"data": {}},
        data(),
        data([1.0]),
        data([1.0], [2.0], [3.0]),
        data([1.0], []),
        data([1.0], ""),
        data([1.0], None),
        data([1.0], [None]),
        data([1.0], ["1"]),
        data([1.0], [True]),
        data([1.0], [[1.0]]),
        data([1.0], {"0": 1.0}),
        data([1.0], [1.0, 2.0]),
        data([1.0], [1e39]),
        data([1.0], [10**4000]),
        data([1.0], "AAAA"),
        data([1.0], "no base64!"),
        data([1.0], packed(float("nan"))),
        data([1.0], packed(float("inf"))),
        data([1.0], packed(1.0, 2.0)),
        {"data": [{"index": 0, "embedding": [1.0]}, {"index": 0, "embedding": [2.0]}]},
        {"data": [{"index": 1, "embedding": [1.0]}, {"index": 2, "embedding": [2.0]}]},
        {"data": [{"index": 0, "embedding": [1.0]}, {"embedding": [2.0]}]},
        {"data": [{"index": "0", "embedding": [1.0]}, {"index": "1", "embedding": [2.0]}]},
    ],
)
def test_vectors_that_do_not_fit_are_malformed(body: Any) -> None:
    with pytest.raises(Failed) as failed:
        answered(body)
    assert failed.value.failure.kind is Kind.MALFORMED


@pytest.mark.parametrize(
    "embeddings", [[], [{"values": [1.0]}], [{"values": [1.0]}, {"values": []}], None]
)
def test_vectors_of_the_other_api_that_do_not_fit_are_malformed(embeddings: Any) -> None:
    with pytest.raises(Failed) as failed:
        answered({"embeddings": embeddings}, provider="google")
    assert failed.value.failure.kind is Kind.MALFORMED


@pytest.mark.parametrize("provider", ["custom", "openai", "mistral"])
def test_a_model_that_ignores_dimensions_is_not_to_blame(provider: str) -> None:
    with pytest.raises(Failed) as failed:
        answered(data([1.0], [2.0]), provider=provider, dimensions=8)
    assert (failed.value.failure.kind, failed.value.failure.param) == (
        Kind.UNSUPPORTED,
        "dimensions",
    )
    assert failed.value.failure.verdict.cooldown_s == 0


def test_vectors_are_put_in_the_order_of_the_inputs() -> None:
    body = {"data": [{"index": 1, "embedding": [1.0]}, {"index": 0, "embedding": [0.0]}]}
    assert [entry["embedding"] for entry in answered(body)["data"]] == [[0.0], [1.0]]
    assert [entry["index"] for entry in answered(body)["data"]] == [0, 1]
    without = {"data": [{"embedding": [1.0]}, {"embedding": [0.0]}]}
    assert [entry["embedding"] for entry in answered(without)["data"]] == [[1.0], [0.0]]


@pytest.mark.parametrize(
    ("provider", "body", "kind"),
    [
        ("custom", {"error": {"message": "overloaded", "code": "slow_down"}}, Kind.OVERLOADED),
        (
            "custom",
            {"object": "error", "message": "The model `m` does not exist.", "code": 404},
            Kind.MODEL_UNKNOWN,
        ),
        ("openrouter", {"error": {"message": "No credits", "code": 402}}, Kind.QUOTA),
        (
            "google",
            {"error": {"code": 429, "status": "RESOURCE_EXHAUSTED", "message": "x"}},
            Kind.RATE_LIMIT,
        ),
    ],
)
def test_an_error_inside_a_200_is_an_error(provider: str, body: Any, kind: Kind) -> None:
    with pytest.raises(Failed) as failed:
        answered(body, provider=provider)
    assert failed.value.failure.kind is kind


# --- both forms of a vector -----------------------------------------------------------------------

FLOATS = st.lists(
    st.floats(width=32, allow_nan=False, allow_infinity=False), min_size=1, max_size=40
)


@MANY
@given(FLOATS)
def test_floats_and_base64_are_the_same_vector(numbers: list[float]) -> None:
    assert as_base64(numbers) == packed(*numbers)
    assert as_floats(as_base64(numbers)) == numbers


@MANY
@given(FLOATS, st.sampled_from(["float", "base64"]), st.booleans())
def test_the_client_reads_what_the_provider_sent_in_either_form(
    numbers: list[float], form: str, is_packed: bool
) -> None:
    hub = answered(data(packed(*numbers) if is_packed else numbers), inputs=1)
    answer = FACE.encode_response(hub, Answer("1", 0, "m", decoded(encoding_format=form)))
    [entry] = answer["data"]
    sent = entry["embedding"]
    assert type(sent) is (list if form == "float" else str)
    assert as_floats(sent) == numbers


def test_counts_that_are_missing_are_zero_for_the_client_only() -> None:
    hub = answered(data([1.0], [2.0]))
    assert "usage" not in hub
    answer = FACE.encode_response(hub, Answer("1", 0, "m", decoded()))
    assert answer["usage"] == {"prompt_tokens": 0, "total_tokens": 0}


@pytest.mark.parametrize(
    ("usage", "counts"),
    [
        ({"prompt_tokens": 3}, {"prompt_tokens": 3, "total_tokens": 3}),
        ({"total_tokens": 3, "cost": 0.5}, {"prompt_tokens": 3, "total_tokens": 3, "cost": 0.5}),
        ({"prompt_tokens": "3", "total_tokens": -1}, {"prompt_tokens": 3, "total_tokens": 3}),
        (
            {"prompt_tokens_details": "x", "completion_tokens": None},
            {"prompt_tokens": 0, "total_tokens": 0},
        ),
        (
            {"prompt_tokens": 3, "prompt_tokens_details": {"cached_tokens": "x"}},
            {"prompt_tokens": 3, "total_tokens": 3},
        ),
    ],
)
def test_counts_are_sensible_numbers(usage: dict[str, Any], counts: dict[str, Any]) -> None:
    assert answered({**data([1.0], [2.0]), "usage": usage})["usage"] == counts


def test_a_vector_of_zeros_stays() -> None:
    assert unit([0.0, 0.0]) == [0.0, 0.0]
    assert unit([3.0, 4.0]) == [0.6, 0.8]


# --- the operation --------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("provider", "inputs", "sizes"),
    [
        ("openai", ["a"] * 2048, [2048]),
        ("openai", ["a"] * 2049, [2048, 1]),
        ("mistral", ["a"] * 1030, [512, 512, 6]),
        ("google", ["a"] * 201, [100, 100, 1]),
        ("custom", ["a"] * 257, [256, 1]),
        ("openai", ["a" * 600_000] * 3, [1, 1, 1]),
        ("mistral", ["a" * 30_000, "b" * 15_000, "c" * 15_000], [2, 1]),
        ("mistral", ["a" * 90_000, "b"], [1, 1]),
        ("openai", [[1] * 8000] * 32, [31, 1]),
    ],
)
def test_a_request_is_cut_where_a_limit_is_reached(
    provider: str, inputs: list[Any], sizes: list[int]
) -> None:
    request = decoded(input=inputs).chat
    parts = embed.parts(request, model(provider, "m"))
    assert [len(part["input"]) for part in parts] == sizes
    assert [item for part in parts for item in part["input"]] == inputs


@pytest.mark.parametrize("provider", sorted(set(PROVIDERS) - HAS_EMBEDDINGS))
def test_a_provider_without_embeddings_says_so(provider: str) -> None:
    with pytest.raises(Failed) as failed:
        embed.parts(decoded().chat, model(provider))
    assert failed.value.failure.kind is Kind.UNSUPPORTED


def test_the_operator_states_how_many_inputs_a_server_takes() -> None:
    quirks = model("custom", base_url="https://dashscope.aliyuncs.com/compatible-mode/v1").quirks
    parts = embed.parts(decoded(input=["a"] * 25).chat, model("custom", "m", quirks=quirks))
    assert [len(part["input"]) for part in parts] == [10, 10, 5]


def test_parts_are_joined_in_order_and_their_counts_added() -> None:
    one = {
        **data([1.0], [2.0]),
        "model": "m",
        "usage": {"prompt_tokens": 2, "total_tokens": 2, "cost": 0.5},
    }
    two = {
        **data([3.0]),
        "model": "m",
        "usage": {"prompt_tokens": 1, "total_tokens": 1, "cost": 0.25},
    }
    whole = joined([one, two])
    assert [(entry["index"], entry["embedding"]) for entry in whole["data"]] == [
        (0, [1.0]),
        (1, [2.0]),
        (2, [3.0]),
    ]
    assert whole["usage"] == {"prompt_tokens": 3, "total_tokens": 3, "cost": 0.75}
    assert whole["model"] == "m"


def test_parts_of_different_lengths_are_malformed() -> None:
    with pytest.raises(Failed) as failed:
        joined([data([1.0]), data([1.0, 2.0])])
    assert failed.value.failure.kind is Kind.MALFORMED


@pytest.mark.parametrize(
    ("first", "second", "same"),
    [
        ({}, {}, True),
        ({}, {"credential": "openai_key:b"}, True),
        ({}, {"model_id": "other"}, False),
        ({}, {"options": {"dimensions": 256}}, False),
        ({"options": {"dimensions": 256}}, {"options": {"output_dimension": 256}}, True),
        ({"options": {"taskType": "CLUSTERING"}}, {}, False),
        ({"options": {"user": "me"}}, {}, True),
        ({"space": "x"}, {"model_id": "other", "space": "x"}, True),
        ({"space": "x"}, {}, False),
        ({"space": "x"}, {"space": "y"}, False),
    ],
)
def test_only_models_of_the_same_space_may_answer(
    first: dict[str, Any], second: dict[str, Any], same: bool
) -> None:
    chain = tuple(
        model("openai", fields.pop("model_id", "e"), **fields) for fields in ({**first}, {**second})
    )
    assert embed.candidates(Agent("a", chain), decoded().chat) == (chain if same else chain[:1])


@pytest.mark.parametrize(
    ("fields", "same"),
    [
        ({}, True),
        ({"user": "me"}, True),
        ({"input_type": "query"}, False),
        ({"task_type": "CLUSTERING"}, False),
        ({"dimensions": 8}, True),
        ({"prompt_name": "query"}, False),
    ],
)
def test_a_model_that_loses_what_shapes_the_vectors_may_not_take_over(
    fields: dict[str, Any], same: bool
) -> None:
    chain = (model("custom", "m", space="s"), model("openai", "m", space="s"))
    assert embed.candidates(Agent("a", chain), decoded(**fields).chat) == (
        chain if same else chain[:1]
    )


def test_a_field_that_changes_the_vectors_is_never_left_out() -> None:
    assert embed.may_omit("user")
    for field in ("dimensions", "output_dimension", "input_type", "requests", "truncate"):
        assert not embed.may_omit(field)
