"""Compressed request bodies: whole or cut anywhere, one coding over the other, corrupt, and without
an end."""

from __future__ import annotations

import gzip
import os
import sys
import zlib
from collections.abc import Callable
from functools import partial
from pathlib import Path

import brotli
import orjson
import pytest

from gateway.config import schema
from gateway.inbound.encodings import (
    ACCEPTED,
    MEMBERS_MAX,
    SLICE_BYTES,
    STEP_BYTES,
    codings_of,
    decode,
)
from gateway.inbound.http import HttpError, headers_of
from tests.inbound.asgi import CHAT, answered, ask, make, scope

if sys.version_info >= (3, 14):
    from compression import zstd
else:
    from backports import zstd

BODY = orjson.dumps({"model": "dev", "messages": [{"role": "user", "content": "ping " * 400}]})
LIMIT = 1_000_000


def raw_deflate(data: bytes) -> bytes:
    deflate = zlib.compressobj(wbits=-zlib.MAX_WBITS)
    return deflate.compress(data) + deflate.flush()


Encode = Callable[[bytes], bytes]
ENCODE: dict[str, tuple[str, Encode]] = {
    "gzip": ("gzip", gzip.compress),
    "zlib": ("deflate", zlib.compress),
    "bare deflate": ("deflate", raw_deflate),
    "br": ("br", partial(brotli.compress, quality=1)),
    "zstd": ("zstd", zstd.compress),
}
each_coding = pytest.mark.parametrize(("name", "encode"), ENCODE.values(), ids=ENCODE)
DATA = {
    "nothing": b"",
    "one byte": b"x",
    "a request": BODY,
    "exactly one step": bytes(STEP_BYTES),
    "more than a step of one byte": b"y" * (2 * STEP_BYTES + 1),
    "what cannot be compressed": os.urandom(5 * SLICE_BYTES + 7),
}


def refused(body: bytes, *codings: str, limit: int = LIMIT) -> tuple[int, str]:
    with pytest.raises(HttpError) as raised:
        decode(body, codings, limit)
    return raised.value.refusal.status, str(raised.value)


@each_coding
@pytest.mark.parametrize("data", DATA.values(), ids=DATA)
def test_what_was_encoded_comes_back(name: str, encode: Encode, data: bytes) -> None:
    assert decode(encode(data), [name], LIMIT) == data


@each_coding
def test_the_limit_is_of_what_comes_out(name: str, encode: Encode) -> None:
    assert decode(encode(bytes(LIMIT)), [name], LIMIT) == bytes(LIMIT)
    status, message = refused(encode(bytes(LIMIT + 1)), name)
    assert (status, "server.maxBodyBytes" in message) == (413, True)


@each_coding
def test_a_bomb_is_left_long_before_it_is_unpacked(name: str, encode: Encode) -> None:
    assert refused(encode(bytes(50_000_000)), name)[0] == 413


@each_coding
@pytest.mark.parametrize(
    "damage",
    [
        lambda data: data[:-1],
        lambda data: data[: len(data) // 2],
        lambda data: data[:1],
        lambda data: b"",
        lambda data: data + b"trailing",
        lambda data: b'{"model": "dev"}',
        lambda data: b"\xff\x00" + data,
    ],
    ids=["cut", "halved", "begun", "empty", "trailed", "not encoded", "preceded"],
)
def test_what_is_corrupt_is_the_clients_fault(name: str, encode: Encode, damage: Encode) -> None:
    status, message = refused(damage(encode(BODY)), name)
    assert status == 400
    assert message == f"The request body is not valid {name}."


@each_coding
def test_a_body_that_ends_with_a_slice(name: str, encode: Encode) -> None:
    """What trails it begins with the next slice."""
    noise = os.urandom(SLICE_BYTES)
    size = next(
        n for n in range(SLICE_BYTES - 40, SLICE_BYTES) if len(encode(noise[:n])) == SLICE_BYTES
    )
    data = encode(noise[:size])
    assert decode(data, [name], LIMIT) == noise[:size]
    assert refused(data + b"trailing", name)[0] == 400


@pytest.mark.parametrize("name", ["gzip", "zlib", "zstd"])
def test_several_streams_one_after_the_other(name: str) -> None:
    coding, encode = ENCODE[name]
    twice = encode(BODY) + encode(b"") + encode(BODY)
    if coding == "deflate":
        assert refused(twice, coding)[0] == 400
    else:
        assert decode(twice, [coding], LIMIT) == BODY + BODY


def test_gzip_may_be_padded_and_zstd_may_have_frames_to_skip() -> None:
    assert decode(gzip.compress(BODY) + bytes(3 * SLICE_BYTES), ["gzip"], LIMIT) == BODY
    skipped = b"\x50\x2a\x4d\x18\x03\x00\x00\x00abc"
    assert decode(skipped + zstd.compress(BODY) + skipped, ["zstd"], LIMIT) == BODY


@pytest.mark.parametrize("name", ["gzip", "zstd"])
def test_streams_without_number(name: str) -> None:
    empty = ENCODE[name][1](b"")
    assert decode(empty * MEMBERS_MAX, [name], LIMIT) == b""
    assert refused(empty * (MEMBERS_MAX + 1), name)[0] == 400


def test_a_zstd_window_larger_than_a_coder_may_ask_for() -> None:
    options: dict[int, int] = {
        zstd.CompressionParameter.window_log: 27,
        zstd.CompressionParameter.enable_long_distance_matching: 1,
    }
    compressor = zstd.ZstdCompressor(options=options)
    data = compressor.compress(BODY) + compressor.flush(zstd.ZstdCompressor.FLUSH_FRAME)
    assert refused(data, "zstd")[0] == 400


@pytest.mark.parametrize(
    ("values", "codings"),
    [
        ([], []),
        ([""], []),
        (["identity"], []),
        (["GZIP"], ["gzip"]),
        (["x-gzip"], ["gzip"]),
        ([" gzip ,\tbr"], ["gzip", "br"]),
        (["gzip", "identity, zstd"], ["gzip", "zstd"]),
    ],
)
def test_the_codings_of_a_request(values: list[str], codings: list[str]) -> None:
    request = scope("POST", CHAT, {})
    request["headers"] += [(b"content-encoding", value.encode()) for value in values]
    assert codings_of(headers_of(request)) == codings


@pytest.mark.parametrize(
    "stated", ["lzma", "compress", "gzip, lzma", "gzip;q=1", "*", "gzip, gzip, gzip, gzip, gzip"]
)
def test_a_coding_that_is_not_taken(tmp_path: Path, stated: str) -> None:
    answer = ask(make(tmp_path), "POST", CHAT, gzip.compress(BODY), {"content-encoding": stated})
    assert (answer.status, answer.error["code"]) == (415, "unsupported_content_encoding")
    assert answer.headers["accept-encoding"] == ACCEPTED == "gzip, deflate, br, zstd"
    assert "JSON" not in answer.error["message"]


@each_coding
def test_a_call_with_an_encoded_body(tmp_path: Path, name: str, encode: Encode) -> None:
    """It gets as far as its model, which no server answers for."""
    answer = ask(make(tmp_path), "POST", CHAT, encode(BODY), {"content-encoding": name})
    assert answer.headers["x-gateway-agent"] == "dev"


def test_codings_one_over_the_other_in_pieces(tmp_path: Path) -> None:
    data = brotli.compress(zstd.compress(gzip.compress(BODY)))
    pieces = [data[n : n + 1] for n in range(len(data))]
    answer = ask(make(tmp_path), "POST", CHAT, pieces, {"content-encoding": "gzip, zstd, br"})
    assert answer.headers["x-gateway-agent"] == "dev"


def test_an_inner_coding_has_the_same_limit() -> None:
    assert (
        refused(gzip.compress(gzip.compress(bytes(50_000_000))), "gzip", "gzip", limit=10_000)[0]
        == 413
    )


def test_corrupt_and_too_large_over_the_wire(tmp_path: Path) -> None:
    app = make(tmp_path, schema.Server(max_body_bytes=1000))
    headers = {"content-encoding": "gzip"}
    assert (
        ask(app, "POST", CHAT, gzip.compress(bytes(2000)), headers).error["code"]
        == "request_too_large"
    )
    assert ask(app, "POST", CHAT, b"no", headers).error["code"] == "invalid_content_encoding"


@pytest.mark.parametrize(
    "encoding", ["utf-16", "utf-16-le", "utf-16-be", "utf-32", "utf-32-le", "utf-32-be"]
)
@pytest.mark.parametrize("compress", [False, True])
def test_json_is_utf8(tmp_path: Path, encoding: str, compress: bool) -> None:
    body = BODY.decode().encode(encoding)
    headers = {"content-encoding": "gzip"} if compress else {}
    answer = ask(make(tmp_path), "POST", CHAT, gzip.compress(body) if compress else body, headers)
    assert (answer.status, "UTF-16" in answer.error["message"]) == (400, True)


@pytest.mark.parametrize("compress", [False, True])
def test_a_byte_order_mark_does_no_harm(tmp_path: Path, compress: bool) -> None:
    body = b"\xef\xbb\xbf" + BODY
    request = scope("POST", CHAT, {"content-encoding": "gzip"} if compress else {})
    answer = answered(make(tmp_path), request, gzip.compress(body) if compress else body)
    assert answer.headers["x-gateway-agent"] == "dev"
