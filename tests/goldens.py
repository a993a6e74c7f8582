"""Golden files: a request in and its native form out, a native stream in and its chunks out. Adding
a case is adding a file.

`goldens/<dialect>/requests/<case>.json`: `{"provider", "model", "options"?: {fields of Model},
"chat", "native", "dropped"?}`. `goldens/<dialect>/streams/<case>.sse` with `<case>.chunks.json`
beside it; the first line of the stream may be a comment, `: names {"sent": "the client's"}` or `:
body {the request's fields}`.

After a wanted change, `GOLDENS=write make test` writes what came out; read the diff before you
commit it.
"""

from __future__ import annotations

import json
import os
from pathlib import Path
from typing import Any

from gateway import sse
from gateway.dialects import Encoded, Upstream
from gateway.dialects.chat import decode_request
from gateway.failures import Failed
from gateway.types import Chunk
from tests.makers import model

FOLDER = Path(__file__).parent / "goldens"
NAMES = b": names "
BODY = b": body "
WRITING = os.environ.get("GOLDENS") == "write"


def request_cases(dialect: str) -> list[str]:
    return sorted(path.stem for path in (FOLDER / dialect / "requests").glob("*.json"))


def stream_cases(dialect: str) -> list[str]:
    return sorted(path.stem for path in (FOLDER / dialect / "streams").glob("*.sse"))


def check_request(face: Upstream, dialect: str, case: str) -> None:
    """The request of a case comes out as its file says; a refusal is `{"unsupported": param}`."""
    path = FOLDER / dialect / "requests" / f"{case}.json"
    golden = json.loads(path.read_text())
    chat = decode_request({"model": "dev", **golden["chat"]})
    before = json.dumps(chat)
    target = model(golden["provider"], golden["model"], **golden.get("options", {}))
    found: dict[str, Any] = {}
    try:
        encoded = face.encode_request(chat, target)
        found = {"native": json.loads(json.dumps(encoded.body)), "dropped": sorted(encoded.dropped)}
    except Failed as failed:
        found = {"unsupported": failed.failure.param}
    assert json.dumps(chat) == before, "a dialect changed what it was given"
    if WRITING:
        kept = {
            key: golden[key] for key in ("provider", "model", "options", "chat") if key in golden
        }
        path.write_text(json.dumps(kept | found, indent=2, ensure_ascii=False) + "\n")
        return
    assert found == {
        key: golden[key] for key in ("native", "dropped", "unsupported") if key in golden
    }


def stream_bytes(dialect: str, case: str) -> bytes:
    return (FOLDER / dialect / "streams" / f"{case}.sse").read_bytes()


def check_stream(face: Upstream, dialect: str, case: str, pieces: list[bytes]) -> None:
    """The stream of a case, cut into `pieces`, comes out as its file says."""
    first = b"".join(pieces).splitlines()[0]
    names = json.loads(first.removeprefix(NAMES)) if first.startswith(NAMES) else {}
    body = json.loads(first.removeprefix(BODY)) if first.startswith(BODY) else {}
    found = decode_stream(face, pieces, Encoded("/", body, names=names))
    path = FOLDER / dialect / "streams" / f"{case}.chunks.json"
    if WRITING:
        path.write_text(json.dumps(found, indent=1, ensure_ascii=False) + "\n")
        return
    assert found == json.loads(path.read_text())


def decode_stream(face: Upstream, pieces: list[bytes], encoded: Encoded | None = None) -> list[Any]:
    """The chunks of a stream; a failure is its last element, as `{"failed": kind, "message":
    …}`."""
    decoder, events = face.StreamDecoder(encoded or Encoded("/", {})), sse.Decoder()
    chunks: list[Chunk | dict[str, Any]] = []
    try:
        for piece in pieces:
            for event in events.decode(piece):
                chunks += decoder.decode(event)
        for event in events.flush():
            chunks += decoder.decode(event)
        chunks += decoder.flush()
    except Failed as failed:
        chunks.append({"failed": failed.failure.kind.value, "message": failed.failure.message})
    return json.loads(json.dumps(chunks))  # type: ignore[no-any-return]
