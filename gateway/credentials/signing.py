"""Signs requests: the header each provider wants its key in."""

from __future__ import annotations

from gateway.credentials.store import Credentials, Found
from gateway.types import Model

Signature = tuple[tuple[bytes, bytes], ...]
"""The headers that sign a request, names in lower case; none for a server without a key."""

BETA: bytes = b"anthropic-beta"
"""Where a provider that takes OAuth tokens wants its beta named."""


def sign(model: Model, found: Found | None) -> Signature:
    """The signature of a request to `model` with the key that was found.

    An OAuth token goes as what it is. No other client is impersonated: what a user needs beyond this is theirs to set
    in `headers`. A key header set there (possible where no key is needed) is theirs too, and not sent twice.
    """
    if found is None:
        return ()
    provider, key = model.provider, found.secret.reveal().encode("ascii")
    if found.bearer:
        beta = ((BETA, provider.bearer_beta.encode()),) if provider.bearer_beta is not None else ()
        return ((b"authorization", b"Bearer " + key), *beta)
    if any(name.lower() == provider.key_header for name in model.headers):
        return ()
    return ((provider.key_header.encode(), provider.key_prefix.encode() + key),)


class Signer:
    """Signs with the key as it is now."""

    def __init__(self, credentials: Credentials) -> None:
        self._credentials = credentials
        self._signed: dict[str, tuple[Model, Found | None, Signature]] = {}
        """By the model's name, as long as the model and its key are the same."""

    def __call__(self, model: Model) -> Signature:
        """Raises `CredentialError`; `CredentialExpired` for a sign-in that `oauth.Renewal` can renew."""
        found = self._credentials.find(model)
        known = self._signed.get(model.name)
        if known is None or known[0] is not model or known[1] is not found:
            known = self._signed[model.name] = (model, found, sign(model, found))
        return known[2]
