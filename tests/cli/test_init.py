"""`gateway init`."""

from __future__ import annotations

import os
import pty
import subprocess
import sys
import tomllib
from pathlib import Path

import pytest

from gateway import share
from gateway.cli import units
from gateway.cli.init import CHOICES, written
from gateway.config.files import Files, Source
from gateway.config.load import parse
from tests.cli.conftest import Run


def chain(path: Path, agent: str = "default") -> list[str]:
    return list(tomllib.loads(path.read_text())["agents"][agent]["models"])


@pytest.mark.parametrize("provider", CHOICES)
def test_what_it_writes_is_a_valid_configuration(provider: str, tmp_path: Path) -> None:
    path = tmp_path / "config.toml"
    text = written([provider, *(name for name in CHOICES if name != provider)], "dev")
    config = parse(Files(tmp_path, [Source(path, text, tomllib.loads(text))]), path, {})
    assert config.warnings == ()
    assert config.agents["dev"].models[0].name == provider


def test_one_model_for_each_key_that_is_found(run: Run, tmp_path: Path) -> None:
    run("credentials", "set", "anthropic_key", input="sk-ant-api-x")
    result = run("init", "--yes", GROQ_API_KEY="gsk_canary")
    assert result.exit_code == 0
    assert chain(tmp_path / "config.toml") == ["anthropic", "groq"]
    assert "canary" not in result.output + (tmp_path / "config.toml").read_text()
    assert "gateway serve\n" in result.stdout
    assert '"model":"default"' in result.stdout
    assert max(map(len, result.stdout.splitlines())) <= 80
    assert run("config", "check").exit_code == 0


def test_the_whole_manual_is_in_the_file(run: Run, tmp_path: Path) -> None:
    """Apart from its own models and agent, it is the example, line by line."""
    run("init", "--provider", "openai", "--agent", "mine")
    ours = (tmp_path / "config.toml").read_text().splitlines()
    manual = share.text(share.EXAMPLE).splitlines()
    missing = [line for line in manual if line.startswith("#") and line not in ours]
    assert missing == []
    assert tomllib.loads("\n".join(ours)) == {
        "models": {"openai": {"provider": "openai", "model": "gpt-5.4-mini"}},
        "agents": {"mine": {"models": ["openai"]}},
    }


def test_the_units_are_written_for_this_installation(run: Run, tmp_path: Path) -> None:
    result = run("init", "--systemd", "--path", "units")
    assert (result.exit_code, result.stderr) == (0, "")
    assert max(map(len, result.stdout.splitlines())) <= 80
    written_files = {
        file.relative_to(tmp_path / "units").as_posix()
        for file in (tmp_path / "units").rglob("*")
        if file.is_file()
    }
    assert written_files == {
        "gateway.service",
        "gateway.socket",
        "user/gateway.service",
        "config.toml.example",
    }
    for name in written_files:
        assert name in result.stdout
    again = run("init", "--systemd", "--path", "units")
    assert (again.exit_code, "left as it is" in again.stderr) == (1, True)


@pytest.mark.parametrize(
    ("installed", "program"),
    [
        ("/opt/gateway", "/opt/gateway/bin/gateway"),
        ("/srv/100 %/venv", "/srv/100\\x20%%/venv/bin/gateway"),
        ("/home/ann/venv", "/opt/gateway/bin/gateway"),
        ("/root/.local/venv", "/opt/gateway/bin/gateway"),
    ],
)
def test_the_service_starts_a_program_that_it_can_read(installed: str, program: str) -> None:
    """`ProtectHome=` hides the home folders from the service."""
    made = units.files(Path(installed))
    assert f"ExecStart={program} serve" in made[units.SERVICE]
    assert "Documentation=file:" + program.removesuffix("/bin/gateway") in made[units.SERVICE]
    hint = "pip install local-agent-gateway" in "\n".join(
        units.steps(Path("systemd"), Path(installed))
    )
    assert hint == installed.startswith(("/home", "/root"))


def test_the_user_unit_starts_this_program() -> None:
    made = units.files(Path("/home/ann/venv"))
    assert "ExecStart=/home/ann/venv/bin/gateway serve" in made[units.USER_SERVICE]


def test_providers_and_agent_may_be_named(run: Run, tmp_path: Path) -> None:
    result = run(
        "init",
        "--provider",
        "openai",
        "--provider",
        "custom",
        "--agent",
        "dev",
        "--path",
        "sub/x.toml",
    )
    assert chain(tmp_path / "sub/x.toml", "dev") == ["openai", "custom"]
    assert "gateway credentials set openai_key" in result.stdout
    assert "custom_key" not in result.stdout
    assert "gateway serve --config sub/x.toml" in result.stdout


def test_it_never_writes_over_a_file(run: Run, tmp_path: Path) -> None:
    (tmp_path / "config.toml").write_text("mine")
    result = run("init", "--yes", GROQ_API_KEY="gsk_x")
    assert (result.exit_code, "left as it is" in result.stderr) == (1, True)
    assert (tmp_path / "config.toml").read_text() == "mine"


@pytest.mark.parametrize(
    ("args", "code", "word"),
    [
        (["--yes"], 10, "gateway credentials set"),
        (["--provider", "nobody"], 2, "nobody"),
        (["--provider", "openai", "--agent", "a b"], 2, "cannot be an agent's name"),
    ],
)
def test_invalid_options_are_refused(
    run: Run, tmp_path: Path, args: list[str], code: int, word: str
) -> None:
    result = run("init", *args)
    assert (result.exit_code, word in result.stderr) == (code, True)
    assert not (tmp_path / "config.toml").exists()


def test_a_key_that_cannot_be_used_is_named_and_skipped(run: Run, tmp_path: Path) -> None:
    token = tmp_path / "home/.action-llama/credentials/openai_key/default/token"
    token.parent.mkdir(parents=True)
    token.write_text("")
    result = run("init", "--yes", GROQ_API_KEY="gsk_x")
    assert "is empty" in result.stderr
    assert chain(tmp_path / "config.toml") == ["groq"]


def test_on_a_terminal_it_asks(tmp_path: Path) -> None:
    """A mistake is asked again; a key is stored and never shown."""
    ours, theirs = pty.openpty()
    process = subprocess.Popen(
        [sys.executable, "-c", "from gateway.cli.init import command; command(prog_name='init')"],
        stdin=theirs,
        stdout=theirs,
        stderr=theirs,
        cwd=tmp_path,
        env={"HOME": str(tmp_path), "PYTHONPATH": os.pathsep.join(sys.path), "PATH": os.defpath},
        start_new_session=True,
    )
    os.close(theirs)
    shown = ""
    answers = [("first choice first", "nobody"), ("first choice first", "anthropic custom")]
    for question, answer in [
        *answers,
        ("Key of anthropic", "sk-ant-api-canary"),
        ("Name of the agent", "dev"),
    ]:
        shown += said_until(ours, question)
        os.write(ours, f"{answer}\n".encode())
    shown += said_until(ours, "curl")
    assert process.wait(10) == 0
    os.close(ours)
    assert "canary" not in shown
    assert chain(tmp_path / "config.toml", "dev") == ["anthropic", "custom"]
    assert (
        tmp_path / ".action-llama/credentials/anthropic_key/default/token"
    ).read_text() == "sk-ant-api-canary\n"


def said_until(terminal: int, word: str) -> str:
    """What a terminal shows up to a word and the prompt behind it."""
    shown = ""
    while not (word in shown and shown.rstrip(" ").endswith((":", "\n"))):
        shown += os.read(terminal, 4096).decode()
    return shown
