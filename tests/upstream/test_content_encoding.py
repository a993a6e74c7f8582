"""Compressed bodies come out whole, wherever they were cut."""

from __future__ import annotations

import gzip
import zlib

import pytest

from gateway.upstream.content_encoding import INFLATED_BYTES_MAX, Inflated

TEXT = b"The same words, the same words, the same words. " * 50


def compressed(window: int) -> bytes:
    deflate = zlib.compressobj(wbits=window)
    return deflate.compress(TEXT) + deflate.flush()


@pytest.mark.parametrize(
    ("encoding", "body"),
    [
        ("gzip", compressed(31)),
        ("gzip", gzip.compress(TEXT[:100]) + gzip.compress(TEXT[100:])),
        ("gzip", gzip.compress(TEXT) + bytes(8)),  # padded, as files are
        ("deflate", compressed(15)),
        ("deflate", compressed(-15)),  # without the zlib header
    ],
    ids=["gzip", "two members", "padded", "deflate", "raw deflate"],
)
@pytest.mark.parametrize("size", [1, 2, 7, 10_000])
def test_a_body_in_pieces(encoding: str, body: bytes, size: int) -> None:
    inflated = Inflated(encoding)
    pieces = [inflated.feed(body[start : start + size]) for start in range(0, len(body), size)]
    assert b"".join(pieces) == TEXT


def test_what_is_not_compressed_is_an_error() -> None:
    with pytest.raises(zlib.error):
        Inflated("gzip").feed(TEXT)


def test_a_decompression_bomb_is_refused() -> None:
    deflate = zlib.compressobj(9, wbits=31)
    bomb = b"".join(
        deflate.compress(bytes(1024 * 1024)) for _ in range(INFLATED_BYTES_MAX // 1024 // 1024 + 1)
    )
    with pytest.raises(zlib.error, match="more than"):
        Inflated("gzip").feed(bomb + deflate.flush())


def test_many_small_decompression_bombs_are_refused() -> None:
    member = gzip.compress(bytes(INFLATED_BYTES_MAX // 2))
    with pytest.raises(zlib.error, match="more than"):
        Inflated("gzip").feed(member * 3)
