"""Which generation an id belongs to."""

from __future__ import annotations

import pytest

from gateway.dialects.google.models import generation


@pytest.mark.parametrize(
    ("model_id", "thinking", "signatures"),
    [
        ("gemini-2.0-flash", "none", False),
        ("gemini-2.5-pro-preview-06-05", "budget", False),
        ("models/gemini-2.5-computer-use-preview-10-2025", "budget", False),
        ("gemini-2.5-flash-image", "none", False),
        ("gemini-3-flash-preview", "level", True),
        ("gemini-flash-latest", "level", True),
        ("gemini-9-unheard-of", "level", True),
    ],
)
def test_generations(model_id: str, thinking: str, signatures: bool) -> None:
    found = generation(model_id)
    assert (found.thinking, found.signatures) == (thinking, signatures)
