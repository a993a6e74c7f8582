"""Keys come from the first place that has them, are fresh for every call, and cannot be printed."""

from __future__ import annotations

import copy
import json
import logging
import os
import pickle
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest

from gateway.credentials.secret import CredentialError, CredentialMissing, Found, Secret
from gateway.credentials.store import Credentials
from gateway.types import Model
from tests import makers

NOW = 1_800_000_000.0


def put(path: Path, text: str) -> Path:
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text(text)
    return path


def stored(home: Path, name: str, text: str, instance: str = "default") -> Path:
    return put(home / ".action-llama/credentials" / name / instance / "token", text)


def keys(home: Path, **env: str) -> Credentials:
    return Credentials(env, home, wall=lambda: NOW, root=home / "no-container")


def model(provider: str = "anthropic", credential: str | None = None, **more: Any) -> Model:
    return makers.model(provider, **more, **({"credential": credential} if credential else {}))


def revealed(found: Found | None) -> str | None:
    return found.secret.reveal() if found else None


# --- the secret -----------------------------------------------------------------------------------


def test_a_secret_does_not_print(caplog: pytest.LogCaptureFixture) -> None:
    secret = Secret("canary")
    logging.getLogger("x").error("%s %r", secret, Found(secret, "store"))
    shown = (
        f"{secret} {secret!r} {secret!s} {secret:>20} {[secret]} {vars} {Found(secret, 'x')}"
        + caplog.text
    )
    assert "canary" not in shown
    assert secret.reveal() == "canary"
    for copied in (copy.deepcopy, pickle.dumps):
        with pytest.raises(TypeError):
            copied(secret)


def test_secrets_are_equal_by_value() -> None:
    assert Secret("a") == Secret("a") != Secret("b")
    assert Secret("a") != "a"
    assert len({Secret("a"), Secret("a")}) == 1


# --- how often a file is looked at ----------------------------------------------------------------


def test_a_changed_key_is_used_once_its_file_is_looked_at_again(tmp_path: Path) -> None:
    clock = makers.Clock()
    credentials = Credentials({}, tmp_path, clock=clock, look_every_s=0.5)
    stored(tmp_path, "anthropic_key", "first")
    assert revealed(credentials.find(model())) == "first"
    stored(tmp_path, "anthropic_key", "the-second")
    clock.now += 0.49
    assert revealed(credentials.find(model())) == "first"
    clock.now += 0.01
    assert revealed(credentials.find(model())) == "the-second"


def test_a_changed_key_is_found_at_once_by_those_who_ask_to_look_again(tmp_path: Path) -> None:
    credentials = Credentials({}, tmp_path, clock=makers.Clock(), look_every_s=0.5)
    stored(tmp_path, "anthropic_key", "first")
    assert revealed(credentials.find(model())) == "first"
    stored(tmp_path, "anthropic_key", "the-second")
    credentials.look_again()
    assert revealed(credentials.find(model())) == "the-second"


def test_a_key_that_the_gateway_writes_or_removes_counts_at_once(tmp_path: Path) -> None:
    credentials = Credentials({}, tmp_path, clock=makers.Clock(), look_every_s=0.5)
    for key in ("first", "the-second"):
        credentials.put("anthropic_key", "default", key)
        assert revealed(credentials.find(model())) == key
    credentials.remove("anthropic_key", "default")
    with pytest.raises(CredentialMissing):
        credentials.find(model())


def test_a_key_that_is_missing_is_found_as_soon_as_it_is_there(tmp_path: Path) -> None:
    credentials = Credentials({}, tmp_path, clock=makers.Clock(), look_every_s=0.5)
    with pytest.raises(CredentialMissing):
        credentials.find(model())
    stored(tmp_path, "anthropic_key", "first")
    assert revealed(credentials.find(model())) == "first"


def test_a_file_that_is_missing_is_looked_for_once_in_a_while(tmp_path: Path) -> None:
    clock = makers.Clock()
    env = {"ANTHROPIC_API_KEY": "from-environment"}
    credentials = Credentials(env, tmp_path, clock=clock, look_every_s=0.5)
    assert revealed(credentials.find(model())) == "from-environment"
    stored(tmp_path, "anthropic_key", "from-store")
    assert revealed(credentials.find(model())) == "from-environment"
    clock.now += 0.5
    assert revealed(credentials.find(model())) == "from-store"


# --- the order of sources -------------------------------------------------------------------------


def test_the_first_source_wins(tmp_path: Path) -> None:
    env = {
        "CREDENTIALS_DIRECTORY": str(tmp_path / "systemd"),
        "AL_CREDENTIALS_PATH": str(tmp_path / "staged"),
        "ANTHROPIC_API_KEY": " from-environment ",
    }
    places = [
        put(tmp_path / "systemd/anthropic_key", "from-systemd\n"),
        put(tmp_path / "staged/anthropic_key/default/token", "from-staged"),
        stored(tmp_path, "anthropic_key", "\ufefffrom-store\r\n"),
    ]
    credentials = keys(tmp_path, **env)
    for place, expected in zip(places, ("systemd", "staged", "store"), strict=True):
        found = credentials.find(model())
        assert found is not None
        assert (found.secret.reveal(), found.source) == (f"from-{expected}", f"{expected} {place}")
        place.unlink()
    found = credentials.find(model())
    assert found == Found(Secret("from-environment"), "environment $ANTHROPIC_API_KEY")


def test_an_instance_has_its_own_key_and_never_the_environments(tmp_path: Path) -> None:
    env = {"OPENAI_API_KEY": "x", "CREDENTIALS_DIRECTORY": str(tmp_path / "systemd")}
    team = model("openai", "openai_key:team2")
    with pytest.raises(CredentialMissing, match=r"gateway credentials set openai_key:team2`$"):
        keys(tmp_path, **env).find(team)
    stored(tmp_path, "openai_key", "two", "team2")
    assert revealed(keys(tmp_path, **env).find(team)) == "two"
    put(tmp_path / "systemd/openai_key.team2", "three")
    assert revealed(keys(tmp_path, **env).find(team)) == "three"


def test_the_store_may_lie_elsewhere(tmp_path: Path) -> None:
    put(tmp_path / "else/openai_key/default/token", "x")
    assert (
        revealed(keys(tmp_path, AL_CREDENTIALS_DIR=str(tmp_path / "else")).find(model("openai")))
        == "x"
    )


def test_a_missing_key_names_the_cure(tmp_path: Path) -> None:
    with pytest.raises(CredentialMissing, match=r"set anthropic_key`, or set \$ANTHROPIC_API_KEY$"):
        keys(tmp_path, ANTHROPIC_API_KEY="  ").find(model())


def test_a_server_may_need_no_key(tmp_path: Path) -> None:
    assert keys(tmp_path).find(model("custom")) is None
    with pytest.raises(CredentialMissing):
        keys(tmp_path).find(model("custom", "custom_key:lab"))


def test_an_oauth_token_is_not_taken_from_the_variable_for_keys(tmp_path: Path) -> None:
    oauth = model(auth_type="oauth_token")
    with pytest.raises(CredentialMissing):
        keys(tmp_path, ANTHROPIC_API_KEY="sk-ant-api-x").find(oauth)
    stored(tmp_path, "anthropic_key", "sk-ant-oat-x")
    assert keys(tmp_path).find(oauth) == Found(
        Secret("sk-ant-oat-x"),
        f"store {tmp_path}/.action-llama/credentials/anthropic_key/default/token",
        bearer=True,
    )


# --- files ----------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("content", "reason"),
    [
        ("", "is empty"),
        (" \n", "is empty"),
        ("two\nlines", "one line"),
        ("a b", "one line"),
        ("schlüssel", "one line"),
    ],
)
def test_a_file_that_holds_no_key_is_an_error_and_never_skipped(
    tmp_path: Path, content: str, reason: str
) -> None:
    stored(tmp_path, "anthropic_key", content)
    with pytest.raises(CredentialError, match=reason) as caught:
        keys(tmp_path, ANTHROPIC_API_KEY="other").find(model())
    assert "lines" not in str(caught.value)


def test_a_folder_or_a_flood_in_place_of_a_key_is_an_error(tmp_path: Path) -> None:
    (tmp_path / ".action-llama/credentials/anthropic_key/default/token").mkdir(parents=True)
    stored(tmp_path, "openai_key", "x" * 100_000)
    with pytest.raises(CredentialError, match="is not a file"):
        keys(tmp_path).find(model())
    with pytest.raises(CredentialError, match="larger than any key"):
        keys(tmp_path).find(model("openai"))


def test_a_changed_key_is_used_for_the_next_call(tmp_path: Path) -> None:
    path = stored(tmp_path, "anthropic_key", "one")
    credentials = keys(tmp_path)
    assert revealed(credentials.find(model())) == "one"
    os.utime(path, ns=(1, 1))
    path.write_text("two")
    assert revealed(credentials.find(model())) == "two"
    path.unlink()
    with pytest.raises(CredentialMissing):
        credentials.find(model())
    stored(tmp_path, "anthropic_key", "three")
    assert revealed(credentials.find(model())) == "three"


def test_an_unchanged_file_is_not_read_again(tmp_path: Path) -> None:
    stored(tmp_path, "anthropic_key", "one")
    credentials = keys(tmp_path)
    first, second = credentials.find(model()), credentials.find(model())
    assert first is not None
    assert second is not None
    assert first.secret is second.secret


# --- the store ------------------------------------------------------------------------------------


def test_put_makes_private_folders_and_files(tmp_path: Path) -> None:
    path = keys(tmp_path).put("openai_key", "team2", "  sk-x\n")
    assert path.read_text() == "sk-x\n"
    assert path.stat().st_mode & 0o777 == 0o600
    for folder in list(path.parents)[:4]:
        assert folder.stat().st_mode & 0o777 == 0o700, folder
    keys(tmp_path).put("openai_key", "team2", "sk-y")
    assert [file.name for file in path.parent.iterdir()] == ["token"]
    assert path.read_text() == "sk-y\n"


@pytest.mark.parametrize(
    ("name", "instance", "value", "reason"),
    [
        ("openai_key", "default", " \n", "is empty"),
        ("openai_key", "default", "a b", "one line"),
        ("openai_key", "..", "x", "cannot be part"),
        ("../x", "default", "x", "cannot be part"),
        ("opnai_key", "default", "x", "did you mean openai_key"),
    ],
)
def test_put_refuses_invalid_names(
    tmp_path: Path, name: str, instance: str, value: str, reason: str
) -> None:
    with pytest.raises(CredentialError, match=reason):
        keys(tmp_path).put(name, instance, value)


def test_remove_takes_empty_folders_along(tmp_path: Path) -> None:
    credentials = keys(tmp_path)
    credentials.put("openai_key", "default", "x")
    credentials.put("openai_key", "team2", "x")
    credentials.remove("openai_key", "team2")
    assert not (credentials.store / "openai_key/team2").exists()
    credentials.remove("openai_key", "default")
    assert not (credentials.store / "openai_key").exists()
    with pytest.raises(CredentialMissing, match="there is no openai_key"):
        credentials.remove("openai_key", "default")


def test_the_list_says_where_each_key_is_and_what_is_wrong(tmp_path: Path) -> None:
    credentials = keys(
        tmp_path,
        CREDENTIALS_DIRECTORY=str(tmp_path / "systemd"),
        GROQ_API_KEY="x",
        MISTRAL_API_KEY="",
    )
    put(tmp_path / "systemd/openai_key", "x")
    put(tmp_path / "systemd/unrelated", "x")
    credentials.put("openai_key", "default", "x")
    credentials.put("anthropic_key", "default", "x").chmod(0o644)
    credentials.put("xai_key", "default", "x").write_text("")
    stored(tmp_path, "mistral_key", " \n")
    stored(tmp_path, "google_key", "two words")
    stored(tmp_path, "custom_key", "").unlink()
    (credentials.store / "custom_key/default/token").symlink_to("token")
    (credentials.store / "openrouter_key/default/token").mkdir(parents=True)
    stored(tmp_path, "github_token", "not ours")
    assert [(key.type, key.source, key.problem, key.used) for key in credentials.stored()] == [
        ("anthropic_key", "store", "others may read it: chmod 600", True),
        ("custom_key", "store", "cannot be read: Too many levels of symbolic links", True),
        ("google_key", "store", "not a key", True),
        ("groq_key", "environment", "", True),
        ("mistral_key", "store", "empty", True),
        ("openai_key", "systemd", "", True),
        ("openai_key", "store", "", False),
        ("openrouter_key", "store", "not a file", True),
        ("xai_key", "store", "empty", True),
    ]


def test_a_store_that_cannot_be_read_or_written_is_an_error(tmp_path: Path) -> None:
    credentials = keys(tmp_path)
    credentials.store.parent.mkdir()
    credentials.store.symlink_to(credentials.store)
    with pytest.raises(CredentialError, match="credentials cannot be read"):
        credentials.stored()
    with pytest.raises(CredentialError, match="cannot be written"):
        credentials.put("openai_key", "default", "x")
    with pytest.raises(CredentialError, match="cannot be removed"):
        credentials.remove("openai_key", "default")


def test_a_key_has_the_owner_of_its_folder(tmp_path: Path) -> None:
    folder = keys(tmp_path).put("openai_key", "default", "x").parent
    if os.geteuid() == 0:
        os.chown(folder, 65534, 65534)
    path = keys(tmp_path).put("openai_key", "default", "y")
    assert (path.stat().st_uid, path.stat().st_gid) == (folder.stat().st_uid, folder.stat().st_gid)


# --- pi -------------------------------------------------------------------------------------------


def pi(home: Path, entries: object, folder: str = ".pi/agent") -> Path:
    return put(
        home / folder / "auth.json", entries if isinstance(entries, str) else json.dumps(entries)
    )


PI = model("openai", "pi_auth:openai", auth_type="pi_auth")


def test_pi_keys_are_literals_or_names_of_variables(tmp_path: Path) -> None:
    pi(tmp_path, {"openai": {"type": "api_key", "key": "MY_KEY"}})
    assert revealed(keys(tmp_path).find(PI)) == "MY_KEY"
    found = keys(tmp_path, MY_KEY="sk-x").find(PI)
    assert found == Found(Secret("sk-x"), f"pi {tmp_path}/.pi/agent/auth.json")


def test_pi_oauth_is_used_until_it_expires(tmp_path: Path) -> None:
    entry = {"type": "oauth", "access": "tok", "refresh": "r", "expires": int(NOW * 1000) + 1}
    pi(tmp_path, {"openai": entry}, "elsewhere")
    credentials = keys(tmp_path, PI_CODING_AGENT_DIR=str(tmp_path / "elsewhere"))
    assert credentials.find(PI) == Found(
        Secret("tok"), f"pi {tmp_path}/elsewhere/auth.json", bearer=True
    )
    pi(tmp_path, {"openai": entry | {"expires": int(NOW * 1000)}}, "elsewhere")
    with pytest.raises(CredentialError, match=r"expired.*run pi"):
        credentials.find(PI)


@pytest.mark.parametrize(
    ("entries", "reason"),
    [
        ({}, "no entry"),
        ("[]", "not a JSON object"),
        ('{"openai": {"type": "api', "not a JSON object"),
        ({"openai": {"type": "api_key", "key": "!pass canary"}}, "runs none"),
        ({"openai": {"type": "oauth", "access": "canary"}}, "without"),
        ({"openai": {"type": "other", "key": "canary"}}, "neither"),
        ({"openai": {"type": "api_key", "key": "canary canary"}}, "one line"),
    ],
)
def test_pi_entries_that_cannot_be_used(tmp_path: Path, entries: object, reason: str) -> None:
    pi(tmp_path, entries)
    with pytest.raises(CredentialError, match=reason) as caught:
        keys(tmp_path).find(PI)
    assert "canary" not in str(caught.value)


def test_a_half_written_pi_file_leaves_the_last_good_one_in_force(tmp_path: Path) -> None:
    pi(tmp_path, {"openai": {"type": "api_key", "key": "one"}})
    credentials = keys(tmp_path)
    assert revealed(credentials.find(PI)) == "one"
    pi(tmp_path, '{"openai": {"type": "api_key", "ke')
    assert revealed(credentials.find(PI)) == "one"
    pi(tmp_path, {"openai": {"type": "api_key", "key": "second"}})
    assert revealed(credentials.find(PI)) == "second"


def test_pi_without_a_file_or_in_a_container(tmp_path: Path) -> None:
    with pytest.raises(CredentialMissing, match="sign in with pi"):
        keys(tmp_path).find(PI)
    pi(tmp_path, {"openai": {"type": "api_key", "key": "one"}})
    put(tmp_path / "run/.containerenv", "")
    with pytest.raises(CredentialError, match="container"):
        Credentials({}, tmp_path, root=tmp_path).find(PI)


def test_every_provider_may_be_in_pis_file(tmp_path: Path) -> None:
    pi(tmp_path, {name: {"type": "api_key", "key": f"key-{name}"} for name in makers.IDS})
    credentials = keys(tmp_path)
    for name in makers.IDS:
        assert (
            revealed(credentials.find(replace(model(name), auth_type="pi_auth"))) == f"key-{name}"
        )
