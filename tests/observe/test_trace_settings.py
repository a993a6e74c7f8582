"""OpenTelemetry's environment variables, one row each, and what `[traces]` states over them."""

from __future__ import annotations

from typing import Any, Final

import pytest

from gateway.observe.trace_settings import Settings, Stated, read_settings
from gateway.text.trace_context import ALL, Sampler

ENDPOINT: Final = {"OTEL_EXPORTER_OTLP_ENDPOINT": "http://collector:4318"}
TRACES: Final = "OTEL_EXPORTER_OTLP_TRACES_ENDPOINT"


def read(env: dict[str, str], **stated: Any) -> tuple[Settings | None, list[str]]:
    return read_settings(env, "1.2.3", "instance", Stated(**stated))


def settings(env: dict[str, str], **stated: Any) -> Settings:
    found, warnings = read(ENDPOINT | env, **stated)
    assert found is not None
    assert warnings == []
    return found


@pytest.mark.parametrize(
    ("env", "stated"),
    [
        ({}, {}),
        ({"OTEL_EXPORTER_OTLP_ENDPOINT": " "}, {}),
        ({"OTEL_EXPORTER_OTLP_HEADERS": "a=b"}, {}),
        (ENDPOINT | {"OTEL_SDK_DISABLED": "true"}, {}),
        (ENDPOINT | {"OTEL_SDK_DISABLED": "TRUE"}, {"endpoint": "http://other:1"}),
        (ENDPOINT | {"OTEL_TRACES_EXPORTER": "none"}, {}),
        (ENDPOINT | {"OTEL_TRACES_EXPORTER": "console"}, {}),
    ],
)
def test_there_is_nothing_unless_it_is_wanted(env: dict[str, str], stated: dict[str, str]) -> None:
    assert read(env, **stated) == (None, [])


@pytest.mark.parametrize(
    ("env", "stated", "url"),
    [
        ({}, "", "http://collector:4318/v1/traces"),
        (
            {"OTEL_SDK_DISABLED": "false", "OTEL_TRACES_EXPORTER": "console, otlp"},
            "",
            "http://collector:4318/v1/traces",
        ),
        ({"OTEL_EXPORTER_OTLP_ENDPOINT": "https://c/base/"}, "", "https://c/base/v1/traces"),
        ({"OTEL_EXPORTER_OTLP_ENDPOINT": "https://c/v1/traces"}, "", "https://c/v1/traces"),
        ({"OTEL_EXPORTER_OTLP_ENDPOINT": "https://c/?key=x"}, "", "https://c/v1/traces?key=x"),
        ({TRACES: "https://c/as/it/is"}, "", "https://c/as/it/is"),
        ({TRACES: "https://c"}, "", "https://c"),
        ({TRACES: "https://c/own"}, "http://stated:1", "http://stated:1/v1/traces"),
        ({TRACES: "https://c/own"}, "http://stated:1/v1/traces", "http://stated:1/v1/traces"),
    ],
)
def test_where_traces_go(env: dict[str, str], stated: str, url: str) -> None:
    assert settings(env, endpoint=stated).url == url


@pytest.mark.parametrize(
    ("env", "stated", "headers"),
    [
        ({}, {}, ()),
        ({"OTEL_EXPORTER_OTLP_HEADERS": "a=b, c = d=e ,,"}, {}, (("a", "b"), ("c", "d=e"))),
        (
            {"OTEL_EXPORTER_OTLP_HEADERS": "authorization=Basic%20eA%3D%3D"},
            {},
            (("authorization", "Basic eA=="),),
        ),
        (
            {"OTEL_EXPORTER_OTLP_HEADERS": "a=b", "OTEL_EXPORTER_OTLP_TRACES_HEADERS": "c=d"},
            {},
            (("c", "d"),),
        ),
        ({"OTEL_EXPORTER_OTLP_HEADERS": "a=b"}, {"x": "y"}, (("x", "y"),)),
    ],
)
def test_headers(
    env: dict[str, str], stated: dict[str, str], headers: tuple[tuple[str, str], ...]
) -> None:
    assert settings(env, headers=stated).headers == headers


@pytest.mark.parametrize(
    ("env", "field", "value"),
    [
        ({}, "timeout_s", 10.0),
        ({"OTEL_EXPORTER_OTLP_TIMEOUT": "2500"}, "timeout_s", 2.5),
        (
            {"OTEL_EXPORTER_OTLP_TIMEOUT": "1", "OTEL_EXPORTER_OTLP_TRACES_TIMEOUT": "3000"},
            "timeout_s",
            3.0,
        ),
        ({}, "is_compressed", False),
        ({"OTEL_EXPORTER_OTLP_COMPRESSION": "gzip"}, "is_compressed", True),
        (
            {
                "OTEL_EXPORTER_OTLP_COMPRESSION": "gzip",
                "OTEL_EXPORTER_OTLP_TRACES_COMPRESSION": "none",
            },
            "is_compressed",
            False,
        ),
        ({}, "delay_s", 5.0),
        ({"OTEL_BSP_SCHEDULE_DELAY": "200"}, "delay_s", 0.2),
        ({}, "queue_max", 2048),
        ({"OTEL_BSP_MAX_QUEUE_SIZE": "10"}, "queue_max", 10),
        ({"OTEL_BSP_MAX_QUEUE_SIZE": "10"}, "batch_max", 10),
        ({}, "batch_max", 512),
        ({"OTEL_BSP_MAX_EXPORT_BATCH_SIZE": "7"}, "batch_max", 7),
        ({}, "retry_s", 30.0),
        ({"OTEL_BSP_EXPORT_TIMEOUT": "1000"}, "retry_s", 1.0),
        ({}, "sampler", Sampler()),
        ({"OTEL_TRACES_SAMPLER": "always_off"}, "sampler", Sampler(0, False)),
        (
            {"OTEL_TRACES_SAMPLER": "traceidratio", "OTEL_TRACES_SAMPLER_ARG": "0.5"},
            "sampler",
            Sampler(ALL // 2, False),
        ),
    ],
)
def test_a_variable_and_its_default(env: dict[str, str], field: str, value: object) -> None:
    assert getattr(settings(env), field) == value


@pytest.mark.parametrize(
    ("env", "resource"),
    [
        ({}, {}),
        ({"OTEL_SERVICE_NAME": "llm"}, {"service.name": "llm"}),
        (
            {
                "OTEL_RESOURCE_ATTRIBUTES": "deployment.environment.name=prod,service.name=a,x=%C3%A9"
            },
            {"deployment.environment.name": "prod", "service.name": "a", "x": "é"},
        ),
        (
            {"OTEL_RESOURCE_ATTRIBUTES": "service.name=a", "OTEL_SERVICE_NAME": "b"},
            {"service.name": "b"},
        ),
    ],
)
def test_the_resource(env: dict[str, str], resource: dict[str, str]) -> None:
    own = {
        "service.name": "local-agent-gateway",
        "service.version": "1.2.3",
        "service.instance.id": "instance",
    }
    assert settings(env).resource == own | resource


@pytest.mark.parametrize(
    "env",
    [
        {"OTEL_EXPORTER_OTLP_ENDPOINT": "canary:4318"},
        {"OTEL_EXPORTER_OTLP_ENDPOINT": "ftp://canary"},
        {TRACES: "http://user:canary@host/"},
        {TRACES: "http://ca nary/"},
        {"OTEL_EXPORTER_OTLP_HEADERS": "canary"},
        {"OTEL_EXPORTER_OTLP_HEADERS": "a=canary%0d%0ab: c"},
        {"OTEL_EXPORTER_OTLP_HEADERS": "a b=canary"},
        {"OTEL_EXPORTER_OTLP_HEADERS": "a=canary%F0%9F%98%80"},
        {"OTEL_RESOURCE_ATTRIBUTES": "canary"},
        {"OTEL_EXPORTER_OTLP_TIMEOUT": "canary"},
        {"OTEL_EXPORTER_OTLP_TIMEOUT": "0"},
        {"OTEL_EXPORTER_OTLP_TIMEOUT": "nan"},
        {"OTEL_BSP_SCHEDULE_DELAY": "inf"},
        {"OTEL_BSP_MAX_QUEUE_SIZE": "-1"},
        {"OTEL_BSP_MAX_EXPORT_BATCH_SIZE": "1.5"},
        {"OTEL_EXPORTER_OTLP_COMPRESSION": "canary"},
        {"OTEL_EXPORTER_OTLP_PROTOCOL": "grpc"},
        {"OTEL_TRACES_SAMPLER": "canary"},
        {"OTEL_TRACES_SAMPLER": "traceidratio", "OTEL_TRACES_SAMPLER_ARG": "canary"},
    ],
)
def test_what_cannot_be_used_costs_a_warning_that_shows_no_value(env: dict[str, str]) -> None:
    found, warnings = read(ENDPOINT | env)
    assert len(warnings) == 1
    assert warnings[0].startswith(("OTEL_", "a header"))
    assert "canary" not in warnings[0]
    if not set(env) & {TRACES, *ENDPOINT}:
        assert found is not None
        defaults = settings({})
        assert (found.timeout_s, found.delay_s, found.queue_max, found.batch_max) == (
            defaults.timeout_s,
            defaults.delay_s,
            defaults.queue_max,
            defaults.batch_max,
        )
        assert (found.headers, found.resource) == (defaults.headers, defaults.resource)
    else:
        assert found is None


def test_a_repr_holds_neither_headers_nor_address() -> None:
    assert "canary" not in repr(
        settings({}, endpoint="http://a/?canary", headers={"authorization": "canary"})
    )
