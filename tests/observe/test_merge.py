"""Several processes' metrics as one page."""

from __future__ import annotations

from gateway.observe.merge import merged

ONE = """\
# HELP gateway_requests_total Requests.
# TYPE gateway_requests_total counter
gateway_requests_total{agent="dev",status="200"} 2.0
# HELP gateway_circuit_state States.
# TYPE gateway_circuit_state gauge
gateway_circuit_state{model="a b",state="open"} 1.0
"""
OTHER = """\
# HELP gateway_requests_total Requests.
# TYPE gateway_requests_total counter
gateway_requests_total{agent="dev",status="200"} 3.0
gateway_requests_total{agent="dev",status="429"} 1.0
# HELP gateway_circuit_state States.
# TYPE gateway_circuit_state gauge
gateway_circuit_state{model="a b",state="open"} 1.0
"""


def test_counts_are_added_and_states_are_not() -> None:
    assert merged([ONE, OTHER]).splitlines() == [
        "# HELP gateway_requests_total Requests.",
        "# TYPE gateway_requests_total counter",
        'gateway_requests_total{agent="dev",status="200"} 5.0',
        'gateway_requests_total{agent="dev",status="429"} 1.0',
        "# HELP gateway_circuit_state States.",
        "# TYPE gateway_circuit_state gauge",
        'gateway_circuit_state{model="a b",state="open"} 1.0',
    ]


def test_one_page_stays_as_it_is() -> None:
    assert merged([ONE]) == ONE
