"""Every way to cut a stream of bytes: whatever the cut, the answer must be the same."""

from __future__ import annotations

import itertools
import random
from collections.abc import Iterator

RANDOM_CUTS = 8


def splits(data: bytes) -> Iterator[list[bytes]]:
    """`data` whole, byte by byte, with CRLF line ends, with CR, and cut at random places (the same
    ones every time)."""
    yield [data]
    yield [data[place : place + 1] for place in range(len(data))]
    for line_end in (b"\r\n", b"\r"):
        other = data.replace(b"\n", line_end)
        yield [other]
        yield [other[place : place + 1] for place in range(len(other))]
    chance = random.Random(len(data))
    for _ in range(RANDOM_CUTS):
        places = sorted({chance.randrange(len(data) + 1) for _ in range(5)} | {0, len(data)})
        yield [data[start:end] for start, end in itertools.pairwise(places)]
