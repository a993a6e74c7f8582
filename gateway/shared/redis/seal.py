"""Names and contents of what clients drop, as the engine keeps them. Pure.

A name is an HMAC of client, kind and id, so the engine learns none of them. A content is encrypted
(AES-GCM), or signed where no cipher is installed, with a key of its own: it can neither be changed
nor be put under another name without the secret of the group.
"""

from __future__ import annotations

import hmac
from collections.abc import Callable
from typing import Final, Protocol

from gateway.shared.entries import Key

SIGNED: Final = b"\1"
ENCRYPTED: Final = b"\2"
NONCE_BYTES: Final = 12
MAC_BYTES: Final = 32


class Cipher(Protocol):
    """An authenticated cipher with one key."""

    def encrypt(self, nonce: bytes, data: bytes, associated_data: bytes | None, /) -> bytes: ...

    def decrypt(self, nonce: bytes, data: bytes, associated_data: bytes | None, /) -> bytes:
        """Raises for what this key has not encrypted."""
        ...


class Seal:
    """The secret of one group of gateways. `cipher` makes a cipher of 32 bytes; without one,
    contents are signed only. `token_bytes` gives so many random bytes."""

    def __init__(
        self,
        secret: str,
        group: str,
        cipher: Callable[[bytes], Cipher] | None,
        token_bytes: Callable[[int], bytes],
    ) -> None:
        self._secret = secret.encode()
        self._group = group.encode()
        self._cipher = cipher
        self._token_bytes = token_bytes

    def __repr__(self) -> str:
        return "Seal(***)"

    def name(self, key: Key) -> str:
        """The name of an entry in the engine."""
        return self._mac(b"replay name 1", *map(_bytes, key)).hex()

    def close(self, name: str, content: bytes) -> bytes:
        """`content` as only a member of the group can make it, and only for this name."""
        key = self._key(name)
        if self._cipher is None:
            return SIGNED + hmac.digest(key, content, "sha256") + content
        nonce = self._token_bytes(NONCE_BYTES)
        return ENCRYPTED + nonce + self._cipher(key).encrypt(nonce, content, None)

    def open(self, name: str, sealed: bytes) -> bytes | None:
        """The content; None of what no member has sealed for this name, or this one cannot read."""
        kind, rest, key = sealed[:1], sealed[1:], self._key(name)
        if kind == SIGNED:
            mac, content = rest[:MAC_BYTES], rest[MAC_BYTES:]
            return (
                content if hmac.compare_digest(mac, hmac.digest(key, content, "sha256")) else None
            )
        if kind != ENCRYPTED or self._cipher is None:
            return None
        try:
            return self._cipher(key).decrypt(rest[:NONCE_BYTES], rest[NONCE_BYTES:], None)
        except Exception:  # the cipher's own kind, which is not loaded here
            return None

    def _key(self, name: str) -> bytes:
        return self._mac(b"replay content 1", name.encode())

    def _mac(self, use: bytes, *parts: bytes) -> bytes:
        """Of parts whose lengths are part of it, so that no two lists give the same text."""
        message = b"".join(
            len(part).to_bytes(4, "big") + part for part in (use, self._group, *parts)
        )
        return hmac.digest(self._secret, message, "sha256")


def _bytes(text: str) -> bytes:
    return text.encode("utf-8", "surrogatepass")
