"""The table of transitions, event by event."""

from __future__ import annotations

from itertools import product

import pytest
from hypothesis import given
from hypothesis import strategies as st

from gateway.failures import Failure, Kind
from gateway.shared.circuits import TRANSITIONS, Change, Circuit, Circuits, Event, State

ID = ("anthropic", "https://a", "key:default", "sonnet")
LIMITED = Failure(Kind.RATE_LIMIT, "slow down", status=429)


@pytest.mark.parametrize(
    ("state", "event"), [pair for pair in product(State, Event) if pair not in TRANSITIONS]
)
def test_what_is_not_in_the_table_cannot_happen(state: State, event: Event) -> None:
    with pytest.raises(KeyError):
        Circuit(ID, state).apply(event)


@pytest.mark.parametrize("state", State)
def test_a_circuit_opens_and_closes_in_every_state(state: State) -> None:
    assert TRANSITIONS[state, Event.OPENS] is State.OPEN
    assert TRANSITIONS[state, Event.CLOSES] is State.CLOSED


def opened(cooldown_s: float = 60.0) -> Circuits:
    circuits = Circuits()
    circuits.open(ID, cooldown_s, LIMITED, now=0.0)
    return circuits


def test_a_shorter_cooldown_changes_nothing() -> None:
    circuits = opened()
    assert circuits.open(ID, 10.0, LIMITED, now=1.0) is None
    assert circuits.get(ID).open_until == 60.0


def test_a_longer_cooldown_is_news() -> None:
    assert opened().open(ID, 600.0, LIMITED, now=1.0) == Change(
        ID, "open", 600.0, LIMITED, generation=2
    )


def test_an_opening_ends_a_probe_even_if_its_cooldown_is_short() -> None:
    circuits = opened(600.0)
    circuits.start_probe(ID)
    assert circuits.open(ID, 10.0, LIMITED, now=1.0) is not None
    assert circuits.close_probed(ID, generation=1) is None
    assert circuits.get(ID).open_until == 11.0


def test_a_probe_that_ends_for_another_generation_frees_nothing() -> None:
    circuits = opened()
    circuits.start_probe(ID)
    circuits.end_probe(ID, generation=0)
    assert circuits.get(ID).state is State.PROBING
    circuits.end_probe(ID, generation=1)
    assert circuits.get(ID).state is State.OPEN


def test_the_states_that_reports_show() -> None:
    circuit = opened().get(ID)
    assert [circuit.shown(now) for now in (0.0, 59.9, 60.0)] == ["open", "open", "half_open"]
    assert Circuit(ID).shown(0.0) == "closed"


@given(
    st.lists(
        st.tuples(st.sampled_from(["open", "close", "probe", "probed", "end"]), st.integers(1, 100))
    )
)
def test_the_cooldown_of_an_open_circuit_never_becomes_shorter(
    steps: list[tuple[str, int]],
) -> None:
    circuits, now = Circuits(), 0.0
    for word, number in steps:
        circuit = circuits.get(ID)
        before, was = circuit.open_until, circuit.state
        if word == "open":
            circuits.open(ID, float(number), LIMITED, now)
        elif word == "close":
            circuits.close(ID)
        elif word == "probe" and circuit.state is State.OPEN and circuit.is_ready(now):
            circuits.start_probe(ID)
        elif word == "probed":
            circuits.close_probed(ID, number % 5)
        elif word == "end":
            circuits.end_probe(ID, number % 5)
        now += number / 7
        if was is State.OPEN and circuit.state is State.OPEN:
            assert circuit.open_until >= before
