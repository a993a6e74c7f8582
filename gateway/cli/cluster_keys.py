"""What `gateway keys --cluster` does beyond this host."""

from __future__ import annotations

import os
import time
from pathlib import Path
from typing import Any

import click

from gateway.cli.console import styled
from gateway.config.load import Config, ConfigError
from gateway.credentials.secret import CredentialError
from gateway.credentials.store import CLUSTER_SECRET, Credentials
from gateway.inbound.key_sync import exchange
from gateway.inbound.keys import Keys, KeysError
from gateway.inbound.shared_keys import Merged, SharedKeys, Signer
from gateway.reports.config import find
from gateway.reports.delivery import Ask, deliver


class Others:
    """The other gateways of the cluster. Raises `KeysError` where there is no cluster, or no
    secret."""

    def __init__(self, keys: Keys) -> None:
        self._config = _config()
        self._credentials = Credentials(os.environ, Path.home())
        name = self._config.cluster.name
        self._keys = SharedKeys(keys, Signer(self._secret(), name), time.time)

    def share(self, name: str) -> None:
        """They accept the key."""
        self._keys.share(name)
        self._deliver()

    def revoke(self, name: str) -> None:
        """They and this host refuse the key."""
        self._keys.revoke(name)
        self._deliver()

    def _secret(self) -> str:
        try:
            found = self._credentials.named(CLUSTER_SECRET)
        except CredentialError as error:
            raise KeysError(str(error)) from error
        if found is None:
            raise KeysError(
                "there is no secret to sign keys with: store the same 32 random characters on all "
                f"hosts with `gateway credentials set {CLUSTER_SECRET}`"
            )
        return found.secret.reveal()

    def _deliver(self) -> None:
        async def apply(theirs: Any) -> Merged:
            return self._keys.apply(theirs)

        async def give(ask: Ask) -> Merged:
            return await exchange(ask, apply)

        done = deliver(self._config, self._credentials, give)
        if done.problem:
            _warn(
                f"the engine is away ({done.problem}). A gateway that runs on this host delivers "
                "the change when it is back; until then it holds on this host alone."
            )
        elif done.missing:
            _warn(f"these members have not confirmed it yet: {', '.join(done.missing)}")


def _config() -> Config:
    try:
        config = find(None)
    except ConfigError as error:
        raise KeysError(f"the configuration cannot be used: {error}") from error
    if config is None or not config.cluster.redis:
        raise KeysError("there is no cluster: set [cluster] redis in the configuration")
    return config


def _warn(text: str) -> None:
    click.echo(f"{styled('warning', 'yellow', err=True)}: {text}", err=True)
