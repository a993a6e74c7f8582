"""The headers of a request: the provider's, the dialect's, the user's, and the signature. Names are
in lower case."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from functools import lru_cache

from gateway.types import Model

Headers = tuple[tuple[bytes, bytes], ...]
Texts = tuple[tuple[str, str], ...]


@lru_cache(maxsize=1024)
def unsigned(model: Model, common: Headers, encoded: Texts) -> Headers:
    """`common`, then the provider's, those of the format (`encoded`) and the user's; a later one of
    these replaces an earlier one. Betas are joined."""
    betas = model.provider.beta_header.encode()
    merged: dict[bytes, bytes] = {}
    for name, value in (
        *_encoded(model.provider.headers.items()),
        *_encoded(encoded),
        *_encoded(model.headers.items()),
    ):
        merged[name] = merged[name] + b"," + value if name == betas and name in merged else value
    return (*common, *merged.items())


@lru_cache(maxsize=1024)
def signed(model: Model, common: Headers, encoded: Texts, signature: Headers) -> Headers:
    """The same with a signature. It replaces what is there but for the user's own; betas are
    joined.

    A call of one model differs from the next in none of these, until its key changes.
    """
    own = unsigned(model, (), encoded)
    if not own:
        return (*common, *signature)
    betas = model.provider.beta_header.encode()
    users = {name for name, _ in _encoded(model.headers.items())}
    merged = dict(own)
    for name, value in signature:
        if name == betas and name in merged:
            merged[name] = value + b"," + merged[name]
        elif name not in users:
            merged[name] = value
    return (*common, *merged.items())


def _encoded(headers: Iterable[tuple[str, str]]) -> Iterator[tuple[bytes, bytes]]:
    return ((name.lower().encode(), value.encode()) for name, value in headers)
