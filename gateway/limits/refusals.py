"""Why a limit refuses a call, as data; the face of the client's API renders it."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from datetime import UTC, datetime, tzinfo
from math import ceil
from typing import Any, Final

from gateway.hub.contracts import Refusal
from gateway.shared.limits import Charge, Level
from gateway.text.limits import MICRO, Limit, shown
from gateway.types import Model

RETRY_AFTER_S_MAX: Final = 120
"""Official SDKs wait no longer than this."""
AWAY_S: Final = 5
"""When a client may ask again while the engine is away."""
_GROUP_IS_CLOSED: Final = '[cluster] whenDown is "closed"'
_LAST_MOMENT: Final = datetime(9999, 12, 30, tzinfo=UTC).timestamp()
"""A rate that one huge call has used up may come back later than any calendar can say."""


class Refused(Exception):
    """A limit refuses the call."""

    def __init__(self, refusal: Refusal) -> None:
        super().__init__(refusal.message)
        self.refusal = refusal


def refused(
    levels: Sequence[Level],
    limits: Mapping[str, Limit],
    charges: Mapping[str, Charge],
    now: float,
    zone: tzinfo | None,
) -> Refused:
    """The refusal of the limit that refuses longest. `limits` and `charges` are by limit id,
    `now` is Unix time."""

    def wait_s(level: Level) -> float:
        return level.wait_s or charges[level.limit_id].ends_at - now

    level = max(levels, key=wait_s)
    limit, charge = limits[level.limit_id], charges[level.limit_id]
    resets_at = min(now + wait_s(level), _LAST_MOMENT)
    message = _rate(limit, charge) if limit.is_rate else _budget(limit, charge, level)
    code = "rate_limit_exceeded" if limit.is_rate else "budget_exceeded"
    type_ = "rate_limit_error" if limit.is_rate else "insufficient_quota"
    again = "A call may pass" if limit.is_rate else "It resets"
    message = f"{message} {again} at {_moment(resets_at, zone)}."
    details = {"limit": _details(limit, level, resets_at)}
    headers = _headers(limit, wait_s(level))
    return Refused(Refusal(429, message, type_, code, headers=headers, details=details))


def engine_away(limits: Iterable[Limit]) -> Refused:
    """The process may use nothing of a limit while the engine is away."""
    own = next((limit for limit in limits if limit.when_down == "closed"), None)
    closed = f"{own.text} of {own.owner} has whenDown=closed" if own else _GROUP_IS_CLOSED
    message = (
        "The limits of this call cannot be checked now: what the gateways share is away,"
        f" and {closed}."
    )
    headers = {"retry-after": str(AWAY_S)}
    return Refused(Refusal(503, message, "server_error", "limits_unavailable", headers=headers))


def unpriced(models: Sequence[Model], limit: Limit, resets_s: float) -> Refused:
    """No model of the chain has a price, and `[limits] unpriced` refuses such models."""
    names = ", ".join(dict.fromkeys(model.entry for model in models))
    message = (
        f"The budget of {limit.owner} ({limit.text}) allows only models with a known price,"
        f" and {names} has none. State it with [models.NAME.price], or set [limits] unpriced."
    )
    headers = {"retry-after": str(max(1, ceil(resets_s))), "x-should-retry": "false"}
    return Refused(Refusal(429, message, "insufficient_quota", "model_unpriced", headers=headers))


def _budget(limit: Limit, charge: Charge, level: Level) -> str:
    text = f"The budget of {limit.owner} is spent: {shown(level.used, limit.unit)} of {limit.text}"
    if level.used >= limit.amount:
        return f"{text}, calls under way included."
    may_take = shown(charge.amount, limit.unit)
    return f"{text}, calls under way included, and this call may take {may_take}."


def _rate(limit: Limit, charge: Charge) -> str:
    text = f"The rate of {limit.owner} is reached: {limit.text}"
    if limit.unit == "calls":
        return f"{text}."
    return f"{text}; this call may take {shown(charge.amount, limit.unit)}."


def _headers(limit: Limit, wait_s: float) -> dict[str, str]:
    may_retry = limit.is_rate and wait_s <= RETRY_AFTER_S_MAX
    return {
        "retry-after": str(max(1, ceil(wait_s))),
        "x-should-retry": "true" if may_retry else "false",
    }


def _details(limit: Limit, level: Level, resets_at: float) -> dict[str, Any]:
    return {
        "owner": limit.owner,
        "limit": limit.text,
        "used": amount(level.used, limit.unit),
        "cap": amount(limit.amount, limit.unit),
        "unit": limit.unit,
        "resets_at": datetime.fromtimestamp(ceil(resets_at), UTC).isoformat(),
    }


def amount(units: int, unit: str) -> int | float:
    """An amount for programs: dollars, tokens or calls."""
    return units / MICRO if unit == "USD" else units


def _moment(at: float, zone: tzinfo | None) -> str:
    return datetime.fromtimestamp(ceil(at), UTC).astimezone(zone).isoformat()
