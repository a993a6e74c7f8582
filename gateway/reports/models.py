"""The named models, and where each one's key comes from."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Final

from gateway.config.load import Config
from gateway.credentials.secret import CredentialError, CredentialExpired
from gateway.credentials.store import Credentials
from gateway.types import Model

NO_KEY: Final = "none needed"
"""The key source of a model that needs no key."""


@dataclass(frozen=True, slots=True)
class ModelRow:
    """One `[models.NAME]` entry."""

    model: str
    provider: str
    id: str
    """The vendor's string."""
    base_url: str
    auth_type: str
    key: str | None
    """Where the key comes from, or `NO_KEY`; None if there is a problem."""
    problem: str | None
    """Why the key cannot be used, and how to fix it."""


def models(config: Config, credentials: Credentials) -> list[ModelRow]:
    """All models, in the order of the configuration."""
    return [_row(model, credentials) for model in config.models.values()]


def key_source(model: Model, credentials: Credentials) -> tuple[str, str]:
    """(where the key comes from, why it cannot be used); one of the two is empty."""
    try:
        found = credentials.find(model)
    except CredentialExpired:
        return "pi (expired; the next call renews it)", ""
    except CredentialError as error:
        return "", str(error)
    return (found.source if found else NO_KEY), ""


def _row(model: Model, credentials: Credentials) -> ModelRow:
    source, problem = key_source(model, credentials)
    return ModelRow(
        model=model.name,
        provider=model.provider.name,
        id=model.model_id,
        base_url=model.base_url,
        auth_type=model.auth_type,
        key=source or None,
        problem=problem or None,
    )
