"""A changed configuration takes over whole or not at all."""

from __future__ import annotations

import logging
from pathlib import Path

import pytest

from gateway.config.load import Config, load
from gateway.process.reload import Reloader, fingerprint
from gateway.process.systemd import Notifier

GOOD = '[models.a]\nprovider = "openai"\nmodel = "gpt-4o"\n[agents.dev]\nmodels = ["a"]\n'


class Life:
    """A configuration in force, and its files."""

    def __init__(self, folder: Path) -> None:
        self.path = folder / "config.toml"
        self.path.write_text(GOOD)
        self.config: Config = load(self.path, {}, folder)
        self.reloader = Reloader(lambda: self.config, self._swap, Notifier({}), {}, folder)

    def _swap(self, config: Config) -> None:
        self.config = config


@pytest.fixture
def life(tmp_path: Path) -> Life:
    return Life(tmp_path)


def test_the_next_call_sees_the_new_chain(life: Life) -> None:
    life.path.write_text(GOOD.replace("dev", "other"))
    assert life.reloader.reload()
    assert list(life.config.agents) == ["other"]


@pytest.mark.parametrize("broken", ["[models", GOOD + '[agents.x]\nmodels = ["nobody"]\n'])
def test_an_invalid_one_is_refused_with_its_reasons(
    life: Life, broken: str, caplog: pytest.LogCaptureFixture
) -> None:
    before = life.config
    life.path.write_text(broken)
    with caplog.at_level(logging.ERROR, logger="gateway.config"):
        logging.getLogger("gateway").propagate = True
        assert not life.reloader.reload()
    assert life.config is before
    assert "config.toml" in caplog.text


def test_settings_that_need_a_restart_are_named(
    life: Life, caplog: pytest.LogCaptureFixture
) -> None:
    changed = "[server]\nport = 1\ndrainSeconds = 1\n[ledger]\nretentionDays = 1\n"
    life.path.write_text(GOOD + changed + '[traces]\nheaders = { key = "canary" }\n')
    with caplog.at_level(logging.WARNING, logger="gateway.config"):
        logging.getLogger("gateway").propagate = True
        assert life.reloader.reload()
    assert [record.getMessage().split()[0] for record in caplog.records] == [
        "server.port",
        "ledger.retentionDays",
        "traces.headers",
    ]
    assert "canary" not in caplog.text


def test_a_file_that_is_gone_changes_nothing(life: Life) -> None:
    before = life.config
    life.path.unlink()
    assert not life.reloader.reload()
    assert life.config is before


def test_an_agents_own_file_counts(life: Life) -> None:
    before = fingerprint(life.path)
    own = life.path.parent / "agents" / "extra" / "config.toml"
    own.parent.mkdir(parents=True)
    own.write_text('models = ["a"]\n')
    assert fingerprint(life.path) != before
    assert life.reloader.reload()
    assert set(life.config.agents) == {"dev", "extra"}


def test_other_files_do_not(life: Life) -> None:
    before = fingerprint(life.path)
    (life.path.parent / "notes.txt").write_text("x")
    assert fingerprint(life.path) == before


def test_an_environments_file_counts_wherever_it_is(life: Life, tmp_path: Path) -> None:
    environment = tmp_path / ".action-llama/environments/prod.toml"
    environment.parent.mkdir(parents=True)
    environment.write_text("")
    (life.path.parent / ".env.toml").write_text('environment = "prod"\n')
    assert life.reloader.reload()
    before = fingerprint(life.path, life.config.files)
    environment.write_text('[models.a]\nmodel = "gpt-5"\n')
    assert fingerprint(life.path, life.config.files) != before


def test_a_file_that_has_become_readable_counts(life: Life) -> None:
    before = fingerprint(life.path)
    life.path.chmod(0o400)
    assert fingerprint(life.path) != before
