"""The lines that the operator reads: what they say, in which form, and what they never say."""

from __future__ import annotations

import io
import logging
from typing import Any, Literal

import orjson
import pytest
from click.testing import CliRunner

from gateway.failures import Failure, Kind
from gateway.observe import log
from gateway.observe.batching import Batched
from gateway.shared.circuits import Change
from gateway.types import Attempt, Call, Usage
from tests.makers import call, model

SONNET, LOCAL = model(name="sonnet"), model("custom", name="local")
SECRET = "sk-ant-api03-abcdefghijklmnop"
LIMITED = Failure(Kind.RATE_LIMIT, f"slow down, {SECRET}", status=429)


class Terminal(io.StringIO):
    def isatty(self) -> bool:
        return True


pytestmark = pytest.mark.usefixtures("own_log")


def written(
    form: Literal["auto", "text", "json"], *, level: str = "info", out: io.StringIO | None = None
) -> io.StringIO:
    out = out or io.StringIO()
    log.set_up(form, level, out)
    return out


def answered(**fields: Any) -> Call:
    asked = call(SONNET, LOCAL, received_at=100.0, **fields)
    asked.attempts = [
        Attempt(SONNET, 1, failure=LIMITED, cooldown_s=7.0),
        Attempt(
            LOCAL,
            2,
            sent_at=100.5,
            committed_at=101.0,
            usage=Usage(12, 34),
            finish_reason="stop",
            dropped=("seed",),
        ),
    ]
    return asked


def test_a_call_in_text() -> None:
    out = written("text")
    log.call_ended(answered(), 200, 1.5)
    line = out.getvalue()
    assert line.count("\n") == 1
    assert (
        "calls     dev -> local  200  1.50s  first 1.00s  tokens 12+34  stop"
        "  [sonnet;429;cooldown=7, local;200]  dropped seed  req_1"
    ) in line


def test_a_call_in_json() -> None:
    out = written("json")
    log.call_ended(answered(stream=True), 200, 1.5)
    record = orjson.loads(out.getvalue())
    assert {"time", "level", "logger", "message"} <= set(record)
    assert (record["level"], record["logger"]) == ("info", "gateway.calls")
    assert record["time"].endswith("+00:00")
    expected = {
        "request_id": "req_1", "agent": "dev", "client": "tests", "model": "local",
        "provider": "custom",
        "status": 200, "stream": True, "attempts": ("sonnet;429;cooldown=7, "
                                                    "local;200"), "duration_s": 1.5,
        "first_token_s": 1.0, "input_tokens": 12, "output_tokens": 34, "finish_reason": "stop",
        "dropped": ["seed"],
        "failure": None,
    }  # fmt: skip
    assert {name: record[name] for name in expected} == expected


def test_a_call_that_no_model_answered() -> None:
    out = written("json")
    asked = answered()
    del asked.attempts[1]
    log.call_ended(asked, 429, 0.1)
    record = orjson.loads(out.getvalue())
    assert record["level"] == "warning"
    assert (record["model"], record["output_tokens"], record["first_token_s"]) == (None, None, None)
    assert record["failure"] == "slow down, ***"


def test_neither_questions_nor_answers_nor_keys_are_written() -> None:
    question = {"role": "user", "content": "a very private question"}
    for form in ("text", "json"):
        out = written(form)
        log.call_ended(answered(messages=[question]), 200, 1.5)
        log.circuit_changed(Change(SONNET.key, "open", 7.0, LIMITED))
        assert "private" not in out.getvalue()
        assert SECRET not in out.getvalue()


@pytest.mark.parametrize("form", ["text", "json"])
def test_a_traceback_is_scrubbed(form: Literal["text", "json"]) -> None:
    out = written(form)
    try:
        raise ValueError(f"bad key {SECRET}")
    except ValueError:
        logging.getLogger("gateway.inbound").exception("internal error")
    assert "ValueError" in out.getvalue()
    assert SECRET not in out.getvalue()


@pytest.mark.parametrize(
    ("change", "level", "words"),
    [
        (
            Change(SONNET.key, "open", 60.0, LIMITED),
            "WARNING",
            "cools down for 60 s: 429 rate limit: slow down, ***",
        ),
        (
            Change(SONNET.key, "open", 300.0, Failure(Kind.CREDENTIAL, "no", status=401)),
            "ERROR",
            "401 credential",
        ),
        (Change(SONNET.key, "closed"), "INFO", "is back"),
    ],
)
def test_a_circuit_says_what_happens_to_it(
    change: Change, level: str, words: str, caplog: pytest.LogCaptureFixture
) -> None:
    with caplog.at_level(logging.INFO, "gateway.breaker"):
        log.circuit_changed(change)
    [record] = caplog.records
    assert record.levelname == level
    assert words in record.getMessage()
    assert "anthropic/anthropic_key:default/claude-sonnet-5" in record.getMessage()
    assert "://" not in record.getMessage()


def test_auto_is_text_on_a_terminal_and_json_elsewhere() -> None:
    terminal = written("auto", out=Terminal())
    log.call_ended(answered(), 502, 1.5)
    assert "dev -> local" in terminal.getvalue()
    assert terminal.getvalue().startswith("\x1b[33m")
    assert terminal.getvalue().endswith("\x1b[0m\n")
    file = written("auto")
    log.call_ended(answered(), 200, 1.5)
    assert orjson.loads(file.getvalue())["agent"] == "dev"


@pytest.mark.parametrize(("no_color", "coloured"), [(None, True), ("", True), ("1", False)])
def test_colour_is_for_terminals_whose_owner_wants_it(no_color: str | None, coloured: bool) -> None:
    with CliRunner().isolation(env={"NO_COLOR": no_color}):
        out = written("auto", out=Terminal())
        logging.getLogger("gateway.x").warning("look")
    assert ("\x1b[33m" in out.getvalue()) is coloured


def test_less_important_lines_are_left_out() -> None:
    out = written("text", level="warning")
    log.call_ended(answered(), 200, 1.5)
    assert out.getvalue() == ""


def test_important_lines_are_never_left_out() -> None:
    out = written("text", level="warning")
    log.call_ended(answered(), 503, 1.5)
    assert "warning: dev -> local  503" in out.getvalue()


def test_setting_up_twice_writes_each_line_once() -> None:
    written("text")
    out = written("text")
    log.call_ended(answered(), 200, 1.5)
    assert out.getvalue().count("\n") == 1


def test_a_client_cannot_write_lines_of_its_own() -> None:
    out = written("text")
    asked = answered()
    asked.attempts[1].dropped = ("a\n12:00:00 calls     forged",)
    log.call_ended(asked, 200, 1.5)
    assert out.getvalue().count("\n") == 1


class Complaining(Batched):
    """Keeps what it cannot write, instead of a traceback on standard error."""

    complaints: list[str]

    def handleError(self, record: logging.LogRecord) -> None:  # noqa: N802 -- logging's own name
        self.complaints.append(record.msg)


@pytest.mark.anyio
@pytest.mark.parametrize("form", [log.Text(colour=False), log.Json()])
async def test_a_line_that_cannot_be_written_takes_no_other_with_it(
    form: logging.Formatter,
) -> None:
    out = io.StringIO()
    handler = Complaining(out)
    handler.complaints = []
    handler.setFormatter(form)
    for message, args in (
        ("one", ()),
        ("%d", ("no number",)),
        ("half \ud83d", ()),
        ("four", ()),
    ):
        handler.emit(logging.LogRecord("gateway.x", logging.INFO, "", 0, message, args, None))
    handler.flush()
    assert [word in out.getvalue() for word in ("one", "half", "four")] == [True, True, True]
    assert handler.complaints == ["%d"]
