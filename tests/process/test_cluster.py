"""What a process needs before it can be a member of a cluster."""

from __future__ import annotations

from pathlib import Path

import pytest

from gateway.config import schema
from gateway.config.load import Config, build
from gateway.credentials.store import CLUSTER_SECRET, Credentials
from gateway.inbound.keys import KeysError
from gateway.process.cluster import seal


def config(*, vault: bool) -> Config:
    model = schema.Model(provider="custom", model="m", base_url="http://127.0.0.1:9/v1")
    cluster = schema.Cluster(redis="redis://localhost", vault=vault)
    agents = {"dev": schema.Agent(models=["m"])}
    return build(
        schema.Root(models={"m": model}, agents=agents, cluster=cluster), None, {}, None, []
    )


def test_a_vault_without_a_secret_is_refused_with_the_command_that_stores_one(
    tmp_path: Path,
) -> None:
    credentials = Credentials({}, tmp_path)
    with pytest.raises(KeysError, match="`gateway credentials set cluster_secret`"):
        seal(config(vault=True), credentials)
    credentials.put(CLUSTER_SECRET, "default", "short")
    with pytest.raises(KeysError, match="less than 16 characters"):
        seal(config(vault=True), credentials)
    credentials.put(CLUSTER_SECRET, "default", "s" * 32)
    assert seal(config(vault=True), credentials) is not None
    assert seal(config(vault=False), credentials) is None
