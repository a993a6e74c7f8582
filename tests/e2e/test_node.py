"""The accumulators of the official Node SDKs take every stream. Skipped where node or a package is
not installed."""

from __future__ import annotations

import json
import shutil
import subprocess
from pathlib import Path

import pytest

from gateway.lab.answers import WORDS
from tests.e2e.harness import IDS, running

FOLDER = Path(__file__).parent / "node"
NODE = shutil.which("node")
SCRIPT = FOLDER / "stream.mjs"

pytestmark = pytest.mark.skipif(
    NODE is None
    or not all(
        (FOLDER / "node_modules" / name).is_dir() for name in ("openai", "@anthropic-ai/sdk")
    ),
    reason="needs node, and `npm install` in tests/e2e/node",
)


def test_every_stream(tmp_path: Path) -> None:
    with running(tmp_path, *IDS) as gateway:
        command = [str(NODE), str(SCRIPT), f"{gateway.url}/v1", *IDS]
        done = subprocess.run(command, capture_output=True, text=True, timeout=60, check=False)
    assert done.returncode == 0, done.stderr
    found = [json.loads(line) for line in done.stdout.splitlines()]
    assert [each["model"] for each in found] == list(IDS)
    for each in found:
        assert each["text"]["content"] == " ".join(WORDS)
        assert each["text"]["finish"] == "stop"
        assert each["text"]["tokens"] > 60
        assert each["tool"]["name"] == "get_weather"
        assert isinstance(each["tool"]["arguments"], dict)
        assert each["tool"]["finish"] == "tool_calls"


def test_a_broken_stream_is_an_error_of_the_sdk(tmp_path: Path) -> None:
    with running(tmp_path, *IDS) as gateway:
        gateway.lab.fault(IDS["anthropic"], "cut")
        command = [str(NODE), str(SCRIPT), f"{gateway.url}/v1", "anthropic"]
        done = subprocess.run(command, capture_output=True, text=True, timeout=60, check=False)
    assert done.returncode != 0
    assert "APIError" in done.stderr


def test_every_stream_of_the_other_apis(tmp_path: Path) -> None:
    """Both native lanes, and both APIs through the hub."""
    providers = ("anthropic", "openai", "google", "custom")
    with running(tmp_path, *providers) as gateway:
        command = [str(NODE), str(FOLDER / "apis.mjs"), gateway.url, *providers]
        done = subprocess.run(command, capture_output=True, text=True, timeout=60, check=False)
    assert done.returncode == 0, done.stderr
    found = [json.loads(line) for line in done.stdout.splitlines()]
    assert [(each["model"], each["api"]) for each in found] == [
        (provider, api) for provider in providers for api in ("responses", "messages")
    ]
    for each in found:
        assert each["text"] == " ".join(WORDS)
        assert each["end"] == {"responses": "completed", "messages": "end_turn"}[each["api"]]
        assert each["tool"] == {"name": "get_weather", "arguments": {"city": "Oslo"}}


def test_a_broken_stream_of_the_other_apis_is_an_error(tmp_path: Path) -> None:
    for provider in ("anthropic", "openai"):
        with running(tmp_path, provider) as gateway:
            gateway.lab.fault(provider, "cut")
            command = [str(NODE), str(FOLDER / "apis.mjs"), gateway.url, provider]
            done = subprocess.run(command, capture_output=True, text=True, timeout=60, check=False)
        assert done.returncode != 0
        assert "broke off" in done.stderr
