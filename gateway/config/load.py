"""A configuration, from its files to the nouns the gateway works with. All errors are found before any is reported."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any, Final

import msgspec

from gateway.config import schema
from gateway.config.check import Flaw, Problem, did_you_mean, flaws, line_of, shown
from gateway.config.files import Files, read
from gateway.failures import Kind
from gateway.providers import PROVIDERS
from gateway.types import Agent, Model, Provider, Timeouts
from gateway.upstream.transport import target

CUSTOM_BASE_URL: Final = "CUSTOM_BASE_URL"
"""Where a `custom` model without `baseUrl` is looked for, as in the seed system."""


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
    agents: Mapping[str, Agent]
    server: schema.Server = field(default_factory=schema.Server)
    fallback: schema.Fallback = field(default_factory=schema.Fallback)
    breaker: schema.Breaker = field(default_factory=schema.Breaker)
    timeouts: schema.Timeouts = field(default_factory=schema.Timeouts)
    log: schema.Log = field(default_factory=schema.Log)
    ledger: schema.Ledger = field(default_factory=schema.Ledger)
    files: tuple[Path, ...] = ()
    warnings: tuple[Problem, ...] = ()


def load(path: Path, env: Mapping[str, str], home: Path) -> Config:
    """The configuration at `path`. Raises `ConfigError` with all problems."""
    files = read(path, env, home)
    table = {key: value for key, value in files.merged().items() if key not in schema.ACTION_LLAMA_KEYS}
    problems = list(files.problems)
    _add_agents(table, files, problems)
    problems += [_problem(flaw, files) for flaw in (*flaws(table, schema.Root), *_meaning(table))]
    if any(problem.severity == "error" for problem in problems):
        raise ConfigError(problems)
    return build(msgspec.convert(table, schema.Root), path, env, files, problems)


def _add_agents(table: dict[str, Any], files: Files, problems: list[Problem]) -> None:
    """Agents of their own folders join those of the file; other keys there belong to Action Llama."""
    known = {info.encode_name for info in msgspec.structs.fields(schema.Agent)}
    agents = table.get("agents", {})
    if not isinstance(agents, Mapping):
        return
    for name, source in files.agents.items():
        if "models" in (agents.get(name) or {}):
            message = f"the agent {name!r} is defined here and in the main file."
            problems.append(Problem(str(source.path), "models", message, "Keep one of them."))
            continue
        own = {key: value for key, value in source.table.items() if key in known}
        if "models" in own:
            agents = {**agents, name: own}
    if agents:
        table["agents"] = {
            name: {key: value for key, value in agent.items() if key in known or "models" in agent}
            for name, agent in agents.items()
            if isinstance(agent, Mapping) and ("models" in agent or not _is_action_llama(agent))
        }


def _is_action_llama(agent: Mapping[str, Any]) -> bool:
    """Action Llama once kept `scale` and `timeout` overrides under `[agents.<name>]`."""
    return bool(agent) and set(agent) <= {"scale", "timeout"}


def _problem(flaw: Flaw, files: Files) -> Problem:
    if flaw.path[:1] == ("agents",) and len(flaw.path) > 1 and flaw.path[1] in files.agents:
        source = files.agents[flaw.path[1]]
        return Problem(
            str(source.path), ".".join(flaw.path[2:]), flaw.message, flaw.cure, line_of(source.text, flaw.path[2:])
        )
    file, line = files.where(flaw.path)
    return Problem(file, ".".join(flaw.path), flaw.message, flaw.cure, line)


# --- what the schema cannot say --------------------------------------------------------------------------------------


def _meaning(table: Mapping[str, Any]) -> Iterator[Flaw]:
    models = table.get("models")
    models = models if isinstance(models, Mapping) else {}
    for name, model in models.items():
        if isinstance(model, Mapping):
            yield from _model_meaning(("models", name), model)
    agents = table.get("agents")
    for name, agent in (agents if isinstance(agents, Mapping) else {}).items():
        if isinstance(agent, Mapping):
            yield from _agent_meaning(("agents", name), agent, tuple(models))
    fallback = table.get("fallback")
    for key in ("always", "never"):
        kinds = fallback.get(key) if isinstance(fallback, Mapping) else None
        for kind in kinds if isinstance(kinds, list) else ():
            if kind not in set(Kind):
                cure = did_you_mean(str(kind), [known.value for known in Kind])
                yield Flaw(("fallback", key), f"{kind!r} is no kind of failure.", cure)


def _model_meaning(path: tuple[str, ...], model: Mapping[str, Any]) -> Iterator[Flaw]:
    provider = model.get("provider")
    if isinstance(provider, str) and provider not in PROVIDERS:
        yield Flaw((*path, "provider"), f"{provider!r} is no provider.", did_you_mean(provider, tuple(PROVIDERS)))
    row = PROVIDERS.get(provider) if isinstance(provider, str) else None
    if model.get("authType") == "oauth_token" and row is not None and not row.bearer_beta:
        message = f"the provider {provider!r} takes no OAuth token."
        yield Flaw((*path, "authType"), message, 'Use authType = "api_key".')
    for key in ("baseUrl", "proxy"):
        url = model.get(key)
        if isinstance(url, str) and not (key == "proxy" and url.startswith("socks")):
            try:
                target(url)
            except ValueError as error:
                yield Flaw((*path, key), f"{shown((), url)}: {error}.", "Write it as http://host:port/path.")


def _agent_meaning(path: tuple[str, ...], agent: Mapping[str, Any], models: tuple[str, ...]) -> Iterator[Flaw]:
    chain = agent.get("models")
    if chain == []:
        yield Flaw((*path, "models"), "the chain is empty.", "Name at least one of [models.*].")
    for name in chain if isinstance(chain, list) else ():
        if name not in models:
            yield Flaw((*path, "models"), f"there is no [models.{name}].", did_you_mean(str(name), models))


# --- building --------------------------------------------------------------------------------------------------------


def build(
    root: schema.Root, path: Path | None, env: Mapping[str, str], files: Files | None, problems: list[Problem]
) -> Config:
    """The nouns of a checked table. Raises `ConfigError` when an agent has no model left."""
    models: dict[str, Model] = {}
    for name, entry in root.models.items():
        base_url = _base_url(entry, env)
        if base_url is None:
            file, line = files.where(("models", name)) if files else ("", None)
            message = f"a {entry.provider!r} model needs an address, so it is left out of every chain."
            cure = 'Add baseUrl = "http://host:port/v1".'
            problems.append(Problem(file, f"models.{name}.baseUrl", message, cure, line, "warning"))
        else:
            models[name] = _model(name, entry, base_url, root.timeouts)
    agents: dict[str, Agent] = {}
    for name, agent in root.agents.items():
        chain = tuple(models[entry] for entry in agent.models if entry in models)
        if chain:
            agents[name] = Agent(name, chain, agent.unsupported, agent.weight)
        else:
            file, line = files.where(("agents", name)) if files else ("", None)
            message = "none of its models can be reached."
            problems.append(Problem(file, f"agents.{name}.models", message, "See the warnings above.", line))
    if any(problem.severity == "error" for problem in problems):
        raise ConfigError(problems)
    return Config(
        path,
        models,
        agents,
        root.server,
        root.fallback,
        root.breaker,
        root.timeouts,
        root.log,
        root.ledger,
        files.paths() if files else (),
        tuple(problems),
    )


def _base_url(entry: schema.Model, env: Mapping[str, str]) -> str | None:
    url = entry.base_url or PROVIDERS[entry.provider].base_url or env.get(CUSTOM_BASE_URL)
    return url.rstrip("/") if url else None


def _model(name: str, entry: schema.Model, base_url: str, general: schema.Timeouts) -> Model:
    provider: Provider = PROVIDERS[entry.provider]
    credential = entry.credential or provider.credential
    return Model(
        name=name,
        provider=provider,
        model_id=entry.model,
        base_url=base_url,
        credential=credential if ":" in credential else f"{credential}:default",
        auth_type=entry.auth_type,
        thinking_level=entry.thinking_level,
        headers=entry.headers,
        options=entry.options,
        context_window=entry.context_window,
        max_output_tokens=entry.max_output_tokens,
        quirks=replace(provider.quirks, **_stated(entry.compat)),
        timeouts=_timeouts(entry.timeouts, general),
        cache=entry.cache,
        price=msgspec.to_builtins(entry.price) if entry.price else None,
        max_concurrent=entry.max_concurrent,
        proxy=entry.proxy,
    )


def _stated(table: schema.Table) -> dict[str, Any]:
    return {key: value for key, value in msgspec.structs.asdict(table).items() if value is not None}


def _timeouts(own: schema.ModelTimeouts, general: schema.Timeouts) -> Timeouts:
    merged = msgspec.structs.asdict(general) | _stated(own)
    return Timeouts(**{key.removesuffix("_seconds") + "_s": value for key, value in merged.items()})
