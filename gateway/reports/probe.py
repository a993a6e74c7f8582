"""Asks each provider for its model list with each key, for `doctor --live`.

The answer says whether the key is accepted and whether the models are listed.
"""

from __future__ import annotations

import asyncio
import re
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field, replace
from difflib import get_close_matches
from time import time
from typing import TYPE_CHECKING, Any, Final

import orjson

from gateway.config.audit import Finding, Severity, is_the_providers
from gateway.credentials.signing import Unsigned, sign
from gateway.credentials.store import CredentialError, Credentials, Found
from gateway.dialects import DIALECTS
from gateway.failures import Kind
from gateway.types import Model

if TYPE_CHECKING:
    import httpx

LIMIT_S: Final = 10.0
"""For one question, name and connection included."""

_ERRNO: Final = re.compile(r"^\[Errno -?\d+\] ")
_UNSEEN: Final = "".join(map(chr, range(32))) + "\x7f"


@dataclass(frozen=True, slots=True)
class Listed:
    """What a model list said."""

    status: int | None
    """None if there was no answer."""
    reason: str = ""
    kind: Kind | None = None
    """What an answer other than 200 means."""
    ids: frozenset[str] = frozenset()
    """Every id and alias in the list."""
    complete: bool = True
    open_to_all: bool = False
    """The list is given without a key too, so it proves nothing about the key."""


@dataclass(slots=True)
class _Question:
    """One list, and all models that it decides about."""

    models: list[Model] = field(default_factory=list)
    found: Found | None = None


def probe(models: Sequence[Model], credentials: Credentials) -> list[Finding]:
    """What the providers say. Models without a usable key are skipped."""
    questions = _questions(models, credentials)
    answers = asyncio.run(_all(questions))
    answered = zip(questions, answers, strict=True)
    return [finding for question, answer in answered for finding in judge(question, answer)]


def _questions(models: Sequence[Model], credentials: Credentials) -> list[_Question]:
    """One for each address and key."""
    questions: dict[tuple[object, ...], _Question] = {}
    for model in models:
        try:
            found = credentials.find(model)
        except CredentialError:
            continue
        key = (model.provider.name, model.base_url, model.proxy, found.secret if found else None)
        question = questions.setdefault(key, _Question(found=found))
        question.models.append(model)
    return list(questions.values())


async def _all(questions: Sequence[_Question]) -> list[Listed]:
    return await asyncio.gather(*(_ask(question) for question in questions))


async def _ask(question: _Question) -> Listed:
    import httpx

    model = question.models[0]
    url = model.base_url + model.provider.models_path
    own = {**model.provider.headers, **model.headers}
    request = Unsigned(
        "GET",
        url,
        tuple((name.lower().encode(), value.encode()) for name, value in own.items()),
        b"",
    )
    signed = {name.decode(): value.decode() for name, value in sign(model, question.found, request)}
    headers = {**model.provider.headers, **signed, **model.headers}
    try:
        async with (
            asyncio.timeout(LIMIT_S),
            httpx.AsyncClient(timeout=LIMIT_S, trust_env=False, proxy=model.proxy) as client,
        ):
            listed = _read(
                model,
                await client.get(url, headers=headers),
            )
            if listed.status == 200 and question.found is not None:
                unsigned = await client.get(url, headers=dict(model.provider.headers))
                listed = replace(listed, open_to_all=unsigned.status_code == 200)
    except TimeoutError:
        return Listed(None, f"no answer within {LIMIT_S:.0f} s")
    except httpx.HTTPError as error:
        return Listed(None, _ERRNO.sub("", _plain(str(error))) or type(error).__name__)
    return listed


def _read(model: Model, response: httpx.Response) -> Listed:
    if response.status_code != 200:
        headers = {name.lower(): value for name, value in response.headers.items()}
        dialect = DIALECTS[model.provider.dialect]
        failure = dialect.decode_error(response.status_code, headers, response.content, time())
        return Listed(response.status_code, failure.code or failure.type or "", failure.kind)
    try:
        body = orjson.loads(response.content)
    except orjson.JSONDecodeError:
        body = None
    if not isinstance(body, dict):
        return Listed(200, "its answer is not a model list", Kind.MALFORMED)
    complete = not body.get("has_more") and not body.get("nextPageToken")
    return Listed(200, ids=frozenset(_ids(body)), complete=complete)


def _ids(body: Mapping[str, Any]) -> Iterator[str]:
    """Lists are `{data: [{id, aliases?}]}` or `{models: [{name: "models/…"}]}`."""
    for entry in (*_list(body.get("data")), *_list(body.get("models"))):
        if isinstance(entry, dict):
            names = [entry.get("id"), entry.get("name"), *_list(entry.get("aliases"))]
            yield from (name.removeprefix("models/") for name in names if isinstance(name, str))


def _list(value: object) -> list[Any]:
    return value if isinstance(value, list) else []


# --- the verdict ----------------------------------------------------------------------------------


def judge(question: _Question, listed: Listed) -> Iterator[Finding]:
    """One finding about the key, and one about every model."""
    names = ", ".join(model.name for model in question.models)
    if listed.status == 200 and listed.kind is None:
        yield _key_is_taken(names, question, listed)
        for model in question.models:
            yield from _is_listed(model, listed)
    else:
        yield _failure(names, question.models[0], listed)


def _failure(names: str, model: Model, listed: Listed) -> Finding:
    provider, said = model.provider.name, _said(listed)
    if listed.status is None:
        message = f"{model.base_url} cannot be reached: {listed.reason}."
        return Finding("live", "error", names, message)
    if listed.kind is Kind.CREDENTIAL or listed.status in (401, 403):
        message = f"{provider} refuses the key ({said})."
        return Finding("live", "error", names, message, _another_key(model))
    if listed.kind in (Kind.RATE_LIMIT, Kind.OVERLOADED, Kind.QUOTA):
        message = f"{provider} is rate-limited or overloaded right now ({said})."
        return Finding("live", "warning", names, message)
    if listed.status == 404:
        url = f"{model.base_url}{model.provider.models_path}"
        message = f"{url} does not exist, so the key was not checked."
        return Finding("live", "warning", names, message, "If calls fail too, fix baseUrl.")
    return Finding("live", "error", names, f"{model.base_url} answered with {said}.")


def _another_key(model: Model) -> str:
    if model.auth_type == "pi_auth":
        return "Sign in with pi again."
    return f"Store another: `gateway credentials set {model.credential.removesuffix(':default')}`"


def _key_is_taken(names: str, question: _Question, listed: Listed) -> Finding:
    if question.found is None:
        return Finding("live", "ok", names, "reached; it needs no key")
    if listed.open_to_all:
        message = "reached; its list needs no key, so the key was not checked."
        return Finding("live", "info", names, message)
    return Finding("live", "ok", names, "reached, key accepted (status 200)")


def _has_dated(model_id: str, known: Iterable[str]) -> bool:
    """An id without a date means the newest one with a date."""
    return any(each.startswith(f"{model_id}-2") for each in known)


def _is_listed(model: Model, listed: Listed) -> Iterator[Finding]:
    if model.model_id in listed.ids or _has_dated(model.model_id, listed.ids):
        return
    if not listed.complete or not listed.ids:
        message = f"the provider returned a partial model list; could not check {model.model_id}"
        yield Finding("live", "info", model.name, message)
        return
    near = get_close_matches(model.model_id, sorted(listed.ids), n=2, cutoff=0.5)
    cure = f"Near ones are: {', '.join(_plain(known) for known in near)}." if near else ""
    message = f"{model.model_id} is not in the list of {len(listed.ids)} models."
    severity: Severity = "error" if is_the_providers(model) else "warning"
    yield Finding("live", severity, model.name, message, cure)


def _said(listed: Listed) -> str:
    status = f"status {listed.status}" if listed.status else ""
    return ", ".join(part for part in (status, _plain(listed.reason)) if part)


def _plain(text: str) -> str:
    """A provider's text without control characters, cut to a line."""
    return text.translate({ord(char): " " for char in _UNSEEN})[:120].strip()
