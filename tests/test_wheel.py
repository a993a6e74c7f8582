"""The wheel works alone: installed somewhere else, without the checkout, it has everything that its
commands read. The sdist has what is needed to build and test it."""

from __future__ import annotations

import os
import re
import subprocess
import sys
import tarfile
import tomllib
import zipfile
from email.message import Message
from email.parser import Parser
from pathlib import Path

import pytest

from tests.e2e.process import ask
from tests.e2e.process import gateway as serving

ROOT = Path(__file__).parent.parent
LINK = re.compile(r"(!?)\[[^\]]*\]\((?!https?:)([^)]+)\)")
"""A relative link or image in Markdown: `!` or nothing, and its path."""
FROM_GIT = {"tests/e2e/node/package-lock.json"}


@pytest.fixture(scope="module")
def built(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A folder with the wheel and the sdist; hatchling is part of the test extra, so nothing is
    downloaded."""
    folder = tmp_path_factory.mktemp("dist")
    command = [sys.executable, "-m", "hatchling", "build", "--directory", str(folder)]
    subprocess.run(command, cwd=ROOT, check=True, capture_output=True)
    return folder


@pytest.fixture(scope="module")
def wheel(built: Path) -> Path:
    (found,) = built.glob("*.whl")
    return found


@pytest.fixture(scope="module")
def installed(wheel: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The wheel in a folder of its own, by pip, without its dependencies."""
    target = tmp_path_factory.mktemp("installed")
    options = ["--no-deps", "--no-index", "--no-compile", "--disable-pip-version-check", "--quiet"]
    command = [
        sys.executable,
        "-m",
        "pip",
        "install",
        *options,
        "--target",
        str(target),
        str(wheel),
    ]
    subprocess.run(command, check=True, capture_output=True)
    return target


def run(installed: Path, folder: Path, *args: str) -> str:
    """A command of the installed program, in an empty folder."""
    script = (
        "import gateway, sys; print(gateway.__file__); from gateway.__main__ import main; main()"
    )
    env = {"PATH": os.environ["PATH"], "HOME": str(folder), "PYTHONPATH": str(installed)}
    command = [sys.executable, "-c", script, *args]
    ended = subprocess.run(command, cwd=folder, env=env, capture_output=True, text=True)
    assert ended.returncode == 0, ended.stderr
    place, _, shown = ended.stdout.partition("\n")
    assert Path(place).is_relative_to(installed)
    return shown


def test_the_demo_answers(installed: Path, tmp_path: Path) -> None:
    with serving(tmp_path, "--port", "0", env={"PYTHONPATH": str(installed)}) as process:
        answer = ask(process.url, "demo")
        assert answer.status_code == 200
        assert "429" in answer.headers["x-gateway-attempts"]
        page = ask_page(process.url)
    assert "<html" in page


def ask_page(url: str) -> str:
    import httpx

    return httpx.get(url, headers={"accept": "text/html"}).text


def test_the_manual_and_the_units_are_in_it(installed: Path, tmp_path: Path) -> None:
    run(installed, tmp_path, "init", "--provider", "custom")
    manual = (ROOT / "gateway/share/config.toml.example").read_text()
    last = manual.rstrip().splitlines()[-1]
    assert last in (tmp_path / "config.toml").read_text()
    assert "1 agent, 1 model" in run(installed, tmp_path, "config", "check")
    run(installed, tmp_path, "init", "--systemd")
    assert "ExecStart=" in (tmp_path / "systemd/gateway.service").read_text()


def test_every_file_of_the_package_is_in_the_wheel(wheel: Path) -> None:
    names = set(zipfile.ZipFile(wheel).namelist())
    ours = {
        path.relative_to(ROOT).as_posix()
        for path in (ROOT / "gateway").rglob("*")
        if path.is_file() and "__pycache__" not in path.parts
    }
    assert "gateway/py.typed" in ours
    assert ours - names == set()
    assert {name.split("/")[0] for name in names - ours} == {
        f"local_agent_gateway-{version()}.{part}" for part in ("data", "dist-info")
    }


def version() -> str:
    return str(tomllib.loads((ROOT / "pyproject.toml").read_text())["project"]["version"])


def test_the_documentation_that_the_units_name_is_installed(wheel: Path) -> None:
    named = re.compile(r"^Documentation=file:/opt/gateway/(\S+)$", re.MULTILINE)
    data = f"local_agent_gateway-{version()}.data/data/"
    names = zipfile.ZipFile(wheel).namelist()
    for unit in ("gateway.service", "gateway.socket"):
        (place,) = named.findall((ROOT / "gateway/share/systemd" / unit).read_text())
        assert data + place in names


def metadata(wheel: Path) -> Message:
    archive = zipfile.ZipFile(wheel)
    (name,) = [name for name in archive.namelist() if name.endswith(".dist-info/METADATA")]
    return Parser().parsestr(archive.read(name).decode())


def metadata_of_sdist(sdist: Path) -> Message:
    with tarfile.open(sdist) as archive:
        found = archive.extractfile(f"local_agent_gateway-{version()}/PKG-INFO")
        assert found
        return Parser().parsestr(found.read().decode())


def test_the_metadata_are_complete(wheel: Path) -> None:
    found = metadata(wheel)
    assert found["License-Expression"] == "MIT"
    assert found.get_all("License-File") == ["LICENSE"]
    assert found["Requires-Python"] == ">=3.11"
    labels = {url.partition(",")[0] for url in found.get_all("Project-URL") or ()}
    assert {"Homepage", "Documentation", "Changelog", "Issues"} <= labels
    assert f"gateway {found['Version']}" in (ROOT / "README.md").read_text()


def test_the_description_on_pypi_has_the_links_and_images_of_the_release(built: Path) -> None:
    """PyPI has no other file of the repository, so that a relative link would lead nowhere."""
    (wheel,), (sdist,) = built.glob("*.whl"), built.glob("*.tar.gz")
    description = metadata(wheel).get_payload()
    assert isinstance(description, str)
    assert metadata_of_sdist(sdist).get_payload() == description
    relative = LINK.findall((ROOT / "README.md").read_text())
    assert {image for image, _ in relative} == {"!", ""}
    for image, path in relative:
        assert (ROOT / path).is_file(), path
        kind = "raw.githubusercontent.com/{}/" if image else "github.com/{}/blob/"
        host = kind.format("local-agent-gateway/local-agent-gateway")
        assert f"](https://{host}v{version()}/{path})" in description
    assert LINK.search(description) is None


def test_the_sdist_has_what_a_distributor_needs(built: Path) -> None:
    """All that is under version control and matters to the build and the tests."""
    (sdist,) = built.glob("*.tar.gz")
    with tarfile.open(sdist) as archive:
        names = {name.partition("/")[2] for name in archive.getnames()}
    for name in (
        "pyproject.toml",
        "LICENSE",
        "README.md",
        "Makefile",
        "Dockerfile",
        "compose.yaml",
    ):
        assert name in names
    tests = {
        path.relative_to(ROOT).as_posix()
        for path in (ROOT / "tests").rglob("*")
        if path.is_file() and not {"__pycache__", "node_modules"} & set(path.parts)
    }
    assert tests - names - FROM_GIT == set()
