"""Several processes on one port: started, watched over and stopped as one, and told what each learns.

The parent only supervises. Each worker has a socket to it; what a worker says there is handed to all others. They tell
each other of circuits that open and close, so that one 429 spares them all, and lend each other their metrics.
"""

from __future__ import annotations

import logging
import os
import selectors
import signal
import socket
import sys
import time
import traceback
from collections.abc import Callable
from typing import Final

from gateway.process.systemd import Notifier
from gateway.shared.workers import MESSAGE_BYTES_MAX, Siblings, send

log = logging.getLogger("gateway.workers")

QUICK_S: Final = 2.0
"""A worker that dies sooner than this did not start at all."""
QUICK_DEATHS_MAX: Final = 5

_SIGNALS: Final = (signal.SIGTERM, signal.SIGINT, signal.SIGHUP, signal.SIGCHLD)

Work = Callable[[int, Siblings], None]


class Supervisor:
    """Keeps `wanted` workers running `work(number, siblings)` until it is told to stop."""

    def __init__(self, wanted: int, work: Work, notifier: Notifier) -> None:
        self._wanted = wanted
        self._work = work
        self._notifier = notifier
        self._selector = selectors.DefaultSelector()
        self._workers: dict[int, tuple[int, socket.socket, float]] = {}
        """pid → (number, the socket to it, when it was started)."""
        self._ready: set[int] = set()
        self._orphaned, self._alive = os.pipe()
        """A pipe that nobody writes to: its end tells the workers that their parent is gone."""
        self._stopping = False
        self._quick_deaths = 0

    def run(self) -> int:
        """The exit code, once all workers have ended."""
        woken, wake = socket.socketpair()
        for sock in (woken, wake):
            sock.setblocking(False)
        signal.set_wakeup_fd(wake.fileno())
        for each in _SIGNALS:
            signal.signal(each, lambda number, frame: None)
        self._selector.register(woken, selectors.EVENT_READ)
        for number in range(self._wanted):
            self._start(number)
        while self._workers:
            for key, _ in self._selector.select(self._watchdog_s()):
                if key.fileobj is woken:
                    for number in woken.recv(64):
                        self._signalled(number)
                else:
                    self._hand_on(key.data)
            self._notifier.alive()
        return 1 if self._quick_deaths >= QUICK_DEATHS_MAX else 0

    def _watchdog_s(self) -> float | None:
        return self._notifier.watchdog_s / 2 if self._notifier.watchdog_s is not None else None

    def _start(self, number: int) -> None:
        ours, theirs = socket.socketpair(socket.AF_UNIX, socket.SOCK_DGRAM)
        for sock in (ours, theirs):
            sock.setblocking(False)
            for option in (socket.SO_SNDBUF, socket.SO_RCVBUF):
                sock.setsockopt(socket.SOL_SOCKET, option, MESSAGE_BYTES_MAX)
        pid = os.fork()
        if pid == 0:
            self._be_a_worker(number, theirs)
        theirs.close()
        self._workers[pid] = (number, ours, time.monotonic())
        self._selector.register(ours, selectors.EVENT_READ, pid)

    def _be_a_worker(self, number: int, sock: socket.socket) -> None:
        """Never returns: what the parent would do after its own work is not a worker's to do."""
        code = 1
        try:
            signal.set_wakeup_fd(-1)
            for each in _SIGNALS:
                signal.signal(each, signal.SIG_DFL)
            self._selector.close()
            os.close(self._alive)
            for _, ours, _ in self._workers.values():
                ours.close()
            self._work(number, Siblings(sock, self._orphaned))
            code = 0
        except SystemExit as error:
            code = error.code if isinstance(error.code, int) else 1
        except BaseException:
            traceback.print_exc()
        finally:
            sys.stdout.flush()
            sys.stderr.flush()
            os._exit(code)

    def _signalled(self, number: int) -> None:
        if number == signal.SIGCHLD:
            self._bury()
            return
        if number == signal.SIGHUP:
            self._notifier.reloading()
        else:
            self._stopping = True
            self._notifier.stopping()
        for pid in self._workers:
            os.kill(pid, number)
        if number == signal.SIGHUP:
            self._notifier.ready("serving")

    def _bury(self) -> None:
        for pid in list(self._workers):
            ended, status = os.waitpid(pid, os.WNOHANG)
            if not ended:
                continue
            number, sock, started_at = self._workers.pop(pid)
            self._selector.unregister(sock)
            sock.close()
            self._ready.discard(pid)
            if self._stopping:
                continue
            log.error("worker %d ended by itself (%d)", number, os.waitstatus_to_exitcode(status))
            self._quick_deaths += time.monotonic() - started_at < QUICK_S
            if self._quick_deaths >= QUICK_DEATHS_MAX:
                log.error("the workers do not start; giving up")
                self._stopping = True
                for other in self._workers:
                    os.kill(other, signal.SIGTERM)
            else:
                self._start(number)

    def _hand_on(self, sender: int) -> None:
        if sender not in self._workers:
            return
        try:
            message = self._workers[sender][1].recv(MESSAGE_BYTES_MAX)
        except (BlockingIOError, ConnectionError):
            return
        if message == b"ready":
            self._ready.add(sender)
            if len(self._ready) == self._wanted:
                self._notifier.ready("serving")
            return
        for pid, (_, sock, _) in self._workers.items():
            if pid != sender:
                send(sock, message)
