"""What the model families behind chat completions accept, per provider.

Sources: the providers' sheets in `docs/providers.md` (OpenAI's model map and deprecations page,
xAI's and Groq's docs, Mistral's docs; November 2026). An id that nobody has seen gets the `*` row
of its provider.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, replace
from functools import lru_cache
from typing import Final, Literal

from gateway.hub.patterns import lookup


@dataclass(frozen=True, slots=True)
class Family:
    """What one generation of models accepts."""

    efforts: frozenset[str] = frozenset()
    """The values of `reasoning_effort` it takes; empty for a model that takes none."""
    default_effort: str | None = None
    """What it does when nobody says an effort; None when it does not reason."""
    sampling: Literal["always", "effort_none", "never"] = "always"
    """When `temperature`, `top_p` and logprobs are taken."""
    stop: bool = True
    penalties: bool = True
    parallel_flag: bool = True
    tools_while_reasoning: bool = True
    """Takes function tools on chat completions while it reasons; otherwise the Responses API must
    be used."""
    chat: bool = True
    """Served on chat completions at all."""
    effort_names: Mapping[str, str] | None = None
    """Effort → the provider's word for it, where it differs."""
    hide_reasoning: bool = False
    """Cannot be switched off: level `none` sends the lowest effort and hides the text."""
    reasoning_format: str | None = None
    """Has to be asked for its reasoning in a field of its own, with this word; otherwise it lies in
    the content."""
    temperature_max: float | None = None
    greedy_top_p: bool = True
    """Takes a `top_p` beside a temperature of 0, where it says nothing."""
    verbosity: bool = True
    audio: bool = True
    """Hears and speaks; otherwise it is passed over where a client asks for that."""
    web_search: bool = True
    """Searches the web on chat completions; likewise."""
    responses_efforts: frozenset[str] = frozenset()
    """Further efforts, which only the Responses API takes."""


def _efforts(*names: str) -> frozenset[str]:
    return frozenset(names)


_UP_TO_HIGH: Final = _efforts("none", "low", "medium", "high")
_UP_TO_XHIGH: Final = _UP_TO_HIGH | {"xhigh"}

_CLASSIC: Final = Family(verbosity=False, audio=False, web_search=False)
_AUDIO: Final = replace(_CLASSIC, audio=True)
_SEARCH: Final = replace(_CLASSIC, web_search=True)
_REASONING: Final = Family(
    _efforts("minimal", "low", "medium", "high"),
    default_effort="medium",
    sampling="never",
    stop=False,
    penalties=False,
    audio=False,
    web_search=False,
)
_GPT_5: Final = _REASONING
_O_SERIES: Final = replace(
    _REASONING, efforts=_efforts("low", "medium", "high"), parallel_flag=False, verbosity=False
)
_TAKES_STOP: Final = replace(_O_SERIES, stop=True)
"""The first of the series: `stop` is refused since o3 and o4-mini."""
_GPT_5_1: Final = replace(
    _REASONING, efforts=_UP_TO_HIGH, default_effort="none", sampling="effort_none"
)
_GPT_5_2: Final = replace(_GPT_5_1, efforts=_UP_TO_XHIGH)
_GPT_5_4: Final = replace(_GPT_5_2, tools_while_reasoning=False)
_GPT_5_5: Final = replace(_GPT_5_4, default_effort="medium")
_GPT_6: Final = replace(_GPT_5_5, responses_efforts=_efforts("max"))
_ALWAYS_REASONS: Final = replace(
    _GPT_6, efforts=_efforts("low", "medium", "high", "xhigh"), sampling="never"
)
_CODEX: Final = replace(_REASONING, efforts=_efforts("low", "medium", "high", "xhigh"), chat=False)
_PRO: Final = replace(_CODEX, efforts=_efforts("medium", "high", "xhigh"))
_GPT_5_PRO: Final = replace(_CODEX, efforts=_efforts("high"), default_effort="high")
_O_PRO: Final = replace(_O_SERIES, chat=False)

_MISTRAL: Final = Family(temperature_max=1.5, greedy_top_p=False)
_MISTRAL_REASONING: Final = replace(
    _MISTRAL, efforts=_efforts("none", "high"), default_effort="none"
)

_GROK: Final = Family(_efforts("low", "medium", "high"), "medium", stop=False, penalties=False)
_GROK_WITHOUT_EFFORT: Final = Family(stop=False, penalties=False)

FAMILIES: Final[Mapping[str, Mapping[str, Family]]] = {
    "openai": {
        "*": _GPT_6,
        "gpt-3*": _CLASSIC,
        "gpt-4*": _CLASSIC,
        "gpt-4o*-audio*": _AUDIO,
        "gpt-4o*-search*": _SEARCH,
        "gpt-audio*": _AUDIO,
        "chatgpt-4o*": _CLASSIC,
        "ft:gpt-3*": _CLASSIC,
        "ft:gpt-4*": _CLASSIC,
        "o1*": _TAKES_STOP,
        "o3*": _O_SERIES,
        "o3-mini*": _TAKES_STOP,
        "o4*": _O_SERIES,
        "gpt-5": _GPT_5,
        "gpt-5-*": _GPT_5,
        "gpt-5-chat*": _CLASSIC,
        "gpt-5-search*": _SEARCH,
        "gpt-5.1*": _GPT_5_1,
        "gpt-5.2*": _GPT_5_2,
        "gpt-5.3*": _GPT_5_2,
        "gpt-5.4*": _GPT_5_4,
        "gpt-5.5*": _GPT_5_5,
        "gpt-5.6*": _GPT_5_5,
        "gpt-6-astra*": _ALWAYS_REASONS,
        "gpt-6.1-sol*": _ALWAYS_REASONS,
        "gpt-6.2-astra*": _ALWAYS_REASONS,
        "codex-*": _CODEX,
        "gpt-*codex*": _CODEX,
        "gpt-*-pro": _PRO,
        "gpt-*-pro-*": _PRO,
        "gpt-5-pro": _GPT_5_PRO,
        "gpt-5-pro-*": _GPT_5_PRO,
        "o1-pro*": _O_PRO,
        "o3-pro*": _O_PRO,
    },
    "groq": {
        "*": Family(),
        "openai/gpt-oss*": Family(_efforts("low", "medium", "high"), "medium", hide_reasoning=True),
        "qwen/qwen3*": Family(
            _efforts("none", "medium"),
            "medium",
            effort_names={"medium": "default"},
            reasoning_format="parsed",
        ),
        "qwen/qwen3.8*": Family(
            _efforts("none", "low", "medium", "high"), "medium", reasoning_format="parsed"
        ),
    },
    "xai": {
        "*": _GROK,
        "grok-4": Family(_UP_TO_HIGH, "low", stop=False, penalties=False),
        "grok-4-*": Family(_UP_TO_HIGH, "low", stop=False, penalties=False),
        "grok-4.3*": Family(_UP_TO_HIGH, "low", stop=False, penalties=False),
        "grok-3*": Family(_UP_TO_HIGH, "low", stop=False, penalties=False),  # answered by grok-4.3
        "grok-3-mini*": Family(_efforts("low", "high"), "low", stop=False, penalties=False),
        "grok-2*": Family(),
        "grok-beta*": Family(),
        "grok-4.20*": _GROK_WITHOUT_EFFORT,
        "grok-code-fast*": _GROK_WITHOUT_EFFORT,
        "grok-build-0*": _GROK_WITHOUT_EFFORT,
    },
    "mistral": {
        "*": _MISTRAL,
        "mistral-medium-3-5*": _MISTRAL_REASONING,
        "mistral-medium-latest": _MISTRAL_REASONING,
        "mistral-medium-2604": _MISTRAL_REASONING,
        "mistral-large-4*": _MISTRAL_REASONING,
        "mistral-small-2603": _MISTRAL_REASONING,
        "mistral-small-latest": _MISTRAL_REASONING,
    },
    "openrouter": {
        "*": Family(_efforts("none", "minimal", "low", "medium", "high", "xhigh", "max"), None),
    },
    "*": {"*": Family(_efforts("none", "minimal", "low", "medium", "high", "xhigh", "max"), None)},
}
"""Provider → pattern of the model id → family. `*` as provider is any server that is not listed."""


@lru_cache(maxsize=1024)
def family(provider_name: str, model_id: str) -> Family:
    """What `model_id` of `provider_name` accepts."""
    return lookup(FAMILIES.get(provider_name, FAMILIES["*"]), model_id)


@lru_cache(maxsize=64)
def on_responses(kind: Family) -> Family:
    """The same generation on the Responses API."""
    return replace(kind, efforts=kind.efforts | kind.responses_efforts)
