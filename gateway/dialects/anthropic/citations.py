"""Citations as the hub's annotations, where they name an address."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any


def decode_citations(citations: Any, first_index: int) -> list[dict[str, Any]]:
    """`url_citation` annotations; citations of a client's own documents have no form in the hub."""
    found = [citation for citation in citations or () if isinstance(citation, Mapping) and citation.get("url")]
    return [
        {
            "type": "url_citation",
            "index": first_index + place,
            "url_citation": {
                "url": citation["url"],
                "title": citation.get("title") or "",
                "start_index": 0,
                "end_index": 0,
            },
        }
        for place, citation in enumerate(found)
    ]
