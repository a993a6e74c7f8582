"""The dashboard and the alerts ask for metrics and labels that exist, in PromQL that Prometheus
takes."""

from __future__ import annotations

import json
import re
import shutil
import subprocess
from collections.abc import Iterator
from pathlib import Path
from typing import Any, Final, NamedTuple

import pytest
import yaml  # type: ignore[import-untyped]

from gateway.failures import Kind
from tests.observe.exposed import everything, metrics_and_labels, samples

FOLDER: Final = Path(__file__).parents[1] / "docs" / "grafana"
DASHBOARD: Final = json.loads((FOLDER / "dashboard.json").read_text())
ALERTS: Final = FOLDER / "alerts.yaml"
RULES: Final = [
    rule for group in yaml.safe_load(ALERTS.read_text())["groups"] for rule in group["rules"]
]

EXPOSED: Final = metrics_and_labels()
SAMPLES: Final = {sample.name for sample in samples(everything())}

VARIABLES: Final = {"$__rate_interval": "5m", "$__range": "6h", "$agent": ".*", "$model": ".*"}
"""What Grafana puts in their place."""
VALUES: Final = {
    "outcome": {*Kind, "ok", "cancelled", "sent", "dropped", "failed"},
    "result": {"answered", "late", "away"},
    "state": {"closed", "open", "half_open"},
    "type": {"input", "output", "cache_read", "cache_write", "cache_write_1h", "reasoning"},
}
"""Label → every value that it can have."""

promtool = pytest.mark.skipif(
    shutil.which("promtool") is None,
    reason="promtool is not installed (Debian: apt-get install prometheus)",
)

_METRIC: Final = re.compile(r"\b(gateway_\w+)(?:\{([^}]*)\})?")
_MATCHER: Final = re.compile(r'(\w+)(=~|!~|!=|=)"([^"]*)"')
_BY: Final = re.compile(r"\bby \(([^)]*)\) \(")


class Query(NamedTuple):
    """An expression, and the labels that the words beside it use."""

    name: str
    expr: str
    words: str = ""

    @property
    def metrics(self) -> set[str]:
        return {match[1] for match in _METRIC.finditer(self.expr)}


def panels() -> list[dict[str, Any]]:
    return [panel for panel in DASHBOARD["panels"] if panel["type"] != "row"]


def dashboard() -> Iterator[Query]:
    for panel in panels():
        for target in panel["targets"]:
            yield Query(
                f"{panel['title']} {target['refId']}", target["expr"], target["legendFormat"]
            )


def alerts() -> Iterator[Query]:
    for rule in RULES:
        yield Query(rule["alert"], rule["expr"], " ".join(rule["annotations"].values()))


QUERIES: Final = [*dashboard(), *alerts()]
each_query = pytest.mark.parametrize("query", QUERIES, ids=[query.name for query in QUERIES])


def labels(sample: str) -> set[str]:
    """The labels of a sample, by its name."""
    family = re.sub(r"_(bucket|sum|count)$", "", sample)
    return EXPOSED[family] | ({"le"} if sample.endswith("_bucket") else set())


def operand(expr: str, begin: int) -> str:
    """The text in the parentheses that open before `begin`."""
    depth, end = 1, begin
    while depth:
        depth += {"(": 1, ")": -1}.get(expr[end], 0)
        end += 1
    return expr[begin : end - 1]


@each_query
def test_every_metric_exists(query: Query) -> None:
    assert query.metrics
    assert query.metrics - SAMPLES == set()


@each_query
def test_every_label_exists_and_can_have_the_value(query: Query) -> None:
    for match in _METRIC.finditer(query.expr):
        for label, _, value in _MATCHER.findall(match[2] or ""):
            assert label in labels(match[1])
            if label in VALUES:
                assert set(value.split("|")) <= VALUES[label]


@each_query
def test_what_is_summed_by_a_label_has_it(query: Query) -> None:
    for match in _BY.finditer(query.expr):
        wanted = {label.strip() for label in match[1].split(",")}
        for metric in _METRIC.finditer(operand(query.expr, match.end())):
            assert wanted <= labels(metric[1])


@each_query
def test_words_use_labels_that_the_result_has(query: Query) -> None:
    used = set(re.findall(r"\{\{ ?(?:\$labels\.)?(\w+) ?\}\}", query.words))
    for match in _BY.finditer(query.expr):
        assert used <= {label.strip() for label in match[1].split(",")}
    assert not used or _BY.search(query.expr)


@each_query
def test_counters_are_read_as_rates(query: Query) -> None:
    """A bare total grows forever, and begins at 0 with the process."""
    bare = re.sub(r"unless.*|or sum by \([^)]*\) \(gateway_\w+\{[^}]*\}\)", "", query.expr)
    for match in re.finditer(r"gateway_\w+_(?:total|bucket)(?:\{[^}]*\})?", bare):
        assert re.match(r"\[", bare[match.end() :]), query.expr


def test_every_metric_is_shown() -> None:
    families = {
        re.sub(r"_(bucket|sum|count)$", "", name) for query in dashboard() for name in query.metrics
    }
    assert families == set(EXPOSED)


def test_variables_ask_for_what_exists() -> None:
    names = set()
    for variable in DASHBOARD["templating"]["list"]:
        names.add("$" + variable["name"])
        if variable["type"] == "query":
            match = re.fullmatch(r"label_values\((\w+), (\w+)\)", variable["definition"])
            assert match is not None
            assert match[2] in EXPOSED[match[1]]
    used = {name for query in dashboard() for name in re.findall(r"\$\w+", query.expr)}
    assert used - {"$__rate_interval", "$__range"} <= names


def test_panels_are_complete_and_do_not_overlap() -> None:
    cells: set[tuple[int, int]] = set()
    for panel in DASHBOARD["panels"]:
        place = panel["gridPos"]
        own = {
            (x, y)
            for x in range(place["x"], place["x"] + place["w"])
            for y in range(place["y"], place["y"] + place["h"])
        }
        assert not own & cells, panel["title"]
        assert place["x"] + place["w"] <= 24
        cells |= own
    assert len({panel["id"] for panel in DASHBOARD["panels"]}) == len(DASHBOARD["panels"])
    for panel in panels():
        assert panel["description"]
        assert panel["datasource"]["uid"] == "${datasource}"


def test_alerts_say_what_to_do() -> None:
    assert len({rule["alert"] for rule in RULES}) == len(RULES)
    for rule in RULES:
        assert rule["labels"]["severity"] in ("page", "ticket")
        assert set(rule["annotations"]) == {"summary", "description"}


# --- with Prometheus' own tool --------------------------------------------------------------------


def run(*arguments: str | Path) -> str:
    """What promtool says; fails where it objects."""
    done = subprocess.run(
        ["promtool", *map(str, arguments)], capture_output=True, text=True, check=False
    )
    assert done.returncode == 0, done.stdout + done.stderr
    return done.stdout + done.stderr


@promtool
def test_prometheus_takes_the_alerts() -> None:
    assert f"{len(RULES)} rules found" in run("check", "rules", ALERTS)


@promtool
def test_prometheus_takes_every_query_of_the_dashboard(tmp_path: Path) -> None:
    rules = []
    for number, query in enumerate(dashboard()):
        expr = re.sub(r"\$\w+", lambda match: VARIABLES[match[0]], query.expr)
        rules.append({"record": f"query:{number}", "expr": expr})
    path = tmp_path / "rules.yaml"
    path.write_text(yaml.safe_dump({"groups": [{"name": "dashboard", "rules": rules}]}))
    assert f"{len(rules)} rules found" in run("check", "rules", path)


ATTEMPTS: Final = 'gateway_upstream_attempts_total{model="m", provider="p", outcome="%s"}'
CIRCUIT: Final = (
    'gateway_circuit_state{provider="p", address="a", credential="c", model="m", state="open"}'
)
REQUESTS: Final = 'gateway_requests_total{agent="dev", status="%s"}'
FIRST: Final = 'gateway_time_to_first_token_seconds_bucket{agent="dev", le="%s"}'
ASKS: Final = 'gateway_cluster_asks_total{command="reserve", result="%s"}'
UP: Final = {"gateway_requests_in_flight": "0x60"}
QUIET: Final = {
    REQUESTS % 200: "0+60x60",
    ATTEMPTS % "ok": "0+60x60",
    "gateway_calls_waiting": "0x60",
    CIRCUIT: "0x60",
    "gateway_cluster_up": "1x60",
    "gateway_cluster_clock_offset_seconds": "-0.02x60",
    ASKS % "answered": "0+6000x60",
    ASKS % "late": "0+10x60",
    "gateway_ledger_ship_lag_seconds": "2x60",
    "gateway_ledger_given_up_total": "4x60",
}

FIRES: Final[dict[str, tuple[str, dict[str, str]]]] = {
    "nothing is scraped": ("GatewayDown", {}),
    "every tenth call fails": (
        "GatewayCallsFail",
        {**UP, REQUESTS % 200: "0+54x60", REQUESTS % 503: "0+6x60"},
    ),
    "every call is limited": ("GatewayCallsFail", {**UP, REQUESTS % 429: "0+6x60"}),
    "a key is refused for the first time": (
        "GatewayCredentialRefused",
        {**UP, ATTEMPTS % "credential": "_x58 1x1"},
    ),
    "a key is refused again": (
        "GatewayCredentialRefused",
        {**UP, ATTEMPTS % "credential": "1x55 2x4"},
    ),
    "an account is empty": ("GatewayQuotaSpent", {**UP, ATTEMPTS % "quota": "_x58 1x1"}),
    "a model is gone": ("GatewayModelUnknown", {**UP, ATTEMPTS % "model_unknown": "_x58 1x1"}),
    "a circuit stays open": ("GatewayCircuitOpen", {**UP, CIRCUIT: "1x60"}),
    "the first model fails": (
        "GatewayFallsBack",
        {
            **UP,
            REQUESTS % 200: "0+10x60",
            'gateway_fallbacks_total{agent="dev", model="m", reason="x"}': "0+9x60",
        },
    ),
    "streams break off": (
        "GatewayStreamsBreakOff",
        {
            **UP,
            ATTEMPTS % "ok": "0+10x60",
            'gateway_streams_broken_total{agent="dev", model="m"}': "0+1x60",
        },
    ),
    "answers begin late": (
        "GatewaySlowFirstToken",
        {**UP, FIRST % 30: "0+1x60", FIRST % 60: "0+10x60", FIRST % "+Inf": "0+10x60"},
    ),
    "the gateway is slow": (
        "GatewayOverhead",
        {
            **UP,
            'gateway_overhead_seconds_bucket{le="0.025"}': "0+1x60",
            'gateway_overhead_seconds_bucket{le="0.1"}': "0+10x60",
            'gateway_overhead_seconds_bucket{le="+Inf"}': "0+10x60",
        },
    ),
    "calls wait": ("GatewayCallsWait", {**UP, "gateway_calls_waiting": "60x60"}),
    "log lines are lost": ("GatewayRecordsLost", {**UP, "gateway_log_lines_lost_total": "0+1x60"}),
    "Redis is away": (
        "GatewayClusterAway",
        {
            **UP,
            'gateway_cluster_up{instance="a"}': "1x60",
            'gateway_cluster_up{instance="b"}': "0x60",
        },
    ),
    "Redis is slow": (
        "GatewayClusterSlow",
        {**UP, ASKS % "answered": "0+90x60", ASKS % "late": "0+10x60"},
    ),
    "a clock is late": (
        "GatewayClockIsOff",
        {**UP, "gateway_cluster_clock_offset_seconds": "3600x60"},
    ),
    "PostgreSQL is away": (
        "GatewayLedgerBehind",
        {**UP, "gateway_ledger_ship_lag_seconds": "0+60x60"},
    ),
    "PostgreSQL refuses a row": (
        "GatewayLedgerGivenUp",
        {**UP, "gateway_ledger_given_up_total": "0x55 1x4"},
    ),
    "spans are lost": (
        "GatewayRecordsLost",
        {**UP, 'gateway_trace_spans_total{outcome="dropped"}': "0+1x60"},
    ),
}


def case(name: str, series: dict[str, str], expr: str, firing: int) -> dict[str, Any]:
    """The number that `expr` has after an hour of these series, a value per minute."""
    return {
        "name": name,
        "interval": "1m",
        "input_series": [{"series": each, "values": values} for each, values in series.items()],
        "promql_expr_test": [
            {
                "expr": expr,
                "eval_time": "59m",
                "exp_samples": [{"labels": "{}", "value": firing}] if firing else [],
            }
        ],
    }


def check_cases(folder: Path, cases: list[dict[str, Any]]) -> None:
    path = folder / "test.yaml"
    path.write_text(
        yaml.safe_dump({"rule_files": [str(ALERTS)], "evaluation_interval": "1m", "tests": cases})
    )
    run("test", "rules", path)


@promtool
def test_alerts_fire(tmp_path: Path) -> None:
    firing = 'count(ALERTS{alertname="%s", alertstate="firing"})'
    check_cases(
        tmp_path, [case(name, series, firing % alert, 1) for name, (alert, series) in FIRES.items()]
    )


@promtool
def test_no_alert_fires_while_all_is_well(tmp_path: Path) -> None:
    series = {**UP, **QUIET, ATTEMPTS % "credential": "3x60"}
    check_cases(tmp_path, [case("all is well", series, 'count(ALERTS{alertstate="firing"})', 0)])


def test_every_alert_is_seen_firing() -> None:
    assert {alert for alert, _ in FIRES.values()} == {rule["alert"] for rule in RULES}
