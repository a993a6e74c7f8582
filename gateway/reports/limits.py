"""What is left of every budget and rate, from the gateway that is running."""

from __future__ import annotations

from typing import Any

from gateway.config.load import Config
from gateway.reports.running import NotRunning, ask


def limits(config: Config | None) -> list[dict[str, Any]]:
    """One record per limit, as `GET /status` has them: `owner` (`gateway`, `agent dev`, `key bot`), `limit` (as it is
    written), `unit`, `per`, `cap`, `used`, `reserved`, `estimated`, `orphaned`, `left`, `percent`, `period`,
    `resets_at` (ISO 8601; None of a rate) and `unpriced` (models whose use a budget in USD does not see).

    Amounts are in dollars, tokens or calls. Raises `NotRunning`.
    """
    found = ask(config, "/status").get("limits")
    if not isinstance(found, list):
        raise NotRunning("the gateway that is running knows no limits: it is older than this command; restart it")
    return found
