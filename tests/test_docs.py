"""The example configuration is the manual: it names every key, and every default it states is the
default."""

from __future__ import annotations

import re
import tomllib
from pathlib import Path
from typing import Any

import msgspec
import pytest

from gateway.config import schema
from gateway.config.load import load
from gateway.failures import Kind
from gateway.providers import PROVIDERS

EXAMPLE = Path(__file__).parent.parent / "gateway/share/config.toml.example"
TEXT = EXAMPLE.read_text()

UNCOMMENTED = re.sub(r"^#(?=[A-Za-z\[])", "", TEXT, flags=re.MULTILINE)
"""With every setting in force: a setting is a `#` without a space behind it."""

TABLES: dict[str, type[schema.Table]] = {
    "server": schema.Server,
    "fallback": schema.Fallback,
    "breaker": schema.Breaker,
    "timeouts": schema.Timeouts,
    "log": schema.Log,
    "ledger": schema.Ledger,
    "limits": schema.Limits,
    "cluster": schema.Cluster,
    "traces": schema.Traces,
}


def keys(table: type[schema.Table]) -> set[str]:
    return {info.encode_name for info in msgspec.structs.fields(table)}


@pytest.fixture(scope="module")
def whole() -> dict[str, Any]:
    return tomllib.loads(UNCOMMENTED)


def test_the_example_loads_as_it_is_and_with_everything_in_force(tmp_path: Path) -> None:
    path = tmp_path / "config.toml"
    for text in (TEXT, UNCOMMENTED):
        path.write_text(text)
        assert load(path, {}, tmp_path).warnings == ()


def test_every_table_is_there(whole: dict[str, Any]) -> None:
    assert set(whole) == keys(schema.Root)
    assert set(TABLES) == keys(schema.Root) - {"models", "agents"}


@pytest.mark.parametrize("name", TABLES)
def test_every_key_is_there_with_its_default(whole: dict[str, Any], name: str) -> None:
    assert whole[name] == msgspec.to_builtins(TABLES[name]())


def test_every_key_of_a_model_and_an_agent_is_there(whole: dict[str, Any]) -> None:
    model, agent = whole["models"]["example"], whole["agents"]["example"]
    assert set(model) == keys(schema.Model)
    assert set(model["compat"]) == keys(schema.Compat)
    assert set(model["price"]) == keys(schema.Price)
    assert set(model["timeouts"]) == keys(schema.ModelTimeouts)
    assert set(agent) == keys(schema.Agent)


def test_stated_defaults_of_a_model_and_an_agent_are_the_defaults(whole: dict[str, Any]) -> None:
    for stated, table in (
        (whole["models"]["example"], schema.Model),
        (whole["agents"]["example"], schema.Agent),
    ):
        for info in msgspec.structs.fields(table):
            if info.default not in (msgspec.NODEFAULT, None):
                assert stated[info.encode_name] == info.default, info.encode_name


def test_the_compat_values_are_those_of_an_unknown_server(whole: dict[str, Any]) -> None:
    quirks = PROVIDERS["custom"].quirks
    for info in msgspec.structs.fields(schema.Compat):
        assert whole["models"]["example"]["compat"][info.encode_name] == getattr(
            quirks, info.name
        ), info.name


def test_every_setting_has_words_above_it() -> None:
    above = ""
    for number, line in enumerate(TEXT.splitlines(), 1):
        setting = re.match(r"#[a-z]\w* = ", line)
        assert not setting or above.startswith("#"), f"line {number} explains nothing: {line}"
        above = line


def test_every_kind_and_provider_is_named() -> None:
    for word in (*Kind, *PROVIDERS):
        assert re.search(rf"\b{word}\b", TEXT), word
