"""Sessions of the web page: known to every worker, bounded, and over with their key."""

from __future__ import annotations

from pathlib import Path

import pytest

from gateway.inbound.keys import Keys
from gateway.inbound.sessions import FILE, SESSION_S, SESSIONS_MAX, Sessions
from tests.makers import Clock


class Opened:
    """A gateway's keys with one admin key, and the sessions as each worker sees them."""

    def __init__(self, folder: Path) -> None:
        self.wall = Clock(1_800_000_000.0)
        self.keys = Keys(folder / "config/keys.json", Clock(), self.wall)
        self.key = self.keys.add("me", admin=True)
        self.file = folder / "config" / FILE

    def worker(self) -> Sessions:
        return Sessions(self.keys, self.wall)

    def begin(self, worker: Sessions) -> str:
        token = worker.begin(self.key)
        assert token is not None
        return token


@pytest.fixture
def opened(tmp_path: Path) -> Opened:
    return Opened(tmp_path)


def test_every_worker_knows_a_session(opened: Opened) -> None:
    first, second = opened.worker(), opened.worker()
    token = opened.begin(first)
    assert second.is_open(token)
    assert opened.worker().is_open(token), "also one that starts later"
    second.end([token])
    assert not first.is_open(token)


def test_tokens_are_random_and_kept_as_hashes(opened: Opened) -> None:
    worker = opened.worker()
    tokens = {opened.begin(worker) for _ in range(3)}
    assert len(tokens) == 3
    text = opened.file.read_text()
    assert not any(token in text for token in (*tokens, opened.key))
    assert opened.file.stat().st_mode & 0o777 == 0o600
    assert not any(token in repr(worker) for token in tokens)


def test_a_session_ends_after_twelve_hours(opened: Opened) -> None:
    worker = opened.worker()
    token = opened.begin(worker)
    opened.wall.now += SESSION_S - 1
    assert worker.is_open(token)
    opened.wall.now += 1
    assert not worker.is_open(token)


def test_the_oldest_sessions_make_room(opened: Opened) -> None:
    worker = opened.worker()
    tokens = [opened.begin(worker) for _ in range(SESSIONS_MAX + 2)]
    assert [worker.is_open(token) for token in tokens[:3]] == [False, False, True]
    assert worker.is_open(tokens[-1])


def test_only_an_admin_key_begins_a_session(opened: Opened) -> None:
    worker = opened.worker()
    assert worker.begin(opened.keys.add("ci")) is None
    assert worker.begin("gw-unknown") is None
    opened.keys.remove("me")
    assert worker.begin(opened.key) is None


@pytest.mark.parametrize("content", [b"{", b"[1]", b"\xff"])
def test_a_broken_file_opens_nothing(opened: Opened, content: bytes) -> None:
    token = opened.begin(opened.worker())
    opened.file.write_bytes(content)
    assert not opened.worker().is_open(token)
    assert opened.worker().begin(opened.key)


def test_without_a_file_a_session_stays_in_the_process(opened: Opened) -> None:
    opened.file.mkdir()
    worker = opened.worker()
    assert worker.is_open(opened.begin(worker))
