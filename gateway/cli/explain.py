"""`gateway explain AGENT`: what would be tried now, in which order and why; and what each model
would be sent."""

from __future__ import annotations

import json
import os
from pathlib import Path
from typing import Any

import click

from gateway.cli.console import (
    CREDENTIALS,
    FOUND_PROBLEMS,
    RATE_LIMITED,
    WRONG_USAGE,
    agents_beginning,
    config_option,
    fail,
    prints,
    required,
    styled,
    wrapped,
)
from gateway.cli.status import duration
from gateway.credentials.store import Credentials
from gateway.dialects import EMBEDDINGS_INBOUND, INBOUND
from gateway.dialects.model_lists import agent_of_alias
from gateway.failures import Failed
from gateway.hub.exact_json import parse_object
from gateway.inbound.http import HttpError
from gateway.inbound.resolve import resolve
from gateway.operations import embed, generate
from gateway.reports.explain import Explanation, Step, explain
from gateway.reports.models import NO_KEY
from gateway.types import Agent, Client, Request


def render(found: Explanation) -> None:
    """Prints the chain, model by model."""
    click.echo(f"{found.agent}: {found.note}")
    first = True
    for number, step in enumerate(found.chain, 1):
        click.echo(f"{number}. {styled(step.model, 'cyan')}  {step.provider} {step.id}  {step.url}")
        colour, why = _why(step, first=first)
        click.echo(styled(wrapped(why, "   "), colour))
        first = first and step.state == "open"
        if step.context_window:
            click.echo(f"   window {step.context_window:,} tokens")
        if step.refused is not None:
            click.echo(styled(f"   would be skipped: {step.refused}", "yellow"))
        elif step.dialect is not None:
            _request(step)
    if found.sticky_s:
        click.echo(_staying(found.sticky_s))


def _staying(sticky_s: float) -> str:
    return wrapped(
        f"A conversation that a fallback served stays with it for {duration(sticky_s)} after each "
        "answer: its prompt is cached there (fallback.stickySeconds). New conversations go by the "
        "order above.",
        "",
    )


def _request(step: Step) -> None:
    dropped = f", dropped: {', '.join(step.dropped)}" if step.dropped else ""
    click.echo(f"   POST {step.url}{step.path} ({step.dialect}{dropped})")
    text = json.dumps(step.request, indent=2, ensure_ascii=False)  # integers of any size
    click.echo("\n".join("     " + line for line in text.split("\n")))


def _why(step: Step, *, first: bool) -> tuple[str | None, str]:
    """(colour, what becomes of the model)."""
    if step.problem:
        return "red", f"would fail: {step.problem}"
    key = f"key from {step.key}" if step.key != NO_KEY else "no key needed"
    if step.state == "open":
        return "yellow", f"skipped for {duration(step.cooldown_left_s)}: {step.reason}; {key}"
    if step.state == "half_open":
        return None, f"its cooldown is over ({step.reason}); the next call tests it; {key}"
    order = "tried first" if first else "tried when those above fail"
    return None, f"{order}; {key}"


def _code(found: Explanation) -> int:
    if found.lacks_keys:
        return CREDENTIALS
    return RATE_LIMITED if found.is_rate_limited else 0


@click.command()
@click.argument("agent", shell_complete=agents_beginning)
@click.argument("request", required=False, type=click.File("rb"))
@config_option
@prints(render, code=_code, errors={HttpError: WRONG_USAGE})
def command(agent: str, request: Any, config_path: str | None) -> Explanation:
    """Explain what AGENT would try now, without sending anything.

    With REQUEST, a chat-completions body (or an embeddings body for an agent of
    embedding models) in a file, or - for standard input, it shows the native
    request that each model would be sent. Exits with 10 when a key is missing or
    cannot be used, and with 12 when a rate limit holds every model of the chain
    back. What the keys are is a matter of the running gateway, if there is one.

    \b
    Example:  gateway explain dev
              gateway explain dev - <<'END'
              {"messages": [{"role": "user", "content": "Hi"}]}
              END
    """
    config = required(config_path)
    meant = resolve(agent, config.agents, config.models, Client("local"), agent_of_alias)
    credentials = Credentials(os.environ, Path.home())
    if request is None:
        return explain(config, meant, None, credentials)
    asked, operation = _asked(meant, request.read())
    return explain(config, meant, asked.chat, credentials, operation)


def _asked(agent: Agent, body: bytes) -> tuple[Request, str]:
    """(the request, its operation). A body without messages for an embedding model asks for
    embeddings."""
    try:
        stated = {"model": agent.name, **parse_object(body)}
        if agent.models[0].embeds and "messages" not in stated:
            return EMBEDDINGS_INBOUND["chat"].decode_request(stated, {}), embed.NAME
        return INBOUND["chat"].decode_request(stated, {}), generate.NAME
    except Failed as failed:
        fail(f"the request: {failed.failure.message}", FOUND_PROBLEMS)
