"""Content encodings, undone piece by piece. None is asked for; some servers compress all the same."""

from __future__ import annotations

import zlib
from typing import Final

_HEADER_BYTES: Final = 2
"""By then zlib has said whether they are its header (RFC 1950, section 2.2)."""


class Inflated:
    """A body that is compressed with `gzip` or `deflate`."""

    def __init__(self, encoding: str) -> None:
        is_deflate = encoding == "deflate"
        self._inflate = zlib.decompressobj(15 if is_deflate else 31)  # 31: 16 + 15, "gzip header and trailer"
        self._doubtful: bytes | None = b"" if is_deflate else None
        """The beginning of a body that may lack the header which RFC 9110 asks for: some servers leave it out."""

    def feed(self, data: bytes) -> bytes:
        """What `data` adds. Raises `zlib.error`."""
        if self._doubtful is None:
            return self._inflate.decompress(data)
        beginning = self._doubtful + data
        self._doubtful = beginning if len(beginning) < _HEADER_BYTES else None
        try:
            return self._inflate.decompress(data)
        except zlib.error:
            self._doubtful = None
            self._inflate = zlib.decompressobj(-15)
            return self._inflate.decompress(beginning)
