"""Client keys of a cluster: signed, added up, revoked forever, and never changed by absence."""

from __future__ import annotations

from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from gateway.inbound.key_sync import KeySync, exchange
from gateway.inbound.keys import Entry, Keys, KeysError, hash_of
from gateway.inbound.shared_keys import (
    KEPT_S,
    Merged,
    Record,
    SharedKeys,
    Signer,
    has_record,
    merge,
)
from gateway.shared.redis.health import EngineAway
from tests.makers import Clock

NOW = 1_800_000_000.0
SECRET = "s" * 32
SIGNER = Signer(SECRET, "default")


class Host:
    """One host: its keys, and its records of the cluster."""

    def __init__(self, folder: Path, secret: str = SECRET) -> None:
        self.wall = Clock(NOW)
        self.keys = Keys(folder / "keys.json", Clock(), self.wall)
        self.shared = SharedKeys(self.keys, Signer(secret, "default"), self.wall)

    def names(self) -> list[str]:
        return sorted(entry.name for entry in self.keys.entries_now())


class Memory:
    """An engine that only keeps keys."""

    def __init__(self) -> None:
        self.known: dict[str, str] = {}
        self.version = 0
        self.facts: dict[str, Any] = {}
        self.is_away = False

    async def ask(self, function: str, *arguments: Any) -> Any:
        if self.is_away:
            raise EngineAway("refused")
        if function == "keys_get":
            return [self.version, [part for pair in self.known.items() for part in pair]]
        (flat,) = arguments
        self.known |= dict(zip(flat[::2], flat[1::2], strict=True))
        self.version += 1
        return self.version

    async def meet(self, *hosts: Host) -> None:
        for host in hosts:

            async def apply(theirs: Any, host: Host = host) -> Merged:
                return host.shared.apply(theirs)

            await exchange(self.ask, apply)


@pytest.fixture
def hosts(tmp_path: Path) -> tuple[Host, Host]:
    return Host(tmp_path / "a"), Host(tmp_path / "b")


@pytest.mark.anyio
async def test_a_key_of_one_host_is_good_at_the_other(hosts: tuple[Host, Host]) -> None:
    one, other = hosts
    key = one.keys.add("ci", ["dev"], budget=["5 USD/day"])
    one.keys.add("only here")
    one.shared.share("ci")
    engine = Memory()
    await engine.meet(one, other)
    assert other.names() == ["ci"]
    client = other.keys.lookup(key)
    assert client is not None
    assert (client.agents, len(client.limits)) == (frozenset({"dev"}), 1)
    assert key not in repr(engine.known)
    assert has_record(other.keys, "ci")
    assert not has_record(one.keys, "only here")


@pytest.mark.anyio
async def test_a_revoked_key_never_comes_back(hosts: tuple[Host, Host]) -> None:
    one, other = hosts
    key = one.keys.add("ci")
    one.shared.share("ci")
    engine = Memory()
    await engine.meet(one, other)
    stale = dict(engine.known)
    other.shared.revoke("ci")
    assert other.keys.lookup(key) is None
    await engine.meet(other, one)
    assert one.names() == []
    engine.known = stale
    await engine.meet(one, other)
    assert (one.names(), other.names()) == ([], [])
    assert all(SIGNER.read(each).entry is None for each in engine.known.values())  # type: ignore[union-attr]


@pytest.mark.anyio
async def test_an_engine_without_memory_takes_and_gives_nothing(hosts: tuple[Host, Host]) -> None:
    one, other = hosts
    one.keys.add("ci")
    one.shared.share("ci")
    await (first := Memory()).meet(one, other)
    empty = Memory()
    await empty.meet(other, one)
    assert (one.names(), other.names()) == (["ci"], ["ci"])
    assert empty.known == first.known


@pytest.mark.anyio
async def test_what_another_secret_signed_is_not_believed(tmp_path: Path) -> None:
    one, thief = Host(tmp_path / "a"), Host(tmp_path / "b", "t" * 32)
    thief.keys.add("thief", admin=True)
    thief.shared.share("thief")
    engine = Memory()
    await engine.meet(thief)
    assert one.shared.apply(engine.known).refused == 1
    assert one.names() == []


def test_a_record_holds_for_its_own_key_and_group_alone() -> None:
    entry = Entry("ci", hash_of("gw-1"), datetime.fromtimestamp(NOW, UTC))
    signed = SIGNER.sign(Record(entry.hash, int(NOW), entry))
    assert SIGNER.read(signed) == Record(entry.hash, int(NOW), entry)
    assert Signer(SECRET, "other").read(signed) is None
    assert SIGNER.read(signed[:-1] + " ") is None
    for broken in ("", "x", "0" * 64, signed[:64]):
        assert SIGNER.read(broken) is None
    assert merge({}, {hash_of("gw-2"): signed}, SIGNER, NOW).known == {}


def test_a_secret_that_can_be_guessed_is_refused() -> None:
    with pytest.raises(KeysError, match="less than 16 characters"):
        Signer("secret", "default")
    assert SECRET not in repr(SIGNER)


def test_a_revocation_is_forgotten_once_every_host_knows_it() -> None:
    key = hash_of("gw-1")
    gone = {key: SIGNER.sign(Record(key, int(NOW)))}
    assert merge(gone, {}, SIGNER, NOW + KEPT_S - 1).news == gone
    assert merge(gone, gone, SIGNER, NOW + KEPT_S + 1).known == {}


def _signed(number: int, revoked: bool) -> tuple[str, str]:
    key = hash_of(f"gw-{number}")
    entry = None if revoked else Entry(f"k{number}", key, datetime.fromtimestamp(NOW, UTC))
    return key, SIGNER.sign(Record(key, int(NOW), entry))


SIDES = st.dictionaries(st.integers(0, 4), st.booleans()).map(
    lambda side: dict(_signed(number, revoked) for number, revoked in side.items())
)


@given(SIDES, SIDES, SIDES)
def test_the_order_in_which_hosts_meet_does_not_matter(
    a: dict[str, str], b: dict[str, str], c: dict[str, str]
) -> None:
    def both(one: dict[str, str], other: dict[str, str]) -> dict[str, str]:
        merged = merge(one, other, SIGNER, NOW)
        assert merged.known == {**other, **merged.news}, "the other side knows all by its news"
        return merged.known

    assert both(both(a, b), c) == both(a, both(b, c)) == both(both(c, a), b)
    assert both(a, a) == a


# --- while the gateway runs -----------------------------------------------------------------------


async def done(sync: KeySync) -> None:
    assert sync.task is not None
    await sync.task


@pytest.mark.anyio
async def test_the_two_sides_are_compared_only_when_one_has_changed(tmp_path: Path) -> None:
    host, engine = Host(tmp_path), Memory()
    sync = KeySync(host.shared, engine)
    host.keys.add("ci")
    host.shared.share("ci")
    sync.look("e 0")
    await done(sync)
    assert len(engine.known) == 1
    sync.look("e 1")
    await done(sync)
    before = sync.task
    sync.look("e 1")
    assert sync.task is before, "nothing has changed"
    assert engine.facts["keys"] == "1"
    host.shared.revoke("ci")
    sync.look("e 1")
    await done(sync)
    assert [SIGNER.read(each).entry for each in engine.known.values()] == [None]  # type: ignore[union-attr]


class Busy(Memory):
    """An engine during whose answer a key is added at the host."""

    def __init__(self, host: Host) -> None:
        super().__init__()
        self._host = host

    async def ask(self, function: str, *arguments: Any) -> Any:
        found = await super().ask(function, *arguments)
        if function == "keys_put" and len(self.known) == 1:
            self._host.keys.add("late")
            self._host.shared.share("late")
        return found


@pytest.mark.anyio
async def test_a_key_that_is_added_while_the_sides_are_compared_is_not_forgotten(
    tmp_path: Path,
) -> None:
    host = Host(tmp_path)
    engine = Busy(host)
    sync = KeySync(host.shared, engine)
    host.keys.add("ci")
    host.shared.share("ci")
    for _ in range(2):
        sync.look("e 0")
        await done(sync)
    assert len(engine.known) == 2


@pytest.mark.anyio
async def test_an_engine_that_is_away_changes_no_key(
    tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    host, engine = Host(tmp_path), Memory()
    host.keys.add("ci")
    host.shared.share("ci")
    engine.is_away = True
    sync = KeySync(host.shared, engine)
    for _ in range(3):
        sync.look("e 0")
        await done(sync)
    assert host.names() == ["ci"]
    assert [record.getMessage() for record in caplog.records] == [
        "the client keys of the cluster: refused"
    ]
    engine.is_away = False
    sync.look("e 0")
    await done(sync)
    assert len(engine.known) == 1
