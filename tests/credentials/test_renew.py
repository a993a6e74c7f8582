"""A sign-in is renewed once, under pi's own lock, and what the provider hands out is never lost."""

from __future__ import annotations

import asyncio
import json
import logging
import os
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any
from urllib.parse import parse_qs

import pytest

from gateway.chain import Backoff, Policy
from gateway.credentials.pi.lock import STALE_S, TOUCH_EVERY_S
from gateway.credentials.pi.renew import ENDPOINTS, Renewal
from gateway.credentials.secret import CredentialError, CredentialExpired
from gateway.credentials.signing import Signer
from gateway.credentials.store import Credentials
from gateway.failures import Failed, Failure, Kind
from gateway.relay import Relay
from gateway.shared.breaker import Breaker
from gateway.shared.local import Local
from gateway.shared.waiting_room import WaitingRoom
from gateway.types import Attempt, Call, Model, Reply, SignIn
from tests import makers

NOW = 1_800_000_000.0
MODEL = makers.model(auth_type="pi_auth", credential="pi_auth:anthropic")
GRANT = {"access_token": "access-2", "refresh_token": "refresh-2", "expires_in": 3600}


@dataclass
class Provider:
    """A token endpoint on a loopback socket. It answers once it may."""

    status: int = 200
    answer: Any = field(default_factory=lambda: dict(GRANT))
    asked: list[str] = field(default_factory=list)
    """The bodies of all requests."""
    heads: list[str] = field(default_factory=list)
    may_answer: asyncio.Event = field(default_factory=asyncio.Event)
    was_asked: asyncio.Event = field(default_factory=asyncio.Event)
    url: str = ""

    async def serve(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        head = (await reader.readuntil(b"\r\n\r\n")).decode().lower()
        length = int(head.partition("content-length:")[2].split("\r\n")[0])
        self.heads.append(head)
        self.asked.append((await reader.readexactly(length)).decode())
        self.was_asked.set()
        await self.may_answer.wait()
        body = self.answer if isinstance(self.answer, bytes) else json.dumps(self.answer).encode()
        writer.write(
            f"HTTP/1.1 {self.status} X\r\ncontent-length: {len(body)}\r\n\r\n".encode() + body
        )
        await writer.drain()
        writer.close()
        await writer.wait_closed()

    def endpoints(self, *, form: bool = False) -> dict[str, SignIn]:
        return {"anthropic": SignIn(self.url, "client", form=form)}


@asynccontextmanager
async def provider(
    status: int = 200, answer: Any = None, *, holds: bool = False
) -> AsyncIterator[Provider]:
    found = Provider(status, dict(GRANT) if answer is None else answer)
    if not holds:
        found.may_answer.set()
    server = await asyncio.start_server(found.serve, "127.0.0.1", 0)
    found.url = f"http://127.0.0.1:{server.sockets[0].getsockname()[1]}/token"
    try:
        yield found
    finally:
        server.close()
        await server.wait_closed()


def sign_in(home: Path, *, expires_s: float = NOW, **more: Any) -> Path:
    """pi's file with an entry that has expired, and others."""
    entry = {
        "type": "oauth",
        "access": "access-1",
        "refresh": "refresh-1",
        "expires": int(expires_s * 1000),
        **more,
    }
    path = home / ".pi/agent/auth.json"
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text(
        json.dumps(
            {"openai": {"type": "api_key", "key": "k", "env": {"A": "b"}}, "anthropic": entry}
        )
    )
    path.chmod(0o600)
    return path


class Process:
    """A process that uses the file: the gateway, or another one like it."""

    def __init__(
        self,
        home: Path,
        endpoints: dict[str, SignIn],
        pause: Any = None,
        clock: makers.Clock | None = None,
    ):
        wall = clock or makers.Clock(NOW)
        self.credentials = Credentials({}, home, wall=wall, root=home / "no-container")
        self.renewal = Renewal(
            self.credentials,
            user_agent="tests",
            endpoints=endpoints,
            wall=wall,
            pause=pause or _moment,
        )
        self.sign = Signer(self.credentials)

    async def token(self, model: Model = MODEL) -> str:
        """As the client comes to it."""
        try:
            signed = self.sign(model)
        except CredentialExpired:
            await self.renewal.renew(model)
            signed = self.sign(model)
        return dict(signed)[b"authorization"].decode().removeprefix("Bearer ")


async def _moment(delay_s: float) -> None:
    """The lock is touched while it is held, which no test but one is about; a pause of a waiter
    passes at once."""
    if delay_s == TOUCH_EVERY_S:
        await asyncio.Event().wait()
    await asyncio.sleep(0)


def lock_of(path: Path) -> Path:
    return path.with_name("auth.json.lock")


# --- what is sent and what is kept ----------------------------------------------------------------


@pytest.mark.anyio
async def test_an_expired_sign_in_is_renewed_and_written(tmp_path: Path) -> None:
    path = sign_in(tmp_path, accountId="a-1")
    before = json.loads(path.read_text())
    async with provider() as server:
        assert await Process(tmp_path, server.endpoints()).token() == "access-2"
    assert json.loads(server.asked[0]) == {
        "grant_type": "refresh_token",
        "client_id": "client",
        "refresh_token": "refresh-1",
    }
    assert "user-agent: tests" in server.heads[0]
    entry = {"access": "access-2", "refresh": "refresh-2", "expires": int((NOW + 3300) * 1000)}
    after = json.loads(path.read_text())
    assert after == {**before, "anthropic": {**before["anthropic"], **entry}}
    assert list(after) == ["openai", "anthropic"]
    assert [file.name for file in path.parent.iterdir()] == ["auth.json"]


@pytest.mark.anyio
async def test_a_form_where_the_provider_wants_one(tmp_path: Path) -> None:
    sign_in(tmp_path)
    async with provider() as server:
        await Process(tmp_path, server.endpoints(form=True)).token()
    assert parse_qs(server.asked[0])["refresh_token"] == ["refresh-1"]
    assert "application/x-www-form-urlencoded" in server.heads[0]


@pytest.mark.anyio
@pytest.mark.parametrize(
    ("answer", "refresh", "lifetime_s"),
    [
        ({"access_token": "a"}, "refresh-1", 3300),
        ({"access_token": "a", "refresh_token": "", "expires_in": 100}, "refresh-1", 50),
        ({"access_token": "a", "refresh_token": "r", "expires_in": "soon"}, "r", 3300),
    ],
)
async def test_an_answer_without_optional_fields_is_stored(
    tmp_path: Path, answer: Any, refresh: str, lifetime_s: float
) -> None:
    path = sign_in(tmp_path)
    async with provider(answer=answer) as server:
        await Process(tmp_path, server.endpoints()).token()
    entry = json.loads(path.read_text())["anthropic"]
    assert (entry["refresh"], entry["expires"]) == (refresh, int((NOW + lifetime_s) * 1000))


@pytest.mark.anyio
async def test_mode_and_symbolic_link_are_kept(tmp_path: Path) -> None:
    path = sign_in(tmp_path)
    real = tmp_path / "synced.json"
    path.rename(real)
    real.chmod(0o640)
    path.symlink_to(real)
    async with provider(holds=True) as server:
        task = asyncio.create_task(Process(tmp_path, server.endpoints()).token())
        await server.was_asked.wait()
        assert (tmp_path / "synced.json.lock").is_dir()
        server.may_answer.set()
        await task
    assert path.is_symlink()
    assert real.stat().st_mode & 0o777 == 0o640
    assert json.loads(real.read_text())["anthropic"]["access"] == "access-2"


@pytest.mark.anyio
async def test_a_valid_sign_in_is_left_alone(tmp_path: Path) -> None:
    sign_in(tmp_path, expires_s=NOW + 1)
    async with provider() as server:
        assert await Process(tmp_path, server.endpoints()).token() == "access-1"
    assert server.asked == []


# --- many at once ---------------------------------------------------------------------------------


@pytest.mark.anyio
async def test_concurrent_calls_share_one_renewal(tmp_path: Path) -> None:
    sign_in(tmp_path)
    async with provider(holds=True) as server:
        process = Process(tmp_path, server.endpoints())
        calls = [asyncio.create_task(process.token()) for _ in range(20)]
        await server.was_asked.wait()
        server.may_answer.set()
        assert set(await asyncio.gather(*calls)) == {"access-2"}
    assert len(server.asked) == 1


@pytest.mark.anyio
async def test_a_client_that_leaves_does_not_end_the_renewal(tmp_path: Path) -> None:
    path = sign_in(tmp_path)
    async with provider(holds=True) as server:
        process = Process(tmp_path, server.endpoints())
        call = asyncio.create_task(process.token())
        await server.was_asked.wait()
        call.cancel()
        await asyncio.gather(call, return_exceptions=True)
        server.may_answer.set()
        await process.renewal.aclose()
    assert call.cancelled()
    assert json.loads(path.read_text())["anthropic"]["refresh"] == "refresh-2"
    assert not lock_of(path).exists()


# --- the lock -------------------------------------------------------------------------------------


@pytest.mark.anyio
async def test_two_processes_renew_once(tmp_path: Path) -> None:
    """The second one finds the lock held by a living process, waits, and uses what the first one
    wrote."""
    sign_in(tmp_path)
    async with provider(holds=True) as server:
        waits: list[float] = []

        async def pause(delay_s: float) -> None:
            waits.append(delay_s)
            server.may_answer.set()
            await first

        first = asyncio.create_task(Process(tmp_path, server.endpoints()).token())
        await server.was_asked.wait()
        second = await Process(tmp_path, server.endpoints(), pause).token()
        assert (await first, second) == ("access-2", "access-2")
    assert len(server.asked) == 1
    assert waits[0] == 0.1


@pytest.mark.anyio
async def test_a_lock_that_stays_held_fails_the_renewal_and_is_left_alone(tmp_path: Path) -> None:
    path = sign_in(tmp_path)
    lock_of(path).mkdir()
    os.utime(lock_of(path), (NOW, NOW))
    async with provider() as server:
        with pytest.raises(CredentialError, match=r"held by another process"):
            await Process(tmp_path, server.endpoints()).token()
    assert server.asked == []
    assert lock_of(path).is_dir()


@pytest.mark.anyio
async def test_a_stale_lock_is_removed(tmp_path: Path, caplog: pytest.LogCaptureFixture) -> None:
    path = sign_in(tmp_path)
    lock_of(path).mkdir()
    os.utime(lock_of(path), (NOW - STALE_S - 1, NOW - STALE_S - 1))
    async with provider() as server:
        assert await Process(tmp_path, server.endpoints()).token() == "access-2"
    assert not lock_of(path).exists()
    assert "left behind" in caplog.text


@pytest.mark.anyio
async def test_the_lock_is_touched_while_it_is_held(tmp_path: Path) -> None:
    path = sign_in(tmp_path)
    clock = makers.Clock(NOW)
    touched = asyncio.Event()

    async def pause(delay_s: float) -> None:
        if clock.now > NOW:
            touched.set()
            await asyncio.Event().wait()
        await server.was_asked.wait()
        assert lock_of(path).stat().st_mtime == NOW
        clock.now += delay_s

    async with provider(holds=True) as server:
        call = asyncio.create_task(Process(tmp_path, server.endpoints(), pause, clock).token())
        await touched.wait()
        assert lock_of(path).stat().st_mtime == NOW + TOUCH_EVERY_S
        server.may_answer.set()
        assert await call == "access-2"
    assert not lock_of(path).exists()


@pytest.mark.anyio
async def test_a_lock_that_was_taken_away_is_not_removed(
    tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    path = sign_in(tmp_path)
    looked = asyncio.Event()

    async def pause(delay_s: float) -> None:
        if looked.is_set():
            await asyncio.Event().wait()
        await server.was_asked.wait()
        os.utime(lock_of(path), (NOW + 99, NOW + 99))
        looked.set()

    async with provider(holds=True) as server:
        call = asyncio.create_task(Process(tmp_path, server.endpoints(), pause).token())
        await looked.wait()
        await asyncio.sleep(0)
        server.may_answer.set()
        assert await call == "access-2"
    assert lock_of(path).is_dir()
    assert json.loads(path.read_text())["anthropic"]["refresh"] == "refresh-2"
    assert "taken by another process" in caplog.text


# --- in a chain -----------------------------------------------------------------------------------


class Upstream:
    """Signs as the client does, and then answers; a model named `limited` is rate-limited
    instead."""

    def __init__(self, process: Process) -> None:
        self._process = process

    async def open(self, attempt: Attempt, call: Call) -> Reply:
        if attempt.model.name == "limited":
            raise Failed(Failure(Kind.RATE_LIMIT, "slow down", status=429))
        if attempt.model.auth_type == "pi_auth":
            try:
                await self._process.token(attempt.model)
            except CredentialError as error:
                raise Failed(Failure(Kind.CREDENTIAL, str(error))) from error
        return Reply(attempt, attempt.model.model_id, chat={"choices": []})


async def answered(process: Process, *models: Model) -> list[str]:
    """What became of the attempts of one call."""
    clock = makers.Clock(0.0)
    shared = Local(clock)
    breaker = Breaker(shared, clock)
    room = WaitingRoom(shared)
    relay = Relay(
        Upstream(process), breaker, Policy(Backoff()), room, clock=clock, jitter=lambda: 1.0
    )
    call = makers.call(*models)
    await relay.answer(call)
    return [attempt.brief() for attempt in call.attempts]


@pytest.mark.anyio
async def test_a_sign_in_that_expires_in_the_middle_of_a_chain_is_renewed_there(
    tmp_path: Path,
) -> None:
    sign_in(tmp_path)
    async with provider() as server:
        process = Process(tmp_path, server.endpoints())
        limited = makers.model("openai", name="limited")
        assert await answered(process, limited, MODEL) == [
            "limited;429;cooldown=60",
            "anthropic;200",
        ]


@pytest.mark.anyio
async def test_a_failed_renewal_moves_on_to_the_next_model(tmp_path: Path) -> None:
    sign_in(tmp_path)
    async with provider(400, {"error": "invalid_grant"}) as server:
        briefs = await answered(
            Process(tmp_path, server.endpoints()), MODEL, makers.model("openai")
        )
    assert briefs == ["anthropic;credential;cooldown=300", "openai;200"]


# --- what goes wrong ------------------------------------------------------------------------------


@pytest.mark.anyio
@pytest.mark.parametrize(
    ("status", "answer", "reason"),
    [
        (400, {"error": "invalid_grant", "error_description": "canary"}, "sign in with pi again"),
        (401, {"error": {"type": "authentication_error", "message": "canary"}}, "status 401$"),
        (429, {"error": "rate_limited"}, "status 429, rate_limited"),
        (500, b"<html>canary", "status 500$"),
        (200, {"access_token": ""}, "no token"),
        (200, b"[]", "no token"),
        (302, b"", "status 302"),
    ],
)
async def test_a_refusal_changes_nothing(
    tmp_path: Path, status: int, answer: Any, reason: str
) -> None:
    path = sign_in(tmp_path)
    before = path.read_bytes()
    async with provider(status, answer) as server:
        with pytest.raises(CredentialError, match=reason) as caught:
            await Process(tmp_path, server.endpoints()).token()
    assert not {"canary", "refresh-1", "access-1"} & set(
        str(caught.value).replace("/", " ").split()
    )
    assert path.read_bytes() == before
    assert not lock_of(path).exists()


@pytest.mark.anyio
async def test_an_endpoint_without_a_server(tmp_path: Path) -> None:
    sign_in(tmp_path)
    async with provider() as server:
        pass
    with pytest.raises(CredentialError, match="did not answer"):
        await Process(tmp_path, server.endpoints()).token()


@pytest.mark.anyio
async def test_a_refusal_is_ignored_when_another_process_was_faster(tmp_path: Path) -> None:
    """Some write to the file without the lock."""
    path = sign_in(tmp_path)
    async with provider(400, {"error": "invalid_grant"}, holds=True) as server:
        call = asyncio.create_task(Process(tmp_path, server.endpoints()).token())
        await server.was_asked.wait()
        path.write_text(
            path.read_text().replace("access-1", "theirs").replace(f"{NOW:.0f}", f"{NOW + 9:.0f}")
        )
        server.may_answer.set()
        assert await call == "theirs"


@pytest.mark.anyio
async def test_an_entry_that_was_replaced_meanwhile_is_left_as_it_is(tmp_path: Path) -> None:
    path = sign_in(tmp_path)
    theirs = path.read_text().replace("refresh-1", "theirs").replace(f"{NOW:.0f}", f"{NOW + 9:.0f}")
    async with provider(holds=True) as server:
        call = asyncio.create_task(Process(tmp_path, server.endpoints()).token())
        await server.was_asked.wait()
        path.write_text(theirs)
        server.may_answer.set()
        assert await call == "access-1"
    assert path.read_text() == theirs


@pytest.mark.anyio
async def test_a_token_that_cannot_be_written_is_kept_in_memory_and_reported(
    tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    """The refresh token was rotated: the file's is worthless, and the one in memory renews the next
    time."""
    path = sign_in(tmp_path)
    whole = path.read_text()
    clock = makers.Clock(NOW)
    async with provider(holds=True) as server:
        process = Process(tmp_path, server.endpoints(), clock=clock)
        call = asyncio.create_task(process.token())
        await server.was_asked.wait()
        path.write_text(whole[:-1])  # half written, so it must not be written over
        server.may_answer.set()
        assert await call == "access-2"
        assert path.read_text() == whole[:-1]
        path.write_text(whole)
        assert await process.token() == "access-2"
        clock.now += 4000
        server.answer = {
            "access_token": "access-3",
            "refresh_token": "refresh-3",
            "expires_in": 3600,
        }
        assert await process.token() == "access-3"
    assert json.loads(server.asked[1])["refresh_token"] == "refresh-2"
    assert json.loads(path.read_text())["anthropic"]["refresh"] == "refresh-3"
    spoken = [record for record in caplog.records if record.levelno == logging.CRITICAL]
    assert len(spoken) == 1
    assert "in memory only" in spoken[0].getMessage()
    assert not any(secret in caplog.text for secret in ("refresh-", "access-"))


@pytest.mark.anyio
async def test_a_folder_that_cannot_be_written_is_found_before_the_provider_is_asked(
    tmp_path: Path,
) -> None:
    path = sign_in(tmp_path)
    lock_of(path).write_text("a file, so no folder can be made here")
    os.utime(lock_of(path), (NOW - 99, NOW - 99))
    async with provider() as server:
        with pytest.raises(CredentialError, match="cannot be locked"):
            await Process(tmp_path, server.endpoints()).token()
    assert server.asked == []


@pytest.mark.anyio
async def test_a_sign_in_that_only_pi_can_renew(tmp_path: Path) -> None:
    sign_in(tmp_path)
    with pytest.raises(CredentialError, match="only pi can renew"):
        await Process(tmp_path, {}).token()


def test_the_endpoints_are_those_of_providers_with_a_row() -> None:
    assert all(endpoint.url.startswith("https://") for endpoint in ENDPOINTS.values())
    assert set(ENDPOINTS) <= set(makers.IDS)
