"""The tools that Google runs. Source: Google's `Tool` type."""

from __future__ import annotations

from typing import Final

from gateway.dialects.chat.hosted import MEANINGS
from gateway.dialects.google.models import Generation
from gateway.hub.hosted_tools import Native, Row

ROW: Final = Row(
    MEANINGS,
    taken=("googleMaps", "google_maps"),
    natives={
        "search": Native({"googleSearch": {}}, {"timeRangeFilter": "googleSearch"}),
        "fetch": Native({"urlContext": {}}),
        "code": Native({"codeExecution": {}}),
    },
)
_ROW_ALONE: Final = ROW._replace(only_alone=True)


def hosted_row(gemini: Generation) -> Row:
    """The hosted tools of a generation: older ones take them only without functions."""
    return ROW if gemini.hosted_with_functions else _ROW_ALONE
