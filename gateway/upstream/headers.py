"""The headers of a request: the provider's, the dialect's, the user's, and the signature. Names are
in lower case."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping
from functools import lru_cache

from gateway.dialects import Encoded
from gateway.types import Model

Headers = tuple[tuple[bytes, bytes], ...]


def unsigned(model: Model, encoded: Encoded) -> Headers:
    """All but the signature; a later one replaces an earlier one. Betas are joined."""
    if not (model.provider.headers or encoded.headers or model.headers):
        return ()
    betas = model.provider.beta_header.encode()
    merged: dict[bytes, bytes] = {}
    for name, value in (
        *_encoded(model.provider.headers),
        *_encoded(encoded.headers),
        *_encoded(model.headers),
    ):
        merged[name] = merged[name] + b"," + value if name == betas and name in merged else value
    return tuple(merged.items())


def signed(headers: Headers, signature: Headers, model: Model) -> Iterable[tuple[bytes, bytes]]:
    """`headers` with a signature. It replaces what is there but for the user's own; betas are
    joined."""
    if not headers:
        return signature
    betas = model.provider.beta_header.encode()
    merged = dict(headers)
    for name, value in signature:
        if name == betas and name in merged:
            merged[name] = value + b"," + merged[name]
        elif not _is_the_users(name, model):
            merged[name] = value
    return merged.items()


def _is_the_users(name: bytes, model: Model) -> bool:
    return any(own == name for own, _ in _encoded(model.headers))


def _encoded(headers: Mapping[str, str]) -> Iterator[tuple[bytes, bytes]]:
    return (_pair(name, value) for name, value in headers.items())


@lru_cache(maxsize=4096)
def _pair(name: str, value: str) -> tuple[bytes, bytes]:
    return name.lower().encode(), value.encode()
