"""A configuration, from its files to the nouns the gateway works with. All errors are found before
any is reported."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field, fields, replace
from difflib import get_close_matches
from pathlib import Path
from typing import Any, Final

import msgspec

from gateway.config import rules as meaning
from gateway.config import schema
from gateway.config.check import CLOSE, Flaw, Problem, flaws
from gateway.config.files import Files, path_of, read
from gateway.config.pools import account_names, accounts, whole
from gateway.providers import PROVIDERS, quirks_of
from gateway.text.limits import Limit, parse_all
from gateway.types import Agent, Model, Provider, Timeouts, by_entry

CUSTOM_BASE_URL: Final = "CUSTOM_BASE_URL"
"""Where a model without any address is looked for, as in the seed system."""
LEDGER_PATH: Final = "GATEWAY_LEDGER"
"""Where the ledger is if no file states `ledger.path`; the systemd unit sets it."""

_AGENT_KEYS: Final = tuple(info.encode_name for info in msgspec.structs.fields(schema.Agent))
_WAITS: Final = frozenset(info.name for info in fields(Timeouts))


class ConfigError(Exception):
    """A configuration that cannot be used. `problems` has everything that is wrong with it."""

    def __init__(self, problems: list[Problem]) -> None:
        super().__init__("\n".join(str(problem) for problem in problems))
        self.problems = problems


@dataclass(frozen=True, slots=True)
class Config:
    """A valid configuration."""

    path: Path | None
    """The `config.toml`; None for one that was made up from the environment."""
    models: Mapping[str, Model]
    """By name; each account of a credential pool is a model of its own."""
    agents: Mapping[str, Agent]
    server: schema.Server = field(default_factory=schema.Server)
    fallback: schema.Fallback = field(default_factory=schema.Fallback)
    breaker: schema.Breaker = field(default_factory=schema.Breaker)
    timeouts: schema.Timeouts = field(default_factory=schema.Timeouts)
    log: schema.Log = field(default_factory=schema.Log)
    ledger: schema.Ledger = field(default_factory=schema.Ledger)
    cluster: schema.Cluster = field(default_factory=schema.Cluster)
    limits: tuple[Limit, ...] = ()
    """Those of the whole gateway; an agent has its own."""
    traces: schema.Traces = field(default_factory=schema.Traces)
    files: tuple[Path, ...] = ()
    """All files that were read."""
    warnings: tuple[Problem, ...] = ()
    root: schema.Root = field(default_factory=schema.Root)
    """The tables of the files, with defaults filled in."""

    @property
    def entries(self) -> dict[str, tuple[Model, ...]]:
        """The models of each `[models.*]` entry: one, or the accounts of its pool."""
        return by_entry(self.models)

    @property
    def ledger_path(self) -> Path:
        """Where the ledger is; a relative path begins at the configuration's folder, not at the
        current one."""
        folder = self.path.absolute().parent if self.path is not None else Path()
        return folder / path_of(self.ledger.path)


def load(path: Path, env: Mapping[str, str], home: Path) -> Config:
    """The configuration at `path`. Raises `ConfigError` with all problems."""
    return parse(read(path, env, home), path, env)


def parse(files: Files, path: Path, env: Mapping[str, str]) -> Config:
    """The configuration that `files` say. Raises `ConfigError` with all problems."""
    problems = list(files.problems)
    if problems:
        raise ConfigError(problems)
    problems += _twice(files)
    problems += _remove_foreign_keys(files)
    table = _ours(files.merged(), files)
    problems += [
        _problem(flaw, files) for flaw in (*flaws(table, schema.Root), *meaning.meaning(table))
    ]
    if any(problem.severity == "error" for problem in problems):
        raise ConfigError(_in_order(problems))
    return build(msgspec.convert(table, schema.Root), path, env, files, problems)


def _in_order(problems: list[Problem]) -> list[Problem]:
    """In the order of the files and their lines."""
    return sorted(problems, key=lambda problem: (problem.file, problem.line or 0))


def _problem(flaw: Flaw, files: Files | None) -> Problem:
    if files is None:
        return Problem("", ".".join(flaw.path), flaw.message, flaw.cure, severity=flaw.severity)
    file, key, line = files.where(flaw.path)
    return Problem(file, key, flaw.message, flaw.cure, line, flaw.severity)


# --- living together with Action Llama ------------------------------------------------------------


def _twice(files: Files) -> list[Problem]:
    """A chain in an agent's folder and in the main files; other keys of the gateway may be in
    both."""
    doubled = []
    for name, source in files.agents.items():
        elsewhere = next(
            (main for main in files.sources if main.depth(("agents", name, "models")) == 3), None
        )
        if elsewhere and "models" in source.table:
            flaw = Flaw(
                ("agents", name, "models"),
                f"the agent is defined here and in {source.path}.",
                "Keep one.",
            )
            doubled.append(_problem(flaw, files))
    return doubled


def _remove_foreign_keys(files: Files) -> list[Problem]:
    """Takes out of the agents' own files the keys that are not the gateway's, with a warning about
    unknown keys."""
    left = []
    for name, source in files.agents.items():
        for key in [key for key in source.table if key not in _AGENT_KEYS]:
            if key in schema.ACTION_LLAMA_AGENT_KEYS:
                del source.table[key]
            elif not get_close_matches(key, _AGENT_KEYS, cutoff=CLOSE):
                flaw = Flaw(("agents", name, key), "is unknown and ignored.", severity="warning")
                left.append(_problem(flaw, files))
                del source.table[key]
        if not source.table:
            flaw = Flaw(
                ("agents", name),
                f"the agent {name} names no models and is not served.",
                severity="warning",
            )
            left.append(_problem(flaw, files))
    return left


def _ours(table: Mapping[str, Any], files: Files) -> dict[str, Any]:
    """The merged table without the keys of Action Llama, and without agents of which nothing is
    left then."""
    ours = {key: value for key, value in table.items() if key not in schema.ACTION_LLAMA_KEYS}
    agents = ours.get("agents")
    if isinstance(agents, Mapping):
        kept = {name: _agent(agent) for name, agent in agents.items()}
        theirs = {
            name
            for name, agent in kept.items()
            if agent == {} and (agents[name] or name in files.agents)
        }
        ours["agents"] = {name: agent for name, agent in kept.items() if name not in theirs}
    return ours


def _agent(agent: Any) -> Any:
    if not isinstance(agent, Mapping):
        return agent
    return {key: value for key, value in agent.items() if key not in schema.ACTION_LLAMA_AGENT_KEYS}


# --- building -------------------------------------------------------------------------------------


def build(
    root: schema.Root,
    path: Path | None,
    env: Mapping[str, str],
    files: Files | None,
    problems: list[Problem],
) -> Config:
    """The nouns of a checked table; what is worth a warning joins `problems`.

    Raises `ConfigError` when an agent has no model left.
    """
    problems = list(problems)
    models: dict[str, Model] = {}
    for name, entry in root.models.items():
        base_url = _base_url(entry, env)
        problems += [_problem(flaw, files) for flaw in _address_flaws(name, entry, base_url)]
        if base_url is not None:
            models |= {each.name: each for each in _accounts(name, entry, base_url, root.timeouts)}
    entries = by_entry(models)
    agents: dict[str, Agent] = {}
    for name, agent in root.agents.items():
        agents[name] = _agent_of(name, agent, entries)
        if not agents[name].models:
            flaw = Flaw(
                ("agents", name, "models"),
                "none of these models can be reached.",
                "See the warnings.",
            )
            problems.append(_problem(flaw, files))
    if any(problem.severity == "error" for problem in problems):
        raise ConfigError(problems)
    return Config(
        path=path,
        models=models,
        agents=agents,
        server=root.server,
        fallback=root.fallback,
        breaker=root.breaker,
        timeouts=root.timeouts,
        log=root.log,
        ledger=with_place(root.ledger, env),
        limits=parse_all(root.limits.budget, root.limits.rate, "gateway"),
        traces=root.traces,
        cluster=root.cluster,
        files=files.paths() if files else (),
        warnings=tuple(problems),
        root=root,
    )


def with_place(ledger: schema.Ledger, env: Mapping[str, str]) -> schema.Ledger:
    """`[ledger]` with the path of `$GATEWAY_LEDGER`, unless a file states another."""
    stated = env.get(LEDGER_PATH)
    if not stated or ledger.path != schema.Ledger().path:
        return ledger
    return msgspec.structs.replace(ledger, path=stated)


def _base_url(entry: schema.Model, env: Mapping[str, str]) -> str | None:
    url = entry.base_url or PROVIDERS[entry.provider].base_url or env.get(CUSTOM_BASE_URL)
    return url.rstrip("/") if url else None


def _address_flaws(name: str, entry: schema.Model, base_url: str | None) -> Iterator[Flaw]:
    """The flaws of an address that comes from elsewhere than the file."""
    path, row = ("models", name, "baseUrl"), PROVIDERS[entry.provider]
    if base_url is None:
        message = (
            f'a model of "{row.name}" needs an address and has '
            f"none, so it is left out of every chain."
        )
        yield Flaw(
            path,
            message,
            f'Add baseUrl = "http://host:port/v1", or set ${CUSTOM_BASE_URL}.',
            "warning",
        )
    elif not entry.base_url and not row.base_url:
        for flaw in meaning.base_url(path, base_url, row):
            yield replace(flaw, message=f"${CUSTOM_BASE_URL}: {flaw.message}")


def _accounts(
    name: str, entry: schema.Model, base_url: str, general: schema.Timeouts
) -> list[Model]:
    """The model; for a credential pool, once for each account."""
    first, *others = credentials = _credentials(entry, PROVIDERS[entry.provider])
    model = _model(name, entry, base_url, general, first)
    if not others:
        return [model]
    named = zip(account_names(name, credentials), credentials, strict=True)
    return [replace(model, name=own, credential=credential, pool=name) for own, credential in named]


def _model(
    name: str,
    entry: schema.Model,
    base_url: str,
    general: schema.Timeouts,
    credential: str,
) -> Model:
    provider = PROVIDERS[entry.provider]
    return Model(
        name=name,
        provider=provider,
        model_id=entry.model,
        base_url=base_url,
        credential=credential,
        auth_type=entry.auth_type,
        thinking_level=entry.thinking_level,
        headers=entry.headers,
        options=entry.options,
        context_window=entry.context_window,
        max_output_tokens=entry.max_output_tokens,
        quirks=replace(quirks_of(provider, base_url), **_stated(entry.compat)),
        timeouts=replace(Timeouts(**_waits(general)), **_waits(entry.timeouts)),
        cache=entry.cache,
        price=_stated(entry.price) if entry.price is not None else None,
        max_concurrent=entry.max_concurrent,
        proxy=entry.proxy,
        space=entry.space or "",
    )


def _agent_of(name: str, entry: schema.Agent, known: Mapping[str, Sequence[Model]]) -> Agent:
    def chain(names: list[str]) -> tuple[Model, ...]:
        models = (model for each in dict.fromkeys(names) for model in known.get(each, ()))
        return tuple(_timed(model, entry.timeouts) for model in models)

    limits = parse_all(entry.budget, entry.rate, f"agent {name}")
    aliases = tuple(dict.fromkeys(entry.aliases))
    models, spent = chain(entry.models), chain(entry.when_spent)
    return Agent(name, models, entry.unsupported, entry.weight, aliases, limits, spent)


def _credentials(entry: schema.Model, provider: Provider) -> tuple[str, ...]:
    """`type:instance` of each account. What pi has is another account than any in the store."""
    if entry.auth_type == "pi_auth":
        return (f"pi_auth:{provider.name}",)
    if isinstance(entry.credential, list):
        return accounts(entry.credential)
    return (whole(entry.credential or provider.credential),)


def _timed(model: Model, own: schema.ModelTimeouts) -> Model:
    """The model with an agent's own waits; it shares its breaker with the original."""
    waits = _waits(own)
    return replace(model, timeouts=replace(model.timeouts, **waits)) if waits else model


def _stated(table: schema.Table) -> dict[str, Any]:
    return {key: value for key, value in msgspec.structs.asdict(table).items() if value is not None}


def _waits(table: schema.Table) -> dict[str, float]:
    waits = {key.removesuffix("_seconds") + "_s": value for key, value in _stated(table).items()}
    return {key: value for key, value in waits.items() if key in _WAITS}
