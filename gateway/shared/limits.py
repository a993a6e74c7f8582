"""Budgets and rates: what calls may spend, reserved before a call and settled after it.

Theory of operation. A call reserves its estimated cost in every limit that applies, all or nothing,
and keeps the hold until it settles: then the hold is undone and the true cost is charged. What is
spent and what is held together never exceed the cap of a budget, so a budget is exceeded only by
what calls cost above their estimates.

A budget is an amount per period of the calendar. The period has a name, which is part of the key:
no job resets anything, and a call that ends after midnight is charged to the day in which it began.
The edge names the period and its end; this module compares no calendar with a clock.

A rate is GCRA (ITU-T I.371): a bucket of `cap` units that refills evenly within `per_s` seconds,
kept as one number, the time at which it is full again. In any window of w seconds, at most `cap *
(1 + w / per_s)` units pass. A cost above the whole bucket passes when the bucket is full, and
delays what follows.

A hold whose time is over, or whose process has ended, is charged at its estimate and counted as
orphaned; a late settlement corrects it. Amounts are integers: micro-dollars, tokens or calls.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from typing import Final, NamedTuple

from gateway.shared.slots import Ticket
from gateway.text.limits import WhenDown

HOLD_S: Final = 900.0
"""How long a reservation lasts without being renewed."""
WARN_PERCENT: Final = 80
"""From here on a budget is worth a warning."""
ORPHANS_MAX: Final = 1000
"""Orphaned holds that a late settlement can still correct."""
_US: Final = 1_000_000


class Charge(NamedTuple):
    """An amount for one limit. A budget has a `period`, a rate has `per_s`."""

    limit_id: str
    amount: int
    cap: int | None = None
    """None counts and refuses nothing."""
    period: str = ""
    """Of a budget: the name of its period, such as `2026-11-25`."""
    ends_at: float = 0.0
    """Of a budget: the end of its period, as Unix time; only handed on."""
    per_s: float = 0.0
    """Of a rate: seconds in which `cap` units become available."""
    is_estimated: bool = False
    """The amount is not the provider's own count."""
    when_down: WhenDown | None = None
    """What a process may use of the limit without the engine; None: as of every other one."""


class Level(NamedTuple):
    """How full one limit is."""

    limit_id: str
    used: int
    """Spent and held; of a rate, what is missing in the bucket."""
    cap: int | None
    wait_s: float = 0.0
    """Of a rate that refuses: seconds until the same call would pass."""
    crossed: bool = False
    """This call is the first of the period with which the budget is worth a warning."""


class Decision(NamedTuple):
    """The answer to `Reserve`."""

    is_granted: bool
    levels: tuple[Level, ...]
    """Of every limit when granted, with this call's own cost; else of those that refuse, without
    it."""
    is_alone: bool = False
    """The engine was away: this process decided with its share of the limits."""


class LimitState(NamedTuple):
    """One limit as it is now."""

    limit_id: str
    period: str
    spent: int
    """Of a rate: what is missing in the bucket."""
    reserved: int
    orphaned: int
    """The part of `spent` that holds without a settlement left behind."""
    estimated: int
    """The part of `spent` that no provider has counted."""
    ends_at: float


# --- commands -------------------------------------------------------------------------------------


class Reserve(NamedTuple):
    """Reserves all charges or none. Answer: `Decision`."""

    ticket: Ticket
    charges: tuple[Charge, ...]
    hold_s: float = HOLD_S
    anyway: bool = False
    """Whatever the caps: the call is under way already."""


class Settle(NamedTuple):
    """Replaces the ticket's hold by the true charges. Without a hold the charges count all the
    same."""

    ticket: Ticket
    charges: tuple[Charge, ...]
    is_again: bool = False
    """It may have been carried out before; without a hold it then charges nothing."""


class Renew(NamedTuple):
    """Lets a hold last for `hold_s` from now."""

    ticket: Ticket
    hold_s: float = HOLD_S


class Seed(NamedTuple):
    """The usage of a budget's period so far, by the ledger of one host. Only its first seed of a
    period counts."""

    charge: Charge
    host: str = ""


class LimitStates(NamedTuple):
    """Answer: a tuple of `LimitState`, of those that are known."""

    wanted: tuple[Charge, ...] = ()
    """The limits and periods, whatever the amounts; () is all."""


# --- the state ------------------------------------------------------------------------------------


@dataclass(slots=True)
class _Hold:
    charges: tuple[Charge, ...]
    expires_at: float


@dataclass(slots=True)
class _Budget:
    """One period of one budget."""

    ends_at: float
    spent: int = 0
    reserved: int = 0
    orphaned: int = 0
    estimated: int = 0
    holds: int = 0
    seeded: set[str] = field(default_factory=set)
    """The hosts whose ledgers are counted."""
    has_warned: bool = False

    def fits(self, charge: Charge) -> bool:
        used = self.spent + self.reserved
        return charge.cap is None or charge.amount == 0 or used + charge.amount <= charge.cap

    def level(self, charge: Charge) -> Level:
        return Level(charge.limit_id, self.spent + self.reserved, charge.cap)

    def hold(self, amount: int) -> None:
        self.reserved += amount
        self.holds += 1

    def crosses(self, cap: int | None) -> bool:
        """Whether the budget is worth a warning, for the first time."""
        if self.has_warned or cap is None:
            return False
        if (self.spent + self.reserved) * 100 < cap * WARN_PERCENT:
            return False
        self.has_warned = True
        return True


@dataclass(slots=True)
class _Rate:
    """One bucket. `full_at` is the time at which it is full again: GCRA's theoretical arrival
    time."""

    full_at: int = 0
    cap: int = 1
    per_us: int = 0

    def set_to(self, charge: Charge) -> None:
        self.cap, self.per_us = charge.cap or 1, round(charge.per_s * _US)

    def duration(self, amount: int) -> int:
        """Microseconds in which so much becomes available. Rounded down, so that `cap` units fit
        into a bucket."""
        return self.per_us * amount // self.cap

    def wait_us(self, amount: int, now: int) -> int:
        """0 when the amount fits now."""
        needed = self.duration(min(amount, self.cap))
        return max(0, max(self.full_at, now) + needed - self.per_us - now)

    def take(self, amount: int, now: int) -> None:
        self.full_at = max(self.full_at, now) + self.duration(amount)

    def missing(self, now: int) -> int:
        return -(-max(0, self.full_at - now) * self.cap // self.per_us)


class Limits:
    """All budgets, rates and holds. `now` is monotonic, in seconds."""

    def __init__(self) -> None:
        self._budgets: dict[tuple[str, str], _Budget] = {}
        """By (limit id, period)."""
        self._newest: dict[str, str] = {}
        """Limit id → its newest period."""
        self._rates: dict[str, _Rate] = {}
        self._holds: dict[Ticket, _Hold] = {}
        """The oldest first, a renewed one last."""
        self._orphans: dict[Ticket, tuple[Charge, ...]] = {}

    def __len__(self) -> int:
        """How many holds there are."""
        return len(self._holds)

    def reserve(self, command: Reserve, now: float) -> Decision:
        self._expire(now)
        ticket, charges, hold_s, anyway = command
        refusals = (self._refusal(charge, now) for charge in charges if not anyway)
        refusing = tuple(level for level in refusals if level is not None)
        if refusing:
            return Decision(False, refusing)
        self._holds[ticket] = _Hold(charges, now + hold_s)
        self._orphans.pop(ticket, None)  # of an earlier call: it stays charged
        return Decision(True, tuple(self._hold(charge, now) for charge in charges))

    def settle(self, command: Settle, now: float) -> None:
        ticket, charges, is_again = command
        hold, orphan = self._holds.pop(ticket, None), self._orphans.pop(ticket, None)
        if is_again and hold is None and orphan is None:
            return
        for charge in hold.charges if hold is not None else ():
            self._release(charge)
        for charge in orphan or ():
            self._adopt(charge)
        for charge in charges:
            self._charge(charge, now, is_held=bool(hold or orphan))

    def renew(self, command: Renew, now: float) -> None:
        hold = self._holds.pop(command.ticket, None)
        if hold is not None:
            self._holds[command.ticket] = _Hold(hold.charges, now + command.hold_s)

    def seed(self, command: Seed, now: float) -> None:
        budget = self._budget(command.charge)
        if command.host not in budget.seeded:
            budget.seeded.add(command.host)
            budget.spent += command.charge.amount
        self._drop_if_over(command.charge)

    def gone(self, is_its: Callable[[Ticket], bool]) -> None:
        """The holds of a process that has ended are orphaned."""
        for ticket in [ticket for ticket in self._holds if is_its(ticket)]:
            self._orphan(ticket)

    def used(self, limit_id: str, period: str) -> int:
        """What is spent and held of a budget."""
        budget = self._budgets.get((limit_id, period))
        return budget.spent + budget.reserved if budget is not None else 0

    def states(self, now: float) -> tuple[LimitState, ...]:
        self._expire(now)
        budgets = (
            LimitState(
                limit_id,
                period,
                each.spent,
                each.reserved,
                each.orphaned,
                each.estimated,
                each.ends_at,
            )
            for (limit_id, period), each in self._budgets.items()
        )
        rates = (
            LimitState(limit_id, "", rate.missing(_as_us(now)), 0, 0, 0, 0.0)
            for limit_id, rate in self._rates.items()
        )
        return (*budgets, *rates)

    # --- one charge -------------------------------------------------------------------------------

    def _refusal(self, charge: Charge, now: float) -> Level | None:
        """How full the limit is, if it refuses the charge."""
        if charge.period:
            budget = self._budget(charge)
            return None if budget.fits(charge) else budget.level(charge)
        rate, now_us = self._rate(charge), _as_us(now)
        wait_us = rate.wait_us(charge.amount, now_us)
        if not wait_us:
            return None
        return Level(charge.limit_id, rate.missing(now_us), charge.cap, wait_us / _US)

    def _hold(self, charge: Charge, now: float) -> Level:
        if not charge.period:
            rate, now_us = self._rate(charge), _as_us(now)
            rate.take(charge.amount, now_us)
            return Level(charge.limit_id, rate.missing(now_us), charge.cap)
        budget = self._budget(charge)
        budget.hold(charge.amount)
        return budget.level(charge)._replace(crossed=budget.crosses(charge.cap))

    def _release(self, charge: Charge) -> None:
        """Undoes a hold."""
        if not charge.period:
            rate = self._rate(charge)
            rate.full_at -= rate.duration(charge.amount)
            return
        budget = self._budget(charge)
        budget.reserved -= charge.amount
        budget.holds -= 1
        self._drop_if_over(charge)

    def _charge(self, charge: Charge, now: float, *, is_held: bool) -> None:
        if not charge.period:
            rate = self._rate(charge)
            rate.take(charge.amount, min(rate.full_at, _as_us(now)) if is_held else _as_us(now))
            return
        budget = self._budget(charge)
        budget.spent += charge.amount
        budget.estimated += charge.amount if charge.is_estimated else 0
        self._drop_if_over(charge)

    def _adopt(self, charge: Charge) -> None:
        """Undoes what an orphaned hold was charged."""
        if not charge.period:
            self._release(charge)
            return
        budget = self._budgets.get((charge.limit_id, charge.period))
        if budget is not None:
            budget.spent -= charge.amount
            budget.orphaned -= charge.amount

    # --- the life of holds and periods ------------------------------------------------------------

    def _expire(self, now: float) -> None:
        while self._holds:
            ticket, hold = next(iter(self._holds.items()))
            if hold.expires_at > now:
                return
            self._orphan(ticket)

    def _orphan(self, ticket: Ticket) -> None:
        charges = self._holds.pop(ticket).charges
        for charge in charges:
            if charge.period:
                budget = self._budget(charge)
                budget.spent += charge.amount
                budget.orphaned += charge.amount
                self._release(charge)
        self._orphans[ticket] = charges
        if len(self._orphans) > ORPHANS_MAX:
            del self._orphans[next(iter(self._orphans))]

    def _budget(self, charge: Charge) -> _Budget:
        key = (charge.limit_id, charge.period)
        budget = self._budgets.get(key)
        if budget is None:
            budget = self._budgets[key] = _Budget(charge.ends_at)
            self._begin_period(charge)
        return budget

    def _begin_period(self, charge: Charge) -> None:
        """The period before goes as soon as no call holds anything of it."""
        limit_id, period = charge.limit_id, charge.period
        before = self._newest.get(limit_id)
        if before is None or self._ends_at(limit_id, before) <= charge.ends_at:
            self._newest[limit_id] = period
            if before is not None:
                self._drop_if_over(charge._replace(period=before))

    def _drop_if_over(self, charge: Charge) -> None:
        key = (charge.limit_id, charge.period)
        budget = self._budgets.get(key)
        is_newest = self._newest.get(charge.limit_id) == charge.period
        if budget is not None and not budget.holds and not is_newest:
            del self._budgets[key]

    def _ends_at(self, limit_id: str, period: str) -> float:
        budget = self._budgets.get((limit_id, period))
        return budget.ends_at if budget is not None else 0.0

    def _rate(self, charge: Charge) -> _Rate:
        rate = self._rates.get(charge.limit_id)
        if rate is None:
            rate = self._rates[charge.limit_id] = _Rate()
        rate.set_to(charge)
        return rate


def _as_us(seconds: float) -> int:
    return round(seconds * _US)


def shares(charges: Sequence[Charge], processes: int) -> tuple[Charge, ...]:
    """The charges with the part of each cap that one of several processes may use without asking
    the others."""
    return tuple(_share(charge, processes) for charge in charges)


def _share(charge: Charge, processes: int) -> Charge:
    if charge.cap is None:
        return charge
    return charge._replace(cap=max(1, charge.cap // processes))
