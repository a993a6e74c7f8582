"""Signs requests, each provider's in its own way: a key in a header, an OAuth token, or a signature
over the request.

A provider's row names its way (`signing`), a row of `SIGNINGS`.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Final, NamedTuple

from gateway.credentials.store import Credentials, Found
from gateway.types import Model

Signature = tuple[tuple[bytes, bytes], ...]
"""The headers that sign a request, names in lower case; none for a server without a key."""


class Unsigned(NamedTuple):
    """A request as it leaves, but for its signature; `host` and `content-length` are the
    connection's to add."""

    method: str
    url: str
    headers: Signature
    body: bytes


class Signing(NamedTuple):
    """One way to sign."""

    sign: Callable[[Model, bytes, Unsigned], Signature]
    """The signature with a key, as it is stored."""
    is_constant: bool
    """It depends on model and key alone, so it is made once; `Unsigned` may then be empty."""


NOTHING: Final = Unsigned("", "", (), b"")
"""For a signature that is constant."""


def _key_header(model: Model, key: bytes, _: Unsigned) -> Signature:
    """The key in a header, unless the user has set that header, which is possible where no key is
    needed."""
    provider = model.provider
    if any(name.lower() == provider.key_header for name in model.headers):
        return ()
    return ((provider.key_header.encode(), provider.key_prefix.encode() + key),)


def _bearer(model: Model, key: bytes, _: Unsigned) -> Signature:
    """An OAuth token goes as what it is. No other client is impersonated: what a user needs beyond
    this is theirs to set in `headers`."""
    provider = model.provider
    token = (b"authorization", b"Bearer " + key)
    if provider.bearer_beta is None:
        return (token,)
    return (token, (provider.beta_header.encode(), provider.bearer_beta.encode()))


BEARER: Final = "bearer"
"""For every OAuth token, whatever the row says of keys."""
SIGNINGS: Final[Mapping[str, Signing]] = {
    "key_header": Signing(_key_header, is_constant=True),
    BEARER: Signing(_bearer, is_constant=True),
}
"""By the name that a provider's row uses."""


def sign(
    model: Model,
    found: Found | None,
    request: Unsigned = NOTHING,
    signings: Mapping[str, Signing] = SIGNINGS,
) -> Signature:
    """The signature of a request to `model` with the key that was found."""
    if found is None:
        return ()
    way = signings[_way(model, found)]
    return way.sign(model, found.secret.reveal().encode("ascii"), request)


def _way(model: Model, found: Found) -> str:
    return BEARER if found.bearer else model.provider.signing


class Signer:
    """Signs with the key as it is now."""

    def __init__(
        self, credentials: Credentials, signings: Mapping[str, Signing] = SIGNINGS
    ) -> None:
        self._credentials = credentials
        self._signings = signings
        self._signed: dict[str, tuple[Model, Found | None, Signature]] = {}
        """Constant signatures by the model's name, as long as the model and its key are the
        same."""

    def __call__(self, model: Model, request: Unsigned = NOTHING) -> Signature:
        """Raises `CredentialError`; `CredentialExpired` for a sign-in that `pi.renew.Renewal` can
        renew."""
        found = self._credentials.find(model)
        known = self._signed.get(model.name)
        if known is not None and known[0] is model and known[1] is found:
            return known[2]
        signature = sign(model, found, request, self._signings)
        if found is None or self._signings[_way(model, found)].is_constant:
            self._signed[model.name] = (model, found, signature)
        return signature
