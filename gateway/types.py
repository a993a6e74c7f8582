"""The nouns of the gateway.

Frozen where they describe what was configured (and then equal only to themselves: tables are keyed
by them), mutable only where a call writes down what happens to it (`Call`, `Attempt`). Nothing here
does anything.

Two shapes are plain dicts on purpose, because they are the hub of all translation
(`ARCHITECTURE.md`, D1):

`Chat`   a chat-completions request or response body, as OpenAI's API defines it.
`Chunk`  `{"choices": [{"index": int, "delta": {...}, "finish_reason": str | None}],
         "usage": {...}?}`: one streamed chunk without its envelope (`id`, `object`, `created`,
         `model`), which only the inbound side knows.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from itertools import count
from math import ceil
from types import MappingProxyType
from typing import Any, Final, Literal, NamedTuple, Protocol

from gateway import sse
from gateway.failures import Failure
from gateway.rows import EmbeddingsRow as EmbeddingsRow
from gateway.rows import Provider as Provider
from gateway.rows import Quirks as Quirks
from gateway.rows import SignIn as SignIn
from gateway.text.limits import Limit
from gateway.text.trace_context import Trace

Chat = dict[str, Any]
Chunk = dict[str, Any]


class Request(NamedTuple):
    """A client's request, decoded once by an inbound face; every attempt is encoded from it."""

    chat: Chat
    """The hub's form, normalised (`hub/schema.py`)."""
    body: Mapping[str, Any] = MappingProxyType({})
    """The client's own body, for an upstream of the same dialect (the native lane)."""
    headers: Mapping[str, str] = MappingProxyType({})
    """The request headers that the native lane forwards (`anthropic-beta`), names in lower case."""
    dropped: tuple[str, ...] = ()
    """Paths of what the hub cannot express; lost on every lane but the native one."""
    notes: Any = None
    """Facts that only the same face needs, to write the answer; no other code reads them."""
    binds: bool = False
    """A provider's own answer is readable to its account alone and replaces the conversation (a
    compaction). The native lane serves it only where no other account is in the chain."""
    native_only: str = ""
    """The path of what the request consists of or demands and the hub cannot express: only the
    native lane can serve it. "" where every lane can."""


class Batch(NamedTuple):
    """The chunks that arrived together from the provider."""

    chunks: Sequence[Chunk]
    events: Sequence[sse.Event] | None = None
    """The provider's own events behind `chunks`, when they are in the client's dialect; else
    None."""
    is_last: bool = False
    """The answer is whole with this batch: nothing follows, and nothing is waited for."""


@dataclass(frozen=True, slots=True)
class Timeouts:
    """Every wait for a provider or a client, in seconds. `[timeouts]` is derived from this
    class."""

    connect_s: float = 5.0
    """Name, connection and TLS together."""
    first_token_s: float = 60.0
    """From the request to the first content of a stream; then the next model is tried."""
    answer_s: float = 600.0
    """From the request to the end of an answer that is not streamed: silence and work look alike
    there."""
    idle_s: float = 60.0
    """Silence inside a stream that has begun; then the client receives an error."""
    total_s: float = 3600.0
    """A whole stream."""
    write_s: float = 30.0
    """One write to a client that has stopped reading."""
    heartbeat_s: float = 15.0
    """Silence after which the client is sent a comment, so that proxies keep its connection
    open."""


@dataclass(frozen=True, slots=True, eq=False)
class Model:
    """A `[models.<name>]` entry, or one account of an entry with a credential pool."""

    name: str
    provider: Provider
    model_id: str
    """The vendor's string, sent as it is."""
    base_url: str
    credential: str
    """`type:instance`, e.g. `anthropic_key:default`."""
    auth_type: Literal["api_key", "oauth_token", "pi_auth"] = "api_key"
    thinking_level: str | None = None
    headers: Mapping[str, str] = field(default_factory=dict)
    options: Mapping[str, Any] = field(default_factory=dict)
    """Extra body fields, merged last."""
    context_window: int | None = None
    max_output_tokens: int | None = None
    quirks: Quirks = field(default_factory=Quirks)
    timeouts: Timeouts = field(default_factory=Timeouts)
    cache: bool = False
    """Sets prompt-cache breakpoints where the provider wants them set."""
    price: Mapping[str, float] | None = None
    """Money per million tokens (`input`, `output`, `cache_read`, `cache_write`,
    `cache_write_hour`), where the user states it."""
    max_concurrent: int | None = None
    proxy: str | None = None
    space: str = ""
    """The vector space of its embeddings; by default `<model id>@<dimensions>`."""
    pool: str = ""
    """For one account of a credential pool, such as `gpt@team2`: the entry's name, `gpt`."""

    key: tuple[str, ...] = field(init=False)
    """The key of one circuit: (provider, base URL, credential, model id)."""
    credential_key: tuple[str, ...] = field(init=False)
    """The key of one account: the first three of them."""

    def __post_init__(self) -> None:
        account = (self.provider.name, self.base_url, self.credential)
        object.__setattr__(self, "credential_key", account)
        object.__setattr__(self, "key", (*account, self.model_id))
        object.__setattr__(self, "space", self.space or default_space(self.model_id, self.options))

    @property
    def entry(self) -> str:
        """The name of its `[models.<name>]` entry, which all accounts of a pool share."""
        return self.pool or self.name

    @property
    def embeds(self) -> bool:
        """Whether it is an embedding model, as far as its entry and its id say."""
        has_space = self.space != default_space(self.model_id, self.options)
        return has_space or "embed" in self.model_id.lower()


def by_entry(models: Mapping[str, Model]) -> dict[str, tuple[Model, ...]]:
    """The models, by name, of each `[models.<name>]` entry: one, or the accounts of its pool."""
    found: dict[str, list[Model]] = {}
    for name, model in models.items():
        found.setdefault(model.pool or name, []).append(model)
    return {name: tuple(accounts) for name, accounts in found.items()}


_DIMENSIONS: Final = ("dimensions", "output_dimension", "outputDimensionality")
_TASKS: Final = ("taskType", "task_type", "input_type")


def default_space(model_id: str, options: Mapping[str, Any]) -> str:
    """The vector space of a model id with fixed options: dimensions and tasks change vectors."""
    dimensions = next((options[name] for name in _DIMENSIONS if name in options), "default")
    task = next((f";{options[name]}" for name in _TASKS if name in options), "")
    return f"{model_id}@{dimensions}{task}"


@dataclass(frozen=True, slots=True, eq=False)
class Agent:
    """A name that clients send as `model`, and its chain."""

    name: str
    models: tuple[Model, ...]
    unsupported: Literal["warn", "reject"] = "warn"
    weight: int = 1
    aliases: tuple[str, ...] = ()
    """Further names, as configured: exact ones, and patterns with `*` and `?`."""
    limits: tuple[Limit, ...] = ()
    """Its own budgets and rates."""
    when_spent: tuple[Model, ...] = ()
    """The chain once a budget of its own is spent; () refuses the call."""


@dataclass(frozen=True, slots=True)
class Client:
    """The caller: one client key, or the loopback user when no key is configured."""

    name: str
    agents: frozenset[str] | None = None
    """The agents this key may use; None for all."""
    limits: tuple[Limit, ...] = ()
    """The key's own budgets and rates."""

    def may_use(self, agent: str) -> bool:
        return self.agents is None or agent in self.agents


@dataclass(frozen=True, slots=True)
class Usage:
    """Tokens of one answer, whatever the vendor's convention."""

    input: int = 0
    """All input tokens, cached ones included."""
    output: int = 0
    """All output tokens, reasoning included."""
    cache_read: int = 0
    cache_write: int = 0
    """All tokens written to a cache, `cache_write_1h` included."""
    reasoning: int = 0
    cache_write_1h: int = 0
    """Tokens written to a cache for an hour, which cost more than those for five minutes."""
    cost: float | None = None
    """Dollars, where the provider states what the answer cost."""


@dataclass(slots=True)
class Attempt:
    """One try of one model: written by upstream, read by the chain, kept by the log."""

    model: Model
    number: int
    started_at: float = 0.0
    """Seconds of the monotonic clock, as all times here."""
    sent_at: float | None = None
    """When the request left: the time before it is the gateway's own work."""
    committed_at: float | None = None
    """When the first content arrived; the client's answer begins here."""
    ended_at: float | None = None
    upstream_request_id: str | None = None
    response_model: str | None = None
    """The model that answers, in the provider's words; known once it is committed."""
    usage: Usage | None = None
    finish_reason: str | None = None
    dropped: tuple[str, ...] = ()
    """Request fields this model could not take, as paths (`logprobs`, `messages.0.name`)."""
    failure: Failure | None = None
    cooldown_s: float = 0.0
    """The cooldown that follows from `failure`."""
    native: bool = False
    """The model was sent the client's own body."""
    permit: Any = None
    """The `shared.engine.Permit` under which the model is tried."""

    def brief(self) -> str:
        """As in `x-gateway-attempts`: `sonnet;429;cooldown=60` or `local;200`."""
        if self.failure is None:
            return f"{self.model.name};200"
        status = self.failure.status
        outcome = status if status is not None and status != 200 else self.failure.kind.value
        cooldown = f";cooldown={self.cooldown_s:.0f}" if self.cooldown_s else ""
        return f"{self.model.name};{outcome}{cooldown}"


@dataclass(frozen=True, slots=True)
class Skipped:
    """A model of the chain that was not tried."""

    model: Model
    remaining_s: float
    """Seconds of its cooldown; 0 for a model that is busy, or that another call is probing."""
    failure: Failure | None = None
    """The failure that started the cooldown."""

    def brief(self) -> str:
        """As in `x-gateway-attempts`: `sonnet;cooldown=41`, `gpt;probing`, `local;busy`."""
        if self.remaining_s > 0:
            return f"{self.model.name};cooldown={ceil(self.remaining_s)}"
        return f"{self.model.name};{'probing' if self.failure is not None else 'busy'}"


@dataclass(slots=True, eq=False)
class Call:
    """A client's request, and the record of what became of it. Equal only to itself, as its id may
    not be."""

    id: str
    """Said by the client, or made up by us: for people, who are free to use one for many calls."""
    agent: Agent
    client: Client
    request: Request
    stream: bool
    received_at: float
    """Seconds of the monotonic clock."""
    dialect: str = "chat"
    """The client's own wire format, by its name in `DIALECTS`."""
    operation: str = "generate"
    """The operation, by its name in `OPERATIONS`."""
    attempts: list[Attempt] = field(default_factory=list)
    skipped: list[Skipped] = field(default_factory=list)
    """Models that were not tried, once the call has ended without an answer."""
    waited_s: float = 0.0
    waits: int = 0
    """How often the call has waited for its chain to recover."""
    pauses: tuple[tuple[float, float], ...] = ()
    """(begin, end) of each of these waits."""
    trace: Trace | None = None
    """None where traces are not exported."""
    ticket: int = field(default_factory=count(1).__next__)
    """Names the call among all of this gateway's calls; `id` need not be unique."""
    hold: Any = None
    """The `limits.limiter.Hold` of a call to which a limit applies."""
    decided_alone: tuple[str, ...] = ()
    """What this process decided without the others, as they were away: `places`, `budget`."""

    @property
    def chat(self) -> Chat:
        return self.request.chat

    def tried(self) -> str:
        """All attempts, as in `x-gateway-attempts`: `sonnet;429;cooldown=60, local;200`."""
        if len(self.attempts) == 1 and not self.skipped:
            return self.attempts[0].brief()
        return ", ".join(self.briefs())

    def briefs(self) -> list[str]:
        """Each attempt in a few words, then each model that was skipped, where no model
        answered."""
        tried = [attempt.brief() for attempt in self.attempts]
        return [*tried, *[skipped.brief() for skipped in self.skipped]]

    @property
    def served(self) -> Attempt | None:
        """The attempt whose answer the client received; None when no model answered."""
        last = self.attempts[-1] if self.attempts else None
        return last if last is not None and last.committed_at is not None else None

    def overhead_s(self, until: float) -> float:
        """Our own time from the request's arrival to `until`: without waiting for providers and
        between rounds."""
        waiting_s = self.waited_s
        for attempt in self.attempts:
            ended = attempt.committed_at or attempt.ended_at
            if attempt.sent_at is not None and ended is not None:
                waiting_s += ended - attempt.sent_at
        return max(0.0, until - self.received_at - waiting_s)


class Watcher(Protocol):
    """Receives the end of a committed stream."""

    def ended(self, failure: Failure | None) -> None:
        """The stream is whole, or it broke off with `failure`; its reader learns it next."""
        ...

    def closed(self) -> None:
        """Its owner has released it. May come again."""
        ...


Taker = Callable[[Batch], bool]
"""Takes a batch. Returns False for one that it refuses, which the reader is then given."""


class Chunks(Protocol):
    """A committed stream, read by read. Raises `Failed` when the provider breaks off."""

    def __aiter__(self) -> Chunks: ...

    async def __anext__(self) -> Batch:
        """The chunks that arrived together; an empty batch is a sign of life."""
        ...

    def offer_to(self, taker: Taker) -> None:
        """Has `taker` offered, at once, each batch that arrives while the reader waits for it. The
        reader is given the ones that it refuses, the last one, and signs of life."""
        ...

    def watch(self, watcher: Watcher) -> None:
        """Has the end of the stream reported to `watcher`, the only one."""
        ...

    async def aclose(self) -> None:
        """Releases the reply, read to its end or not. Its owner calls this, once or more often."""
        ...


@dataclass(slots=True)
class Reply:
    """An answer that has begun: committed, so no other model will be asked."""

    attempt: Attempt
    model: str
    """The model that answers, in the provider's words."""
    chat: Chat | None = None
    """The whole answer, for a call that is not streamed."""
    body: Mapping[str, Any] | None = None
    """The provider's own answer, where it is in the client's dialect."""
    raw: bytes = b""
    """The same as it came; it is sent to the client as it is."""
    chunks: Chunks | None = None
    empty_for_s: float | None = None
    """Seconds for which the rate-limit headers of this answer report no remaining quota."""
