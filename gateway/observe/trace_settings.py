"""Where traces go and how: OpenTelemetry's environment variables, under what `[traces]` states.

Sources: OpenTelemetry's "Environment Variable Specification" and "OpenTelemetry Protocol Exporter".
As they say, an empty variable counts as unset, a number that cannot be used costs a warning and is
replaced by its default, and times are in milliseconds.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field, replace
from types import MappingProxyType
from typing import Final, NamedTuple, TypeVar
from urllib.parse import unquote

from gateway.text.trace_context import Sampler, sampler
from gateway.urls import target

PATH: Final = "/v1/traces"
SERVICE: Final = "local-agent-gateway"

Number = TypeVar("Number", int, float)
Headers = tuple[tuple[str, str], ...]


@dataclass(frozen=True, slots=True)
class Settings:
    """Everything about the export."""

    url: str = field(repr=False)
    headers: Headers = field(default=(), repr=False)
    """These two may hold the collector's key."""
    timeout_s: float = 10.0
    """One request to the collector."""
    is_compressed: bool = False
    delay_s: float = 5.0
    """How long spans wait for company."""
    queue_max: int = 2048
    """Spans that wait; the oldest make room for further ones."""
    batch_max: int = 512
    """Spans in one request."""
    retry_s: float = 30.0
    """How long one batch is tried again."""
    sampler: Sampler = field(default_factory=Sampler)
    resource: Mapping[str, str] = field(default_factory=dict)
    propagates: bool = False
    """Whether providers are sent `traceparent`."""


class _Environment:
    """Reads variables, and collects what is wrong with them. Shows no value: it may be a key."""

    def __init__(self, env: Mapping[str, str]) -> None:
        self._env = env
        self.warnings: list[str] = []

    def text(self, *names: str) -> str:
        """The value of the first of these variables that is set."""
        values = (self._env.get(name, "").strip() for name in names)
        return next(filter(None, values), "")

    def number(self, default: Number, *names: str) -> Number:
        """The same as a number above zero."""
        text = self.text(*names)
        try:
            value = type(default)(text) if text else default
        except ValueError:
            value = type(default)(0)
        if 0 < value < float("inf"):
            return value
        self.warnings.append(f"{names[0]} is not a number above 0; {default:g} is used")
        return default

    def seconds(self, default_ms: float, *names: str) -> float:
        """Milliseconds as seconds."""
        return self.number(default_ms, *names) / 1000

    def pairs(self, *names: str) -> Iterator[tuple[str, str]]:
        """`key=value,key=value`, the values percent-encoded (W3C Baggage)."""
        for entry in filter(None, (part.strip() for part in self.text(*names).split(","))):
            key, equals, value = entry.partition("=")
            if key.strip() and equals:
                yield key.strip(), unquote(value.strip())
            else:
                self.warnings.append(f"{names[0]} has an entry that is not key=value")


class Stated(NamedTuple):
    """`[traces]` of the configuration."""

    endpoint: str = ""
    headers: Mapping[str, str] = MappingProxyType({})
    propagates: bool = False


def read_settings(
    env: Mapping[str, str], version: str, instance: str, stated: Stated
) -> tuple[Settings | None, list[str]]:
    """(settings, warnings); no settings where no traces are wanted.

    `version` is the gateway's. `instance` tells this process from others of the same service.
    """
    read = _Environment(env)
    url = _url(read, stated.endpoint)
    if not url or not _is_on(read):
        return None, read.warnings
    resource = _resource(read, version, instance)
    headers = _headers(read, stated.headers)
    settings = replace(_numbers(read, url), headers=headers, resource=resource)
    return replace(settings, sampler=_sampler(read), propagates=stated.propagates), read.warnings


def _numbers(read: _Environment, url: str) -> Settings:
    queue_max = read.number(2048, "OTEL_BSP_MAX_QUEUE_SIZE")
    timeouts = ("OTEL_EXPORTER_OTLP_TRACES_TIMEOUT", "OTEL_EXPORTER_OTLP_TIMEOUT")
    return Settings(
        url,
        timeout_s=read.seconds(10_000.0, *timeouts),
        is_compressed=_is_compressed(read),
        delay_s=read.seconds(5_000.0, "OTEL_BSP_SCHEDULE_DELAY"),
        queue_max=queue_max,
        batch_max=min(queue_max, read.number(512, "OTEL_BSP_MAX_EXPORT_BATCH_SIZE")),
        retry_s=read.seconds(30_000.0, "OTEL_BSP_EXPORT_TIMEOUT"),
    )


def _headers(read: _Environment, stated: Mapping[str, str]) -> Headers:
    names = ("OTEL_EXPORTER_OTLP_TRACES_HEADERS", "OTEL_EXPORTER_OTLP_HEADERS")
    pairs = stated or dict(read.pairs(*names))
    return tuple((name, value) for name, value in pairs.items() if _is_header(read, name, value))


def _is_on(read: _Environment) -> bool:
    exporters = read.text("OTEL_TRACES_EXPORTER") or "otlp"
    is_disabled = read.text("OTEL_SDK_DISABLED").lower() == "true"
    return not is_disabled and "otlp" in (each.strip() for each in exporters.split(","))


def _url(read: _Environment, endpoint: str) -> str:
    """The whole address; empty where there is none."""
    own = "" if endpoint else read.text("OTEL_EXPORTER_OTLP_TRACES_ENDPOINT")
    general = endpoint or read.text("OTEL_EXPORTER_OTLP_ENDPOINT")
    url = own or _with_path(general)
    try:
        return url if not url or target(url) else ""
    except (ValueError, UnicodeError):
        name = "OTEL_EXPORTER_OTLP_TRACES_ENDPOINT" if own else "OTEL_EXPORTER_OTLP_ENDPOINT"
        read.warnings.append(f"{name} is not an http or https URL; traces are not exported")
        return ""


def _with_path(base: str) -> str:
    """A general address with the path for traces. Its query stays behind it."""
    base, mark, query = base.partition("?")
    bare = base.rstrip("/")
    if not bare or bare.endswith(PATH):
        return bare + mark + query
    return bare + PATH + mark + query


def _is_header(read: _Environment, name: str, value: str) -> bool:
    is_one = name.isascii() and name.isprintable() and not set(name) & set(" :")
    if is_one and value.isascii() and value.isprintable():
        return True
    read.warnings.append("a header for the collector is not printable ASCII; it is not sent")
    return False


def _is_compressed(read: _Environment) -> bool:
    names = ("OTEL_EXPORTER_OTLP_TRACES_COMPRESSION", "OTEL_EXPORTER_OTLP_COMPRESSION")
    compression = read.text(*names) or "none"
    if compression not in ("none", "gzip"):
        read.warnings.append(f"{names[1]} is neither gzip nor none; traces are not compressed")
    protocol = read.text("OTEL_EXPORTER_OTLP_TRACES_PROTOCOL", "OTEL_EXPORTER_OTLP_PROTOCOL")
    if protocol == "grpc":
        read.warnings.append("OTEL_EXPORTER_OTLP_PROTOCOL is grpc; traces go by HTTP, with JSON")
    return compression == "gzip"


def _sampler(read: _Environment) -> Sampler:
    name = read.text("OTEL_TRACES_SAMPLER") or "parentbased_always_on"
    found = sampler(name, read.text("OTEL_TRACES_SAMPLER_ARG"))
    if found is None:
        read.warnings.append("OTEL_TRACES_SAMPLER cannot be used; parentbased_always_on holds")
    return found or Sampler()


def _resource(read: _Environment, version: str, instance: str) -> dict[str, str]:
    own = {
        "service.name": SERVICE,
        "service.version": version,
        "service.instance.id": instance,
    }
    resource = own | dict(read.pairs("OTEL_RESOURCE_ATTRIBUTES"))
    name = read.text("OTEL_SERVICE_NAME")
    return resource | {"service.name": name} if name else resource
