"""Golden files: one folder per case, with what comes in beside all that comes out.

A request is `chat.json`, `messages.json`, `responses.json` (`{"headers"?, "body"}`, the body alone
in `chat.json`) or `embeddings.json`, by the API of the client that sends it. Beside it are:

* `hub.json`: the hub's form, `{"chat", "dropped"?}`, for the APIs that are translated into it;
* `translations.json`: what each target of `tests/targets.py` is sent;
* `efforts.json`, in one case: what each `reasoning_effort` changes in those bodies;
* `answers.json`, for embeddings: `{target: {"answer", "hub"}}`, a provider's answer and the hub's
  form of it.

An answer stream is `<dialect>.sse` with `<dialect>.chunks.json` beside it, the chunks that come out
of it. The first line of a stream may be a comment, `: names {"sent": "the client's"}`,
`: body {the request's fields}` or `: finish "none"` (the quirk of that name).

A translation is `{"path"?, "headers"?, "unchanged"?, "body", "dropped"?}`, or `{"unsupported":
param}` where the target refuses the request. To be short, and to show what matters:

* targets that are sent the same share an entry;
* `unchanged` names the fields whose values are those of the request; `body` has the other fields.
  The request is the hub's form where there is a `hub.json`, but the client's on the native lane;
* the target's model id reads `<model id>`;
* `path` is absent where it is the usual one; `headers`, `unchanged` and `dropped` where they are
  empty.

A new case is a folder with the first file of one of these kinds. `GOLDENS=write .venv/bin/pytest
tests/test_goldens.py` writes the others; read the diff before you commit it.
"""

from __future__ import annotations

import json
import os
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any, Final

from gateway import sse
from gateway.dialects import EMBEDDINGS, EMBEDDINGS_INBOUND, INBOUND, Encoded, Upstream
from gateway.dialects.responses.inbound.history import expand
from gateway.failures import Failed
from gateway.hub import exact_json
from gateway.hub.contracts import Request
from gateway.types import Chunk
from tests.targets import Target, targets_of

FOLDER: Final = Path(__file__).parent / "goldens"
WRITING: Final = os.environ.get("GOLDENS") == "write"
WIDTH: Final = 120
MODEL_ID: Final = "<model id>"
USUAL_PATHS: Final = {
    "/chat/completions",
    "/embeddings",
    "/responses",
    "/v1/messages",
    f"/models/{MODEL_ID}:generateContent",
    f"/models/{MODEL_ID}:batchEmbedContents",
}
EFFORTS: Final = ("none", "minimal", "low", "medium", "high", "xhigh", "max")
FROM_THE_HUB: Final = ("messages", "responses")
"""The client APIs whose requests are translated into the hub's form."""
NAMES: Final = b": names "
BODY: Final = b": body "
FINISH: Final = b": finish "


# --- files ----------------------------------------------------------------------------------------


def cases(name: str) -> list[str]:
    """The cases that have a file of this name."""
    return sorted(path.parent.name for path in FOLDER.glob(f"*/{name}"))


def read(case: str, name: str) -> Any:
    return exact_json.loads((FOLDER / case / name).read_bytes())


def check(case: str, name: str, found: Any) -> None:
    """A file holds what was found, in the same order; with `GOLDENS=write` it is written first."""
    path, text = FOLDER / case / name, pretty(found) + "\n"
    if WRITING:
        path.write_text(text)
    assert text == path.read_text()


def pretty(value: Any, indent: int = 0, key: str = "") -> str:
    """JSON with everything on one line that fits there; `key` is the text before it."""
    line = key + json.dumps(value, ensure_ascii=False)
    if indent + len(line) <= WIDTH or not isinstance(value, dict | list):
        return line
    inner = indent + 2
    if isinstance(value, dict):
        items = [pretty(item, inner, f"{json.dumps(name)}: ") for name, item in value.items()]
    else:
        items = [pretty(item, inner) for item in value]
    first, last = "{}" if isinstance(value, dict) else "[]"
    lines = f",\n{' ' * inner}".join(items)
    return f"{key}{first}\n{' ' * inner}{lines}\n{' ' * indent}{last}"


# --- requests -------------------------------------------------------------------------------------


def request_of(client: str, case: str, **fields: Any) -> Request:
    """The request of a case, decoded again, with some fields of a chat replaced."""
    golden = read(case, f"{client}.json")
    if client == "chat":
        return INBOUND["chat"].decode_request({"model": "dev", **golden, **fields}, {})
    if client == "embeddings":
        return EMBEDDINGS_INBOUND["chat"].decode_request({"model": "embed", **golden}, {})
    body, headers = golden["body"], golden.get("headers", {})
    if client == "messages":
        return INBOUND["anthropic"].decode_request(body, headers)
    return INBOUND["responses"].decode_request(expand(body, lambda _: None), headers)


def hub_form(request: Request) -> dict[str, Any]:
    return {"chat": request.chat, **stated(dropped=list(request.dropped))}


def translations(client: str, case: str) -> dict[str, Any]:
    """`translations.json` of a case."""
    found = {}
    for name, target in targets_of(client, case).items():
        request = request_of(client, case)
        before = json.dumps([request.chat, request.body])
        found[name] = translation(client, request, target)
        after = json.dumps([request.chat, request.body])
        assert after == before, "a dialect changed what it was given"
    return shared(found)


def translation(client: str, request: Request, target: Target) -> dict[str, Any]:
    """What one target is sent."""
    try:
        encoded = encode(client, request, target)
    except Failed as failed:
        return {"unsupported": failed.failure.param}
    from_hub = client in FROM_THE_HUB and not target.native
    given = request.chat if from_hub else request.body
    unchanged = [key for key in encoded.body if is_same(encoded.body, given, key)]
    changed = {key: value for key, value in encoded.body.items() if key not in unchanged}
    if changed.get("model") == target.model_id:
        changed["model"] = MODEL_ID
    path = encoded.path.replace(target.model_id, MODEL_ID)
    return {
        **stated(path="" if path in USUAL_PATHS else path, headers=dict(encoded.headers)),
        **stated(unchanged=unchanged),
        "body": changed,
        **stated(dropped=list(encoded.dropped)),
    }


def is_same(one: Mapping[str, Any], other: Mapping[str, Any], key: str) -> bool:
    """Whether both have the field with the same value, down to the order of keys."""
    return key in one and key in other and json.dumps(one[key]) == json.dumps(other[key])


def encode(client: str, request: Request, target: Target) -> Encoded:
    return (target.encode_embeddings if client == "embeddings" else target.encode)(request)


def stated(**values: Any) -> dict[str, Any]:
    """The values that are not empty."""
    return {key: value for key, value in values.items() if value}


def shared(found: Mapping[str, Any]) -> dict[str, Any]:
    """One entry for all names of the same value: `{"a, b": value}`."""
    names: dict[str, list[str]] = {}
    for name, value in found.items():
        names.setdefault(json.dumps(value), []).append(name)
    return {", ".join(those): found[those[0]] for those in names.values()}


def efforts(case: str) -> dict[str, Any]:
    """`efforts.json` of a case: `{targets: {efforts: the fields that change}}`, null for a field
    that is absent then."""
    return shared(
        {name: efforts_of(case, target) for name, target in targets_of("chat", case).items()}
    )


def efforts_of(case: str, target: Target) -> dict[str, Any]:
    plain = target.encode(request_of("chat", case))
    found = {}
    for effort in EFFORTS:
        encoded = target.encode(request_of("chat", case, reasoning_effort=effort))
        assert encoded._replace(body=plain.body) == plain, "an effort changes the body alone"
        fields = {**dict.fromkeys(plain.body), **encoded.body}
        found[effort] = {
            key: value
            for key, value in fields.items()
            if not is_same(encoded.body, plain.body, key)
        }
    return shared(found)


def answers(case: str) -> dict[str, Any]:
    """`answers.json` of a case of embeddings."""
    found = {}
    for name, golden in read(case, "answers.json").items():
        target = targets_of("embeddings", case)[name]
        before = json.dumps(golden)
        encoded = target.encode_embeddings(request_of("embeddings", case))
        dialect = EMBEDDINGS[target.model.provider.dialect]
        found[name] = {**golden, "hub": dialect.decode_embeddings(golden["answer"], encoded)}
        assert json.dumps({**golden}) == before, "a dialect changed what it was given"
    return found


# --- streams --------------------------------------------------------------------------------------


def stream_cases(dialect: str) -> list[str]:
    return cases(f"{dialect}.sse")


def stream_bytes(dialect: str, case: str) -> bytes:
    return (FOLDER / case / f"{dialect}.sse").read_bytes()


def check_stream(face: Upstream, dialect: str, case: str, pieces: Sequence[bytes]) -> None:
    """The stream of a case, cut into `pieces`, comes out as its file says."""
    first = b"".join(pieces).splitlines()[0]
    names, body = comment(first, NAMES) or {}, comment(first, BODY) or {}
    encoded = Encoded("/", body, names=names, finish=comment(first, FINISH) or "stated")
    check(case, f"{dialect}.chunks.json", decode_stream(face, pieces, encoded))


def comment(line: bytes, name: bytes) -> Any:
    """The value behind `name` in a comment; None in another line."""
    return json.loads(line.removeprefix(name)) if line.startswith(name) else None


def decode_stream(
    face: Upstream, pieces: Sequence[bytes], encoded: Encoded | None = None
) -> list[Any]:
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
