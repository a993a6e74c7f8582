"""The log for the operator: one line per call, one per change of a circuit. Text for people, JSON
for programs.

Prompts and answers are never logged. Keys cannot be: they are `Secret`s, and other people's words
are scrubbed.
"""

from __future__ import annotations

import json
import logging
import os
import re
import sys
import time
from collections.abc import Mapping
from datetime import UTC, datetime
from pathlib import Path
from typing import Any, Final, Literal, TextIO

import orjson

from gateway.observe.batching import Batched, CallEnded
from gateway.redact import redact
from gateway.shared.circuits import Change
from gateway.types import Call

CALLS: Final = "gateway.calls"
_gateway: Final = logging.getLogger("gateway")
circuits: Final = logging.getLogger("gateway.breaker")

_LOGGERS: Final = ("gateway", "uvicorn", "asyncio")
"""Whose records are written: a line that a library wrote by itself could wait for a reader that
does not read."""

_CONTROL: Final = re.compile(r"[\x00-\x09\x0b-\x1f\x7f]|\n(?! )")
_COLOURS: Final = {"WARNING": "33", "ERROR": "31", "CRITICAL": "31"}


class Text(logging.Formatter):
    """`12:34:56 gateway.calls dev ...`, coloured on a terminal."""

    def __init__(self, *, colour: bool) -> None:
        super().__init__()
        self._colour = colour

    def format(self, record: logging.LogRecord) -> str:
        message, exception = record.getMessage(), ""
        if record.exc_info:
            exception = "\n" + redact(self.formatException(record.exc_info))
        return self._line(record.created, record.name, record.levelno, message, exception)

    def format_call(self, ended: CallEnded) -> str:
        """The line of one call."""
        return self._line(ended.at, CALLS, _level_of(ended.status), _words(ended))

    def _line(self, at: float, name: str, level: int, message: str, exception: str = "") -> str:
        clock = datetime.fromtimestamp(at).strftime("%H:%M:%S")
        area, level_name = name.removeprefix("gateway."), logging.getLevelName(level)
        # other people's words must not begin a line of their own
        message = _CONTROL.sub("?", message) + exception
        stated = "" if level == logging.INFO else f"{level_name.lower()}: "
        line = f"{clock} {area:<9} {stated}{message}"
        code = _COLOURS.get(level_name)
        return f"\x1b[{code}m{line}\x1b[0m" if self._colour and code else line


class Json(logging.Formatter):
    """One JSON object per line: `time`, `level`, `logger`, `message`, and the fields of the
    event."""

    def format(self, record: logging.LogRecord) -> str:
        body = {
            **_head(record.created, record.levelno, record.name, record.getMessage()),
            **getattr(record, "fields", {}),
        }
        if record.exc_info:
            body["exception"] = redact(self.formatException(record.exc_info))
        return _dumps(body)

    def format_call(self, ended: CallEnded) -> str:
        """The line of one call."""
        head = _head(ended.at, _level_of(ended.status), CALLS, "call ended")
        return _dumps({**head, **_fields(ended)})


def _head(at: float, level: int, name: str, message: str) -> dict[str, Any]:
    return {
        "time": datetime.fromtimestamp(at, UTC).isoformat(),
        "level": logging.getLevelName(level).lower(),
        "logger": name,
        "message": message,
    }


def _dumps(body: Mapping[str, Any]) -> str:
    try:
        return orjson.dumps(body, default=str).decode()
    except TypeError:
        # Half a surrogate pair, from the name of a file: UTF-8 has no bytes for it, JSON has an
        # escape.
        return json.dumps(body, default=str)


def set_up(form: Literal["auto", "text", "json"], level: str, stream: TextIO | None = None) -> None:
    """Sends all records of the gateway to `stream` (standard error); `auto` is text on a terminal,
    JSON elsewhere."""
    out = stream or sys.stderr or _nowhere()
    terminal = out.isatty()
    handler = Batched(out)
    handler.lost = lost()
    is_json = form == "json" or (form == "auto" and not terminal)
    handler.setFormatter(
        Json() if is_json else Text(colour=terminal and not os.environ.get("NO_COLOR"))
    )
    # no format prints them
    logging.logThreads = logging.logProcesses = logging.logMultiprocessing = False
    for before in _handlers():
        before.close()
    for name in _LOGGERS:
        logger = logging.getLogger(name)
        logger.handlers[:] = [handler]
        logger.propagate = False
    logging.getLogger("gateway").setLevel(level.upper())


def _nowhere() -> TextIO:
    """For a process without standard error; open for as long as it lives."""
    return Path(os.devnull).open("w")


def _handlers() -> list[Batched]:
    return [
        handler for handler in logging.getLogger("gateway").handlers if isinstance(handler, Batched)
    ]


def lost() -> int:
    """How many lines of this process have not been written."""
    return sum(handler.lost for handler in _handlers())


def show(text: str) -> None:
    """Writes `text` as it is, among the lines of the log; like them it holds up nothing and ends
    nothing."""
    for handler in _handlers():
        handler.show(text)


def call_ended(call: Call, status: int, seconds: float) -> None:
    """Has the line of one call written. It is formatted in the thread that writes it."""
    if _gateway.level > logging.INFO and _level_of(status) < _gateway.level:
        return
    for handler in _gateway.handlers:
        if isinstance(handler, Batched):
            handler.put(CallEnded(call, status, seconds, time.time()))


def _level_of(status: int) -> int:
    return logging.WARNING if status >= 500 or status == 429 else logging.INFO


def _words(ended: CallEnded) -> str:
    """The line of one call in the text form."""
    f, attempts = _fields(ended), ended.call.attempts
    moved_on = len(attempts) != 1 or attempts[0].failure is not None
    words = (
        f"{f['agent']} -> {f['model'] or '-'}",
        str(f["status"]),
        f"{f['duration_s']:.2f}s",
        f"first {f['first_token_s']:.2f}s" if f["first_token_s"] is not None else "",
        f"tokens {f['input_tokens']}+{f['output_tokens']}"
        if f["output_tokens"] is not None
        else "",
        f["finish_reason"] or "",
        f"[{f['attempts']}]" if moved_on else "",
        f"dropped {','.join(f['dropped'])}" if f["dropped"] else "",
        f["request_id"],
    )
    return "  ".join(word for word in words if word)


def _fields(ended: CallEnded) -> dict[str, Any]:
    call = ended.call
    failure = call.attempts[-1].failure if call.attempts else None
    fields: dict[str, Any] = {
        "request_id": call.id,
        "agent": call.agent.name,
        "client": call.client.name,
        "model": None,
        "provider": None,
        "status": ended.status,
        "stream": call.stream,
        "attempts": call.tried(),
        "duration_s": round(ended.seconds, 4),
        "first_token_s": None,
        "input_tokens": None,
        "output_tokens": None,
        "finish_reason": None,
        "dropped": (),
        "failure": redact(failure.for_log) if failure is not None else None,
    }
    served = call.served
    if served is not None and served.committed_at is not None:
        fields["model"], fields["provider"] = served.model.name, served.model.provider.name
        fields["first_token_s"] = round(served.committed_at - call.received_at, 4)
        fields["finish_reason"], fields["dropped"] = served.finish_reason, served.dropped
        if served.usage is not None:
            fields["input_tokens"], fields["output_tokens"] = (
                served.usage.input,
                served.usage.output,
            )
    return fields


def circuit_changed(change: Change) -> None:
    """The line of a circuit that opened or closed; an operator's own fault is an error."""
    name = "/".join(part for part in change.circuit_id if part and "://" not in part)
    if change.state == "closed" or change.failure is None:
        circuits.info("%s is back", name)
        return
    failure = change.failure
    level = logging.ERROR if failure.verdict.loud else logging.WARNING
    circuits.log(
        level,
        "%s cools down for %.0f s: %s: %s",
        name,
        change.cooldown_s,
        failure.brief(),
        redact(failure.for_log),
        extra={"fields": {"circuit": name, "state": change.state, "cooldown_s": change.cooldown_s}},
    )
