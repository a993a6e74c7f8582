"""`gateway drill AGENT`: the agent's chain against every fault; each is a pass, safe or a fail."""

from __future__ import annotations

import asyncio
import logging
import sys
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Final

import click
import msgspec

from gateway.cli.console import (
    FOUND_PROBLEMS,
    WRONG_USAGE,
    agents_beginning,
    config_option,
    prints,
    required,
    styled,
    table,
    wrapped,
)
from gateway.config.load import Config
from gateway.dialects.model_lists import agent_of_alias
from gateway.drill import Result, drill
from gateway.drill.apis import APIS
from gateway.inbound.http import HttpError
from gateway.inbound.resolve import resolve
from gateway.lab import FAULTS
from gateway.types import Agent, Client

_COLOURS = {"pass": "green", "safe": "yellow", "fail": "red"}

BESIDES: Final[Mapping[str, str]] = {
    "refused_connection": "nothing listens on the provider's port",
    "dns": "the provider's host name does not exist",
    "tls": "the provider does not speak TLS",
    "all_down": "every model is rate-limited: a 429 says when to return",
    "thundering_herd": "100 calls as a cooldown ends: one tests, 99 fall back",
    "client_leaves": "the provider is left as soon as the client is gone",
}
"""What the drill plays besides the lab's faults → what happens."""

_EPILOG: Final = "\b\nBesides the lab's faults (`gateway lab --list`):\n" + "\n".join(
    f"  {name:<18}  {what}" for name, what in BESIDES.items()
)


@dataclass(frozen=True, slots=True)
class _Drilled:
    agent: Agent
    results: Sequence[Result]


def _drilled(config: Config, agent: Agent, apis: Sequence[str]) -> _Drilled:
    """Plays every fault in each API; on a terminal, standard error shows the name of the current
    one."""
    logging.getLogger("gateway").setLevel(logging.CRITICAL)
    shows_progress = sys.stderr.isatty()

    def begin(name: str) -> None:
        if shows_progress:
            click.echo(f"\r\x1b[K  {name} ...", err=True, nl=False)

    results: list[Result] = []
    for name in apis:
        results += asyncio.run(drill(config, agent, begin, APIS[name]))
    if shows_progress:
        click.echo("\r\x1b[K", err=True, nl=False)
    return _Drilled(agent, results)


def render(agent: Agent, results: Sequence[Result]) -> None:
    """Prints a table, and below it what each result means that is not a pass."""
    chain = " -> ".join(model.name for model in agent.models)
    click.echo(wrapped(f"{agent.name}: {chain}", ""))
    click.echo("The first model has the fault; waits are cut to a second.\n")
    apis = list(dict.fromkeys(result.api for result in results))
    for name in apis:
        _render_api(
            name if len(apis) > 1 else "", [result for result in results if result.api == name]
        )
    counts = {word: sum(result.verdict == word for result in results) for word in _COLOURS}
    click.echo(", ".join(f"{count} {word}" for word, count in counts.items()))


def _render_api(heading: str, results: Sequence[Result]) -> None:
    """The results of one API; it is named where there are several."""
    if heading:
        click.echo(f"{APIS[heading].path}\n")
    names = list(dict.fromkeys(result.fault for result in results))
    rows = [_row(name, results) for name in names]
    for line in table(("FAULT", "STREAMED", "WHOLE"), rows, whole=("FAULT",)).split("\n"):
        click.echo(_coloured(line))
    click.echo()
    for (verdict, saw), alike in _imperfect(results).items():
        _explain(verdict, saw, alike)
    if heading:
        click.echo()


def _imperfect(results: Sequence[Result]) -> dict[tuple[str, str], list[Result]]:
    """(verdict, what the client saw) → the results that are alike; passes are left out."""
    alike: dict[tuple[str, str], list[Result]] = {}
    for result in results:
        if result.verdict != "pass":
            alike.setdefault((result.verdict, result.saw), []).append(result)
    return alike


def _row(name: str, results: Sequence[Result]) -> tuple[str, str, str]:
    return name, _cell(name, results, stream=True), _cell(name, results, stream=False)


def _cell(name: str, results: Sequence[Result], *, stream: bool) -> str:
    found = next((each for each in results if each.fault == name and each.stream == stream), None)
    return f"{found.verdict}  {found.seconds:5.2f} s" if found is not None else "-"


def _coloured(line: str) -> str:
    for word, colour in _COLOURS.items():
        line = line.replace(f"{word} ", styled(word, colour) + " ")
    return line


def _explain(verdict: str, saw: str, results: Sequence[Result]) -> None:
    click.echo(styled(verdict, _COLOURS[verdict]))
    for result in results:
        fault = FAULTS.get(result.fault)
        what = fault.summary if fault is not None else BESIDES[result.fault]
        click.echo(f"  {result.fault}, {'streamed' if result.stream else 'whole'}: {what}")
    click.echo(wrapped(f"the client saw {saw}", "    "))


def _code(results: Sequence[Result]) -> int:
    return FOUND_PROBLEMS if any(result.verdict == "fail" for result in results) else 0


@click.command(epilog=_EPILOG)
@click.argument("agent", shell_complete=agents_beginning)
@click.option(
    "--api",
    type=click.Choice([*APIS, "all"]),
    default="chat",
    show_default=True,
    help="The API that the client speaks.",
)
@config_option
@prints(
    lambda done: render(done.agent, done.results),
    data=lambda done: [msgspec.to_builtins(result) for result in done.results],
    code=lambda done: _code(done.results),
    errors={HttpError: WRONG_USAGE},
)
def command(agent: str, api: str, config_path: str | None) -> _Drilled:
    """Run AGENT's chain against every fault, on this host alone.

    Each model is played by the fault lab in its own native API; no key is used
    and no provider is asked. The first model of the chain has the fault.

    \b
    pass   the client got the whole answer, as fast as the fault allows
    safe   the fault could not be hidden, and the client got an error that says so
    fail   a wrong answer shown as right, a hang, or an error that was needless

    Exits with 1 when anything failed.

    \b
    Example:  gateway drill dev
              gateway drill dev --api all
    """
    config = required(config_path)
    meant = resolve(agent, config.agents, config.models, Client("local"), agent_of_alias)
    return _drilled(config, meant, list(APIS) if api == "all" else [api])
