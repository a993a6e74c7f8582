"""The fields of a provider's row: the classes of the rows in `providers.py`. Equal only to
themselves."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import date
from typing import Literal


@dataclass(frozen=True, slots=True, eq=False)
class Quirks:
    """How a server that speaks chat completions differs from OpenAI's. Every switch can be set per
    model: `[models.x.compat]` is derived from this class, its documentation too."""

    max_tokens_field: Literal["max_tokens", "max_completion_tokens"] = "max_tokens"
    """The field that limits the output."""
    developer_role: bool = False
    """Takes the role `developer`; otherwise it is sent as `system`."""
    late_system: bool = False
    """Takes system messages after the first turn; otherwise they join the first one."""
    names: bool = False
    """Takes `name` on messages."""
    reasoning: Literal["none", "effort", "object", "thinking", "enable_thinking", "template"] = (
        "none"
    )
    """Where a reasoning level goes: nowhere, `reasoning_effort`, `reasoning: {effort}`, `thinking:
    {type}`, `enable_thinking`, or `chat_template_kwargs.enable_thinking`."""
    reasoning_replay: bool = False
    """Wants `reasoning_content` back on assistant messages that hold tool calls."""
    reasoning_details: bool = False
    """Wants `reasoning_details` back unchanged."""
    stream_usage: bool = True
    """Takes `stream_options.include_usage`."""
    strict_tools: bool = False
    """Takes `strict` on function tools."""
    custom_tools: bool = False
    """Takes tools of type `custom`."""
    tool_parameters: bool = False
    """Refuses a function without `parameters`."""
    tool_result_images: bool = False
    """Takes images inside tool messages; otherwise they follow in a user message."""
    tool_result_name: bool = False
    """Wants `name` on tool messages."""
    bridge_after_tools: bool = False
    """Wants an assistant message between a tool result and the next user message."""
    tool_ids: Literal["any", "max40", "alnum9"] = "any"
    """The form of tool-call ids."""
    allowed_tools: bool = False
    """Takes `tool_choice: {type: allowed_tools}`."""
    prefill: Literal["none", "prefix"] = "none"
    """Whether a trailing assistant message needs `prefix: true`."""
    cache_control: bool = False
    """Takes `cache_control` marks in messages and tools."""
    json_schema: bool = True
    """Takes `response_format: {type: json_schema}`; otherwise JSON mode and the schema in the
    prompt."""
    json_schema_with_tools: bool = True
    """Takes it together with tools."""
    list_content: bool = True
    """Takes a list of text parts as content; otherwise they are joined to one string."""
    null_content: bool = True
    """Takes `null` as the content of an assistant message with tool calls; otherwise it is an empty
    string."""
    think_tags: bool = False
    """Writes `<think>…</think>` before its answer, which is then handed on as reasoning."""
    finish: Literal["stated", "empty", "none"] = "stated"
    """What it sends at the least as the finish reason of a whole answer: a word, an empty string,
    or nothing. An answer with less has been cut off."""
    tools: bool = True
    """Takes tools at all; otherwise another model must serve a request that has some."""
    tools_max: int = 0
    """How many tools it takes in one request; 0 for any number."""
    images: bool = True
    """Takes images at all; otherwise another model must serve a request that holds one."""
    files: Literal["file", "document_url", "none"] = "none"
    """The form in which it takes files."""
    audio: Literal["object", "string", "none"] = "none"
    """The form in which it takes audio."""
    video: bool = False
    """Takes parts of type `video_url`, which OpenAI does not have."""
    remote_images: bool = True
    """Takes images by their address; otherwise another model must serve a request that holds
    one."""
    api: Literal["chat", "responses", "auto"] = "chat"
    """Which of OpenAI's two APIs is spoken; `auto` takes the Responses API where chat completions
    refuse the request."""
    unknown_fields: Literal["pass", "drop"] = "pass"
    """What happens to unknown request fields: one may be new, or may cost a 400."""
    embedding_inputs: int = 0
    """How many inputs one embeddings request takes; 0 for what the provider is known to take."""


@dataclass(frozen=True, slots=True)
class SignIn:
    """Where a vendor renews sign-ins. The client id is the one with which pi signed in: no other
    can renew."""

    url: str
    client_id: str
    form: bool
    """Whether it takes a form; otherwise JSON."""


@dataclass(frozen=True, slots=True)
class EmbeddingsRow:
    """The embeddings API of a provider."""

    inputs_max: int
    """Inputs of one request; a longer request is sent in parts."""
    tokens_max: int = 10**9
    """Tokens of all inputs of one request, by a cautious estimate."""
    fields: frozenset[str] | None = frozenset()
    """Request fields that it takes besides `input` and `dimensions`; None for any."""
    dimensions: str = "dimensions"
    """Its name of that field."""
    base64: bool = False
    """Answers in base64 when asked to: a quarter of the bytes, and much faster to read."""
    token_ids: bool = False
    """Takes token ids. In another vocabulary they make wrong vectors without a sign."""


@dataclass(frozen=True, slots=True, eq=False)
class Provider:
    """A vendor's row: where to send, how to sign, which fields differ, and what else is the
    vendor's own."""

    name: str
    dialect: str
    base_url: str | None
    """The part of the address before the provider's own path, without a trailing slash; None where
    the user must say it."""
    credential: str
    """The type under which the key is stored, e.g. `anthropic_key`."""
    env: tuple[str, ...] = ()
    """The environment variables that hold the key by the provider's own convention, first found
    wins."""
    key_header: str = "authorization"
    key_prefix: str = "Bearer "
    signing: str = "key_header"
    """How a request is signed: a name in `credentials.signing.SIGNINGS`."""
    framing: str = "sse"
    """How a stream is divided into events: a name in `dialects.FRAMINGS`."""
    beta_header: str = ""
    """The header that lists betas; the dialect's, the signature's and the user's are joined by
    commas."""
    bearer_beta: str | None = None
    """Value of `beta_header` that an OAuth token needs, where the provider takes one."""
    sign_in: SignIn | None = None
    """Where pi's sign-ins are renewed, if pi signs in to the API that `base_url` names."""
    headers: Mapping[str, str] = field(default_factory=dict)
    """Sent with every request."""
    renamed: Mapping[str, str] = field(default_factory=dict)
    """Chat fields this provider knows by another name."""
    dropped: Mapping[str, str] = field(default_factory=dict)
    """Chat fields this provider refuses, with the reason; over the dialect's own rules."""
    refused: Mapping[str, str] = field(default_factory=dict)
    """Chat fields whose loss would change what the client's code relies on, with the reason."""
    quirks: Quirks = field(default_factory=Quirks)
    embeddings: EmbeddingsRow | None = None
    """Its embeddings API; None where it has none."""
    trace_name: str = ""
    """`gen_ai.provider.name` of OpenTelemetry, where that is not `name`."""
    key_optional: bool = False
    key_hint: str = ""
    """How a key of this provider begins, for `doctor`."""
    models_path: str = "/models"
    """Where the provider lists its models, for `doctor --live`."""
    default_model: str = ""
    """The model id of a configuration made from keys alone; "" where the user must say it."""
    default_rank: int = 99
    """Place in the chain of such a configuration, least first."""
    retired: Mapping[str, date] = field(default_factory=dict)
    """Pattern of model ids → the first day without them. Only `doctor` reads it: a missing id costs
    nothing."""
    price_name: str = ""
    """The price library's name of the vendor; `name` when empty."""
