"""The commands. One file each, with the same names in each: `command` (what click runs), `collect` (gathers plain data,
for `--json` and for tests), `render` (prints it for eyes). A file is imported only when its command is run."""

from __future__ import annotations

from collections.abc import Mapping
from importlib import import_module
from typing import Final

import click

from gateway import __version__

COMMANDS: Final[Mapping[str, str]] = {
    "serve": "Serve the agents on one endpoint.",
    "init": "Write a first configuration for the keys that are there.",
    "doctor": "Find everything that can be wrong before the first call.",
    "agents": "List the agents and their chains.",
    "models": "List the models and where their keys come from.",
    "config": "Check, show and describe the configuration.",
    "credentials": "Store the providers' keys.",
    "keys": "Make and revoke the clients' keys.",
    "limits": "Show what is left of budgets and rates.",
    "explain": "Explain what an agent would try now.",
    "status": "Show what the running gateway is doing.",
    "requests": "Show the last calls, or what happened in one.",
    "usage": "Add up tokens and money.",
    "drill": "Run an agent's chain against every fault.",
    "lab": "Play a provider that fails on demand.",
}
"""Command → what `gateway --help` says of it."""


class _Lazy(click.Group):
    def list_commands(self, ctx: click.Context) -> list[str]:
        return list(COMMANDS)

    def get_command(self, ctx: click.Context, cmd_name: str) -> click.Command | None:
        if cmd_name not in COMMANDS:
            return None
        command: click.Command = import_module(f"gateway.cli.{cmd_name}").command
        return command

    def format_commands(self, ctx: click.Context, formatter: click.HelpFormatter) -> None:
        with formatter.section("Commands"):
            formatter.write_dl(list(COMMANDS.items()))


@click.group(cls=_Lazy, context_settings={"help_option_names": ["-h", "--help"], "max_content_width": 80})
@click.version_option(__version__, message="gateway %(version)s")
def gateway() -> None:
    """One endpoint for many agents: an agent name in, the first healthy model's
    answer out.

    \b
    Start with            gateway serve
    then point any OpenAI client at http://127.0.0.1:8484/v1
    and send the name of an agent as `model`.
    """
