"""Signs requests: the header each provider wants its key in."""

from __future__ import annotations

from gateway.credentials import Credentials, Found
from gateway.types import Model

BETA: bytes = b"anthropic-beta"
"""Where a provider that takes OAuth tokens wants its beta named."""


def sign(model: Model, found: Found | None) -> tuple[tuple[bytes, bytes], ...]:
    """The headers that sign a request; none for a server without a key.

    An OAuth token goes as what it is. No other client is impersonated: what a user needs beyond this is theirs to set in
    `headers`.
    """
    if found is None:
        return ()
    provider, key = model.provider, found.secret.reveal().encode()
    if model.auth_type == "oauth_token" and provider.bearer_beta is not None:
        return ((b"authorization", b"Bearer " + key), (BETA, provider.bearer_beta.encode()))
    return ((provider.key_header.encode(), provider.key_prefix.encode() + key),)


class Signer:
    """Signs with the key as it is now."""

    def __init__(self, credentials: Credentials) -> None:
        self._credentials = credentials

    def __call__(self, model: Model) -> tuple[tuple[bytes, bytes], ...]:
        """Raises `CredentialError`."""
        return sign(model, self._credentials.find(model))
