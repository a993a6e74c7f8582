"""Reserves what a call may cost before it begins, and settles what it did cost when it is over.

The engine decides (`shared/limits.py`); this is its edge, with calendar and prices. One per
process; it survives every reload. A call to which no limit applies never comes here.
"""

from __future__ import annotations

import logging
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass, replace
from datetime import tzinfo
from typing import Final, NamedTuple

from gateway.limits import pricing
from gateway.limits.estimate import (
    RecentAnswers,
    answer_tokens,
    delivered_bytes,
    delivered_tokens,
    prompt_tokens,
    size,
)
from gateway.limits.periods import Calendar
from gateway.limits.refusals import Refused, engine_away, refused, unpriced
from gateway.shared.limits import (
    HOLD_S,
    WARN_PERCENT,
    Charge,
    Decision,
    Level,
    Renew,
    Reserve,
    Seed,
    Settle,
)
from gateway.shared.port import Pending, Shared
from gateway.text.limits import Limit
from gateway.types import Agent, Attempt, Batch, Call, Chunks, Model, Reply, Taker, Usage, Watcher

log = logging.getLogger("gateway.limits")

RENEW_S: Final = HOLD_S / 3
CALL_MAX: Final = 2**40
"""More micro-dollars or tokens are charged to no single call: counts are a provider's words, and
may be absurd."""
_MINUTE_S: Final = 60.0


@dataclass(frozen=True, slots=True)
class Settings:
    """The configuration of all limits."""

    limits: tuple[Limit, ...] = ()
    """Those of the whole gateway."""
    zone: tzinfo | None = None
    refuse_unpriced: bool = False


class Amounts(NamedTuple):
    """The usage of a call, by unit."""

    micro: int
    tokens: int
    is_estimated: bool = False

    def of(self, unit: str) -> int:
        if unit == "calls":
            return 1
        return min(max(0, self.micro if unit == "USD" else self.tokens), CALL_MAX)


class Hold:
    """The reservation of one call, and how much of its answer has been delivered."""

    def __init__(
        self,
        limits: Mapping[str, Limit],
        charges: Sequence[Charge],
        levels: Iterable[Level],
    ) -> None:
        self.limits = limits
        """By limit id."""
        self.charges = charges
        self.delivered_bytes = 0
        budgets = [level for level in levels if not limits[level.limit_id].is_rate]
        full = _nearly_spent(budgets)
        self.warning = ", ".join(_warning(limits[level.limit_id], level) for level in full)
        """The value of `x-gateway-budget`; "" below `WARN_PERCENT`."""

    def watch(self, reply: Reply) -> None:
        """Counts what is delivered of `reply`: the provider may never say."""
        if reply.chunks is not None:
            reply.chunks = _Counted(reply.chunks, self)
        elif reply.chat is not None:
            self.delivered_bytes += sum(
                size(choice["message"]) for choice in reply.chat.get("choices", ())
            )


class Limiter:
    """`clock` is monotonic, `wall` is Unix time, both in seconds."""

    def __init__(
        self,
        shared: Shared,
        *,
        clock: Callable[[], float],
        wall: Callable[[], float],
        on_refused: Callable[[Limit], None],
    ) -> None:
        self._shared = shared
        self._on_refused = on_refused
        self._clock = clock
        self._wall = wall
        self._recent = RecentAnswers()
        self._renewed: dict[int, float] = {}
        """The ticket of each call that holds something → when it was renewed last; the oldest
        first."""
        self._settings = Settings()
        self.calendar = Calendar(None)
        self._begun: dict[str, str] = {}
        """Limit id → the period in which its calls are counted now."""
        self.known_since: dict[str, float] = {}
        """Limit id → the Unix time from which on its calls are counted."""

    def __repr__(self) -> str:
        return f"<Limiter holds={len(self._renewed)}>"

    @property
    def settings(self) -> Settings:
        return self._settings

    @settings.setter
    def settings(self, settings: Settings) -> None:
        self._settings = settings
        self.calendar = Calendar(settings.zone)

    def know(self, limits: Iterable[Limit], since: float | None = None) -> None:
        """From now on, or `since` then, the calls of these limits are counted."""
        # one moment for all, so that the ledger is read once for each period
        since = self._wall() if since is None else since
        for limit in limits:
            self.known_since.setdefault(limit.id, since)

    async def reserve(self, call: Call) -> None:
        """Reserves what `call` may cost in every limit that applies, and gives it its `hold`.

        Once a budget of its agent is spent, the call goes to the agent's `when_spent` chain
        instead. Raises `Refused`.
        """
        apply = (*self._settings.limits, *call.agent.limits, *call.client.limits)
        limits = {limit.id: limit for limit in apply}
        if not limits:
            return
        self.know(limits.values())
        decision, charges = await self._ask(call, limits)
        others = _alike(call, call.agent.when_spent)
        if not decision.is_granted and others and _only_its_own_budgets(decision, call.agent):
            call.agent = replace(call.agent, models=others, when_spent=())
            spent = {level.limit_id for level in decision.levels}
            decision, charges = await self._ask(call, limits, counted=spent)
        if not decision.is_granted:
            raise self._refused(decision, limits, charges)
        call.hold = Hold(limits, charges, decision.levels)
        if decision.is_alone:
            call.decided_alone = (*call.decided_alone, "budget")
        self._renewed[call.ticket] = self._clock()
        self._report(decision, limits, charges)

    def settle(self, call: Call) -> None:
        """Charges what a call has cost, whatever its outcome. Without a hold it does nothing."""
        hold: Hold | None = call.hold
        if hold is None:
            return
        call.hold = None
        self._renewed.pop(call.ticket, None)
        spent = self._spent(call, hold)
        limits = hold.limits
        charges = tuple(_settled(each, limits[each.limit_id], spent) for each in hold.charges)
        self._shared.tell(Settle(call.ticket, charges))

    def renew(self) -> None:
        """Renews what long calls hold. To be called now and then."""
        now = self._clock()
        for ticket, renewed_at in list(self._renewed.items()):
            if now - renewed_at < RENEW_S:
                return
            del self._renewed[ticket]
            self._renewed[ticket] = now  # last in line
            self._shared.tell(Renew(ticket))

    # --- before the call --------------------------------------------------------------------------

    async def _ask(
        self, call: Call, limits: Mapping[str, Limit], counted: Iterable[str] = ()
    ) -> tuple[Decision, tuple[Charge, ...]]:
        """Those in `counted` have no cap. Raises `Refused` when no model has a price and one is
        needed."""
        now = self._wall()
        amounts = self._estimate(call, limits.values(), now)
        found = [self.charge(limit, amounts.of(limit.unit), now) for limit in limits.values()]
        charges = tuple(_uncapped(each) if each.limit_id in counted else each for each in found)
        for charge in charges:
            if self._begun.get(charge.limit_id) != charge.period:
                self._begin_period(charge, limits[charge.limit_id])
        decision = self._shared.ask(Reserve(call.ticket, charges))
        if isinstance(decision, Pending):
            decision = await decision.answer
        return decision, charges

    def _begin_period(self, charge: Charge, limit: Limit) -> None:
        """This process counts a period from its first call on: after a restart, the ledger's usage
        is counted already. `Overview` seeds the period in which the limit became known."""
        self._begun[limit.id] = charge.period
        known_since = self.charge(limit, 0, self.known_since[limit.id])
        if charge.period != known_since.period:
            self._shared.tell(Seed(charge._replace(amount=0)))

    def charge(self, limit: Limit, amount: int, at: float) -> Charge:
        """`amount` for a limit, in the period that Unix time `at` belongs to."""
        if limit.is_rate:
            return Charge(
                limit.id, amount, limit.amount, per_s=_MINUTE_S, when_down=limit.when_down
            )
        period = self.calendar.period(limit.per, at)
        return Charge(
            limit.id,
            amount,
            limit.amount,
            period.name,
            period.ends_at,
            when_down=limit.when_down,
        )

    def _estimate(self, call: Call, limits: Iterable[Limit], now: float) -> Amounts:
        """At the dearest model of the chain. Models without a price are left out where they are
        refused."""
        in_dollars = [limit for limit in limits if limit.unit == "USD"]
        input_ = prompt_tokens(call.chat)
        tokens, micro = 0, 0
        priced: list[Model] = []
        for model in call.agent.models:
            output = 0 if _embeds(call) else answer_tokens(call.chat, self._recent.long(model))
            price = pricing.estimate(model, input_, output, now) if in_dollars else 0
            if price is not None:
                priced.append(model)
            tokens, micro = max(tokens, input_ + output), max(micro, price or 0)
        if in_dollars and self._settings.refuse_unpriced:
            self._leave_out(call, _alike(call, priced), in_dollars[0], now)
        return Amounts(micro, tokens)

    def _leave_out(
        self,
        call: Call,
        priced: tuple[Model, ...],
        limit: Limit,
        now: float,
    ) -> None:
        """The chain keeps the models with a price."""
        if not priced:
            period = self.calendar.period(limit.per, now)
            raise unpriced(call.agent.models, limit, period.ends_at - now)
        if len(priced) < len(call.agent.models):
            call.agent = replace(call.agent, models=priced)

    def _refused(
        self,
        decision: Decision,
        limits: Mapping[str, Limit],
        charges: Iterable[Charge],
    ) -> Refused:
        if not decision.levels:
            return engine_away(limits.values())
        for level in decision.levels:
            self._on_refused(limits[level.limit_id])
        by_id = {charge.limit_id: charge for charge in charges}
        return refused(decision.levels, limits, by_id, self._wall(), self._settings.zone)

    def _report(
        self,
        decision: Decision,
        limits: Mapping[str, Limit],
        charges: Iterable[Charge],
    ) -> None:
        """One line per budget and period."""
        periods = {charge.limit_id: charge.period for charge in charges}
        for level in decision.levels:
            if level.crossed:
                limit = limits[level.limit_id]
                log.warning("budget: %s (%s)", _warning(limit, level), periods[limit.id])

    # --- after the call ---------------------------------------------------------------------------

    def _spent(self, call: Call, hold: Hold) -> Amounts:
        in_dollars = any(limit.unit == "USD" for limit in hold.limits.values())
        micro, tokens, is_estimated = 0, 0, False
        for attempt in call.attempts:
            each = self._spent_by(attempt, call, hold, in_dollars=in_dollars)
            micro, tokens, is_estimated = (
                micro + each.micro,
                tokens + each.tokens,
                is_estimated or each.is_estimated,
            )
        return Amounts(micro, tokens, is_estimated)

    def _spent_by(self, attempt: Attempt, call: Call, hold: Hold, *, in_dollars: bool) -> Amounts:
        """What the provider reports; else the prompt and what was delivered of the answer."""
        now, model, usage = self._wall(), attempt.model, _counted(attempt)
        has_begun = attempt.committed_at is not None
        delivered = delivered_tokens(hold.delivered_bytes) if has_begun else 0
        if usage is not None and attempt.finish_reason is not None:
            self._recent.add(model, usage.output)
        if usage is not None and (attempt.finish_reason is not None or usage.output >= delivered):
            micro = pricing.charged(model, usage, now) if in_dollars else 0
            return Amounts(micro or 0, usage.input + usage.output)
        if usage is None and not _was_worked_on(attempt):
            return Amounts(0, 0)
        input_ = usage.input if usage is not None else prompt_tokens(call.chat)
        micro = pricing.estimate(model, input_, delivered, now) if in_dollars else 0
        return Amounts(micro or 0, input_ + delivered, is_estimated=True)


def _uncapped(charge: Charge) -> Charge:
    return charge._replace(cap=None)


def _settled(charge: Charge, limit: Limit, spent: Amounts) -> Charge:
    return charge._replace(amount=spent.of(limit.unit), is_estimated=spent.is_estimated)


def _counted(attempt: Attempt) -> Usage | None:
    """The provider's counts; empty counts are None."""
    usage = attempt.usage
    if usage is None or not (usage.input or usage.output or usage.cost is not None):
        return None
    return usage


def _was_worked_on(attempt: Attempt) -> bool:
    """Whether a provider that reports nothing has done what it charges for: it has begun to
    answer, or it still worked when the client left. A failure before that costs nothing."""
    if attempt.committed_at is not None:
        return True
    return attempt.failure is None and attempt.sent_at is not None


def _only_its_own_budgets(decision: Decision, agent: Agent) -> bool:
    own = {limit.id for limit in agent.limits if not limit.is_rate}
    return bool(decision.levels) and all(level.limit_id in own for level in decision.levels)


def _embeds(call: Call) -> bool:
    return call.operation == "embed"


def _alike(call: Call, models: Iterable[Model]) -> tuple[Model, ...]:
    """Those that may serve the call instead of the chain: embeddings keep their vector space."""
    if not _embeds(call):
        return tuple(models)
    space = call.agent.models[0].space
    return tuple(model for model in models if model.space == space)


def _nearly_spent(levels: Iterable[Level]) -> list[Level]:
    """Those that are worth a warning, the fullest first."""
    found = [level for level in levels if level.cap is not None and _percent(level) >= WARN_PERCENT]
    return sorted(found, key=_percent, reverse=True)


def _percent(level: Level) -> int:
    return level.used * 100 // level.cap if level.cap else 0


def _warning(limit: Limit, level: Level) -> str:
    """`agent dev 83% of 20 USD/day`."""
    return f"{limit.owner} {_percent(level)}% of {limit.text}"


class _Counted:
    """A committed stream; counts what it delivers."""

    def __init__(self, chunks: Chunks, hold: Hold) -> None:
        self._chunks = chunks
        self._hold = hold

    def __aiter__(self) -> _Counted:
        return self

    async def __anext__(self) -> Batch:
        batch = await self._chunks.__anext__()
        self._hold.delivered_bytes += delivered_bytes(batch.chunks)
        return batch

    def offer_to(self, taker: Taker) -> None:
        def counted(batch: Batch) -> bool:
            is_taken = taker(batch)
            if is_taken:
                self._hold.delivered_bytes += delivered_bytes(batch.chunks)
            return is_taken

        self._chunks.offer_to(counted)

    def watch(self, watcher: Watcher) -> None:
        self._chunks.watch(watcher)

    async def aclose(self) -> None:
        await self._chunks.aclose()
