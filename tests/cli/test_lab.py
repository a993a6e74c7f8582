"""The lab as a command."""

from __future__ import annotations

import socket

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
    assert "write PROVIDER=FAULT" in run("lab", "--fault", "cut").stderr


def test_the_list_fits_a_terminal_and_explains_its_words(run: Run) -> None:
    lines = run("lab", "--list").stdout.splitlines()
    assert max(map(len, lines)) <= 80
    assert not any("…" in line for line in lines)
    explained = {line.split()[0] for line in lines[lines.index("") :] if line}
    assert {fault.outcome for fault in FAULTS.values()} == explained


def test_a_port_that_is_taken(run: Run) -> None:
    with socket.create_server(("127.0.0.1", 0)) as taken:
        refused = run("lab", "--port", str(taken.getsockname()[1]))
    assert "Address already in use. If a gateway runs there" in refused.stderr
