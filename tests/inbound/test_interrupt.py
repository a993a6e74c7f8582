"""One way to end a call from outside, for every cause."""

from __future__ import annotations

import asyncio
from collections.abc import Callable

import pytest

from gateway.inbound.interrupt import Interrupt


class Ended(Exception):
    pass


async def wait_for(act: Callable[[Interrupt], None]) -> None:
    """Waits until `act` ends it."""
    with Interrupt() as interrupt:
        interrupt.loop.call_soon(act, interrupt)
        await asyncio.Event().wait()


async def ended_by(act: Callable[[Interrupt], None]) -> int:
    """How many cancellations are left over when `act` has ended what was under way."""

    task = asyncio.current_task()
    assert task is not None
    with pytest.raises(Ended):
        await wait_for(act)
    return task.cancelling()


@pytest.mark.anyio
async def test_what_is_under_way_ends_with_the_error() -> None:
    assert await ended_by(lambda interrupt: interrupt.fire(Ended())) == 0


@pytest.mark.anyio
async def test_the_first_error_counts() -> None:
    def twice(interrupt: Interrupt) -> None:
        interrupt.fire(Ended())
        interrupt.fire(ValueError())

    assert await ended_by(twice) == 0


@pytest.mark.anyio
async def test_the_task_may_wait_again_afterwards() -> None:
    with pytest.raises(Ended):
        await wait_for(lambda interrupt: interrupt.fire(Ended()))
    waiting = asyncio.create_task(asyncio.sleep(0, "done"))
    assert await waiting == "done"


@pytest.mark.anyio
async def test_a_cancellation_by_others_passes_through() -> None:
    async def wait() -> None:
        with Interrupt():
            await asyncio.Event().wait()

    waiting = asyncio.create_task(wait())
    await asyncio.sleep(0)
    waiting.cancel()
    with pytest.raises(asyncio.CancelledError):
        await waiting


@pytest.mark.anyio
async def test_without_a_reason_nothing_happens() -> None:
    with Interrupt():
        await asyncio.sleep(0)
    assert "done" == "done"
