"""The commands. Each file has `command` (what click runs) and, if it shows something, `render`
(prints a report).

Belongs here: options, rendering, exit codes. Does not belong here: gathering (`reports/`). A file
is imported only when its command runs.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from importlib import import_module
from typing import Any, Final

import click

from gateway import __version__

COMMANDS: Final[Mapping[str, str]] = {
    "serve": "Serve the agents on one endpoint.",
    "init": "Write a first configuration for the keys that are found.",
    "doctor": "Find what is wrong before the first call.",
    "agents": "List the agents and their chains.",
    "models": "List the models and where their keys come from.",
    "config": "Check, show and describe the configuration.",
    "credentials": "Store the providers' keys.",
    "keys": "Make and revoke client keys.",
    "limits": "Show what is left of budgets and rates.",
    "explain": "Explain what an agent would try now.",
    "status": "Show what the running gateway is doing.",
    "requests": "Show the last calls, or what happened in one.",
    "usage": "Add up tokens and money.",
    "drill": "Run an agent's chain against every fault.",
    "lab": "Play a provider that fails on demand.",
}
"""Command → its line in `gateway --help`."""


_AS_JSON: Final = "gateway.as_json"
"""The key in `click.Context.meta` that says whether `--json` is among the arguments."""


def _wants_json(args: Sequence[str]) -> bool:
    """Read before the arguments are parsed, because a usage error ends the parsing."""
    options = args[: args.index("--")] if "--" in args else args
    return "--json" in options


class _Lazy(click.Group):
    def list_commands(self, ctx: click.Context) -> list[str]:
        return list(COMMANDS)

    def get_command(self, ctx: click.Context, cmd_name: str) -> click.Command | None:
        if cmd_name not in COMMANDS:
            return None
        command: click.Command = import_module(f"gateway.cli.{cmd_name}").command
        return command

    def resolve_command(
        self, ctx: click.Context, args: list[str]
    ) -> tuple[str | None, click.Command | None, list[str]]:
        """Names the nearest command if there is none of this name."""
        if args[0] not in COMMANDS:
            from gateway.config.check import did_you_mean

            near = did_you_mean(args[0], list(COMMANDS), list_all=False)
            ctx.fail(f"There is no command {args[0]!r}. {near}".rstrip())
        return super().resolve_command(ctx, args)

    def parse_args(self, ctx: click.Context, args: list[str]) -> list[str]:
        ctx.meta[_AS_JSON] = _wants_json(args)
        return super().parse_args(ctx, args)

    def invoke(self, ctx: click.Context) -> Any:
        """Runs the command.

        With `--json` an error is JSON on standard output; the exit code stays the same.
        """
        try:
            return super().invoke(ctx)
        except (click.ClickException, OSError) as error:
            if not ctx.meta[_AS_JSON]:
                raise
            from gateway.cli.console import print_error

            raise SystemExit(print_error(error)) from None

    def format_commands(self, ctx: click.Context, formatter: click.HelpFormatter) -> None:
        with formatter.section("Commands"):
            formatter.write_dl(list(COMMANDS.items()))


_SETTINGS: Final[dict[str, Any]] = {"help_option_names": ["-h", "--help"], "max_content_width": 80}


@click.group(cls=_Lazy, context_settings=_SETTINGS)
@click.version_option(__version__, message="gateway %(version)s")
def gateway() -> None:
    """One endpoint for many agents: an agent name in, the first healthy model's
    answer out.

    \b
    Start with            gateway serve
    then point any OpenAI client at http://127.0.0.1:8484/v1
    and send the name of an agent as `model`.
    """
