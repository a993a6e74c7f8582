"""The trace that a client's request belongs to, and whether it is sampled.

Sources: W3C Trace Context Level 2 (`traceparent`, `tracestate`); OpenTelemetry's specification of
the environment variables `OTEL_TRACES_SAMPLER` and `OTEL_TRACES_SAMPLER_ARG`.
"""

from __future__ import annotations

import re
from collections.abc import Iterable
from typing import Final, NamedTuple

STATE_CHARS_MAX: Final = 512
"""As many characters as the standard asks everyone to pass on."""
ALL: Final = 1 << 64
"""A bound above every trace id."""

_PARENT: Final = re.compile(r"([0-9a-f]{2})-([0-9a-f]{32})-([0-9a-f]{16})-([0-9a-f]{2})(-.*)?")
_STATE: Final = re.compile(r"[\t -~]*")
_KEPT_FLAGS: Final = 0b10
"""Bit 1: the trace id is random."""


class Trace(NamedTuple):
    """The place of a call in a distributed trace, in the terms of W3C Trace Context. Its ids are
    there before its spans: a provider that is sent them must see those that are exported later."""

    trace_id: str
    """32 hexadecimal digits."""
    span_id: int
    """The call's own span. Its attempts have the numbers after it."""
    parent_id: str = ""
    """The client's span, 16 hexadecimal digits; empty where the trace begins here."""
    flags: int = 0
    """`trace-flags`: bit 0 means sampled."""
    state: str = ""
    """The client's `tracestate`."""
    path: str = ""
    scheme: str = "http"
    """Path and scheme of the client's request."""
    propagates: bool = False
    """Whether providers are sent this context."""

    @property
    def is_sampled(self) -> bool:
        return bool(self.flags & 1)

    def span(self, number: int = 0) -> str:
        """The span id of the call, or of its attempt with this `number`."""
        return f"{self.span_id + number:016x}"

    def headers(self, number: int) -> tuple[tuple[bytes, bytes], ...]:
        """The headers of the request of this attempt."""
        if not self.propagates:
            return ()
        parent = f"00-{self.trace_id}-{self.span(number)}-{self.flags:02x}"
        state = ((b"tracestate", self.state.encode()),) if self.state else ()
        return ((b"traceparent", parent.encode()), *state)


class Parent(NamedTuple):
    """A `traceparent`."""

    trace_id: str
    span_id: str
    flags: int


class Sampler(NamedTuple):
    """Decides which traces are exported."""

    bound: int = ALL
    """A trace is sampled if the lower half of its id is less."""
    follows_parent: bool = True
    """Whether the decision of a client that sent a `traceparent` holds."""

    def flags(self, trace_id: str, parent: Parent | None) -> int:
        """The `trace-flags` of a call in this trace."""
        kept = parent.flags & _KEPT_FLAGS if parent is not None else _KEPT_FLAGS
        if parent is not None and self.follows_parent:
            return kept | parent.flags & 1
        return kept | (int(trace_id[16:], 16) < self.bound)


_BOUNDS: Final = {"always_on": ALL, "always_off": 0, "traceidratio": None}


def sampler(name: str, ratio: str) -> Sampler | None:
    """The sampler of this name; None for one that does not exist here, or an invalid ratio."""
    root = name.removeprefix("parentbased_")
    if root not in _BOUNDS:
        return None
    bound = _BOUNDS[root]
    if bound is None:
        bound = _share(ratio)
    return Sampler(bound, root != name) if bound is not None else None


def _share(ratio: str) -> int | None:
    """The bound below which this ratio of all trace ids is."""
    try:
        share = float(ratio or 1)
    except ValueError:
        return None
    return round(share * ALL) if 0 <= share <= 1 else None


def parse_parent(values: Iterable[str]) -> Parent | None:
    """The only `traceparent` of a request; None for a missing, an invalid and a second one."""
    found = list(values)
    match = _PARENT.fullmatch(found[0].strip(" \t")) if len(found) == 1 else None
    if match is None:
        return None
    version, trace_id, span_id, flags, more = match.groups()
    is_zero = not trace_id.strip("0") or not span_id.strip("0")
    if is_zero or version == "ff" or (version == "00" and more):
        return None
    return Parent(trace_id, span_id, int(flags, 16))


def parse_state(values: Iterable[str]) -> str:
    """All `tracestate` headers of a request as one, without the entries that are too many."""
    text = ",".join(value.strip(" \t") for value in values)
    if not _STATE.fullmatch(text):
        return ""
    if len(text) <= STATE_CHARS_MAX:
        return text
    return text[: STATE_CHARS_MAX + 1].rpartition(",")[0]
