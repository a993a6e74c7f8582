"""The page of all keys is what the schema says today, and names every table."""

from __future__ import annotations

from pathlib import Path

from gateway.config.docs import TITLES, json_schema, markdown

PAGE = Path(__file__).parents[2] / "docs" / "configuration.md"


def test_the_page_is_what_the_schema_says() -> None:
    assert PAGE.read_text() == markdown(), (
        "gateway config schema --markdown > docs/configuration.md"
    )


def test_every_table_is_on_it() -> None:
    assert set(TITLES) == set(json_schema()["$defs"])


def test_a_row_has_type_default_and_words() -> None:
    rows = markdown().splitlines()
    assert (
        "| `port` | integer ≥ 0 | `8484` | The port to listen on; 0 lets the system choose. |"
        in rows
    )
    assert (
        "| `models` | list of strings | required | The chain: names of models, first choice "
        "first. |" in rows
    )
    assert any(row.startswith("| `unsupported` | `reject`, `warn` | `warn` |") for row in rows)
