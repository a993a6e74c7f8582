"""Several processes on one port: started, watched and stopped as one.

The supervisor serves no call. Each worker has a socket to it; the engine that the workers share
runs here (`shared/switchboard.py`), so that they have one breaker, one probe, one count of slots
and one fair order.
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
from contextlib import suppress
from typing import Final

from gateway.process.systemd import Notifier
from gateway.shared.switchboard import Outgoing, Switchboard
from gateway.shared.wire import Frames, pack
from gateway.shared.workers import READ_BYTES, Workers

log = logging.getLogger("gateway.workers")

QUICK_S: Final = 2.0
"""A worker that dies sooner than this did not start at all."""
QUICK_DEATHS_MAX: Final = 5
UNREAD_BYTES_MAX: Final = 64 * 1024 * 1024
"""A worker that leaves more than this unread hangs, and is replaced."""

_SIGNALS: Final = (signal.SIGTERM, signal.SIGINT, signal.SIGHUP, signal.SIGCHLD)

Work = Callable[[int, Workers], None]


class Link:
    """The supervisor's end of the socket to one worker. Writes never wait."""

    def __init__(
        self, number: int, sock: socket.socket, selector: selectors.BaseSelector, pid: int
    ) -> None:
        self.number = number
        self.started_at = time.monotonic()
        self.frames = Frames()
        self.sock = sock
        self._unsent = bytearray()
        self._closed = False
        self._selector = selector
        self._pid = pid
        selector.register(sock, selectors.EVENT_READ, pid)

    @property
    def hangs(self) -> bool:
        return len(self._unsent) > UNREAD_BYTES_MAX

    def send(self, data: bytes) -> None:
        if self._closed:
            return
        waiting = bool(self._unsent)
        self._unsent += data
        if not waiting:
            self.flush()

    def flush(self) -> None:
        try:
            del self._unsent[: self.sock.send(self._unsent)]
        except BlockingIOError:
            pass
        except OSError:
            self._unsent.clear()  # the worker is gone: SIGCHLD says so
        wanted = selectors.EVENT_READ | (selectors.EVENT_WRITE if self._unsent else 0)
        self._selector.modify(self.sock, wanted, self._pid)

    def close(self) -> None:
        """Closing twice does nothing."""
        if not self._closed:
            self._closed = True
            self._selector.unregister(self.sock)
            self.sock.close()


class Supervisor:
    """Keeps `wanted` workers running `work(number, workers)` until it is told to stop."""

    def __init__(self, wanted: int, work: Work, notifier: Notifier) -> None:
        self._wanted = wanted
        self._work = work
        self._notifier = notifier
        self._selector = selectors.DefaultSelector()
        self._links: dict[int, Link] = {}
        """By process id."""
        self._switchboard = Switchboard()
        self._orphaned, self._alive = os.pipe()
        """A pipe that no process writes to: its end tells the workers that their supervisor is
        gone."""
        self._stopping = False
        self._quick_deaths = 0
        self._alive_at = 0.0

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
        while self._links:
            for key, events in self._selector.select(self._watchdog_s()):
                if key.fileobj is woken:
                    for number in woken.recv(64):
                        self._signalled(number)
                elif key.data in self._links:
                    self._serve(key.data, events)
            self._say_alive()
        return 1 if self._quick_deaths >= QUICK_DEATHS_MAX else 0

    def _watchdog_s(self) -> float | None:
        return self._notifier.watchdog_s / 2 if self._notifier.watchdog_s is not None else None

    def _say_alive(self) -> None:
        every_s = self._watchdog_s()
        now = time.monotonic()
        if every_s is not None and now - self._alive_at >= every_s / 2:
            self._alive_at = now
            self._notifier.alive()

    def _start(self, number: int) -> None:
        ours, theirs = socket.socketpair(socket.AF_UNIX, socket.SOCK_STREAM)
        for sock in (ours, theirs):
            sock.setblocking(False)
        pid = os.fork()
        if pid == 0:
            ours.close()
            self._be_a_worker(number, theirs)
        theirs.close()
        self._links[pid] = Link(number, ours, self._selector, pid)
        self._switchboard.started(pid)

    def _be_a_worker(self, number: int, sock: socket.socket) -> None:
        """Never returns: what the parent would do after its own work is not a worker's to do."""
        code = 1
        try:
            signal.set_wakeup_fd(-1)
            for each in _SIGNALS:
                signal.signal(each, signal.SIG_DFL)
            self._selector.close()
            os.close(self._alive)
            for link in self._links.values():
                link.sock.close()
            self._work(number, self._port(sock))
            code = 0
        except SystemExit as error:
            code = error.code if isinstance(error.code, int) else 1
        except BaseException:
            traceback.print_exc()
        finally:
            logging.shutdown()
            with suppress(OSError):
                sys.stdout.flush()
                sys.stderr.flush()
            os._exit(code)

    def _port(self, sock: socket.socket) -> Workers:
        """The worker's end. It begins with the circuits that are open now."""
        snapshot = self._switchboard.snapshot(time.monotonic())
        return Workers(
            sock, self._orphaned, time.monotonic, workers=self._wanted, snapshot=snapshot
        )

    def _signalled(self, number: int) -> None:
        if number == signal.SIGCHLD:
            self._bury()
            return
        if number == signal.SIGHUP:
            self._notifier.reloading()
        else:
            self._stopping = True
            self._notifier.stopping()
        for pid in self._links:
            os.kill(pid, number)
        if number == signal.SIGHUP:
            self._notifier.ready("serving")

    def _bury(self) -> None:
        for pid in list(self._links):
            ended, status = os.waitpid(pid, os.WNOHANG)
            if not ended:
                continue
            link = self._links.pop(pid)
            link.close()
            self._deliver(self._switchboard.gone(pid, time.monotonic()))
            if not self._stopping:
                log.error(
                    "worker %d ended unexpectedly (exit code %d)",
                    link.number,
                    os.waitstatus_to_exitcode(status),
                )
                self._replace(link)

    def _replace(self, link: Link) -> None:
        self._quick_deaths += time.monotonic() - link.started_at < QUICK_S
        if self._quick_deaths < QUICK_DEATHS_MAX:
            self._start(link.number)
            return
        log.error("the workers do not start; giving up")
        self._stopping = True
        for other in self._links:
            os.kill(other, signal.SIGTERM)

    def _serve(self, pid: int, events: int) -> None:
        """Reads what a worker sends, and sends what it is ready to read."""
        link = self._links[pid]
        if events & selectors.EVENT_WRITE:
            link.flush()
        if not events & selectors.EVENT_READ:
            return
        try:
            data = link.sock.recv(READ_BYTES)
        except (BlockingIOError, ConnectionError):
            return
        if not data:
            link.close()  # the worker is ending: SIGCHLD follows
        for message in link.frames.feed(data):
            self._deliver(self._switchboard.receive(pid, message, time.monotonic()))
            if message.kind == "ready" and self._switchboard.ready == self._wanted:
                self._notifier.ready("serving")

    def _deliver(self, outgoing: Outgoing) -> None:
        for pid, message in outgoing:
            link = self._links.get(pid)
            if link is None:
                continue
            link.send(pack(message))
            if link.hangs:
                log.error("worker %d does not read; it is replaced", link.number)
                os.kill(pid, signal.SIGKILL)
