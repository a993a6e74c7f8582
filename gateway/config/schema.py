"""Every key of the configuration: its type, its default, and what it is for.

The docstring below a field is its manual: `gateway config schema` prints it, and a test keeps
`config.toml.example` in agreement with it. Keys are camelCase in the files. The tables of `compat`
and of timeouts are derived from the nouns in `types.py`.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Annotated, Any, Final, Literal

from msgspec import Meta, Struct, field

from gateway import types
from gateway.config.derived import table
from gateway.text.limits import WhenDown

SECONDS_MAX: Final = 30 * 86_400
"""A wait of more than a month is a mistake in the unit."""

Seconds = Annotated[float, Meta(ge=0, le=SECONDS_MAX)]
Positive = Annotated[float, Meta(gt=0, le=SECONDS_MAX)]
Money = Annotated[float, Meta(ge=0)]
Count = Annotated[int, Meta(ge=1)]


class Table(Struct, frozen=True, forbid_unknown_fields=True, rename="camel"):
    """A table of the configuration."""


_COMPAT: Final = (
    "What a server that speaks chat completions accepts; unset keys keep the provider's own value."
)
_MODEL_TIMEOUTS: Final = "`[timeouts]` of one model or agent; unset keys keep the general value."
_WAITS: Final = "Every wait for a provider or a client."

if TYPE_CHECKING:  # the fields are those of `types.Quirks` and `types.Timeouts`

    class Compat(Table, frozen=True):
        def __init__(self, **switches: Any) -> None: ...

    class Waits(Table, frozen=True):
        def __init__(self, **seconds: float) -> None: ...

        def __getattr__(self, name: str) -> float: ...

    class ModelTimeouts(Table, frozen=True):
        def __init__(self, **seconds: float) -> None: ...

else:
    Compat = table(
        "Compat", _COMPAT, Table, types.Quirks, {int: Annotated[int, Meta(ge=0)]}, optional=True
    )
    Waits = table("Waits", _WAITS, Table, types.Timeouts, {float: Positive})
    ModelTimeouts = table(
        "ModelTimeouts", _MODEL_TIMEOUTS, Table, types.Timeouts, {float: Positive}, optional=True
    )


class Timeouts(Waits, frozen=True):
    """Every wait, in seconds."""

    heartbeat_before_commit: bool = False
    """Sends heartbeats while the first content is awaited too. The client then has its 200 before
    any model has answered, so a later failure can only be reported inside the stream."""

    if TYPE_CHECKING:

        def __init__(self, *, heartbeat_before_commit: bool = False, **seconds: float) -> None: ...


class Price(Table, frozen=True):
    """Money per million tokens."""

    input: Money
    """Input tokens that are not cached."""
    output: Money
    """Output tokens."""
    cache_read: Money | None = None
    """Input tokens read from a cache; as `input` when unset."""
    cache_write: Money | None = None
    """Input tokens written to a cache for some minutes; as `input` when unset."""
    cache_write_hour: Money | None = None
    """Input tokens written to a cache for an hour; twice `input` when unset."""


class Model(Table, frozen=True):
    """`[models.<name>]`: one model of one provider."""

    provider: str
    """Whose API is spoken; `custom` is any other server that speaks chat completions."""
    model: str
    """The vendor's id of the model, sent as it is."""
    auth_type: Literal["api_key", "oauth_token", "pi_auth"] = "api_key"
    """How to sign: with the provider's key, with an OAuth token where the provider takes one, or
    with what pi has in its `auth.json`."""
    thinking_level: Literal["off", "minimal", "low", "medium", "high", "xhigh", "max"] | None = None
    """How much the model thinks when the request does not say. Unset: the provider's own
    default."""
    base_url: str | None = None
    """The part of the address before the provider's own path. The provider's public address when
    unset; custom needs one."""
    credential: str | list[str] | None = None
    """`type` or `type:instance` in the credential store. `<provider>_key` when unset. A list is a
    pool of accounts: they are tried in order, each with a cooldown of its own, before the next
    model of the chain."""
    headers: dict[str, str] = field(default_factory=dict)
    """Headers sent with every request. For secrets, use the credential store."""
    options: dict[str, Any] = field(default_factory=dict)
    """Fields merged last into every request body, in the provider's own format."""
    context_window: Count | None = None
    """Tokens of input and output together; decides where a request goes that was too long."""
    max_output_tokens: Count | None = None
    """The output limit when the request states none and the provider insists on one."""
    cache: bool = False
    """Sets prompt-cache breakpoints where the provider wants them set."""
    price: Price | None = None
    """What it costs, where the price library does not know or you pay otherwise."""
    proxy: str | None = None
    """An HTTP or SOCKS proxy for this model's requests."""
    max_concurrent: Count | None = None
    """Calls at a time, for each account of a pool. Unset: no limit."""
    space: str | None = None
    """The vector space of its embeddings: a chain falls back only to models of the same one. The
    model id and the dimensions when unset."""
    timeouts: ModelTimeouts = field(default_factory=ModelTimeouts)
    """Waits for this model."""
    compat: Compat = field(default_factory=Compat)
    """Switches for servers that speak chat completions in their own way."""


class Agent(Table, frozen=True):
    """`[agents.<name>]`, or `agents/<name>/config.toml` beside the file: a name that clients send
    as `model`."""

    models: list[str]
    """The chain: names of models, first choice first."""
    aliases: list[str] = field(default_factory=list)
    """Further names for the agent; `*` is any text, `?` one character. Exact ones come before
    models, patterns after them, in the order of the file. An exact one belongs to one agent
    alone."""
    unsupported: Literal["warn", "reject"] = "warn"
    """What happens to request fields a model cannot take: dropped and named in `x-gateway-dropped`,
    or a 400."""
    weight: Count = 1
    """This agent's share when calls have to wait for a model."""
    timeouts: ModelTimeouts = field(default_factory=ModelTimeouts)
    """Waits for this agent, over those of its models."""
    budget: str | list[str] = field(default_factory=list)
    """What this agent may spend per hour, day, week or month, such as "20 USD/day" or "5000000
    tokens/month"; or a list of budgets."""
    rate: str | list[str] = field(default_factory=list)
    """How much it may do in a minute, such as "60 calls/minute" or "200000 tokens/minute"; or a
    list of rates."""
    when_spent: list[str] = field(default_factory=list)
    """The chain once a budget of this agent is spent. Unset: its calls are refused then."""


class Server(Table, frozen=True):
    """Where and how the gateway listens."""

    host: str = "127.0.0.1"
    """The address to listen on. Anything but loopback needs client keys: see `gateway keys add`."""
    port: Annotated[int, Meta(ge=0, le=65535)] = 8484
    """The port to listen on; 0 lets the system choose."""
    max_body_bytes: Count = 64 * 1024 * 1024
    """The largest request body."""
    request_seconds: Positive = 60.0
    """How long a client may take to send its request."""
    allowed_hosts: list[str] = field(default_factory=list)
    """Host names the gateway answers for, besides loopback's and its own address; "*" for any."""
    allowed_origins: list[str] = field(default_factory=list)
    """Origins of web pages that may use the gateway from a browser, such as
    "http://localhost:3000"; "*" for any page but those of origin "null"."""
    drain_seconds: Seconds = 30.0
    """How long streams may go on after a stop was asked for."""
    max_calls: Count = 1000
    """Calls at a time; more are refused with 503."""
    workers: Count = 1
    """Processes that share the port."""


class Fallback(Table, frozen=True):
    """When a call moves on, and how long it waits once every model has failed."""

    backoff_seconds: Positive = 1.0
    """The first wait; doubled for each further one, with full jitter."""
    backoff_max_seconds: Positive = 30.0
    """No single wait is longer."""
    rounds: Count = 4
    """How often the whole chain is tried."""
    max_wait_seconds: Seconds = 60.0
    """All waits of one call; beyond that the client gets 429 at once."""
    max_waiting: Count = 500
    """Calls that wait at a time; any further one gets its 429 at once."""
    always: list[str] = field(default_factory=list)
    """Kinds of failure that move on to the next model although by default they do not."""
    never: list[str] = field(default_factory=list)
    """Kinds of failure that do not move on although by default they do."""
    sticky_seconds: Seconds = 300.0
    """How long after its last answer a conversation stays with a model that served it as a
    fallback, for the sake of that model's prompt cache. 0 never stays."""


class Breaker(Table, frozen=True):
    """How long a model cools down after a failure."""

    cooldown_seconds: Positive = 60.0
    """Rate limit, overload, and repeated failures, unless the provider states a time."""
    quota_seconds: Positive = 600.0
    """An empty account; all models of the credential cool down."""
    credential_seconds: Positive = 300.0
    """A refused key; all models of the credential cool down."""
    model_unknown_seconds: Positive = 300.0
    """A model id that the provider does not know."""
    failures: Count = 3
    """Errors, timeouts and broken answers in a row before a model cools down."""
    growth: Annotated[float, Meta(ge=1)] = 2.0
    """How many times longer the next cooldown is when the try after it failed."""
    cooldown_max_seconds: Positive = 3600.0
    """The longest cooldown, whatever the provider states."""
    leave_early: bool = True
    """Skips a model when its rate-limit headers report no remaining quota, before it answers
    429."""


class Log(Table, frozen=True):
    """What is written to standard error."""

    format: Literal["auto", "text", "json"] = "auto"
    """`auto` is text on a terminal and JSON elsewhere."""
    level: Literal["debug", "info", "warning", "error"] = "info"
    """The least important line that is written."""


class Ledger(Table, frozen=True):
    """The record of calls, in SQLite."""

    enabled: bool = True
    """Whether calls are recorded; prompts and answers never are."""
    path: str = "~/.local/state/gateway/ledger.db"
    """The file; a relative path begins at the folder of the configuration."""
    retention_days: Count = 90
    """Older calls are removed."""
    url: str = ""
    """A PostgreSQL database that calls are shipped to, where all gateways have one ledger, such as
    "postgresql://gateway@db.internal/gateway?sslmode=verify-full". Its password is the credential
    `ledger_postgres`. Needs the extra `postgres`. Empty: calls stay in the file."""
    waiting_mb: Count = 1024
    """Megabytes of calls older than `retentionDays` that are kept while PostgreSQL takes none."""


class Cluster(Table, frozen=True):
    """What several gateways share, in Redis or Valkey, version 7 or later."""

    redis: str = ""
    """The server, such as "rediss://gateway@redis.internal:6380/0", "unix:///run/redis/redis.sock"
    or "rediss+sentinel://one:26379,two:26379/mymaster". Its password is the credential
    `cluster_redis`. Needs the extra `cluster`. Empty: nothing is shared."""
    name: str = "default"
    """Gateways with the same name share circuits, slots, limits and client keys."""
    wait_ms: Annotated[float, Meta(ge=1, le=1000)] = 20.0
    """How long a call waits for the server, in milliseconds, before its gateway decides alone."""
    when_down: WhenDown = "share"
    """What a gateway may use of limits and slots while the server is away: its share, all, or
    nothing. A limit may say otherwise: "20 USD/day whenDown=closed"."""
    gateways: Count = 1
    """Among how many gateways a limit is shared when the server was never there."""
    tls: Literal["required", "off"] = "required"
    """Whether a server on another host must be reached with TLS, and be verified. "off" sends all
    that is shared in plain text."""
    vault: bool = False
    """Shares the reasoning and signatures of tool calls that clients drop, so that a conversation
    may go on at any gateway. Needs the credential `cluster_secret`; they are encrypted with it if
    the extra `vault` is installed, which a link without TLS to another host requires."""


class Limits(Table, frozen=True):
    """Budgets and rates of the whole gateway, and how all limits count."""

    budget: str | list[str] = field(default_factory=list)
    """What all calls together may spend; see [agents.NAME]."""
    rate: str | list[str] = field(default_factory=list)
    """How much all calls together may do in a minute; see [agents.NAME]."""
    time_zone: str = "local"
    """Where hours, days, weeks (from Monday) and months begin: "local", "UTC", or a name such as
    "Europe/Berlin"."""
    unpriced: Literal["allow", "refuse"] = "allow"
    """What a model without a known price means to a budget in USD: it costs nothing, or it is not
    tried."""


class Traces(Table, frozen=True):
    """The export of traces by OTLP/HTTP; what is unset here comes from OpenTelemetry's environment
    variables."""

    endpoint: str = ""
    """The address of a collector, such as "http://localhost:4318", with or without `/v1/traces`.
    Empty: `OTEL_EXPORTER_OTLP_TRACES_ENDPOINT` or `OTEL_EXPORTER_OTLP_ENDPOINT`; no traces where
    these are unset too."""
    headers: dict[str, str] = field(default_factory=dict)
    """Headers for the collector, such as its key. Empty: `OTEL_EXPORTER_OTLP_HEADERS`."""
    propagate: bool = False
    """Sends `traceparent` and `tracestate` to providers."""

    def __repr__(self) -> str:
        return f"Traces(propagate={self.propagate})"  # headers and address may hold a key


class Root(Table, frozen=True):
    """The whole file."""

    models: dict[str, Model] = field(default_factory=dict)
    """The models, by name."""
    agents: dict[str, Agent] = field(default_factory=dict)
    """The agents, by name."""
    server: Server = field(default_factory=Server)
    """Where and how the gateway listens."""
    fallback: Fallback = field(default_factory=Fallback)
    """When a call moves on."""
    breaker: Breaker = field(default_factory=Breaker)
    """How long a model cools down."""
    timeouts: Timeouts = field(default_factory=Timeouts)
    """Every wait."""
    log: Log = field(default_factory=Log)
    """What is written to standard error."""
    ledger: Ledger = field(default_factory=Ledger)
    """The record of calls."""
    limits: Limits = field(default_factory=Limits)
    """Budgets and rates."""
    cluster: Cluster = field(default_factory=Cluster)
    """What several gateways share."""
    traces: Traces = field(default_factory=Traces)
    """The export of traces."""


ACTION_LLAMA_KEYS: Final = frozenset(
    {
        "local", "gateway", "webhooks", "telemetry", "projectName", "maxReruns", "maxCallDepth",
        "maxTriggerDepth",
        "webhookQueueSize", "workQueueSize", "resourceLockTimeout", "scale", "defaultAgentScale",
        "historyRetentionDays", "harness",
    }
)  # fmt: skip
"""Top-level keys of an Action Llama project, which the gateway ignores."""

ACTION_LLAMA_AGENT_KEYS: Final = frozenset(
    {
        "credentials", "schedule", "webhooks", "hooks", "params", "scale", "timeout",
        "maxWorkQueueSize", "runtime",
        "source", "harness",
    }
)  # fmt: skip
"""Keys of an Action Llama agent that the gateway ignores."""
