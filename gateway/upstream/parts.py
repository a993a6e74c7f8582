"""One attempt that takes several requests: the parts of one call, asked for one after the other.

All or nothing. The attempt is committed with its last part; until then another model may still
answer the whole call.
"""

from __future__ import annotations

from collections.abc import Awaitable, Callable, Sequence
from dataclasses import fields

from gateway.failures import Failed
from gateway.operations.embed import joined
from gateway.types import Attempt, Chat, Reply, Usage

Ask = Callable[[Chat], Awaitable[Reply]]


async def in_parts(parts: Sequence[Chat], attempt: Attempt, ask: Ask) -> Reply:
    """One reply with the answers to all `parts`, in order. Raises what `ask` raises for a part."""
    answers: list[Chat] = []
    spent: Usage | None = None
    first = 0
    for part in parts:
        attempt.committed_at = attempt.usage = None
        try:
            reply = await ask(part)
        except Failed as failed:
            if len(parts) > 1:
                _name_inputs(failed, first, len(part["input"]))
            raise
        finally:
            spent = attempt.usage = _sum(spent, attempt.usage)
        assert reply.chat is not None
        answers.append(reply.chat)
        first += len(part["input"])
    reply.chat = _joined(answers, attempt)
    return reply


def _joined(answers: list[Chat], attempt: Attempt) -> Chat:
    try:
        return joined(answers)
    except Failed:
        attempt.committed_at = None
        raise


def _name_inputs(failed: Failed, first: int, count: int) -> None:
    """Says which inputs of the client's request a failure is about."""
    message = f"inputs {first} to {first + count - 1}: {failed.failure.message}"
    failed.failure = failed.failure.with_(message=message)


def _sum(one: Usage | None, other: Usage | None) -> Usage | None:
    """The tokens and the money of both."""
    if one is None or other is None:
        return one or other
    added = {name: getattr(one, name) + getattr(other, name) for name in _COUNTS}
    costs = [usage.cost for usage in (one, other) if usage.cost is not None]
    return Usage(**added, cost=sum(costs) if costs else None)


_COUNTS = tuple(field.name for field in fields(Usage) if field.name != "cost")
