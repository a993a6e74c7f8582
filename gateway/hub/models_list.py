"""The list of models that a client may use: an entry, and the forms that clients' APIs give it."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping, Sequence
from typing import Any, NamedTuple

from gateway.hub.contracts import Inbound


class ModelItem(NamedTuple):
    """An agent, or a model that is not part of one."""

    id: str
    """The value that the client sends as `model`."""
    created: int
    """Unix time in seconds."""
    owned_by: str
    """The provider of the first model."""
    context_window: int | None = None
    """Tokens; the smallest window of the chain, so that what fits there fits every model."""
    max_output_tokens: int | None = None
    """The smallest output limit of the chain."""
    chain: tuple[str, ...] = ()
    """The names of the models, in order."""


class ListForms(NamedTuple):
    """How the list is written. One object serves the readers of every API; some want more.

    Request headers are given with lower-case names.
    """

    encode_models: Callable[[Iterable[ModelItem]], dict[str, Any]]
    encode_model: Callable[[ModelItem], dict[str, Any]]
    wants_aliases: Callable[[Mapping[str, str]], bool]
    """Whether a request's headers are those of a reader that skips some names."""
    aliases_of: Callable[[Sequence[ModelItem]], Iterable[ModelItem]]
    """The items that such a reader skips, under names that it shows."""
    wants_catalog: Callable[[str], bool]
    """Whether a request's query asks for a catalog beside the list."""
    with_catalog: Callable[[Mapping[str, Any]], dict[str, Any]]
    face_of: Callable[[Mapping[str, str]], Inbound]
    """The face that writes errors for a request with these headers."""
