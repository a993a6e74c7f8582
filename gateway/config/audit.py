"""Checks of a valid configuration that need no network request: addresses, ids, chains, forms of
keys."""

from __future__ import annotations

import ipaddress
from collections import defaultdict
from collections.abc import Iterator
from dataclasses import dataclass
from datetime import UTC, date, datetime, time
from typing import Final, Literal
from urllib.parse import urlsplit

from gateway.config.load import Config
from gateway.config.model_ids import retired_on
from gateway.limits.pricing import is_priced
from gateway.providers import GONE, PROVIDERS
from gateway.text.limits import Limit
from gateway.types import Agent, Model, Provider

Severity = Literal["ok", "info", "warning", "error"]

CUSTOM_PATH: Final = "/v1"
"""The path before `/chat/completions` on nearly every server that supports it."""


@dataclass(frozen=True, slots=True)
class Finding:
    """One line of the report. A command in backticks in `message` or `cure` can be typed as it
    is."""

    section: str
    severity: Severity
    subject: str
    message: str
    cure: str = ""


def examine(config: Config, today: date) -> Iterator[Finding]:
    """Everything about models and agents, models first."""
    for model, *_ in config.entries.values():
        yield from _address(model)
        yield from _retirement(model, today)
    yield from _agents(config)
    yield from _unpriced(config, today)


# --- models ---------------------------------------------------------------------------------------


def _address(model: Model) -> Iterator[Finding]:
    parts = urlsplit(model.base_url)
    usual = urlsplit(model.provider.base_url).path if model.provider.base_url else CUSTOM_PATH
    if "//" in parts.path:
        yield Finding(
            "models", "warning", model.entry, f"{model.base_url} has a double slash.", "Write one."
        )
    if usual and not parts.path:
        cure = f'Most likely it should be baseUrl = "{model.base_url}{usual}".'
        yield Finding("models", "warning", model.entry, f"{model.base_url} has no path.", cure)
    if parts.scheme == "http" and not is_near(parts.hostname or ""):
        message = (
            f"{model.base_url} is not encrypted: the key and every prompt travel in the clear."
        )
        yield Finding("models", "warning", model.entry, message, "Use https.")


def _retirement(model: Model, today: date) -> Iterator[Finding]:
    day = retired_on(model.provider.name, model.model_id) if is_the_providers(model) else None
    if day is None:
        return
    if day > today:
        message = f"{model.model_id} is switched off on {day}."
        yield Finding("models", "warning", model.entry, message, "Choose another.")
        return
    when = "" if day == GONE else f" on {day}"
    message = f"{model.model_id} was switched off{when}; calls to it fail and move on."
    yield Finding(
        "models",
        "error",
        model.entry,
        message,
        "Choose another: `gateway doctor --live` names near ones.",
    )


def is_the_providers(model: Model) -> bool:
    """Whether it is asked for at the provider's own address, where the provider's own rules
    hold."""
    return model.base_url == model.provider.base_url


def is_near(host: str) -> bool:
    """This host, a private address, or a name that only a local network knows."""
    try:
        address = ipaddress.ip_address(host)
    except ValueError:
        return "." not in host or host.endswith(
            (".local", ".localhost", ".internal", ".lan", ".home.arpa")
        )
    return address.is_private or address.is_loopback or address.is_link_local


def is_loopback(host: str) -> bool:
    """Whether only this host can reach what listens there."""
    try:
        return ipaddress.ip_address(host.strip("[]")).is_loopback
    except ValueError:
        return host == "localhost"


# --- agents ---------------------------------------------------------------------------------------


def _agents(config: Config) -> Iterator[Finding]:
    used = {
        model.entry
        for agent in config.agents.values()
        for model in (*agent.models, *agent.when_spent)
    }
    if not config.agents:
        yield Finding(
            "agents",
            "warning",
            "",
            "there are no agents.",
            "Add [agents.NAME] with models = [...].",
        )
    for agent in config.agents.values():
        chain = " -> ".join(model.name for model in agent.models)
        yield Finding("agents", "ok", agent.name, chain)
        circuits = {model.key[:3] for model in agent.models}
        if len(agent.models) > 1 and len(circuits) == 1:
            message = (
                "all its models share one key: an empty account or a refused key stops every one."
            )
            yield Finding("agents", "info", agent.name, message)
        yield from _spaces(agent)
    for name in config.entries:
        if name not in used:
            yield Finding(
                "agents",
                "info",
                name,
                "is in no chain; clients may still send its name as `model`.",
            )


def _unpriced(config: Config, today: date) -> Iterator[Finding]:
    """Models whose cost a budget in USD does not see."""
    at = datetime.combine(today, time(12), UTC).timestamp()
    watched: dict[str, list[Limit]] = defaultdict(list)
    for agent in config.agents.values():
        for model in (*agent.models, *agent.when_spent):
            watched[model.entry] += config.limits
        for model in agent.models:
            watched[model.entry] += agent.limits
    entries = config.entries
    for name, limits in watched.items():
        budgets = dict.fromkeys(
            f"{limit.owner} ({limit.text})" for limit in limits if limit.unit == "USD"
        )
        if budgets and not is_priced(entries[name][0], at):
            unseen = (
                "it is not tried"
                if config.root.limits.unpriced == "refuse"
                else "what it costs is not seen"
            )
            message = f"has no known price, so {unseen} under the budget of {', '.join(budgets)}."
            cure = f"State it: [models.{name}.price] with input and output, 0 where it is free."
            yield Finding("agents", "warning", name, message, cure)


def _spaces(agent: Agent) -> Iterator[Finding]:
    """Embedding models that a chain never uses, because their vectors are of another space."""
    if not any(model.embeds for model in agent.models):
        return
    first = agent.models[0]
    others = [model for model in agent.models if model.space != first.space]
    if others:
        named = ", ".join(f"{model.name} ({model.space})" for model in others)
        message = f"embeddings never fall back from {first.name} ({first.space}) to {named}."
        cure = (
            "If they are one model, give all of them the same `space`; else use an agent for each."
        )
        yield Finding("agents", "warning", agent.name, message, cure)


# --- keys -----------------------------------------------------------------------------------------


def shared_keys(models: list[Model]) -> Iterator[Finding]:
    """Keys that are sent to more than one host, of models that have a key."""
    hosts: dict[str, set[str]] = defaultdict(set)
    for model in models:
        hosts[model.credential].add(urlsplit(model.base_url).netloc)
    for credential, found in hosts.items():
        if len(found) > 1:
            name = credential.removesuffix(":default")
            message = f"the same key is sent to {', '.join(sorted(found))}."
            cure = (
                f"Unless that is meant, give one its own: credential = "
                f'"{credential.split(":")[0]}:NAME".'
            )
            yield Finding("keys", "warning", name, message, cure)


def form(model: Model, key: str) -> Iterator[Finding]:
    """The reason that the form of a key gives against its use. Never quotes more of it than the
    vendor's usual beginning."""
    row = model.provider
    if model.auth_type == "pi_auth" or not is_the_providers(model):
        return
    wrong = _wrong_kind(model, key) or _wrong_vendor(row, key)
    if wrong:
        yield Finding("keys", "error", model.name, *wrong)
    elif model.auth_type == "api_key" and not key.startswith(row.key_hint):
        yield Finding(
            "keys", "warning", model.name, f"keys of {row.name} usually begin with {row.key_hint}."
        )


def _wrong_kind(model: Model, key: str) -> tuple[str, str] | None:
    row = model.provider
    if not row.bearer_beta:
        return None
    is_key, is_ours = key.startswith(row.key_hint), key.startswith(_vendor(row))
    if model.auth_type == "api_key" and is_ours and not is_key:
        return (
            'the key is an OAuth token, but authType is "api_key".',
            'Write authType = "oauth_token".',
        )
    if model.auth_type == "oauth_token" and is_key:
        return (
            'the key is an API key, but authType is "oauth_token".',
            'Write authType = "api_key".',
        )
    return None


def _wrong_vendor(row: Provider, key: str) -> tuple[str, str] | None:
    """Judged by the longest beginning that fits: what begins with `sk-or-` begins with `sk-`
    too."""
    fitting = [
        other for other in PROVIDERS.values() if other.key_hint and key.startswith(_vendor(other))
    ]
    other = max(fitting, key=lambda row: len(_vendor(row)), default=None)
    if other is None or other is row or (other.key_hint == "sk-" and not row.key_hint):
        return None  # half the world's keys begin with sk-
    cure = f"Store the right one: `gateway credentials set {row.credential}`"
    return f"the key looks like one of {other.name}, not of {row.name}.", cure


def _vendor(row: Provider) -> str:
    """How everything of this vendor begins: `sk-ant-` where keys begin with `sk-ant-api`."""
    return row.key_hint.rpartition("-")[0] + "-" if row.bearer_beta else row.key_hint
