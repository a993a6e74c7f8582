"""`gateway status --watch`: the blocks of the web page in a terminal, redrawn in place."""

from __future__ import annotations

import os
import select
import signal
import sys
import textwrap
import time
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from typing import Final

import click

from gateway.cli.console import styled, table, width_of_terminal
from gateway.config.load import Config
from gateway.observe.ledger_glance import Asked
from gateway.page import words
from gateway.reports.history import History, PricedCall, Sum, Usage
from gateway.reports.overview import Overview, overview
from gateway.reports.requests import ledger_path
from gateway.reports.running import NotRunning
from gateway.reports.status import AgentState, CallState, ModelState, Status, ask_status

WIDTH_MIN: Final = 40
WIDTH_MAX: Final = 120
EVERY_S: Final = 1.0
CALLS_SHOWN: Final = 8
GROUPS_SHOWN: Final = 6

_WORDS: Final = {"open": "cooling down", "half_open": "probing"}
_BEGIN: Final = "\x1b[?1049h\x1b[?25l"
"""The alternate screen, without a cursor."""
_END: Final = "\x1b[?25h\x1b[?1049l"
_HOME: Final = "\x1b[H"
_CLEAR_LINE: Final = "\x1b[K"
_CLEAR_BELOW: Final = "\x1b[J"


def look(config: Config | None) -> Overview:
    """The overview of the running gateway. Raises `NotRunning`."""
    status = ask_status(config)
    is_kept = config is None or config.ledger.enabled
    models = config.models if config is not None else {}
    ledger = ledger_path(config) if is_kept else None
    return overview(status, ledger, models, Asked(), now=time.time())


def watch(config: Config | None) -> None:
    """Redraws until `q` or Ctrl-C. A gateway that stops is waited for. Raises `NotRunning` if there
    is none to begin with."""
    look(config)
    with suppress(KeyboardInterrupt), _screen() as woken:
        _draw(_lines(config))
        while not _is_ended(woken, EVERY_S):
            _draw(_lines(config))


def _lines(config: Config | None) -> list[str]:
    try:
        return lines(look(config), min(width_of_terminal(), WIDTH_MAX))
    except NotRunning as error:
        return textwrap.wrap(f"{error}", width_of_terminal())


# --- the terminal ---------------------------------------------------------------------------------


@contextmanager
def _screen() -> Iterator[int]:
    """The alternate screen. Yields a descriptor that is readable after the window is resized."""
    woken, wake = os.pipe()
    os.set_blocking(wake, False)
    before_fd = signal.set_wakeup_fd(wake)
    before = signal.signal(signal.SIGWINCH, lambda number, frame: None)
    sys.stdout.write(_BEGIN)
    try:
        with _keys_one_by_one():
            yield woken
    finally:
        sys.stdout.write(_END)
        sys.stdout.flush()
        signal.signal(signal.SIGWINCH, before)
        signal.set_wakeup_fd(before_fd)
        os.close(woken)
        os.close(wake)


@contextmanager
def _keys_one_by_one() -> Iterator[None]:
    """Keys arrive without Enter and are not shown, if standard input is a terminal."""
    if not sys.stdin.isatty():
        yield
        return
    import termios
    import tty

    before = termios.tcgetattr(sys.stdin)
    tty.setcbreak(sys.stdin)
    try:
        yield
    finally:
        termios.tcsetattr(sys.stdin, termios.TCSADRAIN, before)


def _is_ended(woken: int, limit_s: float) -> bool:
    """Waits until it is time to draw again. True if `q` was pressed."""
    inputs: list[int] = [woken]
    if sys.stdin.isatty():
        inputs.append(sys.stdin.fileno())
    ready, _, _ = select.select(inputs, [], [], limit_s)
    if woken in ready:
        os.read(woken, 1024)
    typed = os.read(inputs[-1], 64) if len(inputs) > 1 and inputs[-1] in ready else b""
    return bool({b"q", b"Q"} & {typed[:1], typed[-1:]})


def _draw(shown: list[str]) -> None:
    """Draws over what is there, so that nothing flickers, and leaves out what does not fit."""
    rows = max(_rows(), 2)
    fitting = shown if len(shown) < rows else [*shown[: rows - 2], "…"]
    body = "".join(f"{line}{_CLEAR_LINE}\r\n" for line in fitting)
    sys.stdout.write(f"{_HOME}{body}{_CLEAR_BELOW}")
    sys.stdout.flush()


def _rows() -> int:
    try:
        return os.get_terminal_size(sys.stdout.fileno()).lines or 24
    except (OSError, ValueError):
        return 24


# --- the blocks -----------------------------------------------------------------------------------


def lines(found: Overview, width: int) -> list[str]:
    """The blocks, top to bottom as on the page; no line is longer than `width`."""
    width = max(width, WIDTH_MIN)
    blocks = [_state(found), _agents(found.status, width), _under_way(found.status, width)]
    history = found.history
    if history is None:
        blocks.append(_titled("LAST CALLS", textwrap.wrap(found.missing, width)))
    else:
        blocks += [_last(history, found.at, width), _usage(history.usage, width)]
        blocks.append(_latencies(history, width))
    blocks.append(_attention(found, width))
    joined = [_cut(line, width) for block in blocks for line in (*block, "")]
    return joined[:-1]


def _cut(line: str, width: int) -> str:
    """A line that is too long loses its end, and its colours."""
    plain = click.unstyle(line)
    return line if len(plain) <= width else plain[: width - 1] + "…"


def _titled(title: str, rows: list[str]) -> list[str]:
    return [styled(title, "bright_black"), *(rows or ["none"])]


def _state(found: Overview) -> list[str]:
    status = found.status
    word = styled("needs a hand", "red") if found.needs_a_hand else status.status
    up = f"up {words.whole_duration(status.uptime_s)}"
    calls = f"{status.in_flight} under way, {status.waiting} waiting"
    errors = found.history.errors if found.history is not None else None
    usage = found.history.usage if found.history is not None else None
    today = usage.today if usage is not None else Sum()
    shown = words.NONE if errors is None else f"{errors}"
    money = f"{words.money(today.cost)} today, {words.plural(today.calls, 'call')}"
    shares = f"{words.share(today.fallbacks)} fell back, {words.share(today.cached)} from cache"
    first = f"gateway {status.version}  {word}  {up}  {calls}"
    return [first, f"{shown} errors in 5 min  {money}  {shares}"]


def _agents(status: Status, width: int) -> list[str]:
    widest = max((len(agent.agent) for agent in status.agents), default=0)
    rows = [line for agent in status.agents for line in _chain(agent, min(widest, 20), width)]
    return _titled("AGENTS", rows)


def _chain(agent: AgentState, indent: int, width: int) -> list[str]:
    """The chain, broken between two models where it is too long."""
    space = " " * (indent + 2)
    text = " > ".join(_model(model).replace(" ", "\u00a0") for model in agent.chain)
    rows = textwrap.wrap(text, max(width - len(space), 20), break_on_hyphens=False)
    first = agent.agent[:indent].ljust(indent)
    heads = [f"{first}  ", *[space] * (len(rows) - 1)]
    shown = (_coloured(row.replace("\u00a0", " ")) for row in rows)
    return [head + row for head, row in zip(heads, shown, strict=True)]


def _model(model: ModelState) -> str:
    if model.state == "closed":
        return f"{model.model} {'full' if model.full else 'ready'}"
    left = f" {words.whole_duration(model.cooldown_left_s)}" if model.cooldown_left_s else ""
    why = f" ({model.kind.replace('_', ' ')})" if model.kind else ""
    return f"{model.model} {_WORDS.get(model.state, model.state)}{left}{why}"


def _coloured(row: str) -> str:
    models = row.split(" > ")
    return " > ".join(styled(each, "yellow") if "cooling down" in each else each for each in models)


def _under_way(status: Status, width: int) -> list[str]:
    head = ("AGENT", "CLIENT", "MODEL", "ATTEMPT", "FOR")
    rows = [_under_way_row(call) for call in status.calls[:CALLS_SHOWN]]
    shown = table(head, rows, width).splitlines() if rows else []
    more = status.in_flight - len(rows)
    if rows and more > 0:
        shown.append(f"and {more} more")
    return _titled("CALLS UNDER WAY", shown)


def _under_way_row(call: CallState) -> tuple[str, ...]:
    attempts, seconds = f"{len(call.attempts)}", words.duration(call.seconds)
    return call.agent, call.client, call.model or "waiting", attempts, seconds


def _last(history: History, now: float, width: int) -> list[str]:
    head = ("WHEN", "AGENT", "MODEL", "STATUS", "TRIES", "FIRST", "TOTAL", "IN", "OUT", "COST")
    rows = [_call(call, now) for call in (history.calls or [])[:CALLS_SHOWN]]
    return _titled("LAST CALLS", table(head, rows, width).splitlines() if rows else [])


def _call(call: PricedCall, now: float) -> tuple[str, ...]:
    row = call.row
    times = words.duration(row.first_token_s), words.duration(row.seconds)
    counts = words.tokens(row.input), words.tokens(row.output), words.money(call.cost)
    when = words.ago(row.at, now).removesuffix(" ago")
    outcome = f"{row.status}", f"{len(row.attempts)}"
    return when, row.agent, row.model or words.NONE, *outcome, *times, *counts


def _usage(usage: Usage | None, width: int) -> list[str]:
    if usage is None or not usage.week.calls:
        return _titled("TOKENS AND MONEY", [])
    head = ("AGENT OR MODEL", "TODAY", "COST", "7 DAYS", "COST", "")
    groups = [*usage.agents[:GROUPS_SHOWN], None, *usage.models[:GROUPS_SHOWN]]
    most = max(group.week.tokens for group in usage.agents) or 1
    rows = [
        (group.name, *_sum(group.today), *_sum(group.week), _bar(group.week.tokens / most))
        if group is not None
        else ("",) * 6
        for group in groups
    ]
    return _titled("TOKENS AND MONEY", table(head, rows, width).splitlines())


def _sum(whole: Sum) -> tuple[str, str]:
    is_unknown = whole.calls > 0 and whole.unpriced == whole.calls
    return words.tokens(whole.tokens), words.NONE if is_unknown else words.money(whole.cost)


def _bar(part: float) -> str:
    return "█" * round(min(part, 1.0) * 20)


def _latencies(history: History, width: int) -> list[str]:
    head = ("MODEL", "P50", "P95", "CALLS")
    rows = [
        (each.model, words.duration(each.p50_s), words.duration(each.p95_s), f"{each.calls}")
        for each in (history.latencies or [])[:GROUPS_SHOWN]
    ]
    return _titled("TIME TO THE FIRST TOKEN", table(head, rows, width).splitlines() if rows else [])


def _attention(found: Overview, width: int) -> list[str]:
    rows: list[str] = []
    for item in found.attention:
        text = f"{item.subject}: {item.message} {item.cure}".strip()
        rows += textwrap.wrap(text, width, subsequent_indent="  ", break_on_hyphens=False)
    return _titled("NEEDS ATTENTION", rows)
