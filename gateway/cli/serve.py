"""`gateway serve`: the first screen, and the process behind it."""

from __future__ import annotations

import logging
import os
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import asdict

import click
import msgspec

from gateway import __version__
from gateway.app import App
from gateway.cli.console import (
    CONFIGURATION,
    FOUND_PROBLEMS,
    config_option,
    configured,
    fail,
    problem_lines,
    program,
    styled,
    wrapped,
)
from gateway.config.load import Config
from gateway.config.schema import Server
from gateway.inbound.keys import KeysError
from gateway.observe import log
from gateway.process.run import CannotListen, OpenToNetwork, Service, run, run_loop, serve_one
from gateway.process.systemd import Notifier
from gateway.reports.start import Started, started

logger = logging.getLogger("gateway.server")

_ROWS_MAX = 12


def render(shown: Started) -> None:
    """Writes to standard error, as the log does: standard output stays empty for a service."""
    log.show("\n".join(first_screen(shown)) + "\n")


def first_screen(shown: Started) -> Iterator[str]:
    """The first screen, line by line."""
    yield f"gateway {__version__} ({_source(shown)})"
    if shown.demo:
        from gateway.cli.demo import SHOWS

        yield from (f"  {line}" for line in SHOWS)
    yield f"  listening on  {styled(shown.url + '/v1', 'cyan', err=True)}"
    yield f"  web page      {styled(shown.url + '/', 'cyan', err=True)}"
    if shown.locked:
        yield "                sign in with a key of `gateway keys add NAME --admin`"
    for agent in shown.agents[:_ROWS_MAX]:
        yield f"  agent         {agent.agent}: {' -> '.join(each.model for each in agent.chain)}"
    if len(shown.agents) > _ROWS_MAX:
        yield f"                … and {len(shown.agents) - _ROWS_MAX} more: gateway agents"
    if not shown.demo:
        yield from _keys(shown)
    if shown.agents:
        yield from _try(shown)
        if shown.demo:
            from gateway.cli.demo import with_own_key

            yield from with_own_key(program())
    else:
        yield "  no agents yet: add [agents.<name>] with models = [...]"


def _try(shown: Started) -> Iterator[str]:
    message = '"messages":[{"role":"user","content":"Hello"}]'
    yield "  try"
    yield f"    curl -i {shown.url}/v1/chat/completions \\"
    if shown.locked:
        yield '      -H "authorization: Bearer $GATEWAY_KEY" \\'
    yield "      -H 'content-type: application/json' \\"
    yield f"""      -d '{{"model":"{shown.agents[0].agent}",{message}}}'"""


def _keys(shown: Started) -> Iterator[str]:
    """Where each model's key comes from, or what to do about a missing one."""
    for model, (source, problem) in list(shown.keys.items())[:_ROWS_MAX]:
        indent = " " * 16
        text = wrapped(f"{model}: {source or problem}", indent, err=True).lstrip()
        yield f"  key           {text if source else styled(text, 'red', err=True)}"


def _source(shown: Started) -> str:
    if shown.demo:
        return "demo: no configuration, no keys"
    return shown.config or "keys in the environment"


def _log_start(shown: Started) -> None:
    """The first screen as one record: one line of JSON, or one entry of a journal."""
    fields = asdict(shown)
    logger.info("gateway %s listening on %s/v1", __version__, shown.url, extra={"fields": fields})
    for model, (_, problem) in shown.keys.items():
        if problem:
            logger.warning("%s: %s", model, problem)


@click.command()
@config_option
@click.option("--host", help="Address to listen on; overrides server.host.")
@click.option("--port", type=click.IntRange(0, 65535), help="Port; overrides server.port.")
@click.option("--demo", is_flag=True, help="Serve the demo even if there is a configuration.")
def command(config_path: str | None, host: str | None, port: int | None, demo: bool) -> None:
    """Serve the agents on one endpoint.

    Without a configuration it serves one agent for every provider key in the
    environment; without any key, a demo whose first model is rate-limited.

    \b
    Example:  gateway serve
              OPENAI_BASE_URL=http://127.0.0.1:8484/v1 OPENAI_API_KEY=any my-agent
    """
    config = None if demo else configured(config_path)
    if config is None:
        with _errors():
            run_loop(_demo(host, port))
        return
    _warn(config)
    server = _stated(config, host, port)
    with _errors():
        raise SystemExit(run(Service(config, os.environ, server, _on_ready)))


def _warn(config: Config) -> None:
    """Writes the configuration's warnings as the log writes its lines."""
    log.set_up(config.log.format, config.log.level)
    if _is_recorded(config):
        for problem in config.warnings:
            logger.warning("%s", problem)
    elif config.warnings:
        log.show("\n".join(problem_lines(config.warnings)) + "\n")


def _on_ready(app: App, url: str) -> None:
    config = app.gateway.config
    shown = started(config, app.credentials, url, demo=False, locked=app.keys.any())
    if _is_recorded(config):
        _log_start(shown)
    else:
        render(shown)


def _is_recorded(config: Config) -> bool:
    """Whether the start is a record of the log, one journal entry, and not a screen."""
    is_terminal = sys.stderr is not None and sys.stderr.isatty()
    return config.log.format == "json" or not is_terminal


async def _demo(host: str | None, port: int | None) -> None:
    from gateway.cli.demo import demo_config

    def on_ready(app: App, url: str) -> None:
        render(started(app.gateway.config, app.credentials, url, demo=True, locked=app.keys.any()))

    async with demo_config() as (config, env):
        server = _stated(config, host, port)
        service = Service(config, env, server, on_ready, is_demo=True)
        await serve_one(service, Notifier(os.environ))


def _stated(config: Config, host: str | None, port: int | None) -> Server:
    """The configuration's `[server]`, changed by the command line."""
    stated = {name: value for name, value in (("host", host), ("port", port)) if value is not None}
    return msgspec.structs.replace(config.server, **stated)


@contextmanager
def _errors() -> Iterator[None]:
    try:
        yield
    except CannotListen as error:
        fail(str(error), FOUND_PROBLEMS)
    except (KeysError, OpenToNetwork) as error:
        fail(str(error), CONFIGURATION)
