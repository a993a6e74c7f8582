"""The schema describes itself whole, and agrees with the types it becomes."""

from __future__ import annotations

import dataclasses
import inspect
from typing import get_args, get_type_hints

import msgspec
import pytest

from gateway.chain import Backoff
from gateway.config import schema
from gateway.config.docs import field_docs, json_schema
from gateway.providers import PROVIDERS
from gateway.types import Quirks, Timeouts

TABLES = [
    table
    for _, table in inspect.getmembers(schema, inspect.isclass)
    if issubclass(table, schema.Table) and table is not schema.Table
]


@pytest.mark.parametrize("table", TABLES, ids=lambda table: table.__name__)
def test_every_key_has_a_description(table: type[schema.Table]) -> None:
    assert all(text.endswith((".", '."""')) for text in field_docs(table).values())


def test_json_schema_describes_every_key_and_forbids_others() -> None:
    described = json_schema()
    for name, table in described["$defs"].items():
        assert table["additionalProperties"] is False, name
        assert all("description" in body for body in table["properties"].values()), name
    model = described["$defs"]["Model"]
    assert model["required"] == ["provider", "model"]
    assert set(model["properties"]["provider"]["enum"]) == set(PROVIDERS)
    assert "telemetry" in described["$defs"]["Root"]["properties"]


def test_compat_offers_every_quirk_with_the_same_choices() -> None:
    offered = get_type_hints(schema.Compat)
    quirks = get_type_hints(Quirks)
    assert list(offered) == list(quirks)
    for name, kind in quirks.items():
        assert set(get_args(offered[name])) >= ({kind} if kind is bool else {type(None)}), name
        choices = next(
            (get_args(option) for option in get_args(offered[name]) if get_args(option)), ()
        )
        assert set(choices) == set(get_args(kind)), name


def test_defaults_are_those_of_the_types_they_become() -> None:
    waits = msgspec.structs.asdict(schema.Timeouts())
    for info in dataclasses.fields(Timeouts):
        assert waits[info.name.removesuffix("_s") + "_seconds"] == info.default
    fallback, backoff = schema.Fallback(), Backoff()
    assert (fallback.backoff_seconds, fallback.backoff_max_seconds) == (
        backoff.first_s,
        backoff.max_s,
    )
    assert (fallback.rounds, fallback.max_wait_seconds) == (backoff.rounds, backoff.wait_max_s)


def test_a_model_may_override_every_wait_but_the_general_switch() -> None:
    general = set(schema.Timeouts.__struct_fields__)
    assert general - set(schema.ModelTimeouts.__struct_fields__) == {"heartbeat_before_commit"}


def test_a_derived_table_is_documented_by_the_noun_that_it_is_derived_from() -> None:
    waits = field_docs(schema.Timeouts)
    assert waits["connectSeconds"] == field_docs(schema.ModelTimeouts)["connectSeconds"]
    assert waits["connectSeconds"] == "Name, connection and TLS together."
    assert waits["heartbeatBeforeCommit"].startswith("Sends heartbeats")
    assert (
        field_docs(schema.Compat)["toolsMax"]
        == "How many tools it takes in one request; 0 for any number."
    )


@pytest.mark.parametrize(
    ("table", "values"),
    [
        (schema.Timeouts, {"connectSeconds": 0}),
        (schema.ModelTimeouts, {"connectSeconds": -1}),
        (schema.Compat, {"toolsMax": -1}),
        (schema.Compat, {"api": "other"}),
        (schema.Compat, {"unknown": True}),
        (schema.ModelTimeouts, {"heartbeatBeforeCommit": True}),
    ],
)
def test_a_derived_table_keeps_the_limits_of_its_values(
    table: type[schema.Table], values: dict[str, object]
) -> None:
    with pytest.raises(msgspec.ValidationError):
        msgspec.convert(values, table)
