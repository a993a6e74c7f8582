"""`gateway lab`: the fault lab on a port, for trying clients and gateways against a provider that
fails on demand."""

from __future__ import annotations

import asyncio
from typing import Any, Final

import click

from gateway.cli.console import WRONG_USAGE, fail, print_json, table
from gateway.config.audit import is_loopback
from gateway.lab import BASE_PATHS, FAULTS, Lab

_LEGEND: Final = """
answer    the provider's answer
fallback  the answer of the chain's next model
error     the provider's error, because no other model would do better
truth     what had come, then one error; where nothing was streamed, fallback"""


def _faults() -> list[dict[str, Any]]:
    """Every fault that the lab plays."""
    return [
        {"fault": name, "provider": fault.summary, "client_sees": fault.outcome}
        for name, fault in FAULTS.items()
    ]  # fmt: skip


def render(faults: list[dict[str, Any]]) -> None:
    rows = [(fault["fault"], fault["provider"], fault["client_sees"]) for fault in faults]
    click.echo(table(("FAULT", "THE PROVIDER", "CLIENT SEES"), rows, whole=("FAULT",)))
    click.echo(_LEGEND)


@click.command()
@click.option("--host", default="127.0.0.1", show_default=True, help="Loopback address.")
@click.option(
    "--port",
    default=8485,
    show_default=True,
    type=click.IntRange(0, 65535),
    help="Port to listen on.",
)
@click.option(
    "--fault",
    "scripts",
    multiple=True,
    metavar="PROVIDER=FAULT",
    help="Play a fault for a provider.",
)
@click.option(
    "--delay",
    default=0,
    metavar="MS",
    type=click.IntRange(0),
    help="Wait between two pieces of a stream.",
)
@click.option("--list", "listing", is_flag=True, help="Print the faults and stop.")
@click.option("--json", "as_json", is_flag=True, help="With --list: print JSON, for programs.")
def command(
    host: str,
    port: int,
    scripts: tuple[str, ...],
    delay: int,
    listing: bool,
    as_json: bool,
) -> None:
    """Play a provider that fails on demand.

    Serves every provider's native API on loopback. A fault is chosen per call:
    by the header x-lab-fault, by a path that begins with /fault/NAME, by a model
    id that ends in +NAME, or for all calls of a provider with --fault.

    \b
    Example:  gateway lab --fault anthropic=overloaded --fault google=flap
              curl http://127.0.0.1:8485/openai/v1/chat/completions \\
                -H 'authorization: Bearer any' -H 'x-lab-fault: clean_cut' \\
                -d '{"model": "m", "stream": true, "messages":
                     [{"role": "user", "content": "Hi"}]}'
    """
    if listing:
        print_json(_faults()) if as_json else render(_faults())
        return
    if not is_loopback(host):
        fail(f"--host {host}: the lab needs no key, so it listens on loopback only", WRONG_USAGE)
    faults = dict(_script(script) for script in scripts)
    try:
        asyncio.run(_serve(host, port, faults, delay / 1000))
    except KeyboardInterrupt:
        click.echo("", err=True)


def _script(text: str) -> tuple[str, str]:
    target, equals, name = text.partition("=")
    if not equals:
        fail(f"--fault {text!r}: write PROVIDER=FAULT; see `gateway lab --list`", WRONG_USAGE)
    if name not in FAULTS:
        fail(f"--fault {text!r}: there is no fault {name!r}; see `gateway lab --list`", WRONG_USAGE)
    return target, name


async def _serve(host: str, port: int, faults: dict[str, str], delay_s: float) -> None:
    async def delay(_: int) -> None:
        await asyncio.sleep(delay_s)

    try:
        async with Lab(host=host, port=port, delay=delay if delay_s else None) as lab:
            for target, name in faults.items():
                lab.fault(target, name)
            click.echo(f"the lab listens on http://{host}:{lab.port}", err=True)
            for provider in BASE_PATHS:
                click.echo(f"  {provider:<11} {lab.base_url(provider)}", err=True)
            await asyncio.Event().wait()
    except OSError as error:
        from gateway.process.run import CannotListen

        fail(str(CannotListen.because(error, host, port)), WRONG_USAGE)
