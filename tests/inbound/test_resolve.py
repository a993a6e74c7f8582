"""Which agent a client means, and what it is told when it means none."""

from __future__ import annotations

import pytest

from gateway.inbound.http import HttpError
from gateway.inbound.resolve import nearest, resolve
from gateway.types import Agent, Client
from tests.makers import model

SONNET, LOCAL = model(name="sonnet"), model("custom", name="local")
AGENTS = {"dev": Agent("dev", (SONNET, LOCAL)), "sonnet": Agent("sonnet", (LOCAL,))}
MODELS = {"sonnet": SONNET, "local": LOCAL}
ANYBODY, LIMITED = Client("local"), Client("limited", frozenset({"dev"}))


def test_an_agent_comes_before_a_model_of_its_name() -> None:
    assert resolve("sonnet", AGENTS, MODELS, ANYBODY).models == (LOCAL,)


def test_a_model_is_an_agent_of_its_own() -> None:
    agent = resolve("local", AGENTS, MODELS, ANYBODY)
    assert (agent.name, agent.models) == ("local", (LOCAL,))


@pytest.mark.parametrize("name", ["local", "sonnet", "nobody", ""])
def test_what_a_client_may_not_use_does_not_exist(name: str) -> None:
    with pytest.raises(HttpError) as raised:
        resolve(name, AGENTS, MODELS, LIMITED)
    assert raised.value.refusal.status == 404
    assert "sonnet'" not in str(raised.value).replace(f"'{name}'", "")
    assert "'local'" not in str(raised.value).replace(f"'{name}'", "")


def test_the_nearest_names_are_said() -> None:
    with pytest.raises(HttpError, match=r"'sonet' does not exist.* Did you mean 'sonnet'"):
        resolve("sonet", AGENTS, MODELS, ANYBODY)


def test_without_a_near_name_the_first_are_said() -> None:
    with pytest.raises(HttpError, match="Did you mean 'dev', 'sonnet'"):
        resolve("zzz", AGENTS, MODELS, ANYBODY)


def test_nothing_is_configured() -> None:
    with pytest.raises(HttpError, match=r"of this gateway\.$"):
        resolve("dev", {}, {}, ANYBODY)


def test_no_more_than_three_are_near() -> None:
    assert len(nearest("a", [f"a{number}" for number in range(9)])) == 3
