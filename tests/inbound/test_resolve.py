"""Which agent a client means, and the error when it means none."""

from __future__ import annotations

import pytest

from gateway.inbound.http import HttpError
from gateway.inbound.resolve import Names, nearest, resolve
from gateway.types import Agent, Client
from tests.makers import model

SONNET, LOCAL = model(name="sonnet"), model("custom", name="local")
AGENTS = {"dev": Agent("dev", (SONNET, LOCAL)), "sonnet": Agent("sonnet", (LOCAL,))}
MODELS = {"sonnet": SONNET, "local": LOCAL}
ANY_CLIENT, LIMITED = Client("local"), Client("limited", frozenset({"dev"}))


def test_an_agent_comes_before_a_model_of_its_name() -> None:
    assert resolve("sonnet", AGENTS, MODELS, ANY_CLIENT).models == (LOCAL,)


def test_a_model_is_an_agent_of_its_own() -> None:
    agent = resolve("local", AGENTS, MODELS, ANY_CLIENT)
    assert (agent.name, agent.models) == ("local", (LOCAL,))


def test_a_pool_has_one_name_and_all_its_accounts() -> None:
    pool = [
        model(name=f"sonnet@{each}", credential=f"anthropic_key:{each}", pool="sonnet")
        for each in "ab"
    ]
    names = Names({}, {**{each.name: each for each in pool}, "local": LOCAL})
    assert list(names.visible(ANY_CLIENT)) == ["sonnet", "local"]
    assert names.resolve("sonnet", ANY_CLIENT).models == tuple(pool)
    assert names.find("sonnet", Client("limited", frozenset({"sonnet"}))) is not None
    assert names.find("sonnet@a", ANY_CLIENT) is None


@pytest.mark.parametrize("name", ["local", "sonnet", "nobody", ""])
def test_what_a_client_may_not_use_does_not_exist(name: str) -> None:
    with pytest.raises(HttpError) as raised:
        resolve(name, AGENTS, MODELS, LIMITED)
    assert raised.value.refusal.status == 404
    assert "sonnet'" not in str(raised.value).replace(f"'{name}'", "")
    assert "'local'" not in str(raised.value).replace(f"'{name}'", "")


def test_the_nearest_names_are_suggested() -> None:
    with pytest.raises(HttpError, match=r"'sonet' does not exist.* Did you mean 'sonnet'"):
        resolve("sonet", AGENTS, MODELS, ANY_CLIENT)


def test_without_a_near_name_the_first_names_are_suggested() -> None:
    with pytest.raises(HttpError, match="Did you mean 'dev', 'sonnet'"):
        resolve("zzz", AGENTS, MODELS, ANY_CLIENT)


def test_nothing_is_configured() -> None:
    with pytest.raises(HttpError, match=r"of this gateway\.$"):
        resolve("dev", {}, {}, ANY_CLIENT)


def test_no_more_than_three_are_near() -> None:
    assert len(nearest("a", [f"a{number}" for number in range(9)])) == 3


def test_a_very_long_name_is_neither_compared_nor_repeated() -> None:
    with pytest.raises(HttpError) as raised:
        resolve("s" * 10_000_000, AGENTS, MODELS, ANY_CLIENT)
    assert len(str(raised.value)) < 1000


# --- aliases --------------------------------------------------------------------------------------

DEV = Agent("dev", (SONNET,), aliases=("claude-*", "gpt-5.5", "local", "qwen*"))
OPS = Agent("ops", (LOCAL,), aliases=("gpt-*", "*-mini", "claude-*", "x?z"))


def discovered(name: str) -> str | None:
    return name.removeprefix("claude-") if name.startswith("claude-") else None


NAMES = Names({"dev": DEV, "ops": OPS}, {**MODELS, "gpt-x": SONNET, "qwen": LOCAL}, discovered)


def allowed(*agents: str) -> Client:
    return Client("limited", frozenset(agents))


@pytest.mark.parametrize(
    ("name", "client", "agent"),
    [
        pytest.param("dev", ANY_CLIENT, "dev", id="an agent comes first"),
        pytest.param("gpt-5.5", ANY_CLIENT, "dev", id="an exact alias comes before a pattern"),
        pytest.param("local", ANY_CLIENT, "dev", id="an exact alias comes before a model"),
        pytest.param("gpt-x", ANY_CLIENT, "gpt-x", id="a model comes before a pattern"),
        pytest.param(
            "qwen", ANY_CLIENT, "qwen", id="a model comes before a pattern of another agent"
        ),
        pytest.param("gpt-5-mini", ANY_CLIENT, "ops", id="a pattern comes last"),
        pytest.param(
            "claude-haiku-4-5", ANY_CLIENT, "dev", id="patterns are tried in the order of the file"
        ),
        pytest.param(
            "claude-ops", ANY_CLIENT, "dev", id="a pattern comes before a discovered name"
        ),
        pytest.param("xyz", ANY_CLIENT, "ops", id="a question mark is one character"),
        pytest.param(
            "claude-x",
            allowed("ops"),
            "ops",
            id="a pattern of an agent that the key may not use is skipped",
        ),
        pytest.param(
            "claude-x", allowed("dev"), "dev", id="a key may use the patterns of its agents"
        ),
        pytest.param(
            "gpt-5.5", allowed("dev"), "dev", id="a key may use the aliases of its agents"
        ),
        pytest.param(
            "gpt-5.5",
            allowed("ops"),
            "ops",
            id="an exact alias of another agent does not exist for a key",
        ),
        pytest.param("local", allowed("local"), "local", id="nor does it hide a model"),
        pytest.param(
            "dev", allowed("gpt-5.5"), None, id="an alias in the list of a key permits no agent"
        ),
        pytest.param("gpt-5.5", allowed("gpt-5.5"), None, id="nor itself"),
        pytest.param("xyyz", ANY_CLIENT, None, id="nothing matches"),
        pytest.param("gpt-" + "x" * 600, ANY_CLIENT, None, id="too long for a name"),
    ],
)
def test_which_agent_is_meant(name: str, client: Client, agent: str | None) -> None:
    found = NAMES.find(name, client)
    assert (found.name if found is not None else None) == agent


def test_a_discovered_name_means_the_agent_when_nothing_else_does() -> None:
    names = Names({"dev": Agent("dev", (SONNET,), aliases=("alias",))}, MODELS, discovered)
    meant = {
        name: names.resolve(f"claude-{name}", ANY_CLIENT).name for name in ("dev", "alias", "local")
    }
    assert meant == {"dev": "dev", "alias": "dev", "local": "local"}
    assert names.find("claude-dev", allowed("local")) is None
    assert names.find("claude-claude-dev", ANY_CLIENT) is None


def test_an_unknown_name_is_compared_with_exact_aliases_of_permitted_agents() -> None:
    names = Names({"dev": Agent("dev", (SONNET,), aliases=("gpt-5.5", "o*"))}, {"local": LOCAL})
    with pytest.raises(HttpError, match=r"Did you mean 'gpt-5\.5'"):
        names.resolve("gpt-5.4", ANY_CLIENT)
    with pytest.raises(HttpError, match="Did you mean 'local'"):
        names.resolve("gpt-5.4", allowed("local"))


def test_every_visible_name_resolves_to_what_it_shows() -> None:
    for client in (ANY_CLIENT, allowed("dev"), allowed("ops", "local"), allowed("gpt-5.5")):
        visible = NAMES.visible(client)
        assert {name: NAMES.resolve(name, client) for name in visible} == visible
    assert list(NAMES.visible(ANY_CLIENT)) == [
        "dev",
        "ops",
        "gpt-5.5",
        "local",
        "sonnet",
        "gpt-x",
        "qwen",
    ]
    assert list(NAMES.visible(allowed("local"))) == ["local"]
