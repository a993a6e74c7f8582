"""Which model a conversation stays with: how long, and how many conversations are known."""

from __future__ import annotations

from gateway.shared.affinity import Affinity, first
from tests.makers import Clock, model

SONNET, GPT, LOCAL = (
    model(name="sonnet"),
    model("openai", name="gpt"),
    model("custom", name="local"),
)
CHAIN = (SONNET, GPT, LOCAL)


def test_a_conversation_is_found_until_its_time_is_over() -> None:
    clock, affinity = Clock(), Affinity()
    affinity.put(b"one", GPT, clock() + 300)
    clock.now += 299
    assert affinity.find(b"one", CHAIN, clock()) is GPT
    clock.now += 1
    assert affinity.find(b"one", CHAIN, clock()) is None
    assert not affinity.conversations, "it is forgotten"


def test_each_use_restarts_the_time() -> None:
    clock, affinity = Clock(), Affinity()
    for _ in range(3):
        affinity.put(b"one", GPT, clock() + 300)
        clock.now += 299
        assert affinity.find(b"one", CHAIN, clock()) is GPT


def test_a_conversation_that_moves_on_stays_with_the_later_model() -> None:
    affinity = Affinity()
    affinity.put(b"one", GPT, 300)
    affinity.put(b"one", LOCAL, 300)
    assert affinity.find(b"one", CHAIN, 0) is LOCAL


def test_a_conversation_that_is_unknown_or_forgotten_is_not_found() -> None:
    affinity = Affinity()
    assert affinity.find(b"one", CHAIN, 0) is None
    affinity.forget(b"one")
    affinity.put(b"one", GPT, 300)
    affinity.forget(b"one")
    assert affinity.find(b"one", CHAIN, 0) is None


def test_a_model_that_has_left_the_chain_is_not_found() -> None:
    affinity = Affinity()
    affinity.put(b"one", GPT, 300)
    assert affinity.find(b"one", (SONNET, LOCAL), 0) is None


def test_a_reload_builds_new_models_and_changes_nothing() -> None:
    affinity, again = Affinity(), model("openai", name="gpt")
    affinity.put(b"one", GPT, 300)
    assert affinity.find(b"one", (SONNET, again), 0) is again


def test_two_models_of_one_account_are_distinguished() -> None:
    affinity, thinking = Affinity(), model("openai", name="gpt-high", thinking_level="high")
    affinity.put(b"one", thinking, 300)
    assert affinity.find(b"one", (GPT, thinking), 0) is thinking


def test_the_least_recently_used_conversations_go_first() -> None:
    affinity = Affinity(conversations_max=2)
    affinity.put(b"one", GPT, 300)
    affinity.put(b"two", GPT, 300)
    affinity.put(b"one", GPT, 300)
    affinity.put(b"three", GPT, 300)
    assert list(affinity.conversations) == [b"one", b"three"]
    assert "2" in repr(affinity)


def test_the_model_goes_first_and_the_others_keep_their_order() -> None:
    assert first(LOCAL, CHAIN) == (LOCAL, SONNET, GPT)
    assert first(SONNET, CHAIN) == CHAIN
