"""The whole of a gateway at a glance, for the page and for `gateway status --watch`."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Final, Literal

from gateway.limits.rows import Row
from gateway.observe.ledger_glance import Asked
from gateway.observe.ledger_read import Unreadable
from gateway.reports.history import Group, History, ReadSums, Usage, history, sums
from gateway.reports.status import AgentState, ModelState, Status
from gateway.shared.redis.health import Group as ClusterGroup
from gateway.types import Model

NO_LEDGER: Final = "this gateway keeps no ledger ([ledger] enabled = false)"


@dataclass(frozen=True, slots=True)
class Attention:
    """One thing that does not get better by itself."""

    severity: Literal["error", "warning"]
    """`error` needs a hand now; `warning` can wait."""
    subject: str
    """The model, budget or file it is about."""
    message: str
    cure: str = ""
    """The cure."""


@dataclass(frozen=True, slots=True)
class Overview:
    """The contents of the page."""

    at: float
    """When it was made, as Unix time."""
    status: Status
    history: History | None
    """None without a ledger; `missing` says why."""
    missing: str
    attention: list[Attention]
    asked: Asked

    @property
    def needs_a_hand(self) -> bool:
        """Whether something is wrong that only the operator can fix."""
        return any(item.severity == "error" for item in self.attention)

    @property
    def is_new(self) -> bool:
        """Whether no call was ever made."""
        found = self.history
        if self.status.in_flight or self.asked.agent or self.asked.not_plain:
            return False
        return found is None or not (found.calls or (found.usage and found.usage.week.calls))


def overview(
    status: Status,
    ledger: Path | None,
    models: Mapping[str, Model],
    asked: Asked,
    *,
    now: float,
    read_sums: ReadSums = sums,
) -> Overview:
    """The overview. Reads the ledger: call it in a thread.

    `now` is Unix time. `read_sums` may remember the sums for a while.
    """
    found, missing = _history(ledger, models, asked, now, read_sums)
    usage = found.usage if found is not None else None
    entries = {model.name: model.entry for model in models.values()}
    refusals = _refusals(status.agents, entries)
    items = [*refusals, *_budgets(status.limits), *_unpriced(usage, entries)]
    items += _cluster(status.cluster)
    if found is None and ledger is not None and ledger.exists():
        items.append(Attention("warning", "ledger", missing))
    return Overview(now, status, found, missing, items, asked)


def _history(
    ledger: Path | None,
    models: Mapping[str, Model],
    asked: Asked,
    now: float,
    read_sums: ReadSums,
) -> tuple[History | None, str]:
    """The history, or why there is none."""
    if ledger is None:
        return None, NO_LEDGER
    try:
        return history(ledger, models, asked, now, read_sums), ""
    except Unreadable as error:
        return None, str(error)


# --- what needs attention -------------------------------------------------------------------------


def _refused_key(model: ModelState, _: str) -> Attention:
    message = f"{model.provider} refuses its key."
    cure = "gateway credentials set; gateway doctor --live"
    return Attention("error", model.model, message, cure)


def _unknown_model(model: ModelState, entry: str) -> Attention:
    message = f"{model.provider} does not know the model id {model.id}."
    cure = f"correct model in [models.{entry}]; gateway models"
    return Attention("error", model.model, message, cure)


def _spent_account(model: ModelState, _: str) -> Attention:
    message = f"the account at {model.provider} is out of quota."
    return Attention("error", model.model, message, "raise the quota or add credit at the provider")


_REFUSALS: Final[Mapping[str, Callable[[ModelState, str], Attention]]] = {
    "credential": _refused_key,
    "model_unknown": _unknown_model,
    "quota": _spent_account,
}
"""Kind of failure → what the operator has to do about a model, of the given `[models.*]` entry,
that cools down for it."""
NEARLY_SPENT_PERCENT: Final = 80
NEEDS_A_HAND: Final = frozenset(_REFUSALS)
"""Kinds of failure that only the operator can end."""


def _budgets(limits: Iterable[Row]) -> list[Attention]:
    """Budgets that are nearly spent. A rate fills up and empties all the time."""
    budgets = (row for row in limits if row.period is not None)
    return [_spent(row) for row in budgets if row.percent >= NEARLY_SPENT_PERCENT]


def _cluster(group: ClusterGroup | None) -> list[Attention]:
    """An engine that is away, and members that were configured otherwise."""
    if group is None:
        return []
    if not group.up:
        message = f"the engine is away: {group.reason}."
        return [Attention("warning", "cluster", message, "gateway doctor")]
    return [
        Attention(
            "warning",
            f"{member.host} {member.pid}",
            f"this member has another configuration ({member.config}) than the others.",
            "give all members the same file",
        )
        for member in group.odd
    ]


def _spent(row: Row) -> Attention:
    message = f"{row.percent} % of {row.limit} is used."
    cure = f"raise it, or wait until {row.resets_at}"
    return Attention("warning", row.owner, message, cure)


def _refusals(agents: Iterable[AgentState], entries: Mapping[str, str]) -> list[Attention]:
    """One item per model, however many chains it is in. `entries`: model → its entry's name."""
    models = {model.model: model for agent in agents for model in agent.chain}
    refused = (model for model in models.values() if model.kind in _REFUSALS)
    return [_refusal(model, entries.get(model.model, model.model)) for model in refused]


def _refusal(model: ModelState, entry: str) -> Attention:
    return _REFUSALS[model.kind or ""](model, entry)


def _unpriced(usage: Usage | None, entries: Mapping[str, str]) -> list[Attention]:
    groups = usage.models if usage is not None else []
    unpriced = (group for group in groups if group.week.unpriced)
    return [_without_price(group, entries.get(group.name, group.name)) for group in unpriced]


def _without_price(group: Group, entry: str) -> Attention:
    count = group.week.unpriced
    message = f"no price is known for {group.id}; calls of 7 days without a price: {count}."
    return Attention("warning", group.name, message, f"state one in [models.{entry}.price]")
