"""Failures as values, and their consequences as one table.

A failure is never an exception's text: it is a kind, chosen from the status first, then from the
vendor's own code, and from prose only where a provider gives nothing else. What a kind means
(whether the next model is tried, how long the model cools down, what the client receives) is in
`VERDICTS` and nowhere else.
"""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from enum import StrEnum
from typing import Any, Final, Literal

from gateway.text.quotes import own_words, without_quotations
from gateway.text.statements import mentions, states
from gateway.text.subjects import Subject, names_a_thing, of_forbidden, of_not_found

MESSAGE_CHARS_MAX: Final = 2_000
"""A provider's message is shortened to this before it is logged or handed on."""


class Kind(StrEnum):
    """Everything that can go wrong with one attempt."""

    RATE_LIMIT = "rate_limit"
    OVERLOADED = "overloaded"
    QUOTA = "quota"
    CREDENTIAL = "credential"
    MODEL_UNKNOWN = "model_unknown"
    UNAVAILABLE = "unavailable"
    TIMEOUT = "timeout"
    TRUNCATED = "truncated"
    EMPTY = "empty"
    MALFORMED = "malformed"
    BAD_OUTPUT = "bad_output"
    TOO_LARGE = "too_large"
    CONTEXT_TOO_LONG = "context_too_long"
    UNSUPPORTED = "unsupported"
    POLICY = "policy"
    INVALID_REQUEST = "invalid_request"
    REQUEST_DENIED = "request_denied"
    """A file, resource, policy or route that this request names; says nothing about the key or the
    model."""
    CANNOT_AFFORD = "cannot_afford"
    """This request costs more than the balance; a smaller one is still served."""
    NOT_THE_API = "not_the_api"
    """The page of a content network or a proxy, or a path that the server does not serve."""
    TRANSLATION_REFUSED = "translation_refused"
    """The provider objects to something that the gateway's translation wrote, and the client did
    not."""


@dataclass(frozen=True, slots=True)
class Verdict:
    """The consequences of a failure of one kind."""

    moves_on: Literal["always", "larger_window", "never"]
    """Whether the next model of the chain is tried."""
    cooldown_s: float
    """How long the model cools down, unless the provider states a time; 0 for not at all."""
    after: int
    """How many failures in a row start the cooldown."""
    scope: Literal["model", "credential"]
    """The scope of the cooldown: the model, or every model that uses the same credential."""
    status: int
    """The client's HTTP status when the call ends with this failure."""
    type: str
    code: str | None
    rank: int
    """When several models failed differently, the lowest rank, the one likeliest to recover first,
    speaks for all."""
    should_retry: bool = True
    """False sends `x-should-retry: false`: the official SDKs would otherwise repeat a call that
    cannot succeed."""
    loud: bool = False
    """True for a fault of the operator's configuration, logged as an error."""


def _verdict(
    moves_on: Literal["always", "larger_window", "never"],
    cooldown_s: float,
    after: int,
    client: tuple[int, str, str | None],
    rank: int,
    **more: Any,
) -> Verdict:
    status, type_, code = client
    return Verdict(
        moves_on, cooldown_s, after, more.pop("scope", "model"), status, type_, code, rank, **more
    )


VERDICTS: Final[Mapping[Kind, Verdict]] = {
    Kind.RATE_LIMIT: _verdict("always", 60, 1, (429, "rate_limit_error", "rate_limit_exceeded"), 1),
    Kind.OVERLOADED: _verdict("always", 60, 1, (503, "server_error", "upstream_overloaded"), 2),
    Kind.TIMEOUT: _verdict("always", 60, 3, (504, "server_error", "upstream_timeout"), 4),
    Kind.UNAVAILABLE: _verdict("always", 60, 3, (502, "server_error", "upstream_error"), 3),
    Kind.TRUNCATED: _verdict("always", 60, 3, (502, "server_error", "upstream_stream_error"), 3),
    Kind.MALFORMED: _verdict("always", 60, 3, (502, "server_error", "upstream_stream_error"), 3),
    Kind.BAD_OUTPUT: _verdict("always", 0, 1, (502, "server_error", "upstream_error"), 3),
    Kind.EMPTY: _verdict("always", 60, 3, (502, "server_error", "upstream_empty_answer"), 3),
    Kind.CONTEXT_TOO_LONG: _verdict(
        "larger_window", 0, 1, (400, "invalid_request_error", "context_length_exceeded"), 4
    ),
    Kind.TOO_LARGE: _verdict(
        "always", 0, 1, (413, "invalid_request_error", "request_too_large"), 4
    ),
    Kind.UNSUPPORTED: _verdict(
        "always", 0, 1, (400, "invalid_request_error", "unsupported_parameter"), 5
    ),
    Kind.QUOTA: _verdict(
        "always",
        600,
        1,
        (429, "insufficient_quota", "insufficient_quota"),
        6,
        scope="credential",
        should_retry=False,
        loud=True,
    ),
    Kind.CREDENTIAL: _verdict(
        "always",
        300,
        1,
        (502, "server_error", "upstream_authentication_error"),
        7,
        scope="credential",
        should_retry=False,
        loud=True,
    ),
    Kind.MODEL_UNKNOWN: _verdict(
        "always",
        300,
        1,
        (502, "server_error", "upstream_model_not_found"),
        8,
        should_retry=False,
        loud=True,
    ),
    Kind.NOT_THE_API: _verdict("always", 0, 1, (502, "server_error", "upstream_error"), 3),
    Kind.TRANSLATION_REFUSED: _verdict(
        "always", 0, 1, (400, "invalid_request_error", "translation_refused"), 5
    ),
    Kind.REQUEST_DENIED: _verdict(
        "always", 0, 1, (400, "invalid_request_error", "upstream_request_denied"), 5
    ),
    Kind.CANNOT_AFFORD: _verdict(
        "always", 0, 1, (429, "insufficient_quota", "insufficient_quota"), 6, should_retry=False
    ),
    Kind.POLICY: _verdict(
        "never", 0, 1, (400, "invalid_request_error", "content_policy_violation"), 0
    ),
    Kind.INVALID_REQUEST: _verdict("never", 0, 1, (400, "invalid_request_error", None), 0),
}
"""The default of every kind; `[fallback]` and `[breaker]` of the configuration change numbers and
decisions."""


@dataclass(frozen=True, slots=True)
class Failure:
    """Why one attempt failed."""

    kind: Kind
    message: str
    """The text that a client may read: never an address or a path of this host."""
    status: int | None = None
    """The provider's HTTP status; None when there was none (refused, timed out, found by us)."""
    type: str | None = None
    """The provider's own error type, e.g. `overloaded_error`."""
    code: str | None = None
    param: str | None = None
    """The request field the provider (or we) objected to."""
    request_id: str | None = None
    """The provider's request id, for its support."""
    retry_after_s: float | None = None
    """Seconds until the provider says it may be asked again."""
    retry_at_s: float | None = None
    """The same as Unix time, where the error states a date and its reader has no clock."""
    detail: str | None = None
    """For the log alone: host and port, file names, the words of an exception."""

    def __post_init__(self) -> None:
        if len(self.message) > MESSAGE_CHARS_MAX:
            object.__setattr__(self, "message", self.message[:MESSAGE_CHARS_MAX] + " …")

    @property
    def verdict(self) -> Verdict:
        """The default verdict of this kind."""
        return VERDICTS[self.kind]

    def brief(self) -> str:
        """A few words for a list of attempts: `529 overloaded`, `timeout`."""
        words = self.kind.replace("_", " ")
        return f"{self.status} {words}" if self.status else words

    @property
    def for_log(self) -> str:
        """The message and the detail that clients do not see."""
        return f"{self.message} ({self.detail})" if self.detail else self.message

    def with_(self, **changes: Any) -> Failure:
        """The same failure with some fields replaced."""
        return replace(self, **changes)


class Failed(Exception):
    """Carries a `Failure` to the place where the chain decides."""

    def __init__(self, failure: Failure) -> None:
        super().__init__(failure.message)
        self.failure = failure


BY_STATUS: Final[Mapping[int, Kind]] = {
    401: Kind.CREDENTIAL,
    402: Kind.QUOTA,
    405: Kind.MODEL_UNKNOWN,  # an address that the API does not have
    407: Kind.UNAVAILABLE,  # a proxy on the way wants to be signed in to
    408: Kind.TIMEOUT,
    409: Kind.UNAVAILABLE,
    413: Kind.TOO_LARGE,
    424: Kind.UNAVAILABLE,
    429: Kind.RATE_LIMIT,
    451: Kind.REQUEST_DENIED,
    498: Kind.OVERLOADED,  # a flexible tier without capacity
    503: Kind.OVERLOADED,
    504: Kind.TIMEOUT,
    524: Kind.TIMEOUT,  # a content network gave up waiting for its origin
    529: Kind.OVERLOADED,
}

BY_CODE: Final[Mapping[str, Kind]] = {
    "insufficient_quota": Kind.QUOTA,
    "billing_hard_limit_reached": Kind.QUOTA,
    "context_length_exceeded": Kind.CONTEXT_TOO_LONG,
    "content_filter": Kind.POLICY,
    "content_policy_violation": Kind.POLICY,
    "invalid_api_key": Kind.CREDENTIAL,
    "model_not_found": Kind.MODEL_UNKNOWN,
    "model_decommissioned": Kind.MODEL_UNKNOWN,
    "rate_limit_exceeded": Kind.RATE_LIMIT,
    "server_error": Kind.UNAVAILABLE,
}
"""Codes that mean the same wherever they are used; a dialect adds its own."""

OVERFLOW: Final = re.compile(
    r"prompt is too long|input is too long for requested model|exceeds the context window"
    r"|input token count.{0,200}exceeds the maximum|maximum prompt length is \d+|reduce the "
    r"length of the messages"
    r"|maximum context length is \d+|exceeds the limit of \d+|exceeds the available context size"
    r"|greater than the context length|context window exceeds limit|exceeded model token limit"
    r"|too large for model with \d+ maximum context length|model_context_window_exceeded"
    r"|context[_ ]length[_ ]exceeded|too many tokens|token limit exceeded|exceed context limit"
    r"|exceed_context_size_error|range of input length",
    re.IGNORECASE | re.DOTALL,
)
_OVERFLOWS: Final = frozenset({400, 413, 422, 500})
_THROTTLED: Final = re.compile(
    r"rate limit|too many requests|throttl|per minute|per day", re.IGNORECASE
)
_AFFORDS: Final = re.compile(r"can only afford (\d{1,18})", re.IGNORECASE)
_TOO_BIG_FOR_RATE: Final = re.compile(r"request too large for", re.IGNORECASE)


def classify(
    status: int,
    code: str | None,
    message: str,
    codes: Mapping[str, Kind] = BY_CODE,
    *,
    type_: str | None = None,
) -> Kind:
    """The kind of an error answer.

    `status` is the HTTP status (or the one an in-band error states), `code` and `type_` the
    vendor's own words, `codes` the table of the dialect. Prose decides only between kinds that one
    status covers.
    """
    for word in (code, type_):
        if word is None or word not in codes:
            continue
        if codes[word] is Kind.UNAVAILABLE and status in BY_STATUS:
            break  # "server_error" with a 503 says less than the 503
        return _sharpen(codes[word], message)
    if status in _OVERFLOWS and OVERFLOW.search(message) and _is_overflow(message):
        return Kind.CONTEXT_TOO_LONG
    if status in BY_STATUS:
        return _sharpen(BY_STATUS[status], message)
    if status in (403, 404, 410):
        return _of_a_refusal(status, message)
    if status in (400, 422):
        return _of_a_bad_request(message)
    return Kind.INVALID_REQUEST if 400 <= status < 500 else Kind.UNAVAILABLE


def _is_overflow(message: str) -> bool:
    """Whether it is so in the provider's own words."""
    plain = without_quotations(message)
    return OVERFLOW.search(plain) is not None and not _THROTTLED.search(plain)


def _sharpen(kind: Kind, message: str) -> Kind:
    """A rate limit may really be an empty account, or a request that no waiting cures."""
    if kind is Kind.QUOTA and _affords_some(message):
        return Kind.CANNOT_AFFORD
    if kind is Kind.RATE_LIMIT and _TOO_BIG_FOR_RATE.search(message):
        return Kind.TOO_LARGE
    if kind is Kind.CREDENTIAL and _is_policy(message):
        return Kind.POLICY
    if kind in (Kind.RATE_LIMIT, Kind.CREDENTIAL) and mentions("balance", message):
        return Kind.QUOTA
    return kind


def _is_policy(message: str) -> bool:
    return "usage guidelines" in own_words(message).lower()


def _affords_some(message: str) -> bool:
    """Whether a balance is too small for this request only: "can only afford 30104" tokens."""
    match = _AFFORDS.search(message)
    return match is not None and int(match[1]) > 0


def _of_a_bad_request(message: str) -> Kind:
    """Some providers answer 400 for a wrong key or an empty account.

    Words that are not the whole message may be the client's: nothing cools down for those.
    """
    if states("key", message):
        return Kind.CREDENTIAL
    if states("balance", message):
        return Kind.QUOTA
    if mentions("key", message) or mentions("balance", message):
        return Kind.CANNOT_AFFORD if _affords_some(message) else Kind.REQUEST_DENIED
    return Kind.INVALID_REQUEST


_BY_SUBJECT: Final[Mapping[Subject, Kind]] = {
    "key": Kind.CREDENTIAL,
    "model": Kind.MODEL_UNKNOWN,
    "request": Kind.REQUEST_DENIED,
    "path": Kind.NOT_THE_API,
}


def _of_a_refusal(status: int, message: str) -> Kind:
    """A 403, 404 or 410 by what it is about: only a statement about the key concerns the key."""
    if status != 403:
        return _BY_SUBJECT[of_not_found(message)]
    if _is_policy(message):
        return Kind.POLICY
    if mentions("balance", message) and not names_a_thing(message):
        return _sharpen(Kind.QUOTA, message)
    return _BY_SUBJECT[of_forbidden(message)]


class Exhausted(Exception):
    """A call that no model answered."""

    def __init__(self, failures: Sequence[Failure], retry_after_s: float | None = None) -> None:
        super().__init__("no model of the chain answered")
        self.failures = tuple(failures)
        """Why, in the order in which it happened; for a skipped model, the failure that started its
        cooldown."""
        self.retry_after_s = retry_after_s
        """Seconds until the first model of the chain may be tried again; None if none is cooling
        down."""

    def speaker(self) -> Failure:
        """The failure that speaks for all: a final one, else that of the model likeliest to recover
        first."""
        return min(self.failures, key=lambda failure: failure.verdict.rank)


def structure_fault(error: Exception) -> str:
    """A reader's exception in the words of the field: `unexpected structure (missing 'name')`."""
    if isinstance(error, KeyError):
        return f"unexpected structure (missing {str(error.args[0])[:60]!r})"
    if isinstance(error, TypeError | AttributeError):
        return "unexpected structure (a value has the wrong type)"
    return "unexpected structure (a value is not valid)"


UNREADABLE: Final = (
    KeyError,
    TypeError,
    AttributeError,
    ValueError,
    IndexError,
    RecursionError,
)
"""The errors that reading JSON of an unknown shape raises: for JSON from outside, they mean that
it is wrong."""
