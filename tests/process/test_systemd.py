"""The two protocols of systemd, over real sockets."""

from __future__ import annotations

import asyncio
import os
import socket
from pathlib import Path

import pytest

from gateway.process import systemd as notify
from gateway.process.systemd import Notifier, inherited


@pytest.fixture
def manager(tmp_path: Path) -> socket.socket:
    sock = socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM)
    sock.bind(str(tmp_path / "notify"))
    sock.settimeout(5)
    return sock


def lines(manager: socket.socket) -> list[str]:
    return manager.recv(4096).decode().split("\n")


def test_what_systemd_receives(manager: socket.socket) -> None:
    with manager:
        notifier = Notifier({"NOTIFY_SOCKET": manager.getsockname()})
        notifier.ready("serving")
        assert lines(manager) == ["READY=1", "STATUS=serving"]
        notifier.reloading()
        reloading, at = lines(manager)
        assert reloading == "RELOADING=1"
        assert at.removeprefix("MONOTONIC_USEC=").isdigit()
        notifier.stopping()
        assert lines(manager) == ["STOPPING=1"]


def test_an_abstract_address() -> None:
    with socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM) as sock:
        sock.bind(f"\0gateway-test-{os.getpid()}")
        sock.settimeout(5)
        Notifier({"NOTIFY_SOCKET": f"@gateway-test-{os.getpid()}"}).alive()
        assert lines(sock) == ["WATCHDOG=1"]


def test_a_socket_without_a_reader(tmp_path: Path) -> None:
    Notifier({}).ready("serving")
    Notifier({"NOTIFY_SOCKET": str(tmp_path / "gone")}).ready("serving")


def test_the_watchdog_is_for_this_process_only() -> None:
    assert Notifier({"WATCHDOG_USEC": "30000000"}).watchdog_s == 30
    assert (
        Notifier({"WATCHDOG_USEC": "30000000", "WATCHDOG_PID": str(os.getpid())}).watchdog_s == 30
    )
    assert Notifier({"WATCHDOG_USEC": "30000000", "WATCHDOG_PID": "1"}).watchdog_s is None
    assert Notifier({"WATCHDOG_USEC": "often"}).watchdog_s is None


@pytest.mark.anyio
async def test_the_watchdog_is_fed(manager: socket.socket) -> None:
    with manager:
        notifier = Notifier({"NOTIFY_SOCKET": manager.getsockname(), "WATCHDOG_USEC": "1"})
        task = asyncio.create_task(notify.watchdog(notifier))
        await asyncio.to_thread(lines, manager)
        await asyncio.to_thread(lines, manager)
        task.cancel()


def test_sockets_of_another_process_are_left_alone() -> None:
    assert inherited({"LISTEN_FDS": "1", "LISTEN_PID": "1"}) == []
    assert inherited({"LISTEN_FDS": "many", "LISTEN_PID": str(os.getpid())}) == []
    assert inherited({}) == []
