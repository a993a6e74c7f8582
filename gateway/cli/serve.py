"""`gateway serve`: the first screen, and the process behind it."""

from __future__ import annotations

import asyncio
import logging
import os
import socket
import time
from collections.abc import Mapping, Sequence
from contextlib import AsyncExitStack
from pathlib import Path
from typing import Any, cast
from uuid import uuid4

import click
import msgspec

from gateway import __version__
from gateway.app import USER_AGENT, App
from gateway.cli.console import CONFIGURATION, FOUND_PROBLEMS, config_option, configured, fail, report, styled
from gateway.cli.models import key_source
from gateway.config.audit import is_loopback
from gateway.config.load import Config
from gateway.config.schema import Server
from gateway.inbound.keys import Keys, KeysError, at_home
from gateway.observe import log
from gateway.observe.ledger import Ledger
from gateway.observe.trace_settings import read_settings
from gateway.observe.traces import Tracer
from gateway.process.reload import Reloader
from gateway.process.server import listen, serve
from gateway.process.systemd import Notifier, inherited
from gateway.process.workers import Supervisor, Work
from gateway.shared.workers import Workers

logger = logging.getLogger("gateway.server")


def collect(app: App, config: Config, url: str, *, demo: bool) -> dict[str, Any]:
    """What the first screen says."""
    agents = [
        {
            "agent": agent.name,
            "chain": [
                {"model": model.name, "provider": model.provider.name, "id": model.model_id} for model in agent.models
            ],
        }
        for agent in config.agents.values()
    ]
    keys = {model.name: key_source(model, app.credentials) for model in config.models.values()}
    return {
        "url": url,
        "demo": demo,
        "config": config.path and str(config.path),
        "agents": agents,
        "keys": keys,
        "locked": app.keys.any(),
    }


def render(shown: Mapping[str, Any]) -> None:
    """Written to standard error: standard output stays empty for a service."""

    def say(text: str = "") -> None:
        click.echo(text, err=True)

    source = shown["config"] or ("demo: no configuration, no keys" if shown["demo"] else "keys in the environment")
    say(f"gateway {__version__} ({source})")
    say(f"  listening on  {styled(shown['url'] + '/v1', 'cyan', err=True)}")
    for agent in shown["agents"][:12]:
        say(f"  agent         {agent['agent']}: {' -> '.join(step['model'] for step in agent['chain'])}")
    if len(shown["agents"]) > 12:
        say(f"                … and {len(shown['agents']) - 12} more: gateway agents")
    for model, (origin, problem) in list(shown["keys"].items())[:12]:
        mark = origin or styled(problem, "red", err=True)
        say(f"  key           {model}: {mark}")
    if not shown["agents"]:
        say("  no agents yet: add [agents.<name>] with models = [...]")
        return
    key = ' -H "Authorization: Bearer $GATEWAY_KEY"' if shown["locked"] else ""
    say("  try")
    say(f"    curl -i {shown['url']}/v1/chat/completions{key} -H 'content-type: application/json' \\")
    body = f'{{"model":"{shown["agents"][0]["agent"]}","messages":[{{"role":"user","content":"Hello"}}]}}'
    say(f"      -d '{body}'")
    say()


def log_start(shown: Mapping[str, Any]) -> None:
    """The first screen as one record, for who wants nothing but JSON on standard error."""
    logger.info("gateway %s listening on %s/v1", __version__, shown["url"], extra={"fields": shown})
    for model, (_, problem) in shown["keys"].items():
        if problem:
            logger.warning("%s: %s", model, problem)


@click.command()
@config_option
@click.option("--host", help="Address to listen on; overrides server.host.")
@click.option("--port", type=click.IntRange(0, 65535), help="Port to listen on; overrides server.port.")
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
    if config is not None and config.log.format == "json":
        log.set_up(config.log.format, config.log.level)
        for problem in config.warnings:
            logger.warning("%s", problem)
    elif config is not None:
        report(config.warnings)
    if config is None or config.server.workers == 1:
        asyncio_run(_serve(config, host, port, Notifier(os.environ)))
        return
    server = _stated(config, host, port)
    given = inherited(os.environ)
    _refuse_to_be_open(_client_keys(), _hosts(given, server))
    listeners = given or [_listen(server.host, server.port)]
    supervisor = Supervisor(config.server.workers, _work(config, host, port, listeners), Notifier(os.environ))
    log.set_up(config.log.format, config.log.level)
    raise SystemExit(supervisor.run())


def _work(config: Config, host: str | None, port: int | None, listeners: list[socket.socket]) -> Work:
    """What each of several workers does. The first one prints the first screen; the parent speaks with systemd."""

    def work(number: int, workers: Workers) -> None:
        asyncio_run(_serve(config, host, port, Notifier({}), listeners, workers, quiet=number > 0))

    return work


def asyncio_run(main: Any) -> None:
    """Runs on uvloop where there is one."""
    try:
        import uvloop
    except ImportError:
        asyncio.run(main)
    else:
        uvloop.run(main)


async def _serve(
    stated: Config | None,
    host: str | None,
    port: int | None,
    notifier: Notifier,
    listeners: list[socket.socket] | None = None,
    workers: Workers | None = None,
    *,
    quiet: bool = False,
) -> None:
    async with AsyncExitStack() as stack:
        if stated is not None:
            config, env = stated, cast(Mapping[str, str], os.environ)
        else:
            from gateway.cli.demo import demo_config

            config, env = await stack.enter_async_context(demo_config())
        server = _stated(config, host, port)
        given = listeners or inherited(os.environ)
        hosts = _hosts(given, server)
        log.set_up(config.log.format, config.log.level)
        try:
            ledger = _ledger(config) if stated is not None else None
            app = App(
                config,
                env=env,
                home=Path.home(),
                hosts=hosts,
                workers=workers,
                ledger=ledger,
                tracer=_tracer(config),
            )
        except KeysError as error:
            fail(str(error), CONFIGURATION)
        _refuse_to_be_open(app.keys, hosts)
        reloader = None
        if stated is not None:
            reloader = Reloader(lambda: app.gateway.config, app.swap, notifier, env, Path.home())

        def on_ready(url: str) -> None:
            if not quiet:
                shown = collect(app, app.gateway.config, url, demo=stated is None)
                log_start(shown) if config.log.format == "json" else render(shown)

        listeners = given or [_listen(server.host, server.port)]
        await serve(app, server, listeners, notifier=notifier, reloader=reloader, on_ready=on_ready)


def _ledger(config: Config) -> Ledger | None:
    if not config.ledger.enabled:
        return None
    ledger = Ledger(config.ledger_path, config.ledger.retention_days)
    ledger.start()
    return ledger


def _tracer(config: Config) -> Tracer | None:
    """Started, where traces are wanted. The HTTP client for it is not loaded otherwise."""
    traces = config.traces
    settings, warnings = read_settings(
        os.environ,
        __version__,
        str(uuid4()),
        endpoint=traces.endpoint,
        headers=traces.headers,
        propagates=traces.propagate,
    )
    for warning in warnings:
        logger.warning("%s", warning)
    if settings is None:
        return None
    from gateway.observe.collector import HttpPost

    tracer = Tracer(settings, HttpPost(settings, USER_AGENT), __version__)
    tracer.start()
    return tracer


def _stated(config: Config, host: str | None, port: int | None) -> Server:
    """The configuration's `[server]`, with what the command line says over it."""
    return msgspec.structs.replace(
        config.server,
        host=host if host is not None else config.server.host,
        port=port if port is not None else config.server.port,
    )


def _client_keys() -> Keys:
    try:
        return at_home(os.environ, Path.home(), time.monotonic, time.time)
    except KeysError as error:
        fail(str(error), CONFIGURATION)


def _hosts(given: Sequence[socket.socket], server: Server) -> list[str]:
    """The addresses that are listened on: those of the sockets that were handed over, whatever `[server]` says."""
    if not given:
        return [server.host]
    return [sock.getsockname()[0] for sock in given if sock.family != socket.AF_UNIX]


def _listen(host: str, port: int) -> socket.socket:
    try:
        return listen(host, port)
    except OSError as error:
        fail(f"cannot listen on {host}:{port}: {error.strerror}. Choose another with --port.", FOUND_PROBLEMS)


def _refuse_to_be_open(keys: Keys, hosts: Sequence[str]) -> None:
    wide = next((host for host in hosts if not is_loopback(host)), None)
    if wide is None or keys.any():
        return
    fail(
        f"{wide} is open to the network, and everybody there could use your provider keys.\n"
        "  Make a client key first:  gateway keys add NAME\n"
        "  or listen on loopback:    server.host, --host, or ListenStream= of the socket unit",
        CONFIGURATION,
    )
