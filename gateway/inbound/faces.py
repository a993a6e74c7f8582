"""Which client API a path belongs to, so that its errors have that API's form."""

from __future__ import annotations

from collections.abc import Callable, Mapping

from gateway.hub.contracts import Inbound


def face_of_path(faces: Mapping[str, Inbound], default: Inbound) -> Callable[[str], Inbound]:
    """`faces` are by the beginning of their paths, without `/v1`; every other path has the `default`."""

    def find(path: str) -> Inbound:
        for beginning, face in faces.items():
            if beginning in path:
                return face
        return default

    return find
