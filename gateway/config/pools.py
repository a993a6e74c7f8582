"""Credential pools: one model with several accounts, which are tried in order.

Each account is a `Model` of its own, so chain, breaker and ledger need no second concept. Its name
has the credential's instance: `gpt@team2` for `[models.gpt]` with "openai_key:team2".
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Collection, Iterator, Mapping, Sequence
from typing import Any

from gateway.config.check import Flaw, shown

Path = tuple[str, ...]


def whole(credential: str) -> str:
    """`type:instance` of what may be a `type` alone."""
    return credential if ":" in credential else f"{credential}:default"


def accounts(credentials: Sequence[str]) -> tuple[str, ...]:
    """Each account once, as `type:instance`, in the order of the file."""
    return tuple(dict.fromkeys(map(whole, credentials)))


def account_names(name: str, credentials: Sequence[str]) -> list[str]:
    """The name of each account of the model `name`; `name` itself for a single one.

    Two types may have instances of one name; then the type is named as well.
    """
    if len(credentials) == 1:
        return [name]
    instances = [credential.partition(":")[2] for credential in credentials]
    is_unique = len(set(instances)) == len(instances)
    return [f"{name}@{each}" for each in (instances if is_unique else credentials)]


def pool_flaws(path: Path, model: Mapping[str, Any], others: Collection[str]) -> Iterator[Flaw]:
    """The flaws of the list of credentials as a whole. `others` are names of models."""
    pool, name = model.get("credential"), path[-1]
    if not isinstance(pool, list):
        return
    path = (*path, "credential")
    if not pool:
        yield Flaw(path, "the list is empty.", "Name at least one credential, or remove the key.")
    credentials = [each for each in pool if isinstance(each, str)]
    yield from _repeated(path, credentials)
    known = accounts(credentials)
    if len(known) > 1:
        yield from _taken(path, account_names(name, known), others)
        if model.get("authType") == "pi_auth":
            message = "pi has one account for each provider, so there is no pool of them."
            yield Flaw(path, message, "Remove this, or use another authType.")


def _repeated(path: Path, credentials: Sequence[str]) -> Iterator[Flaw]:
    for credential, times in Counter(map(whole, credentials)).items():
        if times > 1:
            text = shown((), credential.removesuffix(":default"))
            message = f"{text} is listed {times} times; the first counts."
            yield Flaw(path, message, "Keep one.", "warning")


def _taken(path: Path, names: Sequence[str], others: Collection[str]) -> Iterator[Flaw]:
    for name in names:
        if name in others:
            message = f"the account is named {shown((), name)}, as another model is."
            yield Flaw(path, message, "Rename that model.")
