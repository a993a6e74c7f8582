"""The list of models, in one form for the readers of every API."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Final

from gateway.dialects import INBOUND
from gateway.dialects.anthropic.inbound.models import (
    agent_of_alias,
    aliases_of,
    encode_model,
    encode_models,
    wants_aliases,
)
from gateway.dialects.responses.inbound.catalog import wants_codex_models, with_codex_models
from gateway.hub.contracts import Inbound
from gateway.hub.models_list import ListForms

__all__ = ["LISTS", "agent_of_alias"]


def _face_of(headers: Mapping[str, str]) -> Inbound:
    """Every API has this path, and each its own errors."""
    return INBOUND["anthropic" if wants_aliases(headers) else "chat"]


LISTS: Final = ListForms(
    encode_models=encode_models,
    encode_model=encode_model,
    wants_aliases=wants_aliases,
    aliases_of=aliases_of,
    wants_catalog=wants_codex_models,
    with_catalog=with_codex_models,
    face_of=_face_of,
)
