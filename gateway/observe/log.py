"""What the operator reads: one line per call, one per change of a circuit. Text for eyes, JSON for programs.

Prompts and answers are never logged. Keys cannot be: they are `Secret`s, and other people's words are scrubbed.
"""

from __future__ import annotations

import logging
import re
import sys
from datetime import UTC, datetime
from typing import Any, Final, Literal, TextIO

import orjson

from gateway.breaker import Change
from gateway.observe.lines import Batched
from gateway.scrub import scrub
from gateway.types import Call

calls: Final = logging.getLogger("gateway.calls")
circuits: Final = logging.getLogger("gateway.breaker")

_CONTROL: Final = re.compile(r"[\x00-\x09\x0b-\x1f\x7f]|\n(?! )")
_COLOURS: Final = {"WARNING": "33", "ERROR": "31", "CRITICAL": "31"}


class Text(logging.Formatter):
    """`12:34:56 gateway.calls dev ...`, coloured on a terminal."""

    def __init__(self, *, colour: bool) -> None:
        super().__init__()
        self._colour = colour

    def format(self, record: logging.LogRecord) -> str:
        time = datetime.fromtimestamp(record.created).strftime("%H:%M:%S")
        area = record.name.removeprefix("gateway.")
        message = _CONTROL.sub("?", record.getMessage())  # other people's words must not begin a line of their own
        level = "" if record.levelno == logging.INFO else f"{record.levelname.lower()}: "
        if record.exc_info:
            message += "\n" + scrub(self.formatException(record.exc_info))
        line = f"{time} {area:<9} {level}{message}"
        code = _COLOURS.get(record.levelname)
        return f"\x1b[{code}m{line}\x1b[0m" if self._colour and code else line


class Json(logging.Formatter):
    """One JSON object per line: `time`, `level`, `logger`, `message`, and the fields of the event."""

    def format(self, record: logging.LogRecord) -> str:
        body: dict[str, Any] = {
            "time": datetime.fromtimestamp(record.created, UTC).isoformat(),
            "level": record.levelname.lower(),
            "logger": record.name,
            "message": record.getMessage(),
            **getattr(record, "fields", {}),
        }
        if record.exc_info:
            body["exception"] = scrub(self.formatException(record.exc_info))
        return orjson.dumps(body, default=str).decode()


def set_up(form: Literal["auto", "text", "json"], level: str, stream: TextIO | None = None) -> None:
    """Sends all records of the gateway to `stream` (standard error); `auto` is text on a terminal, JSON elsewhere."""
    out = stream or sys.stderr
    terminal = out.isatty()
    handler = Batched(out)
    is_json = form == "json" or (form == "auto" and not terminal)
    handler.setFormatter(Json() if is_json else Text(colour=terminal))
    logging.logThreads = logging.logProcesses = logging.logMultiprocessing = False  # nobody prints them
    root = logging.getLogger("gateway")
    root.handlers[:] = [handler]
    root.setLevel(level.upper())
    root.propagate = False


def call_ended(call: Call, status: int, seconds: float) -> None:
    """The line of one call."""
    level = logging.WARNING if status >= 500 or status == 429 else logging.INFO
    if not calls.isEnabledFor(level):
        return
    fields = _fields(call, status, seconds)
    words = [
        f"{fields['agent']} -> {fields['model'] or '-'}",
        str(status),
        f"{seconds:.2f}s",
        f"first {fields['first_token_s']:.2f}s" if fields["first_token_s"] is not None else "",
        f"tokens {fields['input_tokens']}+{fields['output_tokens']}" if fields["output_tokens"] is not None else "",
        fields["finish_reason"] or "",
        f"[{fields['attempts']}]" if len(call.attempts) != 1 or call.attempts[0].failure else "",
        f"dropped {','.join(fields['dropped'])}" if fields["dropped"] else "",
        call.id,
    ]
    # What `calls.log` does, without looking for the line of code that called it.
    text = "  ".join(word for word in words if word)
    record = logging.LogRecord(calls.name, level, "", 0, text, None, None)
    record.fields = fields
    calls.handle(record)


def _fields(call: Call, status: int, seconds: float) -> dict[str, Any]:
    last = call.attempts[-1] if call.attempts else None
    served = last if last is not None and last.committed_at is not None else None
    usage = served.usage if served is not None else None
    first = served.committed_at - call.received_at if served is not None and served.committed_at else None
    failure = last.failure if last is not None else None
    return {
        "request_id": call.id,
        "agent": call.agent.name,
        "client": call.client.name,
        "model": served.model.name if served is not None else None,
        "provider": served.model.provider.name if served is not None else None,
        "status": status,
        "stream": call.stream,
        "attempts": ", ".join(attempt.brief() for attempt in call.attempts),
        "duration_s": round(seconds, 4),
        "first_token_s": round(first, 4) if first is not None else None,
        "input_tokens": usage.input if usage is not None else None,
        "output_tokens": usage.output if usage is not None else None,
        "finish_reason": served.finish_reason if served is not None else None,
        "dropped": list(served.dropped) if served is not None else [],
        "failure": scrub(failure.message) if failure is not None else None,
    }


def circuit_changed(change: Change) -> None:
    """The line of a circuit that opened or closed; an operator's own fault is an error."""
    name = "/".join(part for part in change.key if part and "://" not in part)
    if change.state == "closed" or change.failure is None:
        circuits.info("%s is back", name)
        return
    failure = change.failure
    level = logging.ERROR if failure.verdict.loud else logging.WARNING
    circuits.log(
        level,
        "%s rests for %.0f s: %s: %s",
        name,
        change.cooldown_s,
        failure.brief(),
        scrub(failure.message),
        extra={"fields": {"circuit": name, "state": change.state, "cooldown_s": change.cooldown_s}},
    )
