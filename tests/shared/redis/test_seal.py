"""The engine learns no name and no content, and cannot make or move one."""

from __future__ import annotations

import secrets
from typing import Any, Final

import pytest
from cryptography.hazmat.primitives.ciphers.aead import AESGCM

from gateway.shared.redis.seal import Seal

SECRET: Final = "s" * 32
KEY: Final = ("ci", "call", "toolcall_1")
CONTENT: Final = b"what the model thought"

each_cipher = pytest.mark.parametrize("cipher", [AESGCM, None], ids=["encrypted", "signed"])


def seal(secret: str = SECRET, group: str = "blue", cipher: Any = AESGCM) -> Seal:
    return Seal(secret, group, cipher, secrets.token_bytes)


@each_cipher
def test_a_member_reads_what_another_has_sealed(cipher: Any) -> None:
    one, other = seal(cipher=cipher), seal(cipher=cipher)
    name = one.name(KEY)
    assert other.open(name, one.close(name, CONTENT)) == CONTENT
    assert other.name(KEY) == name
    assert "sss" not in repr(one)


def test_an_encrypted_content_cannot_be_read_and_is_never_the_same() -> None:
    name = seal().name(KEY)
    first, second = (seal().close(name, CONTENT) for _ in range(2))
    assert CONTENT not in first
    assert first != second


def test_names_differ_by_client_kind_id_secret_and_group() -> None:
    names = {
        *(seal().name(key) for key in (KEY, ("cic", "all", "toolcall_1"), ("other", *KEY[1:]))),
        *(seal().name((*KEY[:2], id_)) for id_ in ("toolcall_2", "\ud800")),
        seal(secret="t" * 32).name(KEY),
        seal(group="green").name(KEY),
    }
    assert len(names) == 7
    assert all(len(name) == 64 and "toolcall" not in name for name in names)


@each_cipher
def test_what_was_changed_or_moved_or_made_by_others_is_thrown_away(cipher: Any) -> None:
    ours = seal(cipher=cipher)
    name = ours.name(KEY)
    sealed = ours.close(name, CONTENT)
    changed = [
        sealed[:place] + bytes([sealed[place] ^ 1]) + sealed[place + 1 :]
        for place in range(len(sealed))
    ]
    cut = [sealed[:length] for length in range(len(sealed))]
    others = [
        seal(cipher=cipher, **other).close(name, CONTENT)
        for other in ({"secret": "t" * 32}, {"group": "green"})
    ]
    moved = ours.close(ours.name(("other", *KEY[1:])), CONTENT)
    for wrong in (*changed, *cut, *others, moved, b"\3" + sealed):
        assert ours.open(name, wrong) is None


def test_without_the_cipher_an_encrypted_content_is_not_there() -> None:
    name = seal().name(KEY)
    assert seal(cipher=None).open(name, seal().close(name, CONTENT)) is None
    assert seal().open(name, seal(cipher=None).close(name, CONTENT)) == CONTENT
