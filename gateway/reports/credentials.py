"""The providers' keys that are stored, without the keys themselves."""

from __future__ import annotations

from gateway.config.load import ConfigError
from gateway.credentials.store import OTHERS, Credentials, Stored, split
from gateway.providers import CREDENTIAL_TYPES
from gateway.reports.config import find


def credentials(found: Credentials) -> list[Stored]:
    """Every key of a type that a provider, the ledger or the configuration names.

    Raises `CredentialError`.
    """
    return found.stored(_types())


def _types() -> frozenset[str]:
    try:
        config = find(None)
    except ConfigError:
        config = None
    named = {split(model.credential)[0] for model in config.models.values()} if config else set()
    return CREDENTIAL_TYPES | named | OTHERS
