"""A configuration loads whole, or every reason why it does not is reported together."""

from __future__ import annotations

import os
from collections.abc import Callable
from pathlib import Path

import pytest

from gateway.config.files import discover
from gateway.config.load import Config, ConfigError, load
from gateway.config.model_ids import MODEL_IDS, from_environment
from gateway.providers import PROVIDERS

SEED = """
[models.sonnet]
provider = "anthropic"
model = "claude-sonnet-4-20250514"
thinkingLevel = "medium"
authType = "api_key"

[models.gpt4o]
provider = "openai"
model = "gpt-4o"
authType = "api_key"

[models.groq-llama]
provider = "groq"
model = "llama-3.3-70b-versatile"
authType = "api_key"

[models.gemini]
provider = "google"
model = "gemini-2.0-flash-exp"
authType = "api_key"

[models.grok]
provider = "xai"
model = "grok-beta"
authType = "api_key"

[models.mistral]
provider = "mistral"
model = "mistral-large-2411"
authType = "api_key"

[models.or-sonnet]
provider = "openrouter"
model = "anthropic/claude-3.5-sonnet"
authType = "api_key"

[models.my-model]
provider = "custom"
model = "your-model-name"
authType = "api_key"
"""

SECRET = "sk-ant-api03-canaryCanary0123456789"

Write = Callable[..., Path]


@pytest.fixture
def write(tmp_path: Path) -> Write:
    """Writes files below a project folder and returns its `config.toml`: `write("…",
    {"gateway.toml": "…"})`."""

    def writes(main: str, others: dict[str, str] | None = None) -> Path:
        for name, text in {"project/config.toml": main, **(others or {})}.items():
            path = tmp_path / name
            path.parent.mkdir(parents=True, exist_ok=True)
            path.write_text(text)
        return tmp_path / "project/config.toml"

    return writes


def loaded(path: Path, **env: str) -> Config:
    return load(path, env, path.parent.parent / "home")


def problems_of(path: Path, **env: str) -> list[str]:
    """All problems, without the folder."""
    with pytest.raises(ConfigError) as caught:
        loaded(path, **env)
    return [str(problem).replace(f"{path.parent}{os.sep}", "") for problem in caught.value.problems]


MODEL = '[models.m]\nprovider = "openai"\nmodel = "gpt-4o"\n'
DEV = MODEL + '[agents.dev]\nmodels = ["m"]\n'
OPS = '[agents.ops]\nmodels = ["m"]\n'


def test_a_file_that_cannot_be_read_is_an_error_and_never_skipped(
    write: Write, tmp_path: Path
) -> None:
    path = write(
        MODEL,
        {
            "project/agents/dev/SKILL.md": "",
            "project/agents/note.md": "",
            "project/agents/.x/y": "",
        },
    )
    loops = {
        "gateway.toml": "gateway.toml",
        "agents/dev/config.toml": "nowhere",
        "agents/all/config.toml": ".",
    }
    for name, target in loops.items():
        (path.parent / name).parent.mkdir(exist_ok=True)
        (path.parent / name).symlink_to(target)
    assert problems_of(path) == [
        "gateway.toml: cannot be read: Too many levels of symbolic links.",
        "agents/all/config.toml: cannot be read: Is a directory.",
        "agents/dev/config.toml: there is no such file. Make one, or name another with --config.",
    ]
    for name in ("loop", "gone", "folder"):
        (tmp_path / name).mkdir()
    (tmp_path / "loop/config.toml").symlink_to("config.toml")
    (tmp_path / "gone/config.toml").symlink_to("nowhere")
    (tmp_path / "folder/config.toml").mkdir()
    for name in ("loop", "gone", "folder"):
        assert discover(None, {}, tmp_path / name, tmp_path) == tmp_path / name / "config.toml"


@pytest.mark.skipif(os.geteuid() == 0, reason="root may read everything")
def test_a_folder_out_of_sight_is_one_error(write: Write) -> None:
    path = write(MODEL)
    path.parent.chmod(0)
    try:
        assert discover(None, {}, path.parent, path.parent) == path
        assert problems_of(path) == ["config.toml: cannot be read: Permission denied."]
    finally:
        path.parent.chmod(0o700)


# --- what loads -----------------------------------------------------------------------------------


def test_the_seed_page_loads_as_it_is(write: Write) -> None:
    agents = {
        f"project/agents/{name}/config.toml": f'models = ["{model}"]\n'
        for name, model in {"dev": "sonnet", "reviewer": "gpt4o", "devops": "groq-llama"}.items()
    }
    config = loaded(write(SEED, agents))
    assert {
        name: [model.name for model in agent.models] for name, agent in config.agents.items()
    } == {
        "dev": ["sonnet"],
        "devops": ["groq-llama"],
        "reviewer": ["gpt4o"],
    }
    assert set(config.models) == {
        "sonnet",
        "gpt4o",
        "groq-llama",
        "gemini",
        "grok",
        "mistral",
        "or-sonnet",
    }
    (warning,) = config.warnings
    assert (warning.severity, warning.key, warning.line) == (
        "warning",
        "models.my-model.baseUrl",
        38,
    )
    assert config.models["sonnet"].thinking_level == "medium"
    assert config.models["gpt4o"].thinking_level is None
    assert len(config.files) == 4


def test_a_custom_model_takes_its_address_from_the_environment(write: Write) -> None:
    config = loaded(write(SEED), CUSTOM_BASE_URL="http://127.0.0.1:8080/v1/")
    assert config.models["my-model"].base_url == "http://127.0.0.1:8080/v1"
    assert config.warnings == ()


def test_the_ledger_takes_its_place_from_the_environment_unless_a_file_states_it(
    write: Write,
) -> None:
    place = "/var/lib/gateway/ledger.db"
    assert loaded(write(SEED), GATEWAY_LEDGER=place).ledger_path == Path(place)
    stated = write(SEED + '[ledger]\npath = "/srv/ledger.db"\n')
    assert loaded(stated, GATEWAY_LEDGER=place).ledger_path == Path("/srv/ledger.db")


def test_an_address_from_the_environment_is_checked(write: Write) -> None:
    (problem,) = problems_of(write(SEED), CUSTOM_BASE_URL="localhost:80")
    assert '$CUSTOM_BASE_URL: "localhost:80" cannot be used' in problem


def test_a_chain_goes_on_without_a_model_that_has_no_address(write: Write) -> None:
    config = loaded(write(SEED + '[agents.dev]\nmodels = ["my-model", "sonnet"]\n'))
    assert [model.name for model in config.agents["dev"].models] == ["sonnet"]


def test_an_agent_without_any_reachable_model_is_an_error(write: Write) -> None:
    problems = problems_of(write(SEED + '[agents.dev]\nmodels = ["my-model"]\n'))
    assert any("none of these models can be reached" in problem for problem in problems)


def test_every_key_arrives_where_it_belongs(write: Write) -> None:
    config = loaded(
        write(
            """
            [models.local]
            provider = "custom"
            model = "qwen3:32b"
            baseUrl = "http://127.0.0.1:11434/v1/"
            credential = "custom_key:lab"
            contextWindow = 40960
            maxOutputTokens = 8192
            maxConcurrent = 2
            space = "qwen@1024"
            cache = true
            proxy = "socks5://127.0.0.1:1080"
            headers = { x-team = "agents" }
            options = { top_k = 40 }
            price = { input = 1, output = 2.5 }
            timeouts = { firstTokenSeconds = 300 }
            compat = { developerRole = true, maxTokensField = "max_completion_tokens" }

            [agents.slow]
            models = ["local"]
            [agents.fast]
            models = ["local"]
            unsupported = "reject"
            weight = 3
            aliases = ["quick", "fast-*"]
            timeouts = { idleSeconds = 5 }

            [timeouts]
            idleSeconds = 30
            [server]
            port = 9000
            """
        )
    )
    model = config.models["local"]
    assert (model.model_id, model.base_url, model.credential) == (
        "qwen3:32b",
        "http://127.0.0.1:11434/v1",
        "custom_key:lab",
    )
    assert (model.context_window, model.max_output_tokens, model.max_concurrent) == (40960, 8192, 2)
    assert model.space == "qwen@1024"
    assert (model.headers, model.options, model.proxy) == (
        {"x-team": "agents"},
        {"top_k": 40},
        "socks5://127.0.0.1:1080",
    )
    assert model.price == {"input": 1, "output": 2.5}
    assert model.cache
    assert model.quirks.developer_role
    assert model.quirks.max_tokens_field == "max_completion_tokens"
    assert model.quirks.stream_usage
    assert (model.timeouts.first_token_s, model.timeouts.idle_s, model.timeouts.connect_s) == (
        300,
        30,
        5,
    )
    fast, slow = config.agents["fast"], config.agents["slow"]
    assert (fast.unsupported, fast.weight, fast.models[0].timeouts.idle_s) == ("reject", 3, 5)
    assert (fast.aliases, slow.aliases) == (("quick", "fast-*"), ())
    assert fast.models[0].key == model.key
    assert slow.models[0] is model
    assert config.server.port == 9000


def test_defaults_of_a_model(write: Write) -> None:
    model = loaded(write(MODEL)).models["m"]
    assert (model.base_url, model.credential, model.auth_type) == (
        "https://api.openai.com/v1",
        "openai_key:default",
        "api_key",
    )
    assert model.quirks.api == "auto"


def test_a_sign_in_of_pi_has_a_circuit_of_its_own(write: Write) -> None:
    assert (
        loaded(write(MODEL + 'authType = "pi_auth"\n')).models["m"].credential == "pi_auth:openai"
    )


# --- which files ----------------------------------------------------------------------------------


def test_later_files_are_merged_into_earlier_ones(write: Write) -> None:
    config = loaded(
        write(
            MODEL + '[agents.dev]\nmodels = ["m"]\n',
            {
                "project/gateway.toml": (
                    '[server]\nport = 1\nhost = "127.0.0.2"\n[models.m]\nmodel = "two"\n'
                ),
                "project/.env.toml": (
                    'environment = "prod"\nprojectName = "p"\n[server]\nport = 2\n'
                ),
                "home/.action-llama/environments/prod.toml": """
                    [server]
                    host = "198.51.100.7"
                    user = "deploy"
                    [models.m]
                    maxOutputTokens = 7
                    """,
            },
        )
    )
    assert (config.server.host, config.server.port) == ("127.0.0.2", 2)
    assert (config.models["m"].model_id, config.models["m"].max_output_tokens) == ("two", 7)
    assert [path.name for path in config.files] == [
        "config.toml",
        "gateway.toml",
        ".env.toml",
        "prod.toml",
    ]


def test_the_environment_may_be_named_outside(write: Write) -> None:
    path = write(MODEL, {"elsewhere/x.toml": "[models.m]\nmaxOutputTokens = 9\n"})
    config = loaded(path, AL_ENV="x", AL_ENVIRONMENTS_DIR=str(path.parent.parent / "elsewhere"))
    assert config.models["m"].max_output_tokens == 9
    assert "there is no such file" in problems_of(path, AL_ENV="y")[0]


def test_action_llamas_own_keys_are_left_alone(write: Write) -> None:
    config = loaded(
        write(
            'projectName = "p"\nmaxReruns = 2\n'
            + MODEL
            + (
                '[gateway]\nport = 8080\nurl = "http://x"\n[local]\nimage '
                '= "x"\n[webhooks.gh]\ntype = "github"\n'
            )
            + "[agents.dev]\nscale = 2\ntimeout = 60\n[agents.gone]\nscale = 0\n",
            {
                "project/agents/dev/config.toml": """
                    models = ["m"]
                    credentials = ["github_token"]
                    schedule = "*/5 * * * *"
                    [[webhooks]]
                    source = "gh"
                    """,
                "project/agents/idle/config.toml": 'schedule = "* * * * *"\n',
                "project/agents/odd/config.toml": 'models = ["m"]\nflavour = "x"\n',
                "project/agents/.hidden/config.toml": "nonsense = 1\n",
                "project/agents/node_modules/config.toml": "nonsense = 1\n",
            },
        )
    )
    assert set(config.agents) == {"dev", "odd"}
    assert config.server.port == 8484
    assert ["idle names no models" in str(w) or "flavour" in str(w) for w in config.warnings] == [
        True,
        True,
    ]


def test_our_keys_for_a_folders_agent_may_be_in_the_overlay(write: Write) -> None:
    config = loaded(
        write(
            MODEL,
            {
                "project/gateway.toml": '[agents.dev]\nunsupported = "reject"\n',
                "project/agents/dev/config.toml": 'models = ["m"]\n',
            },
        )
    )
    assert config.agents["dev"].unsupported == "reject"


def test_an_agent_in_both_places_is_an_error(write: Write) -> None:
    path = write(
        MODEL + '[agents.dev]\nmodels = ["m"]\n',
        {"project/agents/dev/config.toml": 'models = ["m"]\n'},
    )
    assert problems_of(path) == [
        "config.toml:5: agents.dev.models: the agent is defined here and in "
        "agents/dev/config.toml. Keep one."
    ]


def test_aliases_are_kept_in_the_order_of_the_file(write: Write) -> None:
    own = {"project/agents/ops/config.toml": 'models = ["m"]\naliases = ["claude-*", "o3"]\n'}
    agents = loaded(write(DEV + 'aliases = ["z*", "gpt-5.5", "claude-*"]\n', own)).agents
    assert {name: agent.aliases for name, agent in agents.items()} == {
        "ops": ("claude-*", "o3"),
        "dev": ("z*", "gpt-5.5", "claude-*"),
    }


def test_an_exact_alias_of_two_agents_is_an_error(write: Write) -> None:
    both = DEV + 'aliases = ["x", "gpt-5.5"]\n' + OPS + 'aliases = ["gpt-5.5"]\n'
    assert problems_of(write(both)) == [
        'config.toml:9: agents.ops.aliases: "gpt-5.5" is an alias of two agents, "dev" and "ops". '
        "Keep it in one of them."
    ]


def test_an_alias_of_an_agent_in_a_folder_is_compared(write: Write) -> None:
    own = {"project/agents/ops/config.toml": 'models = ["m"]\naliases = ["gpt-5.5"]\n'}
    (problem,) = problems_of(write(DEV + 'aliases = ["x", "gpt-5.5"]\n', own))
    assert problem.startswith(
        'config.toml:6: agents.dev.aliases: "gpt-5.5" is an alias of two agents, "ops" and "dev"'
    )


def test_a_problem_in_an_agents_own_file_names_that_file(write: Write) -> None:
    path = write(MODEL, {"project/agents/dev/config.toml": '# mine\nmodels = ["n"]\nmodles = []\n'})
    assert problems_of(path) == [
        "agents/dev/config.toml:2: models: there is no [models.n]. Known are: m.",
        "agents/dev/config.toml:3: modles: there is no such key. Did you mean 'models'?",
    ]


def test_discovery(tmp_path: Path) -> None:
    cwd, home = tmp_path / "cwd", tmp_path / "home"
    mine = home / ".config/gateway/config.toml"
    for path in (cwd / "config.toml", mine, tmp_path / "dir/config.toml"):
        path.parent.mkdir(parents=True)
        path.touch()
    assert discover(None, {}, cwd, home) == cwd / "config.toml"
    assert discover(None, {}, tmp_path, home) == mine
    assert discover(None, {"GATEWAY_CONFIG": "/x.toml"}, cwd, home) == Path("/x.toml")
    assert discover("/y.toml", {"GATEWAY_CONFIG": "/x.toml"}, cwd, home) == Path("/y.toml")
    assert discover(str(tmp_path / "dir"), {}, cwd, home) == tmp_path / "dir/config.toml"


def test_a_named_file_that_does_not_exist_is_an_error(tmp_path: Path) -> None:
    with pytest.raises(ConfigError, match="there is no such file"):
        load(tmp_path / "none.toml", {}, tmp_path)


def test_a_file_that_is_not_toml_is_reported_with_its_line_and_nothing_else(write: Write) -> None:
    path = write(MODEL + "[server\n", {"project/gateway.toml": "x = \n"})
    (main, overlay) = problems_of(path)
    assert main.startswith("config.toml:4: is not TOML: Expected ']'")
    assert overlay.startswith("gateway.toml:1: is not TOML: Invalid value")


# --- what is wrong --------------------------------------------------------------------------------


def test_all_errors_are_reported_together_in_the_order_of_the_file(write: Write) -> None:
    problems = problems_of(
        write(
            """titel = "x"
[models.sonnet]
provider = "antropic"
model = "claude-sonnet-5"
thinkingLevel = "hihg"
[models.gpt]
provider = "openai"
authType = "oauth_token"
contextWindow = "200000"
[agents.dev]
models = ["sonet"]
[agents.empty]
models = []
[server]
port = 84840
[fallback]
never = ["ratelimit"]
"""
        )
    )
    assert problems == [
        "config.toml:1: titel: there is no such key. "
        "Known are: agents, breaker, cluster, fallback, ledger, limits, log, models, server, timeouts, traces.",  # noqa: E501
        (
            'config.toml:3: models.sonnet.provider: "antropic" is not a provider. Did you mean '
            "'anthropic'?"
        ),
        'config.toml:5: models.sonnet.thinkingLevel: "hihg" is not one of high, low, max, '
        "medium, minimal, off, xhigh. "
        "Did you mean 'high'?",
        "config.toml:6: models.gpt.model: is missing. Add model = …",
        (
            'config.toml:8: models.gpt.authType: "openai" takes no OAuth token. Use authType = '
            '"api_key".'
        ),
        'config.toml:9: models.gpt.contextWindow: "200000" is not a whole number from 1 up. '
        "Write it without quotes: contextWindow = 200000",
        "config.toml:11: agents.dev.models: there is no [models.sonet]. Did you mean 'sonnet'?",
        "config.toml:13: agents.empty.models: the chain is empty. Name at least one of [models.*].",
        "config.toml:15: server.port: 84840 is not a whole number from 0 to 65535.",
        (
            'config.toml:17: fallback.never: "ratelimit" is not a kind of failure. Did you mean '
            "'rate_limit'?"
        ),
    ]


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("models = 1", "1 is not a table"),
        ("[models]\nm = 1", "models.m: 1 must be a table"),
        ("server = 1", "1 must be a table. Write [server] and its keys below."),
        ("[agents]\ndev = 1", "agents.dev: 1 must be a table"),
        ("[agents.dev]", "agents.dev.models: is missing"),
        ('[agents.dev]\nmodels = "m"', 'Write it as a list: models = ["m"]'),
        ("[timeouts]\nidleSeconds = nan", "nan is not a number above 0"),
        ("[timeouts]\nidleSeconds = 1e9", "is not a number above 0 to 2592000"),
        ("[server]\nworkers = true", "true is not a whole number from 1 up"),
        ('[server]\nhost = "127.0.0.1:80"', "is not a host"),
        (MODEL + 'space = ""', "cannot name a vector space"),
        (MODEL + 'space = "é"', "cannot name a vector space"),
        (MODEL + 'space = " a"', "cannot name a vector space"),
        (MODEL + f'space = "{"a" * 129}"', "cannot name a vector space"),
        (MODEL + "compat = { embeddingInputs = -1 }", "embeddingInputs"),
        (MODEL + "options = { requests = [] }", "is set by the gateway itself"),
        ('[server]\nallowedHosts = ["http://x"]', "is not a host name"),
        (
            '[server]\nallowedOrigins = "http://a"',
            'Write it as a list: allowedOrigins = ["http://a"]',
        ),
        ('[server]\nallowedOrigins = ["http://a:3000/app"]', 'Write "http://a:3000".'),
        (
            '[server]\nallowedOrigins = ["http://a/"]',
            '"http://a/" is not an origin of a web page. Write "http://a".',
        ),
        ('[server]\nallowedOrigins = ["localhost:3000"]', 'Write "http://localhost:3000".'),
        ('[server]\nallowedOrigins = ["NULL"]', 'Write "null".'),
        ('[server]\nallowedOrigins = ["http://*.example"]', "Write scheme://host"),
        ('[server]\nallowedOrigins = ["http://a:99999"]', "Write scheme://host"),
        ('[server]\nallowedOrigins = [""]', "Write scheme://host"),
        ('[ledger]\nenabled = "true"', "Write it without quotes: enabled = true"),
        ("[breaker]\ncooldownSeconds = 7200", "7200 is more than cooldownMaxSeconds = 3600"),
        (
            "[fallback]\nbackoffSeconds = 8\nbackoffMaxSeconds = 5",
            "8 is more than backoffMaxSeconds = 5",
        ),
        ('[fallback]\nnever = ["quota"]\nalways = ["quota"]', "is in `always` too"),
        ('[models."a,b"]\nprovider = "openai"\nmodel = "x"', "cannot be a name"),
        (MODEL + 'baseUrl = "localhost:80"', "does not begin with http"),
        (MODEL + 'baseUrl = "http://a:99999"', "cannot be used"),
        (MODEL + 'baseUrl = "http://a/v1?x=1"', "query or a fragment"),
        (MODEL + 'baseUrl = "http://a/v1/chat/completions"', 'Write "http://a/v1"'),
        (MODEL + 'proxy = "127.0.0.1:80"', "is not an address of a proxy"),
        (MODEL + 'credential = "../../etc:x"', "names no credential"),
        (MODEL + 'headers = { Host = "x" }', "set by the gateway itself"),
        (MODEL + 'headers = { Authorization = "x" }', "carries the key"),
        (MODEL + 'headers = { "a b" = "x" }', "is not a header"),
        (MODEL + 'headers = { a = "x\\ny" }', "is not a header"),
        ('[traces]\nendpoint = "localhost:4318"', "is not an http or https address"),
        ('[traces]\nendpoint = "http://me:secret@localhost"', "is not an http or https address"),
        ('[traces]\nheaders = { Host = "x" }', "set by the gateway itself"),
        ('[traces]\nheaders = { "a b" = "x" }', "is not a header"),
        ('[traces]\nheaders = { a = "x\\ny" }', "is not a header"),
        (MODEL + "options = { stream = false }", "set by the gateway itself"),
        (MODEL + 'compat = { toolIds = "max4" }', "Did you mean 'max40'?"),
        (MODEL.replace("openai", "OPENAI"), "Did you mean 'openai'?"),
        ('[log]\nlevel = "INFO"', "Did you mean 'info'?"),
        (MODEL + "price = { input = 1 }", "price.output: is missing"),
        (DEV + 'aliases = "gpt-5.5"', 'Write it as a list: aliases = ["gpt-5.5"]'),
        (
            DEV + 'aliases = ["ops"]\n' + OPS,
            '"ops" is the name of another agent, which always comes first. Remove it',
        ),
        (
            DEV + 'aliases = ["claude-[45]*"]',
            "[ has no special meaning in an alias. Only * (any text)",
        ),
        (DEV + 'aliases = ["(claude|gpt)-*"]', "( has no special meaning"),
        (DEV + 'aliases = [""]', "cannot be a name"),
        (DEV + 'aliases = ["a, b"]', "cannot be a name"),
        (DEV + 'aliases = ["ü*"]', "cannot be a name"),
    ],
)
def test_problem(write: Write, text: str, message: str) -> None:
    problems = problems_of(write(text))
    assert any(message in problem for problem in problems), problems


@pytest.mark.parametrize(
    ("text", "message"),
    [
        (
            '[models.a]\nprovider = "anthropic"\nmodel = "x"\nbaseUrl = "http://a/v1"',
            "the /v1 should go",
        ),
        (MODEL + 'credential = "opnai_key"', "Did you mean 'openai_key'?"),
        (MODEL + '[agents.dev]\nmodels = ["m", "m"]', "is here twice"),
        (DEV + 'aliases = ["dev"]', '"dev" is the agent\'s own name. Remove it.'),
        (DEV + 'aliases = ["m"]', '"m" hides the model of that name'),
        (DEV + 'aliases = ["x*", "x*", "x*"]', '"x*" is listed 3 times. Keep one.'),
        (DEV + 'aliases = ["llama(3)"]', "( has no special meaning"),
    ],
)
def test_warning(write: Write, text: str, message: str) -> None:
    (warning,) = loaded(write(text)).warnings
    assert message in str(warning)


@pytest.mark.parametrize(
    "line",
    [
        f'apiKey = "{SECRET}"',
        f'credential = "{SECRET}"',
        f'authType = "{SECRET}"',
        f'thinkingLevel = "{SECRET}"',
        f'baseUrl = "http://user:{SECRET}@host"',
        f'proxy = "{SECRET}"',
        f'headers = {{ Host = "{SECRET}" }}',
        f'headers = "{SECRET}"',
        f'options = {{ stream = "{SECRET}" }}',
        f'options = "{SECRET}"',
        f'contextWindow = "{SECRET}"',
        f'"{SECRET}" = 1',
        f'cache = ["{SECRET}"]',
        'credential = "0123456789abcdef0123456789abcdef"',
    ],
)
def test_no_secret_is_ever_reported(write: Write, line: str) -> None:
    text = "\n".join(problems_of(write(MODEL + line)))
    assert "canary" not in text.lower()
    assert "0123456789" not in text


# --- without any file -----------------------------------------------------------------------------


def test_keys_in_the_environment_make_a_configuration() -> None:
    config = from_environment({"OPENAI_API_KEY": "x", "GOOGLE_API_KEY": "y", "GROQ_API_KEY": ""})
    assert config is not None
    assert [model.name for model in config.agents["default"].models] == ["openai", "google"]
    assert set(config.models) == {"openai", "google"}
    assert config.path is None


def test_without_keys_there_is_no_configuration() -> None:
    assert from_environment({}) is None


def test_every_provider_with_a_public_address_has_a_model_of_its_own() -> None:
    assert set(MODEL_IDS) == {name for name, row in PROVIDERS.items() if row.base_url}


def test_a_relative_ledger_is_beside_the_configuration(tmp_path: Path) -> None:
    (tmp_path / "config.toml").write_text('[ledger]\npath = "calls.db"\n')
    relative = Path(os.path.relpath(tmp_path / "config.toml"))
    for path in (tmp_path / "config.toml", relative):
        assert load(path, {}, tmp_path).ledger_path.resolve() == tmp_path / "calls.db"


@pytest.mark.parametrize("path", ["~nobody-of-this-name/x.db", "/var/lib/x.db"])
def test_the_home_of_an_unknown_user_is_part_of_the_name(tmp_path: Path, path: str) -> None:
    (tmp_path / "config.toml").write_text(f'[ledger]\npath = "{path}"\n')
    assert load(tmp_path / "config.toml", {}, tmp_path).ledger_path == tmp_path / path
