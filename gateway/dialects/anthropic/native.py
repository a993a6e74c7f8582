"""The native lane: a client of Messages is served by Anthropic, so its own body is sent.

Nothing is translated. `CHANGES` lists everything that may differ from what the client wrote, in the
order in which it is applied; all else goes out as it came in: the order of keys and blocks, cache
marks, signatures, unknown fields. A change that takes something away from the client is named in
`Encoded.dropped`.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping
from typing import Any, Final, NamedTuple

from gateway.dialects.anthropic.models import Generation, generation
from gateway.dialects.anthropic.native_messages import (
    continue_without_thinking,
    edit_messages,
    replays_thinking,
    without_thinking,
)
from gateway.dialects.anthropic.thinking import Limit, encode_level
from gateway.dialects.anthropic.tools import forced_hint
from gateway.failures import Failure
from gateway.hub import exact_json
from gateway.hub.contracts import REPLAYED, Encoded, Request
from gateway.hub.options import merge_options
from gateway.hub.reasoning import LEVELS, level
from gateway.hub.shapes import table
from gateway.hub.structured_output import hint, read_form
from gateway.types import Model

Body = dict[str, Any]
_TOP_P_THINKING_MIN: Final = 0.95
"""The lowest `top_p` beside thinking."""


class _Lane(NamedTuple):
    """The input of every change."""

    request: Request
    model: Model
    claude: Generation


def encode_native(request: Request, model: Model) -> Encoded:
    """The client's own body for `model`, with `CHANGES` applied."""
    lane = _Lane(request, model, generation(model.model_id))
    body = dict(request.body)
    losses = [lost for change in CHANGES for lost in change(body, lane)]
    return Encoded(
        path="/v1/messages",
        native=True,
        body=merge_options(body, model.options),
        headers=_headers(request, model),
        dropped=tuple(dict.fromkeys(losses)),
    )


def _headers(request: Request, model: Model) -> Mapping[str, str]:
    """The client's version and betas. The beta of an OAuth token belongs to the signature, which
    adds it itself."""
    headers = dict(request.headers)
    betas, own = headers.get("anthropic-beta", ""), model.provider.bearer_beta
    if own and own in betas:
        kept = [beta for beta in betas.split(",") if beta.strip() != own]
        headers["anthropic-beta"] = ",".join(kept).strip()
    return {name: value for name, value in headers.items() if value}


# --- the top of the body --------------------------------------------------------------------------


def _model(body: Body, lane: _Lane) -> Iterable[str]:
    body["model"] = lane.model.model_id
    return ()


def _stream(body: Body, lane: _Lane) -> Iterable[str]:
    wanted = bool(lane.request.chat.get("stream"))
    if wanted != bool(body.get("stream")):
        body["stream"] = wanted
    return ()


def _limit(body: Body, lane: _Lane) -> Iterable[str]:
    """ "max_tokens: 128000 > 64000, which is the maximum": clients state one number for every
    model."""
    limit = max(lane.claude.output_max, lane.model.max_output_tokens or 0)
    if body["max_tokens"] <= limit:
        return ()
    body["max_tokens"] = limit
    return ("max_tokens",)


def _sampling(body: Body, lane: _Lane) -> Iterable[str]:
    """Temperature, top_p and top_k where the generation, or its thinking, refuses them."""
    temperature, top_p = body.get("temperature"), body.get("top_p")
    removed: list[str] = []
    if lane.claude.sampling == "none":
        removed = ["temperature", "top_p", "top_k"]
    elif _thinks(body, lane.claude):
        removed = ["temperature"] if temperature != 1 else []
        removed += ["top_p"] if (top_p or 1) < _TOP_P_THINKING_MIN else []
        removed += ["top_k"]
    elif lane.claude.sampling == "one" and temperature is not None and top_p is not None:
        removed = ["temperature" if temperature == 1 else "top_p"]
    if temperature is not None and temperature > 1 and "temperature" not in removed:
        body["temperature"] = 1
        return ["temperature", *_left_out(body, removed)]
    return _left_out(body, removed)


def _left_out(body: Body, fields: Iterable[str]) -> list[str]:
    """Takes `fields` away. Returns those that said something: 1 is what happens anyway."""
    values = {field: body.pop(field) for field in fields if field in body}
    return [field for field, value in values.items() if value not in (None, 1)]


def _format(body: Body, lane: _Lane) -> Iterable[str]:
    """A schema for the answer, asked for in words where the generation does not compile one."""
    wanted = lane.request.chat.get("response_format")
    if lane.claude.output_format or not wanted:
        return ()
    body.pop("output_format", None)
    _configure(body, format=None)
    _instruct(body, hint(read_form(wanted)))
    return ("output_config.format",)


def _choice(body: Body, lane: _Lane) -> Iterable[str]:
    """A forced tool where the generation always thinks: asked for in words."""
    choice = table(body, "tool_choice")
    if lane.claude.forced_tools or choice.get("type") not in ("any", "tool"):
        return ()
    body["tool_choice"] = {**choice, "type": "auto"}
    body["tool_choice"].pop("name", None)
    _instruct(body, forced_hint(choice.get("name")))
    return ("tool_choice",)


def _cache(body: Body, lane: _Lane) -> Iterable[str]:
    """Automatic caching, where the user wants marks and the client has set none."""
    if lane.model.cache and not _holds_marks(body):
        body["cache_control"] = {"type": "ephemeral"}
    return ()


def _holds_marks(body: Body) -> bool:
    """Whether the text `"cache_control"` is anywhere in the body; where a prompt quotes it, no mark
    is set."""
    try:
        return b'"cache_control"' in exact_json.dumps(body)
    except ValueError:
        return True  # nested too deep to be written, and refused where it is sent


def _instruct(body: Body, text: str) -> None:
    """Adds `text` behind the system prompt."""
    system = body.get("system")
    if isinstance(system, str) and system:
        body["system"] = f"{system}\n\n{text}"
    else:
        body["system"] = [*(system or ()), {"type": "text", "text": text}]


def _configure(body: Body, **fields: Any) -> None:
    """Sets members of `output_config`; None takes one away."""
    config = {**table(body, "output_config"), **fields}
    config = {key: value for key, value in config.items() if value is not None or key not in fields}
    if config or "output_config" in body:
        body["output_config"] = config
    if not config:
        body.pop("output_config", None)


# --- thinking -------------------------------------------------------------------------------------


def _thinks(body: Body, claude: Generation) -> bool:
    kind = table(body, "thinking").get("type")
    return claude.thinks_by_default if kind is None else kind != "disabled"


def _thinking(body: Body, lane: _Lane) -> Iterable[str]:
    """`thinking` and the effort in the form that the generation takes; the model's own level where
    none is stated."""
    stated, effort = table(body, "thinking").get("type"), table(body, "output_config").get("effort")
    if stated is None and effort is None:
        return _own_level(body, lane)
    change = _FORMS.get((lane.claude.thinking, stated))
    losses = change(body, lane) if change else ()
    return [*losses, *_effort(body, lane.claude)]


def _own_level(body: Body, lane: _Lane) -> Iterable[str]:
    """The model's `thinkingLevel`. How thinking is shown stays as the provider has it: the client
    did not ask."""
    if lane.model.thinking_level is None:
        return ()
    losses = _apply_level(body, lane, {})
    if isinstance(body.get("thinking"), dict):
        body["thinking"] = {
            key: value for key, value in body["thinking"].items() if key != "display"
        }
    return [lost for lost in losses if lost != "thinking"]


def _apply_level(body: Body, lane: _Lane, asked: Mapping[str, Any]) -> list[str]:
    """The fields that the upstream face sends for `asked` (a `reasoning_effort`), or for the
    model's own level."""
    wanted, limit = level(asked, lane.model), Limit(body["max_tokens"], stated=True)
    forced = table(body, "tool_choice").get("type") in ("any", "tool")
    found, _ = encode_level(
        wanted, lane.claude, limit, tools=bool(body.get("tools")), forced=forced
    )
    fields = dict(found.fields)
    _configure(body, **fields.pop("output_config", {}))
    body |= fields
    return [_LOSSES[lost] for lost in found.losses]


_LOSSES: Final = {"reasoning_effort": "thinking", "max_completion_tokens": "max_tokens"}
"""The hub's field → the client's."""


def _to_adaptive(body: Body, lane: _Lane) -> Iterable[str]:
    """A budget as the effort that comes nearest."""
    if table(body, "thinking").get("type") == "enabled" and lane.claude.budgets:
        return ()
    if table(body, "thinking").get("type") == "between_tools" and lane.claude.between_tools:
        return ()
    kept = {key: value for key, value in body["thinking"].items() if key != "budget_tokens"}
    body["thinking"] = {**kept, "type": "adaptive"}
    effort = lane.request.chat.get("reasoning_effort")
    if effort is not None and "effort" not in table(body, "output_config"):
        _configure(body, effort=effort)
    return ()


def _to_budget(body: Body, lane: _Lane) -> Iterable[str]:
    """An effort as a budget; no thinking where a forced tool rules a budget out."""
    stated = body["thinking"]
    effort = lane.request.chat.get("reasoning_effort") or lane.model.thinking_level or "medium"
    losses = _apply_level(body, lane, {"reasoning_effort": effort})
    if body["thinking"] is stated:
        del body["thinking"]
    elif "display" in stated:
        body["thinking"] = {**body["thinking"], "display": stated["display"]}
    return losses


def _off(body: Body, lane: _Lane) -> Iterable[str]:
    """Thinking that cannot be switched off is reduced; where it can, some efforts are refused
    beside it."""
    config = table(body, "output_config")
    if not lane.claude.can_disable:
        del body["thinking"]
        _configure(body, effort="low")
        return ("thinking",)
    highest = LEVELS.index(lane.claude.off_effort_max)
    if config.get("effort") in LEVELS[highest + 1 :]:
        _configure(body, effort=lane.claude.off_effort_max)
        return ("output_config.effort",)
    return ()


def _none(body: Body, lane: _Lane) -> Iterable[str]:
    del body["thinking"]
    return ("thinking",)


_FORMS: Final[Mapping[tuple[str, Any], Callable[[Body, _Lane], Iterable[str]]]] = {
    ("adaptive", "enabled"): _to_adaptive,
    ("adaptive", "between_tools"): _to_adaptive,
    ("adaptive", "disabled"): _off,
    ("budget", "adaptive"): _to_budget,
    ("budget", "between_tools"): _to_budget,
    ("none", "enabled"): _none,
    ("none", "adaptive"): _none,
    ("none", "between_tools"): _none,
    ("none", "disabled"): _none,
}
"""(how the generation thinks, what the client states) → the change; others stay as they are."""


def _effort(body: Body, claude: Generation) -> Iterable[str]:
    """The effort, where the generation does not have it: "does not support effort level
    'xhigh'"."""
    effort = table(body, "output_config").get("effort")
    if effort not in LEVELS or effort in claude.efforts.values():
        return ()
    _configure(body, effort=claude.efforts.get(effort))
    return ("output_config.effort",)


# --- messages -------------------------------------------------------------------------------------


def _messages(body: Body, lane: _Lane) -> Iterable[str]:
    return edit_messages(body, lane.claude)


def _loop(body: Body, lane: _Lane) -> Iterable[str]:
    return continue_without_thinking(body)


CHANGES: Final[tuple[Callable[[Body, _Lane], Iterable[str]], ...]] = (
    _model,
    _stream,
    _limit,
    _messages,
    _thinking,
    _loop,
    _format,
    _choice,
    _sampling,
    _cache,
)
"""Everything that may differ from the client's body, besides the user's own `options`. Each change
edits the top level of the body in place, shares the rest with the client's, and returns the paths
of what the client loses."""


def again(failure: Failure, encoded: Encoded) -> Encoded | None:
    """`encoded` without the thinking of earlier turns, after the provider refused it."""
    if failure.param != REPLAYED or not replays_thinking(encoded.body):
        return None
    return encoded._replace(
        body=without_thinking(encoded.body), dropped=(*encoded.dropped, REPLAYED)
    )
