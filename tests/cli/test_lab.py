"""The lab as a command."""

from __future__ import annotations

import pytest

from gateway.lab import FAULTS
from tests.cli.conftest import Run


def test_it_lists_every_fault(run: Run) -> None:
    shown = run("lab", "--list")
    assert shown.exit_code == 0
    assert all(name in shown.stdout for name in FAULTS)


@pytest.mark.parametrize("host", ["0.0.0.0", "example.com"])
def test_it_listens_on_loopback_only(run: Run, host: str) -> None:
    refused = run("lab", "--host", host)
    assert refused.exit_code == 2
    assert "loopback only" in refused.stderr


def test_a_fault_that_does_not_exist(run: Run) -> None:
    refused = run("lab", "--fault", "openai=nonsense")
    assert refused.exit_code == 2
    assert "there is no fault 'nonsense'" in refused.stderr
