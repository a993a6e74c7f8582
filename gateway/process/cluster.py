"""This process as a member of a cluster."""

from __future__ import annotations

import secrets
import socket
import time
from collections.abc import Callable, Mapping
from importlib.util import find_spec
from pathlib import Path
from typing import TYPE_CHECKING, Final

from gateway.app import App
from gateway.config.load import Config
from gateway.credentials.secret import CredentialError
from gateway.credentials.store import CLUSTER_PASSWORD, CLUSTER_SECRET, Credentials
from gateway.inbound.key_sync import KeySync
from gateway.inbound.keys import KeysError
from gateway.inbound.shared_keys import SharedKeys, Signer
from gateway.shared.redis.health import EngineAway
from gateway.shared.redis.seal import Cipher, Seal
from gateway.text.engine_urls import parse

if TYPE_CHECKING:
    from gateway.shared.redis.cluster import Cluster

_NO_SECRET: Final = (
    f"[cluster] vault needs the credential {CLUSTER_SECRET}: store 32 random characters, the same "
    f"on all hosts, with `gateway credentials set {CLUSTER_SECRET}`"
)


def member(config: Config, env: Mapping[str, str]) -> Cluster | None:
    """The port of this process, where a cluster is configured; each worker is a member. The client
    of Redis is not loaded otherwise.

    Raises `KeysError` where the secret of the cluster is needed and cannot be used.
    """
    stated = config.cluster
    if not stated.redis:
        return None
    from gateway.shared.redis.cluster import Settings, cluster
    from gateway.shared.redis.session import Place

    credentials = Credentials(env, Path.home())

    def password() -> str | None:
        try:
            found = credentials.named(CLUSTER_PASSWORD)
        except CredentialError as error:
            raise EngineAway(str(error)) from error
        return found.secret.reveal() if found is not None else None

    place = Place(parse(stated.redis), stated.name, secrets.token_hex(4), password)
    members = stated.gateways * config.server.workers
    settings = Settings(stated.wait_ms / 1000, stated.when_down, members)
    host = f"{socket.gethostname()} {config.ledger_path}"
    return cluster(
        place,
        settings,
        host=host,
        clock=time.monotonic,
        wall=time.time,
        seal=seal(config, credentials),
    )


def seal(config: Config, credentials: Credentials) -> Seal | None:
    """What names and encrypts the replay that the cluster shares; None where it does not.

    Raises `KeysError`.
    """
    if not config.cluster.vault:
        return None
    secret, group = _secret(credentials), config.cluster.name
    if secret is None:
        raise KeysError(_NO_SECRET)
    Signer(secret, group)  # refuses one that can be guessed
    return Seal(secret, group, _cipher(), secrets.token_bytes)


def _cipher() -> Callable[[bytes], Cipher] | None:
    """None where the extra `vault` is not installed."""
    if find_spec("cryptography") is None:
        return None
    from cryptography.hazmat.primitives.ciphers.aead import AESGCM

    return AESGCM


def _secret(credentials: Credentials) -> str | None:
    """The secret of the cluster. Raises `KeysError`."""
    try:
        found = credentials.named(CLUSTER_SECRET)
    except CredentialError as error:
        raise KeysError(str(error)) from error
    return found.secret.reveal() if found is not None else None


def share_keys(app: App, cluster: Cluster, config: Config) -> None:
    """The client keys of the cluster hold here, if this host has the secret that signs them.

    Raises `KeysError`.
    """
    secret = _secret(app.credentials)
    if secret is not None:
        signer = Signer(secret, config.cluster.name)
        shared = SharedKeys(app.keys, signer, time.time)
        cluster.membership.on_keys = KeySync(shared, cluster.membership).look
