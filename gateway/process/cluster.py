"""This process as a member of a cluster."""

from __future__ import annotations

import secrets
import socket
import time
from collections.abc import Mapping
from pathlib import Path
from typing import TYPE_CHECKING

from gateway.app import App
from gateway.config.load import Config
from gateway.credentials.secret import CredentialError
from gateway.credentials.store import CLUSTER_PASSWORD, CLUSTER_SECRET, Credentials
from gateway.inbound.key_sync import KeySync
from gateway.inbound.keys import KeysError
from gateway.inbound.shared_keys import SharedKeys, Signer
from gateway.shared.redis.health import EngineAway
from gateway.text.engine_urls import parse

if TYPE_CHECKING:
    from gateway.shared.redis.cluster import Cluster


def member(config: Config, env: Mapping[str, str]) -> Cluster | None:
    """The port of this process, where a cluster is configured; each worker is a member. The client
    of Redis is not loaded otherwise."""
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
    return cluster(place, settings, host=host, clock=time.monotonic, wall=time.time)


def share_keys(app: App, cluster: Cluster, config: Config) -> None:
    """The client keys of the cluster hold here, if this host has the secret that signs them.

    Raises `KeysError`.
    """
    try:
        secret = app.credentials.named(CLUSTER_SECRET)
    except CredentialError as error:
        raise KeysError(str(error)) from error
    if secret is not None:
        signer = Signer(secret.secret.reveal(), config.cluster.name)
        shared = SharedKeys(app.keys, signer, time.time)
        cluster.membership.on_keys = KeySync(shared, cluster.membership).look
