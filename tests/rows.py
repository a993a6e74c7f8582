"""Everything that a provider's row needs, here and in other files. `lacking` names what is missing,
and where.

A row that passes is served, drilled, priced, documented and kept out of logs like the others.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Iterator, Mapping
from pathlib import Path
from typing import Final

from gateway.config.model_ids import retired_on
from gateway.credentials.signing import SIGNINGS
from gateway.dialects import DIALECTS, FRAMINGS
from gateway.lab.vendors import vendors
from gateway.observe.prices import cost
from gateway.providers import lab_path
from gateway.redact import HIDDEN, redact
from gateway.types import Provider

ROOT: Final = Path(__file__).parent.parent
DOCS: Final = (ROOT / "docs" / "providers.md").read_text()
EXAMPLE: Final = (ROOT / "gateway/share/config.toml.example").read_text()
COUNTS: Final = {"input": 1000, "output": 10, "cache_read": 0, "cache_write": 0}
NOW: Final = 1_790_000_000.0


def _documented(row: Provider) -> bool:
    line = next((line for line in DOCS.splitlines() if line.startswith(f"| `{row.name}` |")), "")
    return all(f"`{fact}`" in line for fact in (row.base_url or row.name, row.credential, *row.env))


def _priced(row: Provider) -> bool:
    return (
        not row.default_model
        or cost(row.price_name or row.name, row.default_model, COUNTS, NOW) is not None
    )


def _scrubbed(row: Provider) -> bool:
    return (
        not row.key_hint
        or redact(f"your key {row.key_hint}{'a1' * 16} is wrong") == f"your key {HIDDEN} is wrong"
    )


NEEDS: Final[Mapping[str, Callable[[Provider], bool]]] = {
    "dialects/__init__.py: DIALECTS has no such dialect": lambda row: row.dialect in DIALECTS,
    "dialects/__init__.py: FRAMINGS has no such framing": lambda row: row.framing in FRAMINGS,
    "credentials/signing.py: SIGNINGS has no such signing": lambda row: row.signing in SIGNINGS,
    "lab/vendors.py: APIS has no module that plays the dialect": lambda row: bool(
        vendors([row])[row.name].apis
    ),
    "base_url: the lab needs its path": lambda row: lab_path(row).startswith(f"/{row.name}"),
    "credential: it is <name>_key": lambda row: row.credential == f"{row.name}_key",
    "env: the variable that holds its key": lambda row: bool(row.env) != row.key_optional,
    "default_model: a model of a configuration made from keys alone": lambda row: (
        bool(row.default_model) == (row.base_url is not None)
    ),
    "default_rank: its place in the chain of such a configuration": lambda row: (
        not row.default_model
        or row.default_rank != Provider.__dataclass_fields__["default_rank"].default
    ),
    "default_model: it is retired": lambda row: retired_on(row.name, row.default_model) is None,
    "bearer_beta: it needs beta_header": lambda row: (
        bool(row.beta_header) or row.bearer_beta is None
    ),
    "models_path: it begins with a slash": lambda row: row.models_path.startswith("/"),
    "price_name: the price library does not know its default model under this name": _priced,
    "redact.py: its keys are not taken out of logs": _scrubbed,
    "docs/providers.md: a line with name, base URL, credential and variables": _documented,
    "config.toml.example: it is not among the providers": lambda row: (
        re.search(rf"\b{re.escape(row.name)}\b", EXAMPLE) is not None
    ),
}
"""What is missing where it does not hold, and the check."""


def lacking(row: Provider) -> Iterator[str]:
    """What `row` lacks."""
    return (f"{row.name}: {what}" for what, holds in NEEDS.items() if not holds(row))
