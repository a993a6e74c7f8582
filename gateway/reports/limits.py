"""The remainder of every budget and rate, from the running gateway."""

from __future__ import annotations

from gateway.config.load import Config
from gateway.limits.rows import Row
from gateway.reports.status import ask_status


def limits(config: Config | None) -> list[Row]:
    """One row per limit that concerns the client, as `GET /status` has them. Raises
    `NotRunning`."""
    return ask_status(config).limits
