"""The native lane: a Responses client's own body for a provider of the same API.

What is sent is what the client sent, unknown fields, tools and items included, with the changes of
`CHANGES` and no others. The provider keeps nothing (`store: false`), so whatever the conversation
needs is in it.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping
from typing import Any, Final, NamedTuple

from gateway.dialects.chat.models import Family, family, on_responses
from gateway.dialects.chat.params import takes_sampling
from gateway.dialects.chat.thinking import reasons
from gateway.dialects.responses.inbound.items import SUMMARY, kind_of
from gateway.dialects.responses.inbound.reasoning import summary_in, unsealed
from gateway.dialects.responses.inbound.requests import FIELDS
from gateway.dialects.responses.messages import own_reasoning
from gateway.dialects.responses.params import OUTPUT_TOKENS_MIN
from gateway.dialects.responses.thinking import ENCRYPTED
from gateway.failures import Failure, Kind
from gateway.hub.contracts import REPLAYED, Encoded, Request
from gateway.hub.fields import is_neutral
from gateway.hub.options import merge_options
from gateway.hub.reasoning import LEVELS, clamp, level
from gateway.hub.sealed import is_sealed
from gateway.hub.tools import digest
from gateway.types import Model

Body = dict[str, Any]
Losses = Iterable[str]

_READ_CHARS: Final = 2000
"""Of an error's message."""


class _Target(NamedTuple):
    """The request, and the model and account that it goes to."""

    request: Request
    model: Model
    kind: Family
    origin: str


class Change(NamedTuple):
    """One thing that is different from what the client sent. `apply` changes a body of our own, and
    names losses."""

    fields: tuple[str, ...]
    reason: str
    apply: Callable[[Body, _Target], Losses]


def encode_native(request: Request, model: Model) -> Encoded:
    """The request for `model` in the client's own words."""
    kind = on_responses(family(model.provider.name, model.model_id))
    target = _Target(request, model, kind, digest(" ".join(model.key), 12))
    body: Body = {**request.body}
    losses = [loss for change in CHANGES for loss in change.apply(body, target)]
    return Encoded(
        "/responses",
        merge_options(body, model.options),
        dropped=tuple(losses),
        origin=target.origin,
        native=True,
    )


def again(failure: Failure, encoded: Encoded) -> Encoded | None:
    """`encoded` without what the provider refused: reasoning of earlier turns, or tools inside the
    input."""
    changed = None
    if failure.param == REPLAYED:
        changed = without_reasoning(encoded)._replace(dropped=(*encoded.dropped, REPLAYED))
    elif (
        failure.kind is Kind.INVALID_REQUEST and "additional_tools" in failure.message[:_READ_CHARS]
    ):
        changed = with_tools_hoisted(encoded)
    same = changed is None or changed.body == encoded.body
    return None if same else changed


def without_reasoning(encoded: Encoded) -> Encoded:
    """`encoded` without the reasoning of earlier turns, after a provider refused it
    (`invalid_encrypted_content`)."""
    return _with_input(encoded, lambda item: kind_of(item) != "reasoning")


def with_tools_hoisted(encoded: Encoded) -> Encoded:
    """`encoded` with the tools of its `additional_tools` items among its `tools`, after a provider
    refused them."""
    items = _listed(encoded.body.get("input"))
    added = [tool for item in items if _is_tools(item) for tool in _listed(item.get("tools"))]
    encoded = _with_input(encoded, lambda item: not _is_tools(item))
    return encoded._replace(
        body={**encoded.body, "tools": [*_listed(encoded.body.get("tools")), *added]}
    )


def _with_input(encoded: Encoded, keeps: Callable[[Mapping[str, Any]], bool]) -> Encoded:
    items = encoded.body.get("input")
    if not isinstance(items, list):
        return encoded
    return encoded._replace(body={**encoded.body, "input": [item for item in items if keeps(item)]})


def _is_tools(item: Mapping[str, Any]) -> bool:
    return kind_of(item) == "additional_tools"


def _listed(value: Any) -> list[Any]:
    return value if isinstance(value, list) else []


# --- the changes ----------------------------------------------------------------------------------


def _model(body: Body, target: _Target) -> Losses:
    body["model"] = target.model.model_id
    return ()


def _store(body: Body, target: _Target) -> Losses:
    body["store"] = False
    return ()


def _own_state(body: Body, target: _Target) -> Losses:
    for field in ("previous_response_id", "client_metadata"):
        body.pop(field, None)
    return ()


def _obfuscation(body: Body, target: _Target) -> Losses:
    if body.get("stream"):
        options = body.get("stream_options")
        stated = options if isinstance(options, Mapping) else {}
        body["stream_options"] = {**stated, "include_obfuscation": False}
    return ()


def _reasoning(body: Body, target: _Target) -> Losses:
    """The client's effort on this family's scale; the configured level where the client states
    none."""
    stated = body.get("reasoning")
    reasoning = dict(stated) if isinstance(stated, Mapping) else {}
    if not target.kind.efforts:
        body.pop("reasoning", None)
        return () if reasoning.get("effort") in (None, "none") else ("reasoning",)
    wanted = _effort(reasoning.get("effort"), target)
    if wanted is not None and wanted != reasoning.get("effort"):
        body["reasoning"] = {**reasoning, "effort": wanted}
    return ()


def _effort(stated: Any, target: _Target) -> str | None:
    """The effort to send; None for what the client sent, which may be a word of the provider's
    own."""
    if stated is None and "reasoning_effort" not in target.request.chat:
        stated = level({}, target.model)
    return clamp(stated, target.kind.efforts) if stated in LEVELS else None


def _include(body: Body, target: _Target) -> Losses:
    """Encrypted reasoning, without which the model starts again at every turn; refused where
    nothing reasons."""
    stated = _listed(body.get("include"))
    if not target.kind.efforts:
        included = [item for item in stated if item != ENCRYPTED]
    elif ENCRYPTED not in stated and reasons(level(target.request.chat, target.model), target.kind):
        included = [*stated, ENCRYPTED]
    else:
        return ()
    if included:
        body["include"] = included
    else:
        body.pop("include", None)
    return ()


def _limit(body: Body, target: _Target) -> Losses:
    limit = body.get("max_output_tokens")
    if not isinstance(limit, int | float) or limit >= OUTPUT_TOKENS_MIN:
        return ()
    body["max_output_tokens"] = OUTPUT_TOKENS_MIN
    return ("max_output_tokens",)


def _sampling(body: Body, target: _Target) -> Losses:
    if takes_sampling(target.request.chat, target.model, target.kind):
        return ()
    return _without(body, ("temperature", "top_p"))


def _parallel(body: Body, target: _Target) -> Losses:
    return () if target.kind.parallel_flag else _without(body, ("parallel_tool_calls",))


def _without(body: Body, fields: Iterable[str]) -> list[str]:
    """Takes `fields` out; returns those that said something."""
    taken = [(field, body.pop(field)) for field in fields if field in body]
    return [field for field, value in taken if not is_neutral(field, value)]


def _verbosity(body: Body, target: _Target) -> Losses:
    text = body.get("text")
    if target.kind.verbosity or not isinstance(text, Mapping) or "verbosity" not in text:
        return ()
    body["text"] = {key: value for key, value in text.items() if key != "verbosity"}
    return () if is_neutral("verbosity", text["verbosity"]) else ("text.verbosity",)


def _foreign_fields(body: Body, target: _Target) -> Losses:
    """Fields that the provider's row refuses, where they are none of this API's."""
    refused = [
        field for field in body if field in target.model.provider.dropped and field not in FIELDS
    ]
    for field in refused:
        del body[field]
    return refused


def _input(body: Body, target: _Target) -> Losses:
    """Replaces items that this gateway sealed by their content; removes those that the provider
    cannot read."""
    items = body.get("input")
    if isinstance(items, list):
        body["input"] = [own for item in items for own in _item(item, target.origin)]
    return ()


def _item(item: Any, origin: str) -> Iterable[Any]:
    unseal = _UNSEALED.get(kind_of(item)) if isinstance(item, Mapping) else None
    return unseal(item, origin) if unseal is not None else (item,)


def _own_reasoning(item: Mapping[str, Any], origin: str) -> Iterable[Any]:
    """Reasoning without anything encrypted is a name for what a provider that stores nothing does
    not have."""
    encrypted = item.get("encrypted_content")
    if is_sealed(encrypted):
        return [
            own
            for extra in unsealed(encrypted).extras.values()
            for own in own_reasoning(extra, origin)
        ]
    return (item,) if encrypted or item.get("content") else ()


def _own_compaction(item: Mapping[str, Any], origin: str) -> Iterable[Any]:
    encrypted = item.get("encrypted_content")
    if not is_sealed(encrypted):
        return (item,)
    summary = summary_in(encrypted)
    return (
        ()
        if summary is None
        else ({"type": "message", "role": "developer", "content": SUMMARY + summary},)
    )


_UNSEALED: Final[Mapping[str, Callable[[Mapping[str, Any], str], Iterable[Any]]]] = {
    "reasoning": _own_reasoning,
    "compaction": _own_compaction,
}

CHANGES: Final = (
    Change(("model",), "the provider's own id", _model),
    Change(("store",), "ids of one account mean nothing at the next", _store),
    Change(
        ("previous_response_id", "client_metadata"),
        "the gateway's own, or no field of the API",
        _own_state,
    ),
    Change(("stream_options",), "padding costs bytes", _obfuscation),
    Change(("reasoning",), "the configured level, on the family's scale", _reasoning),
    Change(("include",), "what the model thought must come back", _include),
    Change(("max_output_tokens",), "the API's smallest limit", _limit),
    Change(("temperature", "top_p"), "refused by families that reason", _sampling),
    Change(("parallel_tool_calls",), "refused by some families", _parallel),
    Change(("text",), "verbosity is refused by some families", _verbosity),
    Change(("input",), "sealed items as what they were", _input),
    Change((), "fields of other servers, by the provider's row", _foreign_fields),
)
"""Every difference between what a client sent and what a provider of the same API is sent; the
model's `options` come last."""
