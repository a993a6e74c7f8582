"""The chat-completions request: its fields, and the shape a normalised one has.

Source: OpenAI's OpenAPI document 2.3.0 and its official SDKs. `decode_request` (in `normalize/`)
turns whatever a client sent into a **normalised** chat, on which every other dialect builds:

* nothing is `null`; empty `stop`, `tools`, `logit_bias` are absent; whole numbers are ints
* `max_completion_tokens` alone says the limit (`max_tokens` has been folded into it)
* `stop` is a list of non-empty strings
* `functions`, `function_call` and the role `function` have become `tools`, `tool_choice`,
  `tool_calls` and role `tool`
* every message has a `role` of `ROLES`; `content` is a string or a list of parts, absent only on
  assistant messages
* a part is a dict with a `type`; `image_url` is always an object with `url`
* a tool is a function or a custom tool with its object and name, or one that the provider runs, as
  the client wrote it
* every tool call has a non-empty `id`, and `arguments` is text; every one is answered by `tool`
  messages right after it; a `tool` message without its call has become user text
* no string holds a lone surrogate
"""

from __future__ import annotations

from typing import Final

ROLES: Final = frozenset({"system", "developer", "user", "assistant", "tool"})

FIELDS: Final = (
    "model",
    "messages",
    "max_completion_tokens",
    "temperature",
    "top_p",
    "n",
    "stop",
    "stream",
    "stream_options",
    "frequency_penalty",
    "presence_penalty",
    "logit_bias",
    "logprobs",
    "top_logprobs",
    "seed",
    "response_format",
    "tools",
    "tool_choice",
    "parallel_tool_calls",
    "reasoning_effort",
    "verbosity",
    "modalities",
    "audio",
    "prediction",
    "web_search_options",
    "metadata",
    "store",
    "service_tier",
    "prompt_cache_key",
    "prompt_cache_retention",
    "prompt_cache_options",
    "safety_identifier",
    "user",
    "moderation",
)
"""Every field of the contract after normalisation. Each dialect has exactly one rule for each."""

OTHER_SERVERS: Final = (
    "top_k",
    "min_p",
    "top_a",
    "repetition_penalty",
    "chat_template_kwargs",
    "provider",
    "plugins",
    "models",
    "transforms",
    "search_parameters",
    "search_settings",
    "compound_custom",
    "include_domains",
    "exclude_domains",
    "include",
    "truncation",
    "max_tool_calls",
    "background",
)
"""Fields that only some servers of chat completions have."""

EXTENSIONS: Final = ("reasoning", "thinking", "cache_control", *OTHER_SERVERS)
"""Fields beyond OpenAI's that clients send; dialects translate those they understand."""
