from __future__ import annotations

import pytest

from gateway.dialects import DIALECTS, Unsupported
from gateway.hub.fields import PASSED, Action, Rule, apply, dropped, refused, renamed
from gateway.hub.schema import EXTENSIONS, FIELDS
from gateway.providers import PROVIDERS


@pytest.mark.parametrize("dialect", DIALECTS)
def test_every_field_of_the_contract_has_exactly_one_rule(dialect: str) -> None:
    rules: dict[str, Rule] = DIALECTS[dialect].FIELDS  # type: ignore[attr-defined]
    assert set(FIELDS) <= set(rules)
    assert set(rules) - set(FIELDS) <= set(EXTENSIONS), "a rule for an unknown field"


@pytest.mark.parametrize("dialect", DIALECTS)
def test_what_is_lost_is_lost_for_a_reason(dialect: str) -> None:
    rules: dict[str, Rule] = DIALECTS[dialect].FIELDS  # type: ignore[attr-defined]
    for field, rule in rules.items():
        assert rule.reason or rule.action not in (Action.DROP, Action.REFUSE), field


@pytest.mark.parametrize("provider", PROVIDERS)
def test_a_provider_row_names_only_fields_of_the_contract(provider: str) -> None:
    row = PROVIDERS[provider]
    assert {*row.dropped, *row.refused, *row.renamed} <= {*FIELDS, *EXTENSIONS}
    assert not set(row.dropped) & set(row.refused)


def test_each_action() -> None:
    rules = {"a": PASSED, "b": renamed("c"), "seed": dropped("no seed")}
    assert apply({"a": 1, "b": 2, "seed": 3, "x": 4}, rules, PASSED) == (
        {"a": 1, "c": 2, "x": 4},
        ["seed"],
    )


def test_an_empty_value_is_not_reported_as_lost() -> None:
    assert apply(
        {"n": 1, "logprobs": False}, {"n": refused("one"), "logprobs": refused("no")}, PASSED
    ) == ({}, [])


def test_a_refused_field_names_itself() -> None:
    with pytest.raises(Unsupported) as raised:
        apply({"n": 2}, {"n": refused("only one choice")}, PASSED)
    assert raised.value.failure.param == "n"
    assert "only one choice" in raised.value.failure.message
