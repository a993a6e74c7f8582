"""Every golden file of every dialect; streams whole, byte by byte, with other line ends, and cut at
random."""

from __future__ import annotations

import pytest

from gateway.dialects import DIALECTS
from tests import goldens
from tests.splits import splits

REQUESTS = [(dialect, case) for dialect in DIALECTS for case in goldens.request_cases(dialect)]
STREAMS = [(dialect, case) for dialect in DIALECTS for case in goldens.stream_cases(dialect)]


@pytest.mark.parametrize(("dialect", "case"), REQUESTS)
def test_request(dialect: str, case: str) -> None:
    goldens.check_request(DIALECTS[dialect], dialect, case)


@pytest.mark.parametrize(("dialect", "case"), STREAMS)
def test_stream_wherever_it_is_cut(dialect: str, case: str) -> None:
    for pieces in splits(goldens.stream_bytes(dialect, case)):
        goldens.check_stream(DIALECTS[dialect], dialect, case, pieces)


@pytest.mark.parametrize(("dialect", "case"), STREAMS)
def test_a_stream_that_stops_anywhere_never_looks_finished(dialect: str, case: str) -> None:
    """The model check over every byte: what is cut either failed, or had its finish reason."""
    data = goldens.stream_bytes(dialect, case)
    whole = goldens.decode_stream(DIALECTS[dialect], [data])
    for end in range(len(data)):
        chunks = goldens.decode_stream(DIALECTS[dialect], [data[:end]])
        if "failed" in chunks[-1]:
            continue
        finishes = [
            choice for chunk in chunks for choice in chunk["choices"] if choice["finish_reason"]
        ]
        assert finishes, f"cut after {end} bytes, the stream looks finished"
        assert [c for c in chunks if c["choices"]] == [c for c in whole if c["choices"]]
