"""Client keys: shown once, kept as hashes, revoked without a restart, and never opened by
accident."""

from __future__ import annotations

from datetime import UTC, datetime
from pathlib import Path

import pytest

from gateway.inbound.access import Keys as AccessKeys
from gateway.inbound.keys import Keys, KeysError, at_home
from gateway.types import Client
from tests.makers import Clock


class Opened:
    """Keys in a folder, with a clock that tests move."""

    def __init__(self, folder: Path) -> None:
        self.clock = Clock()
        self.wall = Clock(1_800_000_000.0)
        self.path = folder / "config/keys.json"
        self.keys = self.again()

    def again(self) -> Keys:
        return Keys(self.path, self.clock, self.wall)


@pytest.fixture
def opened(tmp_path: Path) -> Opened:
    return Opened(tmp_path)


def test_without_a_file_no_key_is_needed(opened: Opened) -> None:
    keys: AccessKeys = opened.keys
    assert not keys.any()
    assert keys.lookup("anything") is None


def test_a_key_is_long_random_and_kept_as_a_hash(opened: Opened) -> None:
    first, second = opened.keys.add("laptop"), opened.keys.add("server")
    assert first != second
    assert first.startswith("gw-")
    assert len(first) == 3 + 43
    text = opened.path.read_text()
    assert first not in text
    assert first[3:] not in text
    assert opened.path.stat().st_mode & 0o777 == 0o600
    assert opened.path.parent.stat().st_mode & 0o777 == 0o700
    assert first not in repr(opened.keys)


def test_lookup(opened: Opened) -> None:
    everything, limited = opened.keys.add("all"), opened.keys.add("limited", ["dev"])
    assert opened.keys.lookup(everything) == Client("all")
    assert opened.keys.lookup(limited) == Client("limited", frozenset({"dev"}))
    for wrong in (
        "",
        "gw-",
        everything[:-1],
        everything + "x",
        everything.upper(),
        "ключ",
        "\udcff",
    ):
        assert opened.keys.lookup(wrong) is None


def test_a_key_expires(opened: Opened) -> None:
    key = opened.keys.add("short", expires=datetime.fromtimestamp(opened.wall.now + 60, UTC))
    assert opened.keys.lookup(key) is not None
    opened.wall.now += 60
    assert opened.keys.lookup(key) is None


def test_another_process_adds_and_revokes_within_a_second(opened: Opened) -> None:
    other = opened.again()
    key = other.add("laptop")
    assert not opened.keys.any()
    opened.clock.now += 1
    assert opened.keys.any()
    assert opened.keys.lookup(key) == Client("laptop")
    other.remove("laptop")
    opened.clock.now += 1
    assert opened.keys.lookup(key) is None


def test_the_gate_stays_shut_when_the_last_key_is_revoked_or_the_file_vanishes(
    opened: Opened,
) -> None:
    opened.keys.add("laptop")
    opened.keys.remove("laptop")
    assert opened.keys.any()
    assert opened.again().any()
    opened.path.unlink()
    opened.clock.now += 1
    assert opened.keys.any()


def test_a_file_that_breaks_leaves_the_keys_as_they_were(
    opened: Opened, caplog: pytest.LogCaptureFixture
) -> None:
    key = opened.keys.add("laptop")
    opened.path.write_text("[{")
    for _ in range(3):
        opened.clock.now += 1
        assert opened.keys.lookup(key) == Client("laptop")
    assert len(caplog.records) == 1
    with pytest.raises(KeysError, match=r"keys\.json: .* Fix it"):
        opened.again()


@pytest.mark.parametrize(
    "text", ["{}", '[{"name": "x"}]', '[{"name":"x","hash":"y","created":"2026-01-01T00:00:00"}]']
)
def test_a_file_that_is_not_a_list_of_keys_is_refused(opened: Opened, text: str) -> None:
    opened.path.parent.mkdir()
    opened.path.write_text(text)
    with pytest.raises(KeysError):
        opened.again()


@pytest.mark.parametrize("name", ["", "a/b", "a\nb", " a", "x" * 65])
def test_names_that_cannot_be(opened: Opened, name: str) -> None:
    with pytest.raises(KeysError, match="cannot be a key's name"):
        opened.keys.add(name)


def test_names_are_unique(opened: Opened) -> None:
    opened.keys.add("laptop")
    with pytest.raises(KeysError, match="already"):
        opened.keys.add("laptop")
    with pytest.raises(KeysError, match="no key 'other'"):
        opened.keys.remove("other")
    assert [entry.name for entry in opened.keys.entries()] == ["laptop"]


def test_the_usual_place(tmp_path: Path) -> None:
    clock = Clock()
    assert at_home({}, tmp_path, clock, clock).path == tmp_path / ".config/gateway/keys.json"
    assert (
        at_home({"GATEWAY_KEYS": str(tmp_path / "k")}, tmp_path, clock, clock).path
        == tmp_path / "k"
    )
