"""Every golden file (`tests/goldens.py`); streams whole, byte by byte, with other line ends, and
cut at random."""

from __future__ import annotations

import pytest

from gateway.dialects import DIALECTS
from gateway.providers import PROVIDERS
from tests import goldens
from tests.splits import splits
from tests.targets import EMBEDDING, EXTRA, TARGETS

REQUESTS = [(client, case) for client in TARGETS for case in goldens.cases(f"{client}.json")]
TRANSLATED = [(client, case) for client, case in REQUESTS if client in goldens.FROM_THE_HUB]
STREAMS = [(dialect, case) for dialect in DIALECTS for case in goldens.stream_cases(dialect)]


@pytest.mark.parametrize(("client", "case"), TRANSLATED)
def test_a_request_in_the_form_of_the_hub(client: str, case: str) -> None:
    goldens.check(case, "hub.json", goldens.hub_form(goldens.request_of(client, case)))


@pytest.mark.parametrize(("client", "case"), REQUESTS)
def test_a_request_beside_all_its_translations(client: str, case: str) -> None:
    goldens.check(case, "translations.json", goldens.translations(client, case))


@pytest.mark.parametrize("case", goldens.cases("efforts.json"))
def test_what_each_reasoning_effort_changes(case: str) -> None:
    goldens.check(case, "efforts.json", goldens.efforts(case))


@pytest.mark.parametrize("case", goldens.cases("answers.json"))
def test_the_answers_with_embeddings(case: str) -> None:
    goldens.check(case, "answers.json", goldens.answers(case))


@pytest.mark.parametrize(("dialect", "case"), STREAMS)
def test_a_stream_wherever_it_is_cut(dialect: str, case: str) -> None:
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


def test_every_file_is_read() -> None:
    read = {f"{case}/{client}.json" for client, case in REQUESTS}
    read |= {f"{case}/translations.json" for _, case in REQUESTS}
    read |= {f"{case}/hub.json" for _, case in TRANSLATED}
    read |= {
        f"{case}/{dialect}{end}" for dialect, case in STREAMS for end in (".sse", ".chunks.json")
    }
    read |= {
        f"{case}/{name}"
        for name in ("efforts.json", "answers.json")
        for case in goldens.cases(name)
    }
    found = {str(path.relative_to(goldens.FOLDER)) for path in goldens.FOLDER.rglob("*.*")}
    assert found == read


def test_every_extra_target_has_its_cases() -> None:
    named = {case for _, _, names in EXTRA for case in names.split()}
    assert named <= {case for _, case in REQUESTS}


def test_every_provider_with_embeddings_is_a_target() -> None:
    offering = {name for name, row in PROVIDERS.items() if row.embeddings is not None}
    assert {target.provider for target in EMBEDDING.values()} == offering < set(PROVIDERS)
