"""A list of credentials is one model with several accounts; a text stays what it was."""

from __future__ import annotations

from collections.abc import Callable
from datetime import date
from pathlib import Path

import pytest

from gateway.config import show
from gateway.config.audit import examine
from gateway.config.load import Config, ConfigError, load

Load = Callable[..., Config]

ENTRY = '[models.gpt]\nprovider = "openai"\nmodel = "gpt-4o"\n{line}\n'
REST = """
[models.spare]
provider = "openai"
model = "gpt-4o-mini"
[agents.dev]
models = ["gpt", "spare"]
timeouts = { idleSeconds = 5 }
"""


@pytest.fixture
def loads(tmp_path: Path) -> Load:
    """Loads a configuration in which `[models.gpt]` has the given line."""

    def loaded(line: str, rest: str = REST) -> Config:
        path = tmp_path / "config.toml"
        path.write_text(ENTRY.format(line=line) + rest)
        return load(path, {}, tmp_path)

    return loaded


@pytest.mark.parametrize(
    ("line", "accounts"),
    [
        pytest.param("", {"gpt": "openai_key:default"}, id="unset"),
        pytest.param('credential = "openai_key:a"', {"gpt": "openai_key:a"}, id="a text"),
        pytest.param('credential = ["openai_key:a"]', {"gpt": "openai_key:a"}, id="a list of one"),
        pytest.param(
            'credential = ["openai_key:b", "openai_key:a"]',
            {"gpt@b": "openai_key:b", "gpt@a": "openai_key:a"},
            id="in the order of the file",
        ),
        pytest.param(
            'credential = ["openai_key", "openai_key:a"]',
            {"gpt@default": "openai_key:default", "gpt@a": "openai_key:a"},
            id="a type alone is its default instance",
        ),
        pytest.param(
            'credential = ["openai_key:a", "acme:a"]',
            {"gpt@openai_key:a": "openai_key:a", "gpt@acme:a": "acme:a"},
            id="two types with one instance",
        ),
    ],
)
def test_each_account_is_a_model_of_the_chain(
    loads: Load, line: str, accounts: dict[str, str]
) -> None:
    config = loads(line)
    chain = config.agents["dev"].models
    assert {model.name: model.credential for model in chain} == {
        **accounts,
        "spare": "openai_key:default",
    }
    assert [model.entry for model in chain] == ["gpt"] * len(accounts) + ["spare"]
    assert {model.timeouts.idle_s for model in chain} == {5.0}
    assert list(config.models) == [*accounts, "spare"]
    assert list(config.entries) == ["gpt", "spare"]
    assert config.warnings == ()


def test_each_account_has_its_own_circuit(loads: Load) -> None:
    first, second, _ = loads('credential = ["openai_key:a", "openai_key:b"]').agents["dev"].models
    assert first.key != second.key
    assert first.credential_key != second.credential_key


@pytest.mark.parametrize(
    ("line", "problem", "cure"),
    [
        (
            "credential = []",
            "the list is empty.",
            "Name at least one credential, or remove the key.",
        ),
        ("credential = [1]", "is not a text or a list of texts.", ""),
        (
            'credential = ["openai_key:a", "sk-proj-0123456789abcdef0"]',
            "names no credential.",
            "Write `type`",
        ),
        ('credential = ["openai_key:a", ""]', "names no credential.", "Write `type`"),
        (
            'credential = ["openai_key:a", "openai_key:b"]\nauthType = "pi_auth"',
            "pi has one account for each provider",
            "use another authType.",
        ),
        (
            (
                'credential = ["openai_key:a", "openai_key:b"]\n[models."gpt@b"]\nprovider = '
                '"openai"\nmodel = "gpt-4o"'
            ),
            'the account is named "gpt@b", as another model is.',
            "Rename that model.",
        ),
    ],
)
def test_a_list_that_is_wrong_is_an_error(loads: Load, line: str, problem: str, cure: str) -> None:
    with pytest.raises(ConfigError) as caught:
        loads(line)
    (found,) = caught.value.problems
    assert (found.key, found.line, found.severity) == ("models.gpt.credential", 4, "error")
    assert problem in found.message
    assert cure in found.cure
    assert "0123456789" not in str(found)


@pytest.mark.parametrize(
    ("line", "problem"),
    [
        (
            '["openai_key:a", "openai_key:b", "openai_key:a"]',
            '"openai_key:a" is listed 2 times; the first counts.',
        ),
        (
            '["openai_key", "openai_key:b", "openai_key:default"]',
            '"openai_key" is listed 2 times; the first counts.',
        ),
        ('["openai_key:a", "opena_key:b"]', '"opena_key" is not a provider\'s usual credential.'),
    ],
)
def test_a_list_that_is_odd_is_worth_a_warning(loads: Load, line: str, problem: str) -> None:
    config = loads(f"credential = {line}")
    assert [(each.severity, each.message) for each in config.warnings] == [("warning", problem)]
    assert len(config.entries["gpt"]) == 2


def test_what_is_shown_has_the_list_and_can_be_read_back(loads: Load, tmp_path: Path) -> None:
    values = show.effective(loads('credential = ["openai_key", "openai_key:b"]'))
    assert values["models"]["gpt"]["credential"] == ["openai_key:default", "openai_key:b"]
    path = tmp_path / "config.toml"
    path.write_text(show.toml(values, show.origins(values, None)))
    assert show.effective(load(path, {}, tmp_path)) == values


def test_a_finding_about_the_model_is_reported_once_and_by_its_name(loads: Load) -> None:
    unpriced = 'model = "no-such-thing"\nbaseUrl = "http://api.example.com/v1"\n'
    entry = (
        f"[models.bulk]\nprovider = "
        f'"openai"\n{unpriced}credential = ["openai_key:a", "openai_key:b"]\n'
    )
    rest = f'{entry}[agents.dev]\nmodels = ["gpt", "bulk"]\nbudget = "1 USD/day"\n'
    found = [
        each for each in examine(loads("", rest), date(2026, 1, 1)) if each.severity == "warning"
    ]
    assert [(each.section, each.subject) for each in found] == [
        ("models", "bulk"),
        ("agents", "bulk"),
    ]
    assert "[models.bulk.price]" in found[1].cure


def test_a_pool_that_is_in_no_chain_is_reported_by_its_one_name(loads: Load) -> None:
    config = loads(
        'credential = ["openai_key:a", "openai_key:b"]',
        '[models.x]\nprovider = "openai"\nmodel = "gpt-4o"',
    )
    found = [
        each.subject for each in examine(config, date(2026, 1, 1)) if "in no chain" in each.message
    ]
    assert found == ["gpt", "x"]
