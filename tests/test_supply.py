"""What is installed is what was pinned, and what is run is what was reviewed: lock files, workflows
and the container."""

from __future__ import annotations

import re
import subprocess
import sys
import tomllib
from pathlib import Path
from typing import Any

import pytest
import yaml  # type: ignore[import-untyped]
from packaging.requirements import Requirement
from packaging.utils import canonicalize_name

ROOT = Path(__file__).parent.parent
WORKFLOWS = sorted((ROOT / ".github/workflows").glob("*.yml"))
PINNED = re.compile(r"[\w.-]+/[\w./-]+@[0-9a-f]{40} # v\d+\.\d+\.\d+")
PROJECT = tomllib.loads((ROOT / "pyproject.toml").read_text())
OF_EXTRAS = [
    requirement
    for extra, requirements in PROJECT["project"]["optional-dependencies"].items()
    if extra != "test"
    for requirement in requirements
]

each_workflow = pytest.mark.parametrize("file", WORKFLOWS, ids=lambda file: file.name)


def locked(name: str) -> dict[str, tuple[str, int]]:
    """Package → (version, number of hashes)."""
    text = (ROOT / name).read_text().replace("\\\n", " ")
    lines = [line for line in text.splitlines() if line and not line.startswith("#")]
    found = [(re.match(r"([\w.-]+)==(\S+)", line), line.count("--hash=sha256:")) for line in lines]
    return {canonicalize_name(match[1]): (match[2], hashes) for match, hashes in found if match}


@pytest.mark.parametrize(
    ("lock", "wanted"),
    [
        ("requirements.lock", [*PROJECT["project"]["dependencies"], *OF_EXTRAS]),
        ("requirements-build.lock", PROJECT["build-system"]["requires"]),
    ],
)
def test_the_lock_files_fit_what_is_asked_for(lock: str, wanted: list[str]) -> None:
    """`make lock` renews them."""
    pinned = locked(lock)
    assert all(hashes > 0 for _, hashes in pinned.values())
    for requirement in map(Requirement, wanted):
        version, _ = pinned[canonicalize_name(requirement.name)]
        assert requirement.specifier.contains(version), requirement


def test_the_image_installs_what_is_pinned_and_nothing_else() -> None:
    installs = re.findall(r"pip --python \S+ install (.*?)(?: \\)?$", dockerfile(), re.MULTILINE)
    assert len(installs) == 3
    assert all("--require-hashes" in line or "--no-index" in line for line in installs)


def dockerfile() -> str:
    return (ROOT / "Dockerfile").read_text()


def test_the_image_is_given_every_file_that_it_copies() -> None:
    allowed = set(re.findall(r"^!(\S+)$", (ROOT / ".dockerignore").read_text(), re.MULTILINE))
    copied = {
        name
        for line in re.findall(r"^COPY (?!--from)(.*) \S+$", dockerfile(), re.MULTILINE)
        for name in line.split()
    }
    assert copied == allowed
    assert all((ROOT / name).exists() for name in copied)


def test_compose_runs_it_read_only_and_without_privileges() -> None:
    service = yaml.safe_load((ROOT / "compose.yaml").read_text())["services"]["gateway"]
    assert service["read_only"]
    assert service["cap_drop"] == ["ALL"]
    assert service["security_opt"] == ["no-new-privileges:true"]
    assert service["ports"] == ["127.0.0.1:8484:8484"]
    assert "USER 10001" in dockerfile()


def workflow(file: Path) -> dict[str, Any]:
    found: dict[str, Any] = yaml.safe_load(file.read_text())
    return found


@each_workflow
def test_actions_are_pinned_by_commit_and_name_their_version(file: Path) -> None:
    used = re.findall(r"uses: (.+)$", file.read_text(), re.MULTILINE)
    assert used
    for action in used:
        assert action.startswith("./") or PINNED.fullmatch(action), action


@each_workflow
def test_a_job_may_do_what_it_states_and_no_more(file: Path) -> None:
    found = workflow(file)
    assert found["permissions"] == {}
    writes = {
        (name, what)
        for name, job in found["jobs"].items()
        for what, level in job["permissions"].items()
        if level == "write"
    }
    assert writes <= {("pypi", "id-token"), ("image", "packages"), ("release", "contents")}
    assert "secrets." not in file.read_text()


def test_the_notes_of_a_release_are_its_part_of_the_changelog() -> None:
    script = ROOT / ".github/release_notes.py"
    code = (
        f"import runpy; notes = runpy.run_path({str(script)!r})['notes'];"
        "print(notes('# C\\n## [Unreleased]\\n- new\\n\\n## [1.2.0] - day\\n- a\\n### B\\n- b\\n\\n"
        "## [1.1.0]\\n- old\\n', '1.2.0'))"
    )
    shown = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert shown.stdout == "- a\n### B\n- b\n"
    refused = subprocess.run(
        [sys.executable, str(script), "v0.0.0"], capture_output=True, text=True
    )
    assert (refused.returncode, "v0.0.0" in refused.stderr) == (1, True)
