"""`gateway doctor`: each thing that can be wrong is found, and nothing secret is shown."""

from __future__ import annotations

import grp
import json
import os
import pwd
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from pytest_httpserver import HTTPServer
from werkzeug import Request, Response

from gateway.reports.doctor import others_may_write
from tests.cli.conftest import Run

STORE = "home/.action-llama/credentials"
CUSTOM = (
    '[models.local]\nprovider = "custom"\nmodel = '
    '"qwen3:32b"\nbaseUrl = "{url}"\n[agents.dev]\nmodels = ["local"]\n'
)


@pytest.fixture
def somewhere(tmp_path: Path) -> Path:
    """A configuration without a flaw, whose port no process listens on."""
    path = tmp_path / "config.toml"
    path.write_text(CUSTOM.format(url="http://127.0.0.1:1/v1") + "[server]\nport = 1\n")
    return path


def found(run: Run, *args: str, **env: str) -> tuple[int, list[dict[str, str]]]:
    """(exit code, everything that is not ok)."""
    result = run("doctor", "--json", *args, **env)
    report = json.loads(result.stdout)
    assert result.exit_code == report["exit_code"]
    return report["exit_code"], [
        row for row in report["findings"] if row["severity"] in ("warning", "error")
    ]


def one(run: Run, *args: str, **env: str) -> tuple[int, str]:
    """(exit code, the one thing that is wrong)."""
    code, rows = found(run, *args, **env)
    assert len(rows) == 1, rows
    return (
        code,
        f"{rows[0]['severity']} {rows[0]['subject']}: {rows[0]['message']} {rows[0]['cure']}",
    )


def test_nothing_is_configured(run: Run) -> None:
    result = run("doctor", GATEWAY_URL="http://127.0.0.1:1")
    assert result.exit_code == 0
    assert "no configuration in" in result.stdout
    assert result.stdout.splitlines()[-1].startswith("Next: gateway init")
    assert "Traceback" not in result.output


def test_keys_in_the_environment_are_enough(run: Run) -> None:
    result = run("doctor", GROQ_API_KEY="gsk_canary", GATEWAY_URL="http://127.0.0.1:1")
    assert result.exit_code == 0
    assert "environment $GROQ_API_KEY" in result.stdout
    assert "canary" not in result.output


def test_nothing_is_wrong(run: Run, somewhere: Path) -> None:
    result = run("doctor")
    assert result.exit_code == 0, result.output
    assert "0 errors, 0 warnings.\nNext: gateway doctor --live" in result.stdout
    assert max(map(len, result.stdout.replace(str(somewhere.parent), "").splitlines())) <= 80


def test_a_broken_configuration_is_reported_whole_and_first(run: Run, somewhere: Path) -> None:
    somewhere.write_text(
        somewhere.read_text().replace('"custom"', '"costum"').replace("port", "prot")
    )
    run("credentials", "set", "openai_key", input="x")
    code, rows = found(run)
    assert code == 13
    assert [row["cure"] for row in rows] == ["Did you mean 'custom'?", "Did you mean 'port'?"]
    assert f"Next: edit {somewhere}, then: gateway config check" in run("doctor").stdout


def test_a_file_that_is_not_there(run: Run) -> None:
    code, said = one(run, "--config", "nowhere.toml", GATEWAY_URL="http://127.0.0.1:1")
    assert code == 13
    assert "there is no such file" in said


def test_one_agent_in_two_places(run: Run, somewhere: Path) -> None:
    own = somewhere.parent / "agents/dev/config.toml"
    own.parent.mkdir(parents=True)
    own.write_text('models = ["local"]\n')
    code, said = one(run)
    assert (code, "defined here and in" in said) == (13, True)


def test_an_action_llama_project_is_fine_as_it_is(run: Run, tmp_path: Path) -> None:
    (tmp_path / "config.toml").write_text(
        "maxReruns = 3\n[gateway]\nport = 8080\n"
        '[models.gpt4o]\nprovider = "openai"\nmodel = "gpt-4o"\nauthType = "api_key"\n'
    )
    (tmp_path / "gateway.toml").write_text("[server]\nport = 1\n")
    (tmp_path / "agents/dev").mkdir(parents=True)
    (tmp_path / "agents/dev/config.toml").write_text(
        'models = ["gpt4o"]\nschedule = "* * * * *"\ncredentials = []\n'
    )
    assert found(run, OPENAI_API_KEY="sk-x") == (0, [])


def test_a_missing_key(run: Run, config: Path) -> None:
    code, rows = found(run, GATEWAY_URL="http://127.0.0.1:1")
    assert (code, [row["subject"] for row in rows]) == (10, ["sonnet"])
    result = run("doctor", GATEWAY_URL="http://127.0.0.1:1")
    assert result.stdout.splitlines()[-1] == "Next: gateway credentials set anthropic_key"


@pytest.mark.parametrize(
    ("auth_type", "key", "code", "cure"),
    [
        ("api_key", "sk-ant-oat01-canary", 10, 'authType = "oauth_token"'),
        ("oauth_token", "sk-ant-api03-canary", 10, 'authType = "api_key"'),
        ("oauth_token", "sk-ant-oat01-canary", 0, "terms"),
    ],
)
def test_the_form_of_a_key(
    run: Run, config: Path, auth_type: str, key: str, code: int, cure: str
) -> None:
    config.write_text(
        config.read_text().replace("[models.local]", f'authType = "{auth_type}"\n[models.local]')
    )
    run("credentials", "set", "anthropic_key", input=key)
    exit_code, rows = found(run, GATEWAY_URL="http://127.0.0.1:1")
    assert exit_code == code
    assert cure in rows[0]["cure"]
    assert "canary" not in f"{rows}"


@pytest.mark.parametrize(
    ("path", "mode", "command"),
    [
        ("openai_key/team/token", 0o640, "chmod 600"),
        ("openai_key/team", 0o755, "chmod 700"),
        ("openai_key", 0o711, "chmod 700"),
        ("", 0o750, "chmod 700"),
    ],
)
def test_open_files(run: Run, somewhere: Path, path: str, mode: int, command: str) -> None:
    run("credentials", "set", "openai_key:team", input="sk-x")
    (somewhere.parent / STORE / path).chmod(mode)
    code, said = one(run)
    assert (code, f"`{command} ~/.action-llama/credentials" in said) == (10, True)


def test_in_a_container_without_a_home_addresses_stay_as_they_are(run: Run) -> None:
    assert (
        "nothing listens on http://127.0.0.1:1;"
        in run("doctor", HOME="/", GATEWAY_URL="http://127.0.0.1:1").stdout
    )


def test_a_store_that_is_open_throughout_is_one_mistake(run: Run, somewhere: Path) -> None:
    store = somewhere.parent / STORE
    run("credentials", "set", "openai_key:team", input="sk-x")
    for path in (store, *store.rglob("*")):
        path.chmod(0o755)
    code, said = one(run)
    assert (code, "4 files and folders" in said, "`chmod -R go= ~/" in said) == (10, True, True)


def test_a_store_that_cannot_be_read(run: Run, somewhere: Path) -> None:
    store = somewhere.parent / STORE
    store.parent.mkdir()
    store.symlink_to(store)
    code, rows = found(run)
    assert (code, {row["subject"] for row in rows}) == (10, {"local", "store"})
    assert all("cannot be read" in row["message"] for row in rows)


def test_an_empty_key_that_no_model_uses_and_a_configuration_that_all_users_may_read(
    run: Run, somewhere: Path
) -> None:
    run("credentials", "set", "openai_key:team", input="sk-x")
    (somewhere.parent / STORE / "openai_key/team/token").write_text("")
    assert one(run)[1].startswith("warning openai_key:team")
    run("credentials", "rm", "openai_key:team")
    somewhere.chmod(0o666)
    code, said = one(run)
    assert (code, "`chmod go-w" in said) == (0, True)


def test_pi_sign_ins(run: Run, somewhere: Path) -> None:
    """An expired one is fine: the next call renews it. (In a container pi's file is not used
    at all.)"""
    somewhere.write_text(
        '[models.a]\nprovider = "anthropic"\nmodel = "claude-sonnet-5"\nauthType = '
        '"pi_auth"\n[server]\nport = 1\n'
    )
    auth = somewhere.parent / "home/.pi/agent/auth.json"
    auth.parent.mkdir(parents=True)
    auth.write_text(
        json.dumps(
            {"anthropic": {"type": "oauth", "access": "canary", "refresh": "canary", "expires": 1}}
        )
    )
    auth.chmod(0o644)
    result = run("doctor")
    assert result.exit_code == 10
    assert (
        "the next call renews it" in result.stdout
        or "does not work in a container" in result.stdout
    )
    assert "chmod 600 ~/.pi/agent/auth.json" in result.stdout
    assert "canary" not in result.output


# --- the server -----------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("mode", "gid", "others"),
    [(0o664, 0, False), (0o664, 2**31 - 2, True), (0o644, 2**31 - 2, False), (0o666, 0, True)],
)
def test_the_owners_own_group_does_not_count_as_other_users(
    mode: int, gid: int, others: bool
) -> None:
    """Debian's ordinary users have one each, and umask 002."""
    if gid == 0 and grp.getgrgid(0).gr_name != pwd.getpwuid(0).pw_name:
        pytest.skip("root has no group of its own here")
    status = os.stat_result((mode, 0, 0, 1, 0, gid, 0, 0, 0, 0))
    assert others_may_write(status) == others


def test_client_keys_that_others_may_change(run: Run, somewhere: Path) -> None:
    file = somewhere.parent / "keys.json"
    assert run("keys", "add", "me", GATEWAY_KEYS=str(file)).exit_code == 0
    file.chmod(0o602)
    code, said = one(run, "--config", str(somewhere), GATEWAY_KEYS=str(file))
    assert (code, "could add a key of their own" in said, "`chmod go-w" in said) == (10, True, True)


def test_an_open_address_needs_client_keys(run: Run, somewhere: Path) -> None:
    somewhere.write_text(somewhere.read_text() + 'host = "0.0.0.0"\n')
    code, said = one(run)
    assert (code, "`gateway keys add NAME`" in said) == (13, True)
    run("keys", "add", "laptop")
    assert found(run) == (0, [])
    (somewhere.parent / "home/.config/gateway/keys.json").write_text("{")
    assert one(run)[0] == 13


@pytest.mark.parametrize(
    "line", ['allowedHosts = ["*"]', 'allowedOrigins = ["*"]', 'allowedOrigins = ["null"]']
)
def test_any_host_or_page_without_keys_is_worth_a_warning(
    run: Run, somewhere: Path, line: str
) -> None:
    somewhere.write_text(somewhere.read_text() + line + "\n")
    code, said = one(run)
    assert (code, "any web page" in said) == (0, True)


def test_the_process_on_the_port_is_named(
    run: Run, somewhere: Path, httpserver: HTTPServer
) -> None:
    httpserver.expect_oneshot_request("/health").respond_with_json(
        {"status": "serving", "version": "9.9"}
    )
    url = httpserver.url_for("").rstrip("/")
    assert "a gateway 9.9 runs at" in run("doctor", GATEWAY_URL=url).stdout
    httpserver.expect_oneshot_request("/health").respond_with_data("<html>")
    code, said = one(run, GATEWAY_URL=url)
    assert (code, "taken by another program" in said) == (1, True)


# --- --live ---------------------------------------------------------------------------------------


@pytest.fixture
def listing(run: Run, somewhere: Path, httpserver: HTTPServer) -> Iterator[dict[str, Any]]:
    """A provider that wants the key `sk-right` for its list; what it answers may be changed."""
    state: dict[str, Any] = {"status": 200, "body": {"data": [{"id": "qwen3:32b"}]}, "open": False}
    somewhere.write_text(CUSTOM.format(url=httpserver.url_for("/v1")) + "[server]\nport = 1\n")
    run("credentials", "set", "custom_key", input="sk-right")

    def answer(request: Request) -> Response:
        if not state["open"] and request.headers.get("authorization") != "Bearer sk-right":
            return Response(
                '{"error": {"message": "Bad key canary", "code": "invalid_api_key"}}', 401
            )
        body = state["body"]
        return Response(body if isinstance(body, bytes) else json.dumps(body), state["status"])

    httpserver.expect_request("/v1/models").respond_with_handler(answer)
    yield state
    httpserver.check_handler_errors()


def test_a_key_that_is_taken(run: Run, listing: dict[str, Any]) -> None:
    result = run("doctor", "--live")
    assert result.exit_code == 0, result.output
    assert "key accepted (status 200)" in result.stdout
    assert result.stdout.splitlines()[-1] == "Next: gateway serve"


def test_a_key_that_is_refused(run: Run, listing: dict[str, Any]) -> None:
    run("credentials", "set", "custom_key", input="sk-wrong")
    code, said = one(run, "--live")
    assert code == 10
    assert "refuses the key (status 401, invalid_api_key)" in said
    assert "canary" not in said
    assert (
        run("doctor", "--live").stdout.splitlines()[-1]
        == "Next: gateway credentials set custom_key"
    )


def test_each_account_of_a_pool_is_checked(
    run: Run, listing: dict[str, Any], somewhere: Path
) -> None:
    pool = 'credential = ["custom_key:a", "custom_key:b", "custom_key:c"]\n[agents.dev]'
    somewhere.write_text(somewhere.read_text().replace("[agents.dev]", pool))
    run("credentials", "set", "custom_key:a", input="sk-wrong")
    run("credentials", "set", "custom_key:b", input="sk-right")
    report = json.loads(run("doctor", "--live", "--json").stdout)
    of = {
        section: [row for row in report["findings"] if row["section"] == section]
        for section in ("keys", "live")
    }
    bad, good = of["live"]
    assert (bad["severity"], bad["subject"]) == ("error", "local@a")
    assert "gateway credentials set custom_key:a" in bad["cure"]
    assert (good["severity"], good["subject"]) == ("ok", "local@b")
    missing = next(row for row in of["keys"] if row["subject"] == "local@c")
    assert missing["severity"] == "error"
    assert "gateway credentials set custom_key:c" in missing["message"]
    chain = next(row for row in report["findings"] if row["subject"] == "dev")
    assert chain["message"] == "local@a -> local@b -> local@c"


@pytest.mark.parametrize(
    ("change", "severity", "word"),
    [
        ({"body": {"data": [{"id": "qwen3:30b"}]}}, "warning", "Near ones are: qwen3:30b."),
        ({"body": {"models": [{"name": "models/qwen3:32b"}]}}, None, ""),
        ({"body": {"data": [{"id": "q", "aliases": ["qwen3:32b"]}]}}, None, ""),
        ({"body": {"data": [{"id": "qwen3:32b-20260101"}]}}, None, ""),
        ({"body": {"data": [{"id": "other"}], "has_more": True}}, None, ""),
        ({"body": {"data": []}}, None, ""),
        ({"body": b"<html>"}, "error", "status 200, its answer is not a model list"),
        ({"status": 404}, "warning", "/v1/models does not exist"),
        ({"status": 429}, "warning", "is rate-limited or overloaded right now"),
        ({"status": 500}, "error", "answered with status 500"),
    ],
)
def test_the_models_that_a_provider_lists(
    run: Run, listing: dict[str, Any], change: dict[str, Any], severity: str | None, word: str
) -> None:
    listing |= change
    code, rows = found(run, "--live")
    assert code == (1 if severity == "error" else 0)
    assert [row["severity"] for row in rows] == ([severity] if severity else [])
    assert all(word in f"{row['message']} {row['cure']}" for row in rows)


def test_a_list_that_is_open_to_all_proves_no_key(run: Run, listing: dict[str, Any]) -> None:
    listing["open"] = True
    assert "its list needs no key" in " ".join(run("doctor", "--live").stdout.split())


def test_a_provider_that_does_not_answer(run: Run, somewhere: Path) -> None:
    code, said = one(run, "--live")
    assert (code, "http://127.0.0.1:1/v1 cannot be reached" in said, "Errno" in said) == (
        1,
        True,
        False,
    )


@pytest.mark.parametrize(
    ("variable", "word"), [("OPENAI_API_KEY", "quotes"), ("GEMINI_API_KEY", "quotes")]
)
def test_a_quoted_key_that_no_model_uses(
    run: Run, somewhere: Path, variable: str, word: str
) -> None:
    code, rows = found(run, **{variable: "'sk-0123456789'"})
    assert (code, [row["severity"] for row in rows]) == (10, ["error"])
    assert f"${variable}: has {word} around the key" in rows[0]["message"]


def test_a_quoted_key_of_a_model_at_any_address(run: Run, somewhere: Path) -> None:
    run("credentials", "set", "custom_key", input="sk-x")
    (somewhere.parent / STORE / "custom_key/default/token").write_text('"sk-0123456789"')
    code, rows = found(run)
    assert code == 10
    assert [row["subject"] for row in rows if "quotes" in row["message"]] == ["local"]
