"""Every fault the lab can play, by name: what the provider does, and what a client of the gateway
must see.

Adding a fault is adding a row here and, where it is a new kind of trouble, a function in `play.py`.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Final, Literal, NamedTuple

Outcome = Literal["answer", "fallback", "error", "truth"]
"""The result that the client must see: the answer as it is; the next model's answer; the error
given back as its own; or, in a stream that has begun, what came so far and then one typed error
(`fallback` where nothing was streamed)."""


class Fault(NamedTuple):
    """One thing that goes wrong."""

    summary: str
    """The provider's behaviour."""
    outcome: Outcome
    error: str | None = None
    """The kind of error it answers with, if it does."""
    needs_stream: bool = False
    """Only streams can have it; an answer that is not streamed is then a good one."""


FAULTS: Final[Mapping[str, Fault]] = {
    "ok": Fault("answers as it should", "answer"),
    "rate_limit": Fault("429 with a stated time", "fallback", "rate_limit"),
    "rate_limit_bare": Fault("429 without any hint", "fallback", "rate_limit_bare"),
    "rate_limit_google": Fault(
        "429, RetryInfo of 34.07 s in the body", "fallback", "rate_limit_long"
    ),
    "overloaded": Fault("529 or 503, in the provider's own words", "fallback", "overloaded"),
    "unavailable": Fault("503 with an HTML page", "fallback"),
    "server_error": Fault("500 once, then fine", "fallback", "server_error"),
    "quota": Fault("the account is empty", "fallback", "quota"),
    "bad_key": Fault("401", "fallback", "bad_key"),
    "no_such_model": Fault("404", "fallback", "no_such_model"),
    "reset": Fault("resets the connection before the first byte", "fallback"),
    "silent": Fault("accepts, never answers", "fallback"),
    "slow_first_token": Fault("200, then nothing for a long time", "fallback"),
    "error_first_event": Fault("200, and the first event is an error", "fallback", "overloaded"),
    "error_after_role": Fault("200, the message begins, then an error", "fallback", "overloaded"),
    "empty": Fault("200, finished, no content at all", "fallback"),
    "empty_body": Fault("200 with zero bytes", "fallback"),
    "not_json": Fault("200 with an HTML page", "fallback"),
    "cut": Fault("resets the connection at 40 of 60 pieces", "truth"),
    "clean_cut": Fault("closes cleanly at 40 of 60, without a finish", "truth"),
    "stall": Fault("stops sending at 40 of 60", "truth"),
    "bad_chunk": Fault("one event in the middle is broken JSON", "truth"),
    "error_mid_stream": Fault(
        "an error event at 40 of 60", "truth", "overloaded", needs_stream=True
    ),
    "cut_tool_call": Fault("ends inside the arguments of a tool call", "truth", needs_stream=True),
    "no_done": Fault("complete, a finish reason, but no `[DONE]`", "answer", needs_stream=True),
    "two_finishes": Fault("says twice that it has finished", "answer", needs_stream=True),
    "usage_late": Fault("counts tokens only at the very end", "answer", needs_stream=True),
    "usage_missing": Fault("counts no tokens", "answer"),
    "pings": Fault("keeps the stream alive with pings", "answer", needs_stream=True),
    "comments": Fault("keeps the stream alive with comments", "answer", needs_stream=True),
    "crlf": Fault("ends its lines with CR and LF", "answer", needs_stream=True),
    "split_utf8": Fault("sends its bytes one by one", "answer", needs_stream=True),
    "huge_event": Fault("sends an event of a megabyte", "answer", needs_stream=True),
    "late_name": Fault("names a tool call only after it has begun", "answer", needs_stream=True),
    "error_after_finish": Fault(
        "an error event behind the finish reason", "answer", needs_stream=True
    ),
    "text_after_finish": Fault("content behind the finish reason", "answer", needs_stream=True),
    "half_emoji": Fault(
        "cuts a character in two, one half in each event", "answer", needs_stream=True
    ),
    "unasked_choice": Fault("sends a choice that was not asked for", "answer"),
    "comment_flood": Fault("comments without end and no content", "fallback"),
    "done_then_open": Fault("complete, but the connection stays open", "answer", needs_stream=True),
    "context_too_long": Fault("400: the prompt is too long", "error", "context_too_long"),
    "content_filter": Fault("refuses by policy", "answer"),
    "bad_request": Fault("400", "error", "bad_request"),
    "challenge_page": Fault("403 with the page of a content network", "fallback"),
    "own_file": Fault("403 or 404 about a file that the request names", "fallback", "own_file"),
    "cannot_afford": Fault(
        "402: the balance is too small for this request", "fallback", "cannot_afford"
    ),
    "schema_refused": Fault(
        "400 about a schema that the gateway wrote", "fallback", "schema_refused"
    ),
    "flap": Fault("alternates between good and overloaded", "answer"),
}

REQUEST_FAULTS: Final = ("challenge_page", "own_file", "cannot_afford", "schema_refused")
"""Faults of one request, after which nothing cools down: the next call meets the same model
again."""

CONNECTION_FAULTS: Final[Mapping[str, str]] = {
    "refused_connection": "http://127.0.0.1:1",
    "dns": "http://no-such-host.invalid",
}
"""Faults that need no server but an address; their base URL."""

CUT_AT: Final = 40
"""The piece of the content at which a stream breaks."""
