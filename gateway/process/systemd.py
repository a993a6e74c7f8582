"""What systemd and a service tell each other: readiness, reloads, the watchdog, and sockets that
are handed over.

The protocols are `sd_notify(3)`, a datagram of `KEY=value` lines to `$NOTIFY_SOCKET`, and
`sd_listen_fds(3)`, file descriptors from 3 on that `$LISTEN_FDS` counts. Without systemd nothing is
sent and nothing is found.
"""

from __future__ import annotations

import asyncio
import logging
import os
import socket
import time
from collections.abc import Mapping
from typing import Final

log = logging.getLogger("gateway.notify")

FIRST_FD: Final = 3

_WAIT_S: Final = 0.5
"""How long a change of state waits for room in the manager's queue."""


class Notifier:
    """Tells systemd about this process. Never raises: a service manager that does not listen must
    not stop us."""

    def __init__(self, env: Mapping[str, str]) -> None:
        self._address = env.get("NOTIFY_SOCKET", "")
        self.watchdog_s = _watchdog_s(env)
        """How often systemd wants a sign of life, in seconds; None if it does not."""

    def ready(self, status: str) -> None:
        """Serving; also ends a reload."""
        self._send("READY=1", f"STATUS={status}")

    def reloading(self) -> None:
        """`Type=notify-reload` wants the time with it, to tell this reload from an earlier one."""
        self._send(
            "RELOADING=1", f"MONOTONIC_USEC={time.clock_gettime_ns(time.CLOCK_MONOTONIC) // 1000}"
        )

    def stopping(self) -> None:
        self._send("STOPPING=1")

    def alive(self) -> None:
        """The next sign of life makes up for one that finds the queue of the manager full."""
        self._send("WATCHDOG=1", wait_s=0)

    def _send(self, *lines: str, wait_s: float = _WAIT_S) -> None:
        if not self._address:
            return
        address = "\0" + self._address[1:] if self._address.startswith("@") else self._address
        try:
            with socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM | socket.SOCK_CLOEXEC) as sock:
                sock.settimeout(wait_s)  # a manager that is busy must not stop the event loop
                sock.sendto("\n".join(lines).encode(), address)
        except (BlockingIOError, TimeoutError):
            log.debug("systemd's queue at $NOTIFY_SOCKET is full")
        except OSError as error:
            log.warning("systemd does not listen at $NOTIFY_SOCKET: %s", error.strerror)


def _watchdog_s(env: Mapping[str, str]) -> float | None:
    stated, pid = env.get("WATCHDOG_USEC", ""), env.get("WATCHDOG_PID", "")
    if not stated.isdigit() or (pid and pid != str(os.getpid())):
        return None
    return int(stated) / 1_000_000


async def watchdog(notifier: Notifier) -> None:
    """Tells systemd twice per interval that the event loop still turns, until cancelled."""
    while notifier.watchdog_s is not None:
        notifier.alive()
        await asyncio.sleep(notifier.watchdog_s / 2)


def inherited(env: Mapping[str, str], pid: int | None = None) -> list[socket.socket]:
    """The listening sockets that systemd opened for this process (`pid`); none without socket
    activation."""
    if env.get("LISTEN_PID") != str(pid or os.getpid()) or not env.get("LISTEN_FDS", "").isdigit():
        return []
    sockets = []
    for fd in range(FIRST_FD, FIRST_FD + int(env["LISTEN_FDS"])):
        os.set_inheritable(fd, False)
        sock = socket.socket(fileno=fd)
        sock.setblocking(False)
        sockets.append(sock)
    return sockets
