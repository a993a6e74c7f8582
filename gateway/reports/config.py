"""The configuration: which one is found, and every value that is in force with its origin."""

from __future__ import annotations

import os
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from gateway.config import show
from gateway.config.files import discover, read
from gateway.config.load import Config, load
from gateway.config.model_ids import from_environment


@dataclass(frozen=True, slots=True)
class InForce:
    """A configuration without its secrets."""

    path: str | None
    """The main file; None for one that is made from the provider keys in the environment."""
    files: list[str]
    """Every file that was read."""
    values: dict[str, Any]
    """Every value, defaults included, as nested tables with camelCase keys."""
    origins: dict[str, str]
    """Dotted key → `file:line`, or `default`."""


def find(config_path: str | None) -> Config | None:
    """The configuration found, or one made from the provider keys in the environment, or None.

    Raises `ConfigError`.
    """
    path = discover(config_path, os.environ, Path.cwd(), Path.home())
    return load(path, os.environ, Path.home()) if path else from_environment(os.environ)


def in_force(config: Config) -> InForce:
    """The output of `gateway config show`.

    Raises `ConfigError` if a file has changed and cannot be read.
    """
    files = read(config.path, os.environ, Path.home()) if config.path else None
    values = show.effective(config)
    return InForce(
        path=str(config.path) if config.path else None,
        files=[str(path) for path in config.files],
        values=values,
        origins=show.origins(values, files),
    )
