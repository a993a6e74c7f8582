"""Content encodings, undone piece by piece. None is asked for; some servers compress all the
same."""

from __future__ import annotations

import zlib
from typing import Final

INFLATED_BYTES_MAX: Final = 64 * 1024 * 1024
"""What one read may grow to: a few kilobytes of zeros can stand for gigabytes."""

_GZIP, _ZLIB, _RAW = 31, 15, -15
"""zlib's window bits, which say the header it expects: 31 is 16 + 15, "gzip header and trailer"."""
_HEADER_BYTES: Final = 2
"""By then zlib has said whether they are its header (RFC 1950, section 2.2)."""


class Inflated:
    """A body that is compressed with `gzip` or `deflate`."""

    def __init__(self, encoding: str) -> None:
        is_deflate = encoding == "deflate"
        self._bits = _ZLIB if is_deflate else _GZIP
        self._inflate = zlib.decompressobj(self._bits)
        self._doubtful: bytes | None = b"" if is_deflate else None
        """The beginning of a body that may lack the header which RFC 9110 asks for: some servers
        leave it out."""

    def feed(self, data: bytes) -> bytes:
        """What `data` adds. Raises `zlib.error`, also for what grows beyond
        `INFLATED_BYTES_MAX`."""
        if self._doubtful is None:
            return self._members(data)
        beginning = self._doubtful + data
        self._doubtful = beginning if len(beginning) < _HEADER_BYTES else None
        try:
            return self._members(data)
        except zlib.error:
            self._doubtful = None
            self._inflate = zlib.decompressobj(_RAW)
            return self._members(beginning)

    def _members(self, data: bytes) -> bytes:
        """One gzip member after the other: "a series of members" makes a file (RFC 1952, section
        2.2)."""
        inflated = bytearray()
        while True:
            # One byte more than may be: zlib takes a limit of 0 for none.
            inflated += self._inflate.decompress(data, INFLATED_BYTES_MAX - len(inflated) + 1)
            if len(inflated) > INFLATED_BYTES_MAX:
                raise zlib.error(f"it inflates to more than {INFLATED_BYTES_MAX} bytes at once")
            data = self._inflate.unused_data.lstrip(b"\0")  # a file may be padded with zeros
            if self._bits != _GZIP or not self._inflate.eof or not data:
                return bytes(inflated)
            self._inflate = zlib.decompressobj(_GZIP)
