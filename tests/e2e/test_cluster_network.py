"""The engine behind TLS, for workers of one host; and behind a network that loses every packet."""

from __future__ import annotations

import os
import shutil
import subprocess
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any

import httpx
import pytest

from gateway.shared.redis.cluster import LATE_MAX
from gateway.shared.redis.health import EngineAway
from gateway.shared.redis.session import Place, connect
from gateway.text.engine_urls import parse
from tests.e2e.cluster import group, until
from tests.e2e.process import Process, ask, gateway
from tests.e2e.slow_lab import KEY, SlowLab
from tests.e2e.test_cluster_faults import QUICK, all_settled, answered, edit, late
from tests.e2e.test_workers import WORKERS, configure
from tests.redis_server import RedisServer, free_port, needs_redis

pytestmark = needs_redis


@pytest.fixture
def lab(lab: SlowLab) -> SlowLab:
    """Its streams do not stop."""
    lab.open()
    return lab


def certificate(folder: Path) -> tuple[Path, Path]:
    """(certificate, key) for localhost, signed by itself."""
    if shutil.which("openssl") is None:
        pytest.skip("openssl is not installed")
    found = folder / "cert.pem", folder / "key.pem"
    options = ["-x509", "-newkey", "ec", "-pkeyopt", "ec_paramgen_curve:prime256v1", "-nodes"]
    names = ["-subj", "/CN=localhost", "-addext", "subjectAltName=DNS:localhost"]
    files = ["-out", str(found[0]), "-keyout", str(found[1])]
    subprocess.run(["openssl", "req", *options, *names, *files], check=True, capture_output=True)
    return found


def cluster_of(process: Process) -> dict[str, Any]:
    found: dict[str, Any] = httpx.get(f"{process.url}/status", timeout=20).json()["cluster"]
    return found


def metrics_of(process: Process) -> str:
    return httpx.get(f"{process.url}/metrics", timeout=20).text


@pytest.mark.anyio
async def test_workers_are_members_and_the_certificate_is_verified(
    tmp_path: Path, lab: SlowLab
) -> None:
    with ExitStack() as stack:
        folder = Path(stack.enter_context(TemporaryDirectory()))
        cert, key = certificate(folder)
        port = free_port()
        files = ["--tls-cert-file", str(cert), "--tls-key-file", str(key)]
        trust = ["--tls-ca-cert-file", str(cert), "--tls-auth-clients", "no"]
        server = RedisServer(folder, "--tls-port", str(port), *files, *trust)
        stack.callback(server.stop)
        table = f'[cluster]\nredis = "rediss://localhost:{port}"\nwaitMs = 1000\n'
        configure(tmp_path, lab, f"[limits]\nrate = '10 calls/minute'\n{table}")
        place = Place(parse(f"rediss://localhost:{port}"), "tests", "m", lambda: None)
        with pytest.raises(EngineAway, match="certificate verify failed"):
            await connect(place, lambda channel, data: None)
        with gateway(tmp_path, env={**KEY, "SSL_CERT_FILE": str(cert)}) as process:
            await until(lambda: len(cluster_of(process)["members"]) == WORKERS)
            statuses = [ask(process.url).status_code for _ in range(12)]
            assert (statuses.count(200), statuses.count(429)) == (10, 2)
            assert "gateway_cluster_up 1.0" in metrics_of(process)


# --- a network that loses every packet ------------------------------------------------------------


def ip(*words: str) -> None:
    subprocess.run(["ip", *words], check=True, capture_output=True)


@contextmanager
def namespace(name: str) -> Iterator[None]:
    """A network of its own, with the addresses 10.213.7.1 outside and 10.213.7.2 inside."""
    if os.geteuid() != 0 or shutil.which("ip") is None:
        pytest.skip("network namespaces need root and iproute2")
    try:
        ip("netns", "add", name)
    except subprocess.CalledProcessError as error:
        pytest.skip(f"no network namespaces here: {error.stderr.decode().strip()}")
    try:
        ip("link", "add", "gwt0", "type", "veth", "peer", "name", "gwt1", "netns", name)
        ip("addr", "add", "10.213.7.1/30", "dev", "gwt0")
        ip("link", "set", "gwt0", "up")
        ip("-n", name, "addr", "add", "10.213.7.2/30", "dev", "gwt1")
        ip("-n", name, "link", "set", "gwt1", "up")
        yield
    finally:
        ip("netns", "del", name)


@pytest.mark.anyio
async def test_a_network_that_loses_every_packet_delays_five_calls_at_most(tmp_path: Path) -> None:
    name = f"gateway-{os.getpid()}"
    with ExitStack() as stack:
        stack.enter_context(namespace(name))
        folder = Path(stack.enter_context(TemporaryDirectory()))
        inside = ["ip", "netns", "exec", name]
        options = ["--bind", "10.213.7.2", "--protected-mode", "no"]
        port = free_port()
        server = RedisServer(folder, *options, port=port, inside=inside)
        stack.callback(server.stop)
        url = f"redis://10.213.7.2:{port}"
        async with group(tmp_path, url, "custom", gateways=2, edit=edit, **QUICK) as found:
            tokens = await answered(found, 2)
            ip("-n", name, "link", "set", "gwt1", "down")
            tokens += await answered(found, 8)
            assert late(found) <= LATE_MAX
            await until(lambda: not any(each.port.health.is_up for each in found.gateways))
            ip("-n", name, "link", "set", "gwt1", "up")
            await found.all_up()
            await all_settled(found, tokens)
