"""One way to end a call from outside, whoever does it."""

from __future__ import annotations

import asyncio
from collections.abc import Callable

import pytest

from gateway.inbound.interrupt import Interrupt


class Ended(Exception):
    pass


def ended_by(act: Callable[[Interrupt], None]) -> int:
    """How many cancellations are left over when `act` has ended what was under way."""

    async def work() -> int:
        task = asyncio.current_task()
        assert task is not None
        try:
            with Interrupt() as interrupt:
                interrupt.loop.call_soon(act, interrupt)
                await asyncio.Event().wait()
        except Ended:
            return task.cancelling()
        return -1

    return asyncio.run(work())


def test_what_is_under_way_ends_with_the_error() -> None:
    assert ended_by(lambda interrupt: interrupt.fire(Ended())) == 0


def test_the_first_error_counts() -> None:
    def twice(interrupt: Interrupt) -> None:
        interrupt.fire(Ended())
        interrupt.fire(ValueError())

    assert ended_by(twice) == 0


def test_the_task_may_wait_again_afterwards() -> None:
    async def work() -> str:
        try:
            with Interrupt() as interrupt:
                interrupt.loop.call_soon(interrupt.fire, Ended())
                await asyncio.Event().wait()
        except Ended:
            await asyncio.sleep(0)
        return "told"

    assert asyncio.run(work()) == "told"


def test_a_cancellation_by_others_passes_through() -> None:
    async def work() -> None:
        with Interrupt() as interrupt:
            interrupt.loop.call_soon(asyncio.current_task().cancel)  # type: ignore[union-attr]
            await asyncio.Event().wait()

    with pytest.raises(asyncio.CancelledError):
        asyncio.run(work())


def test_without_a_reason_nothing_happens() -> None:
    async def work() -> str:
        with Interrupt():
            await asyncio.sleep(0)
        return "done"

    assert asyncio.run(work()) == "done"
