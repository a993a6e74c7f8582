"""A `traceparent` that is one is followed, any other is ignored, and samplers decide as the
specification says."""

from __future__ import annotations

import pytest

from gateway.text.trace_context import (
    ALL,
    STATE_CHARS_MAX,
    Parent,
    Sampler,
    Trace,
    parse_parent,
    parse_state,
    sampler,
)

ID, SPAN = "4bf92f3577b34da6a3ce929d0e0e4736", "00f067aa0ba902b7"
GOOD = f"00-{ID}-{SPAN}-01"


@pytest.mark.parametrize(
    ("value", "flags"),
    [
        (GOOD, 1),
        (f" {GOOD}\t", 1),
        (f"00-{ID}-{SPAN}-00", 0),
        (f"00-{ID}-{SPAN}-ff", 255),
        (f"01-{ID}-{SPAN}-03", 3),
        (f"cc-{ID}-{SPAN}-01-what-the-future-will-be-like", 1),
    ],
)
def test_a_traceparent_is_read(value: str, flags: int) -> None:
    assert parse_parent([value]) == Parent(ID, SPAN, flags)


@pytest.mark.parametrize(
    "values",
    [
        [],
        [GOOD, GOOD],
        [""],
        ["00"],
        [GOOD[:-1]],
        [GOOD.upper()],
        [GOOD + "-more"],
        [GOOD + "-"],
        [f"ff-{ID}-{SPAN}-01"],
        [f"00-{'0' * 32}-{SPAN}-01"],
        [f"00-{ID}-{'0' * 16}-01"],
        [f"00-{ID[:-1]}g-{SPAN}-01"],
        [f"00-{ID}-{SPAN}-0x"],
        [f"cc-{ID}-{SPAN}-01.more"],
        [GOOD + "\n"],
        ["0" * 100_000],
    ],
)
def test_an_invalid_traceparent_begins_a_trace_of_our_own(values: list[str]) -> None:
    assert parse_parent(values) is None


@pytest.mark.parametrize(
    ("values", "state"),
    [
        ([], ""),
        (["a=1"], "a=1"),
        (["a=1", " b=2"], "a=1,b=2"),
        (["a=\x01"], ""),
        (["a=\xe9"], ""),
        (["a=" + "x" * 510], "a=" + "x" * 510),
        (["a=1," + "b" * STATE_CHARS_MAX + "=1"], "a=1"),
        (["x" * (STATE_CHARS_MAX + 1)], ""),
    ],
)
def test_tracestate_is_kept_as_far_as_it_fits(values: list[str], state: str) -> None:
    assert parse_state(values) == state


LOW, HIGH = "f" * 16 + "0" * 15 + "1", "0" * 16 + "f" * 16
SAMPLED, UNSAMPLED = Parent(HIGH, SPAN, 1), Parent(LOW, SPAN, 0)


@pytest.mark.parametrize(
    ("name", "ratio", "found"),
    [
        ("always_on", "", Sampler(ALL, False)),
        ("always_off", "", Sampler(0, False)),
        ("traceidratio", "0.5", Sampler(ALL // 2, False)),
        ("traceidratio", "", Sampler(ALL, False)),
        ("parentbased_always_on", "ignored", Sampler(ALL, True)),
        ("parentbased_always_off", "", Sampler(0, True)),
        ("parentbased_traceidratio", "0.25", Sampler(ALL // 4, True)),
        ("parentbased_traceidratio", "1.5", None),
        ("traceidratio", "-1", None),
        ("traceidratio", "nan", None),
        ("traceidratio", "half", None),
        ("jaeger_remote", "", None),
        ("", "", None),
    ],
)
def test_samplers_by_name(name: str, ratio: str, found: Sampler | None) -> None:
    assert sampler(name, ratio) == found


@pytest.mark.parametrize(
    ("made", "trace_id", "parent", "is_sampled"),
    [
        (Sampler(), HIGH, None, True),
        (Sampler(), LOW, UNSAMPLED, False),
        (Sampler(0), HIGH, SAMPLED, True),
        (Sampler(0), LOW, None, False),
        (Sampler(ALL, False), LOW, UNSAMPLED, True),
        (Sampler(0, False), HIGH, SAMPLED, False),
        (Sampler(ALL // 2), LOW, None, True),
        (Sampler(ALL // 2), HIGH, None, False),
        (Sampler(ALL // 2), HIGH, SAMPLED, True),
    ],
)
def test_the_clients_decision_holds_unless_the_sampler_ignores_it(
    made: Sampler, trace_id: str, parent: Parent | None, is_sampled: bool
) -> None:
    assert Trace(trace_id, 1, flags=made.flags(trace_id, parent)).is_sampled == is_sampled


def test_only_flags_that_mean_something_are_passed_on() -> None:
    assert Sampler().flags(ID, Parent(ID, SPAN, 0xFF)) == 0b11
    assert Sampler().flags(ID, Parent(ID, SPAN, 0b01)) == 0b01
    assert Sampler().flags(ID, None) == 0b11


def test_a_provider_is_sent_the_attempts_own_span_and_only_if_wanted() -> None:
    trace = Trace(ID, 0x10, flags=1, state="a=1", propagates=True)
    assert trace.headers(2) == (
        (b"traceparent", f"00-{ID}-0000000000000012-01".encode()),
        (b"tracestate", b"a=1"),
    )
    assert trace._replace(state="").headers(1) == (
        (b"traceparent", f"00-{ID}-{'11':0>16}-01".encode()),
    )
    assert trace._replace(propagates=False).headers(1) == ()
