"""Budgets and rates in the configuration: every mistake with its place and its cure."""

from __future__ import annotations

from pathlib import Path

import pytest

from gateway.config.load import Config, ConfigError, load

HEAD = """
[models.sonnet]
provider = "anthropic"
model = "claude-sonnet-5"
[models.local]
provider = "custom"
model = "qwen3:32b"
baseUrl = "http://127.0.0.1:11434/v1"
[agents.dev]
models = ["sonnet"]
"""


def loaded(folder: Path, more: str) -> Config:
    path = folder / "config.toml"
    path.write_text(HEAD + more)
    return load(path, {}, folder)


def test_limits_of_agents_and_of_everything(tmp_path: Path) -> None:
    more = (
        'budget = "20 USD/day"\nrate = ["60 calls/minute", "200000 '
        'tokens/minute"]\nwhenSpent = ["local"]\n'
    )
    config = loaded(
        tmp_path, more + '[limits]\nbudget = ["100 USD/month"]\ntimeZone = "Europe/Berlin"\n'
    )
    dev = config.agents["dev"]
    assert [limit.id for limit in dev.limits] == [
        "agent dev USD/day",
        "agent dev calls/minute",
        "agent dev tokens/minute",
    ]
    assert [model.name for model in dev.when_spent] == ["local"]
    assert [limit.text for limit in config.limits] == ["100 USD/month"]
    assert config.warnings == ()


def test_an_agents_own_file_may_have_them(tmp_path: Path) -> None:
    own = tmp_path / "agents/bot/config.toml"
    own.parent.mkdir(parents=True)
    own.write_text('models = ["sonnet"]\nbudget = "5 USD/day"\nwhenSpent = ["local"]\n')
    bot = loaded(tmp_path, "").agents["bot"]
    assert (bot.limits[0].id, bot.when_spent[0].name) == ("agent bot USD/day", "local")


@pytest.mark.parametrize(
    ("more", "problem"),
    [
        ('budget = "20 EUR/day"', ('config.toml:11: agents.dev.budget: "20 EUR/day" '
                                   'is not a budget: it has no unit')),
        ('rate = "5 USD/day"', ('agents.dev.rate: "5 USD/day" is not a rate: a '
                                'rate is in calls or tokens. This is')),
        ("budget = 20", "agents.dev.budget: 20 is not a text or a list of texts."),
        ('budget = ["20 USD/day", 5]', ('agents.dev.budget: [\'20 USD/day\', 5] is not '
                                        'a text or a list of texts.')),
        (('budget = ["1 USD/day", "2 '
          'USD/day"]'), 'agents.dev.budget: "1 USD/day" and "2 USD/day" limit the same.'),
        (('budget = "1 '
          'USD/day"\nwhenSpent = ["locl"]'), "there is no [models.locl]. Did you mean 'local'?"),
        (('budget = "1 USD/day"\nwhenSpent '
          '= ["sonnet"]'), "agents.dev.whenSpent: is the chain itself"),
        ('[limits]\nrate = "x"', 'limits.rate: "x" is not a rate. Write it as "60 calls/minute"'),
        ('[limits]\ntimeZone = "Berlin"', ('limits.timeZone: "Berlin" is not a time '
                                           'zone that this machine knows.')),
        ('budget = "20 USD/day whenDown=panic"', "whenDown is one of share, open, closed. Write"),
        ('[limits]\nunpriced = "ignore"', 'limits.unpriced: "ignore" is not one of allow, refuse.'),
        (('[limits]\nbudget = '
          '"sk-ant-api03-canaryCanary0123456789"'), 'limits.budget: "***" is not a budget'),
    ],
)  # fmt: skip
def test_mistakes(tmp_path: Path, more: str, problem: str) -> None:
    with pytest.raises(ConfigError) as error:
        loaded(tmp_path, more)
    assert problem in str(error.value)
    assert "canary" not in str(error.value)


def test_a_limit_may_say_what_holds_while_the_engine_is_away(tmp_path: Path) -> None:
    more = 'budget = ["20 USD/day whenDown=closed", "2 USD/hour"]\n'
    shared = loaded(tmp_path, f'{more}[cluster]\nredis = "unix:///run/redis.sock"\n')
    assert [limit.when_down for limit in shared.agents["dev"].limits] == ["closed", None]
    assert shared.warnings == ()
    (warning,) = loaded(tmp_path, more).warnings
    assert str(warning).endswith(
        'config.toml:11: agents.dev.budget: "20 USD/day": its whenDown is never used, as there is '
        "no cluster. Add [cluster] redis, or remove whenDown."
    )


def test_a_chain_for_a_budget_that_is_not_there(tmp_path: Path) -> None:
    warnings = loaded(tmp_path, 'whenSpent = ["local"]').warnings
    assert "agents.dev.whenSpent: is never used" in str(warnings[0])
