"""`gateway explain AGENT`: what would be tried now, in which order and why; and what each model would be sent."""

from __future__ import annotations

import json
import os
from pathlib import Path
from typing import Any

import click

from gateway.cli.console import (
    FOUND_PROBLEMS,
    WRONG_USAGE,
    agents_beginning,
    config_option,
    fail,
    json_option,
    print_json,
    required,
    styled,
)
from gateway.cli.models import NO_KEY, key_source
from gateway.cli.status import duration
from gateway.config.load import Config
from gateway.credentials.store import Credentials
from gateway.dialects import EMBEDDINGS_INBOUND, INBOUND, choose
from gateway.dialects.chat.normalize import parse
from gateway.failures import Failed
from gateway.inbound.http import HttpError
from gateway.inbound.resolve import resolve
from gateway.operations import OPERATIONS, embed, generate
from gateway.reports.running import NotRunning, ask
from gateway.types import Agent, Chat, Client, Model, Request


def collect(
    config: Config,
    agent: Agent,
    chat: Chat | None = None,
    operation: str = generate.NAME,
) -> dict[str, Any]:
    """The chain with each model's state, key source and, for a request, its native form.

    `chat` is in the hub's form of the operation. Sends nothing upstream.
    """
    candidates = OPERATIONS[operation].candidates(agent, chat) if chat is not None else agent.models
    credentials = Credentials(os.environ, Path.home())
    states, note = _states(config)
    steps = []
    for model in agent.models:
        origin, problem = key_source(model, credentials)
        step = {
            "model": model.name,
            "provider": model.provider.name,
            "id": model.model_id,
            "url": model.base_url,
            "key": origin,
            "problem": problem or None,
            "context_window": model.context_window,
            "state": states.get(model.name, {}).get("state", "closed"),
            "resting_s": states.get(model.name, {}).get("resting_s", 0.0),
            "reason": states.get(model.name, {}).get("reason"),
        }
        if model not in candidates:
            step["refused"] = f"its vectors are of another space ({model.space})"
        elif chat is not None:
            step |= _native(chat, model, operation)
        steps.append(step)
    return {"agent": agent.name, "note": note, "chain": steps}


def _states(config: Config) -> tuple[dict[str, Any], str]:
    """(model → its state in the running gateway, where that was learnt)."""
    try:
        found = ask(config, "/status")
    except NotRunning:
        return {}, "no gateway is running: all models count as ready"
    return {
        model["model"]: model for each in found["agents"] for model in each["chain"]
    }, "as the running gateway sees it"


def decoded(agent: Agent, body: dict[str, Any]) -> tuple[Request, str]:
    """(the request, its operation).

    A body without messages for an embedding model asks for embeddings. Raises `Failed` naming the
    field that is wrong.
    """
    if agent.models[0].embeds and "messages" not in body:
        return EMBEDDINGS_INBOUND["chat"].decode_request(body, {}), embed.NAME
    return INBOUND["chat"].decode_request(body, {}), generate.NAME


def _native(chat: Chat, model: Model, operation: str) -> dict[str, Any]:
    """The request that `model` would get (the first of several parts), or why it would get none."""
    dialect = model.provider.dialect if operation == embed.NAME else choose(chat, model)
    try:
        part = embed.parts(chat, model)[0] if operation == embed.NAME else chat
        encoded = OPERATIONS[operation].FACES[dialect].encode_request(part, model)
    except Failed as failed:
        return {"dialect": dialect, "refused": failed.failure.message}
    return {"dialect": dialect, "path": encoded.path, "dropped": list(encoded.dropped), "request": encoded.body}


def render(found: dict[str, Any]) -> None:
    click.echo(f"{found['agent']}: {found['note']}")
    first = True
    for number, step in enumerate(found["chain"], 1):
        click.echo(f"{number}. {styled(step['model'], 'cyan')}  {step['provider']} {step['id']}  {step['url']}")
        click.echo(f"   {_why(step, first=first)}")
        first = first and step["state"] == "open"
        if step["context_window"]:
            click.echo(f"   window {step['context_window']:,} tokens")
        if "refused" in step:
            click.echo(styled(f"   would not be asked: {step['refused']}", "yellow"))
        if "request" in step:
            dropped = f", dropped: {', '.join(step['dropped'])}" if step["dropped"] else ""
            click.echo(f"   POST {step['url']}{step['path']} ({step['dialect']}{dropped})")
            text = json.dumps(step["request"], indent=2, ensure_ascii=False)  # integers of any size
            click.echo("\n".join("     " + line for line in text.split("\n")))


def _why(step: dict[str, Any], *, first: bool) -> str:
    if step["problem"]:
        return styled(f"would fail: {step['problem']}", "red")
    key = f"key from {step['key']}" if step["key"] != NO_KEY else "no key needed"
    if step["state"] == "open":
        return styled(f"passed over for {duration(step['resting_s'])}: {step['reason']}", "yellow") + f"; {key}"
    if step["state"] == "half_open":
        return f"has rested ({step['reason']}); the next call tests it; {key}"
    return f"{'tried first' if first else 'tried when those above fail'}; {key}"


@click.command()
@click.argument("agent", shell_complete=agents_beginning)
@click.argument("request", required=False, type=click.File("rb"))
@config_option
@json_option
def command(agent: str, request: Any, config_path: str | None, as_json: bool) -> None:
    """Explain what AGENT would try now, without sending anything.

    With REQUEST, a chat-completions body (or an embeddings body for an agent of
    embedding models) in a file, or - for standard input, it shows the native
    request that each model would get.

    \b
    Example:  gateway explain dev
              echo '{"messages":[{"role":"user","content":"Hi"}]}' | gateway explain dev -
    """
    config = required(config_path)
    try:
        meant = resolve(agent, config.agents, config.models, Client("local"))
    except HttpError as error:
        fail(str(error), WRONG_USAGE)
    try:
        asked = decoded(meant, {"model": agent, **parse(request.read())}) if request else None
    except Failed as failed:
        fail(f"the request: {failed.failure.message}", FOUND_PROBLEMS)
    found = collect(config, meant, asked[0].chat, asked[1]) if asked else collect(config, meant)
    print_json(found) if as_json else render(found)
