"""The files that set up several gateways agree with each other, and the programs take them."""

from __future__ import annotations

import re
import shutil
import subprocess
from pathlib import Path
from typing import Any, Final

import pytest
import yaml  # type: ignore[import-untyped]

from gateway.config.load import load
from gateway.config.schema import Server
from gateway.credentials.store import Credentials

ROOT: Final = Path(__file__).parent.parent
FILES: Final = ROOT / "docs/cluster"
NAMES: Final = ["gateway1", "gateway2", "gateway3"]
PORT: Final = Server().port


@pytest.fixture(scope="module")
def compose() -> dict[str, Any]:
    found = yaml.safe_load((ROOT / "compose.cluster.yaml").read_text())
    assert isinstance(found, dict)
    return found


def local(name: str, port: int = 1) -> str:
    """A balancer's file, with names that this machine can resolve."""
    text = (FILES / name).read_text()
    return re.sub(r"gateway([123]):8484", rf"127.0.0.\1:{port}", text)


def test_the_configuration_is_valid_and_its_engines_are_services(compose: dict[str, Any]) -> None:
    config = load(FILES / "config.toml", {}, ROOT)
    assert all("sslmode" in warning.message for warning in config.warnings)
    assert f"@postgres/{compose['services']['postgres']['environment']['POSTGRES_DB']}" in (
        config.ledger.url
    )
    assert config.root.cluster.redis.startswith("redis://redis:")
    assert config.root.cluster.gateways == len(NAMES)
    networks = [compose["services"][name]["networks"] for name in ("postgres", "redis")]
    assert networks == [["engines"], ["engines"]]
    assert compose["networks"]["engines"]["internal"]


def test_every_gateway_has_its_own_state_and_the_same_keys(compose: dict[str, Any]) -> None:
    services = compose["services"]
    places = [
        dict(volume.split(":")[1::-1] for volume in services[name]["volumes"]) for name in NAMES
    ]
    assert [place["/var/lib/gateway"] for place in places] == ["state1", "state2", "state3"]
    assert {place["/var/lib/gateway-keys"] for place in places} == {"keys"}
    assert {"state1", "state2", "state3", "keys"} <= set(compose["volumes"])
    for place in places:
        assert (ROOT / place["/etc/gateway/config.toml"]).is_file()


def test_secrets_are_credentials(compose: dict[str, Any], tmp_path: Path) -> None:
    for name in compose["secrets"]:
        assert name in compose["services"]["gateway1"]["secrets"]
        (tmp_path / name).write_text("canary")
        found = Credentials({"CREDENTIALS_DIRECTORY": str(tmp_path)}, tmp_path).named(name)
        assert found is not None
    image = (ROOT / "Dockerfile").read_text()
    assert "/var/lib/gateway-keys" in image


@pytest.mark.parametrize("name", ["haproxy.cfg", "nginx.conf"])
def test_a_balancer_has_every_gateway(name: str) -> None:
    text = (FILES / name).read_text()
    assert re.findall(rf"(gateway\d):{PORT}", text) == NAMES


@pytest.mark.skipif(shutil.which("haproxy") is None, reason="needs Debian's package haproxy")
def test_haproxy_takes_its_file(tmp_path: Path) -> None:
    path = tmp_path / "haproxy.cfg"
    path.write_text(local("haproxy.cfg"))
    ended = subprocess.run(["haproxy", "-c", "-f", path], capture_output=True, text=True)
    assert (ended.returncode, "warning" in ended.stderr.lower()) == (0, False), ended.stderr


@pytest.mark.skipif(shutil.which("nginx") is None, reason="needs Debian's package nginx")
def test_nginx_takes_its_file(tmp_path: Path) -> None:
    (tmp_path / "gateways.conf").write_text(local("nginx.conf"))
    path = tmp_path / "nginx.conf"
    folders = " ".join(
        f"{name}_temp_path {tmp_path}/{name};"
        for name in ("client_body", "proxy", "fastcgi", "uwsgi", "scgi")
    )
    path.write_text(
        f"pid {tmp_path}/pid;\nevents {{}}\nhttp {{ {folders} access_log off;\n"
        f"include {tmp_path}/gateways.conf; }}\n"
    )
    command = ["nginx", "-t", "-c", str(path), "-g", f"error_log {tmp_path}/error;"]
    ended = subprocess.run(command, capture_output=True, text=True)
    assert ended.returncode == 0, ended.stderr
