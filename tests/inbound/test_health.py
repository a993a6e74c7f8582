"""The three questions of an orchestrator, in every phase of the process's life."""

from __future__ import annotations

from pathlib import Path

import pytest

from gateway import __version__
from gateway.inbound.health import Phase
from tests.inbound.asgi import ask, make


@pytest.mark.parametrize(
    ("phase", "status"), [("starting", 503), ("serving", 200), ("draining", 503)]
)
def test_ready_only_while_serving(tmp_path: Path, phase: Phase, status: int) -> None:
    app = make(tmp_path)
    app.phase = phase
    assert ask(app, "GET", "/livez").status == 200
    for path in ("/readyz", "/health"):
        answer = ask(app, "GET", path)
        assert answer.status == status
        assert answer.json["status"] == phase


def test_health_has_a_few_facts(tmp_path: Path) -> None:
    facts = ask(make(tmp_path), "GET", "/health").json
    assert facts == {
        "status": "serving",
        "version": __version__,
        "agents": 1,
        "models": 1,
        "in_flight": 0,
    }


def test_metrics_are_prometheus_text(tmp_path: Path) -> None:
    answer = ask(make(tmp_path), "GET", "/metrics")
    assert answer.headers["content-type"].startswith("text/plain; version=0.0.4")
    assert b"# TYPE gateway_requests_total counter" in answer.body
