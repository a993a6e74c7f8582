"""What a budget has spent survives a restart, and a budget that is new begins with what the ledger
knows."""

from __future__ import annotations

import asyncio
from pathlib import Path
from typing import Any

import pytest

from gateway.limits.seeding import seeds
from gateway.text.limits import Limit
from tests.limits.calls import NOON, Limited, config

pytestmark = pytest.mark.anyio


async def closed(gateway: Limited) -> None:
    """The end of the process: the ledger is written."""
    await gateway.app.aclose()


async def test_a_restart_forgets_nothing(tmp_path: Path) -> None:
    budgets: dict[str, Any] = {"budget": ["3 USD/day", "350 tokens/week"]}
    everything = {"budget": "10 USD/month"}
    before = Limited(tmp_path, budgets, limits=everything, ledger=True)
    key = before.app.keys.add("bot", budget=["5 USD/day"])
    assert [(await before.ask(key)).status for _ in range(2)] == [200] * 2
    assert (await before.ask(key, agent="bot")).status == 200
    spent = [(row.owner, row.unit, row.used) for row in await before.app.limits.rows()]
    await closed(before)

    after = Limited(tmp_path, budgets, limits=everything, ledger=True, now=NOON + 1)
    assert [(row.owner, row.unit, row.used) for row in await after.app.limits.rows()] == spent
    assert spent == [
        ("gateway", "USD", 3),
        ("agent dev", "USD", 2),
        ("agent dev", "tokens", 210),
        ("key bot", "USD", 3),
    ]
    assert [(await after.ask(key)).status for _ in range(2)] == [200, 429]
    await closed(after)


async def test_another_day_begins_at_nothing(tmp_path: Path) -> None:
    before = Limited(
        tmp_path, {"budget": "3 USD/day"}, limits={"budget": "10 USD/month"}, ledger=True
    )
    await before.ask()
    await closed(before)
    after = Limited(
        tmp_path,
        {"budget": "3 USD/day"},
        limits={"budget": "10 USD/month"},
        ledger=True,
        now=NOON + 86400,
    )
    assert ((await after.row()).used, (await after.row("gateway")).used) == (0, 1)
    await closed(after)


async def test_a_budget_that_is_new_counts_what_was_before_it_and_once_what_comes_after(
    tmp_path: Path,
) -> None:
    gateway = Limited(tmp_path, ledger=True)
    assert gateway.ledger is not None
    await gateway.ask()
    await asyncio.to_thread(gateway.ledger.close)
    gateway.ledger.start()
    gateway.wall.now += 1
    gateway.app.swap(config({"budget": "3 USD/day"}, {"time_zone": "UTC"}))
    gateway.app.limiter.know(gateway.app.gateway.agents["dev"].limits)
    gateway.wall.now += 1
    await gateway.ask()
    await asyncio.to_thread(gateway.ledger.close)
    await gateway.app.limits.look_after()
    assert (await gateway.row()).used == 2
    await closed(gateway)


async def test_a_restart_on_a_later_day_counts_nothing_twice_where_the_engine_remembers(
    tmp_path: Path,
) -> None:
    gateway = Limited(tmp_path, {"budget": "3 USD/day"}, ledger=True)
    assert gateway.ledger is not None
    for _ in range(2):
        gateway.wall.now += 86_400
        await gateway.ask()
    await asyncio.to_thread(gateway.ledger.close)
    app = gateway.app
    limits = app.gateway.agents["dev"].limits
    since = {limits[0].id: gateway.wall.now + 1}
    (seed,) = seeds(
        gateway.ledger.path, limits, since, app.limiter.calendar, app.gateway.models
    )  # as the next process of this host begins
    assert seed.charge.amount == 1_000_000
    app.shared.tell(seed)
    assert (await gateway.row()).used == 1


def test_without_a_ledger_it_begins_at_nothing(tmp_path: Path) -> None:
    gateway = Limited(tmp_path)
    limit = Limit("gateway", "1 USD/day", 1_000_000, "USD", "day")
    (seed,) = seeds(
        tmp_path / "none.db", [limit], {limit.id: NOON}, gateway.app.limiter.calendar, {}
    )
    assert (seed.charge.amount, seed.charge.period) == (0, "2026-11-25")
