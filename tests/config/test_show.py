"""What is in force is shown with its origins, can be read back, and holds no secrets."""

from __future__ import annotations

import tomllib
from pathlib import Path

from gateway.config import show
from gateway.config.files import read
from gateway.config.load import load, parse

TEXT = """
[models.m]
provider = "openai"
model = "gpt-4o"
proxy = "http://me:canary@127.0.0.1:3128"
headers = { x-key = "canary" }
options = { top_k = 40, note = "plain words", secret_thing = "sk-canarycanary123456" }

["agents"."my agent"]
models = ["m"]
[server]
port = 9000
[traces]
endpoint = "https://collector.example/?key=canary"
headers = { x-key = "canary" }
"""


def test_every_value_with_its_origin(tmp_path: Path) -> None:
    (tmp_path / "config.toml").write_text(TEXT)
    (tmp_path / "agents/dev").mkdir(parents=True)
    (tmp_path / "agents/dev/config.toml").write_text('models = ["m"]\n')
    path = tmp_path / "config.toml"
    files = read(path, {}, tmp_path)
    values = show.effective(parse(files, path, {}))
    origins = show.origins(values, files)
    assert origins["server.port"] == "config.toml:12"
    assert origins["server.host"] == "default"
    assert origins["models.m.baseUrl"] == "default"
    assert origins['agents."my agent".models'] == "config.toml:10"
    assert origins["agents.dev.models"] == "dev/config.toml:1"
    text = show.toml(values, origins)
    assert "canary" not in text
    assert tomllib.loads(text) == values
    assert values["models"]["m"]["options"] == {
        "top_k": 40,
        "note": "plain words",
        "secret_thing": "***",
    }
    assert values["traces"]["endpoint"] == "https://collector.example/?***"
    assert values["traces"]["headers"] == {"x-key": "***"}
    assert "canary" not in repr(parse(files, path, {}).traces)
    assert values["models"]["m"]["proxy"] == "http://***@127.0.0.1:3128"


def test_what_is_shown_is_itself_a_configuration(tmp_path: Path) -> None:
    path = tmp_path / "config.toml"
    path.write_text(
        '[models.m]\nprovider = "openai"\nmodel = "gpt-4o"\n[agents.a]\nmodels = ["m"]\n'
    )
    first = show.effective(load(path, {}, tmp_path))
    path.write_text(show.toml(first, show.origins(first, None)))
    assert show.effective(load(path, {}, tmp_path)) == first


def test_literals() -> None:
    for value in ('a"b\\c\n\u00e9\U0001f600', 1, 1.5, True, ["x", [1]], {"a b": {"c": 1}}):
        assert tomllib.loads(f"x = {show.literal(value)}")["x"] == value
