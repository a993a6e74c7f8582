"""A gateway at a glance: sums, prices, times, and what needs attention."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import pytest

from gateway.limits.rows import Row
from gateway.observe.ledger_glance import Asked
from gateway.reports.history import History, Latency, Usage, history
from gateway.reports.overview import NO_LEDGER, Attention, overview
from gateway.reports.status import AgentState, ModelState, Status
from gateway.types import Call
from gateway.types import Usage as Tokens
from tests.makers import model
from tests.observe.test_ledger import WALL, answered, written

DAY = 86_400
LOCAL = model("custom", name="local", price={"input": 10.0, "output": 100.0})


def read(path: Path) -> History:
    return history(path, {"local": LOCAL}, Asked(), WALL)


def usage(path: Path) -> Usage:
    found = read(path).usage
    assert found is not None
    return found


def with_tokens(id_: str, tokens: Tokens) -> Call:
    made = answered(id_)
    made.attempts[-1].usage = tokens
    return made


def test_the_sums_of_today_and_of_the_week(tmp_path: Path) -> None:
    path = tmp_path / "ledger.db"
    for back in (0, 1, 6, 7):
        written(path, answered(f"{back}"), wall=WALL - back * DAY)
    found = usage(path)
    assert (found.today.calls, found.week.calls) == (1, 3)
    assert (found.today.tokens, found.week.tokens) == (120, 360)
    assert found.today.cost == pytest.approx((100 * 10 + 20 * 100) / 1e6)
    assert (found.week.cached, found.week.fallbacks) == (0.4, 1.0)
    assert [day.sum.calls for day in found.days] == [1, 0, 0, 0, 0, 1, 1]
    assert [(group.name, group.parts) for group in found.agents] == [("dev", {"local": 360})]
    assert [(group.name, group.id) for group in found.models] == [("local", "qwen3:32b")]


def test_a_call_has_its_price_and_an_unknown_one_has_none(tmp_path: Path) -> None:
    path = written(tmp_path / "ledger.db", answered("1"))
    (call,) = read(path).calls or []
    assert call.cost == pytest.approx(0.003)
    (unknown,) = history(path, {}, Asked(), WALL).calls or []
    assert unknown.cost is None


def test_long_prompts_are_priced_each_by_itself(tmp_path: Path) -> None:
    """The library has a higher price above a threshold, which two short prompts do not reach."""
    anthropic = model(name="local", model_id="claude-sonnet-4-5")
    path = tmp_path / "ledger.db"
    calls = [
        with_tokens(f"{number}", Tokens(input=size))
        for number, size in enumerate((150_000, 150_000, 300_000))
    ]
    for call in calls:
        call.attempts[-1] = replace(call.attempts[-1], model=anthropic)
    written(path, *calls)
    found = history(path, {}, Asked(), WALL)
    assert found.usage is not None
    each = [call.cost or 0.0 for call in found.calls or []]
    assert found.usage.week.cost == pytest.approx(sum(each))
    assert max(each) > 2 * min(each)


def test_times_to_the_first_token(tmp_path: Path) -> None:
    calls = []
    for number in range(1, 101):
        call = answered(f"{number}")
        call.attempts[-1].committed_at = call.received_at + number / 10
        calls.append(call)
    path = written(tmp_path / "ledger.db", *calls)
    (found,) = read(path).latencies or []
    assert found == Latency("local", "qwen3:32b", pytest.approx(5.0), pytest.approx(9.5), 100)  # type: ignore[arg-type]


def state(kind: str | None = None, name: str = "local") -> ModelState:
    return ModelState(name, "custom", "qwen3:32b", "open" if kind else "closed", 9.0, None, kind)


def status(*chain: ModelState) -> Status:
    agents = [AgentState("dev", list(chain)), AgentState("other", list(chain))]
    return Status("serving", "1", 9.0, in_flight=0, waiting=0, agents=agents)


@pytest.mark.parametrize(
    ("kind", "words"),
    [
        ("credential", "custom refuses its key."),
        ("model_unknown", "custom does not know the model id qwen3:32b."),
        ("quota", "the account at custom is out of quota."),
    ],
)
def test_a_problem_that_only_the_operator_can_fix_is_listed_once(kind: str, words: str) -> None:
    found = overview(status(state(kind)), None, {}, Asked(), now=WALL)
    assert [(item.subject, item.message) for item in found.attention] == [("local", words)]
    assert found.needs_a_hand


def test_an_account_of_a_pool_is_named_and_its_cure_names_the_entry() -> None:
    one = model("custom", name="local@b", pool="local")
    refused = replace(state("model_unknown"), model="local@b")
    (item,) = overview(status(refused), None, {one.name: one}, Asked(), now=WALL).attention
    assert item.subject == "local@b"
    assert "[models.local]" in item.cure


@pytest.mark.parametrize("kind", [None, "rate_limit", "overloaded", "unavailable", "timeout"])
def test_a_problem_that_passes_by_itself_needs_no_operator(kind: str | None) -> None:
    found = overview(status(state(kind)), None, {}, Asked(), now=WALL)
    assert (found.attention, found.needs_a_hand) == ([], False)


def test_a_model_without_a_price_can_wait(tmp_path: Path) -> None:
    path = written(tmp_path / "ledger.db", answered("1"))
    found = overview(status(), path, {}, Asked(), now=WALL)
    (item,) = found.attention
    assert (item.severity, item.subject, item.cure) == (
        "warning",
        "local",
        "state one in [models.local.price]",
    )
    assert not found.needs_a_hand


def test_a_budget_that_is_nearly_spent_can_wait_and_a_busy_rate_is_nothing() -> None:
    def row(text: str, percent: int, period: str | None) -> Row:
        ends = "2026-11-26T00:00:00+00:00"
        return Row("agent dev", text, "USD", "day", 20, 0, 0, 0, 0, 0, percent, period, ends, [])

    rows = [row("20 USD/day", 83, "2026-11-25"), row("9 USD/day", 79, "2026-11-25")]
    found = replace(status(), limits=[*rows, row("30 calls/minute", 100, None)])
    (item,) = overview(found, None, {}, Asked(), now=WALL).attention
    assert item == Attention(
        "warning",
        "agent dev",
        "83 % of 20 USD/day is used.",
        "raise it, or wait until 2026-11-26T00:00:00+00:00",
    )


def test_without_a_ledger_or_calls_a_gateway_is_new(tmp_path: Path) -> None:
    bare = overview(status(), None, {}, Asked(), now=WALL)
    assert (bare.history, bare.missing, bare.is_new) == (None, NO_LEDGER, True)
    missing = overview(status(), tmp_path / "none.db", {}, Asked(), now=WALL)
    assert (missing.is_new, missing.attention) == (True, [])
    path = written(tmp_path / "ledger.db", answered("1"))
    assert not overview(status(), path, {}, Asked(), now=WALL).is_new
    assert not overview(status(), path, {}, Asked(agent="nobody"), now=WALL).is_new


def test_a_broken_ledger_is_reported(tmp_path: Path) -> None:
    path = tmp_path / "ledger.db"
    path.write_bytes(b"no database" * 99)
    found = overview(status(), path, {}, Asked(), now=WALL)
    assert (found.history, found.attention[0].subject) == (None, "ledger")
