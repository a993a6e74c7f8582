"""Renews pi's sign-ins: asks the provider for a new token and writes it to pi's `auth.json`, under
pi's own lock.

A renewal usually replaces the refresh token too, and the old one is worthless from that moment on.
So what was begun is never cut short by a client that leaves, nothing is asked before the lock is
held, and an answer that cannot be written is kept in memory, loudly.
"""

from __future__ import annotations

import asyncio
import logging
import re
import time
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any, Final

import orjson

from gateway.credentials.pi.lock import DirectoryLock, LockBusy, Pause
from gateway.credentials.secret import CredentialError, CredentialExpired
from gateway.credentials.store import Credentials
from gateway.private_files import write_private
from gateway.providers import PROVIDERS
from gateway.types import Model, SignIn

logger = logging.getLogger("gateway.upstream")

ANSWER_S: Final = 30.0
"""Time for the whole exchange with the token endpoint."""
LIFETIME_S: Final = 3600.0
"""A token's, where the answer does not say."""
MARGIN_S: Final = 300.0
"""A token is renewed this long before it expires, as pi does, so that it does not expire on its
way."""

_CODE: Final = re.compile(r"[a-z_]{1,40}")


ENDPOINTS: Final[Mapping[str, SignIn]] = {
    row.name: row.sign_in for row in PROVIDERS.values() if row.sign_in
}
"""The providers to which pi signs in and whose API is the one that their rows name."""


class Renewal:
    """Renews; one renewal per provider at a time, shared by all who wait for it.

    `wall` is Unix time and `pause` sleeps, both in seconds.
    """

    def __init__(
        self,
        credentials: Credentials,
        *,
        user_agent: str,
        endpoints: Mapping[str, SignIn] = ENDPOINTS,
        wall: Callable[[], float] = time.time,
        pause: Pause = asyncio.sleep,
    ) -> None:
        self._credentials = credentials
        self._user_agent = user_agent
        self._endpoints = endpoints
        self._wall = wall
        self._pause = pause
        self._under_way: dict[str, asyncio.Task[None]] = {}

    async def renew(self, model: Model) -> None:
        """Afterwards `Credentials.find` has a fresh token for `model`. Raises `CredentialError`
        when it cannot be had.

        The renewal goes on when the caller is cancelled.
        """
        provider = model.provider.name
        task = self._under_way.get(provider)
        if task is None:
            task = self._under_way[provider] = asyncio.create_task(self._renew(model))
            task.add_done_callback(lambda _: self._under_way.pop(provider, None))
        await asyncio.shield(task)

    async def aclose(self) -> None:
        """Waits for renewals under way: what they bring must be written."""
        await asyncio.gather(*self._under_way.values(), return_exceptions=True)

    async def _renew(self, model: Model) -> None:
        provider = model.provider.name
        endpoint = self._endpoints.get(provider)
        if endpoint is None:
            raise _failed(provider, "it has expired, and only pi can renew this one: run pi")
        path = await asyncio.to_thread(self._credentials.pi_file.resolve)
        try:
            async with DirectoryLock(path, wall=self._wall, pause=self._pause):
                await self._under_the_lock(endpoint, path, model)
        except LockBusy as error:
            raise _failed(provider, str(error)) from error
        except OSError as error:
            raise _failed(provider, f"{path} cannot be locked: {error.strerror}") from error

    async def _under_the_lock(self, endpoint: SignIn, path: Path, model: Model) -> None:
        if not self._is_expired(model):
            return  # another process was faster
        provider = model.provider.name
        entry = self._credentials.pi_entry(provider)
        if not isinstance(entry, dict):
            raise _failed(provider, f"{path} has no entry for it any more")
        try:
            answer = await self._ask(endpoint, entry["refresh"], model)
        except CredentialError:
            if not self._is_expired(model):
                return  # a process that does not use the lock renewed it
            raise
        fresh = {**entry, **_fields(answer, self._wall())}
        await self._keep(path, provider, entry["refresh"], fresh)
        logger.info("renewed pi's sign-in for %s", provider)

    def _is_expired(self, model: Model) -> bool:
        """As the file says now. Raises `CredentialError` for what has become of it otherwise."""
        try:
            self._credentials.find(model)
        except CredentialExpired:
            return True
        return False

    # --- the token endpoint -----------------------------------------------------------------------

    async def _ask(self, endpoint: SignIn, refresh: str, model: Model) -> Mapping[str, Any]:
        """The endpoint's answer, with at least `access_token`. Raises `CredentialError`, which
        never quotes it."""
        import httpx  # not paid for by those who never renew

        provider = model.provider.name
        body = {
            "grant_type": "refresh_token",
            "client_id": endpoint.client_id,
            "refresh_token": refresh,
        }
        headers = {"user-agent": self._user_agent, "accept": "application/json"}
        sent: dict[str, Any] = {"data": body} if endpoint.form else {"json": body}
        try:
            async with (
                asyncio.timeout(ANSWER_S),
                httpx.AsyncClient(timeout=ANSWER_S, trust_env=False, proxy=model.proxy) as client,
            ):
                response = await client.post(endpoint.url, headers=headers, **sent)
        except (httpx.HTTPError, TimeoutError) as error:
            raise _failed(
                provider, f"{endpoint.url} did not answer ({type(error).__name__})"
            ) from None
        return _answer(provider, endpoint.url, response.status_code, response.content)

    # --- the file ---------------------------------------------------------------------------------

    async def _keep(
        self, path: Path, provider: str, replaces: str, fresh: Mapping[str, Any]
    ) -> None:
        """Writes the new entry, or holds it in memory."""
        try:
            await asyncio.to_thread(self._write, path, provider, replaces, fresh)
        except (OSError, ValueError) as error:
            self._credentials.hold(provider, replaces, fresh)
            reason = error.strerror if isinstance(error, OSError) else "it is not a JSON object"
            logger.critical(
                "pi's sign-in for %s was renewed, but %s could not be written (%s). The new one "
                "is in memory only:"
                " fix this before the gateway stops, or sign in with pi again",
                *(provider, path, reason),
            )

    def _write(self, path: Path, provider: str, replaces: str, fresh: Mapping[str, Any]) -> None:
        """Only this one entry changes, and only if it is still the one that was renewed. Runs in a
        thread."""
        entries = orjson.loads(path.read_bytes().removeprefix(b"\xef\xbb\xbf"))
        if not isinstance(entries, dict):
            raise ValueError
        current = self._credentials.in_force(provider, entries.get(provider))
        if not isinstance(current, dict) or current.get("refresh") != replaces:
            logger.warning(
                "the entry for %s in %s was replaced meanwhile, and is left as it is",
                provider,
                path,
            )
            return
        text = orjson.dumps({**entries, provider: fresh}, option=orjson.OPT_INDENT_2).decode()
        write_private(path, text + "\n", path.stat().st_mode & 0o777)


def _answer(provider: str, url: str, status: int, body: bytes) -> Mapping[str, Any]:
    try:
        answer = orjson.loads(body)
    except orjson.JSONDecodeError:
        answer = None
    answer = answer if isinstance(answer, dict) else {}
    if status == 200 and isinstance(answer.get("access_token"), str) and answer["access_token"]:
        return answer
    code = answer.get("error")
    if code == "invalid_grant":
        raise _failed(provider, "the provider no longer knows this sign-in: sign in with pi again")
    said = f", {code}" if isinstance(code, str) and _CODE.fullmatch(code) else ""
    raise _failed(
        provider, f"{url} answered with {'no token' if status == 200 else f'status {status}{said}'}"
    )


def _fields(answer: Mapping[str, Any], now: float) -> dict[str, Any]:
    """The changes that an answer makes to an entry of pi's. The refresh token stays where the
    provider keeps it."""
    stated = answer.get("expires_in")
    lifetime_s = float(stated) if isinstance(stated, int | float) and stated > 0 else LIFETIME_S
    expires = now + max(lifetime_s - MARGIN_S, lifetime_s / 2)
    fields: dict[str, Any] = {"access": answer["access_token"], "expires": int(expires * 1000)}
    if isinstance(answer.get("refresh_token"), str) and answer["refresh_token"]:
        fields["refresh"] = answer["refresh_token"]
    return fields


def _failed(provider: str, reason: str) -> CredentialError:
    return CredentialError(f"pi_auth for {provider}: the sign-in cannot be renewed: {reason}")
