"""Which client API a path belongs to, so that its errors have that API's form."""

from __future__ import annotations

from collections.abc import Callable, Mapping

from gateway.hub.contracts import Inbound


def face_of_path(faces: Mapping[str, Inbound], default: Inbound) -> Callable[[str], Inbound]:
    """`faces` are by the paths of their calls, without `/v1`. What is below such a path belongs to
    the same face; every other path has the `default`."""
    by_segment = {path.split("/")[1]: face for path, face in faces.items()}

    def find(path: str) -> Inbound:
        for segment in path.split("/", 8):
            if segment not in ("", "v1"):
                return by_segment.get(segment.partition("?")[0], default)
        return by_segment.get("", default)

    return find
